"""Every number of the questions' own tables, computed again from the snapshot, as `numbers_test` does."""

import numpy as np
import pytest
from scipy import stats

from matters.reports import questions
from matters.reports.study.study import prepare
from matters.suites.loading import load_suite
from testing import planted
from testing.plain_statistics import same, scores, unit, welch
from testing.planted import CONSTANTS, Plant

PLACES = ("Hopper-v5", "Walker2d-v5")


def rows_of(question, suite, snapshot, name):
    """The rows of one table of a question's section."""
    section = questions.answer(question, prepare(suite, snapshot, constants=CONSTANTS))
    (table,) = (one for one in section.tables if one.name == name)
    return table.data


@pytest.fixture(scope="module")
def factorial():
    """Rows of a 2⁴ by term and place; tricks; on or off, [cells, tricks]; scores by place, [cells, n]."""
    suite = load_suite("ppo-tricks").restricted(steps=planted.STEPS, seeds="6")
    rng = np.random.default_rng(5)
    cells = {
        (name, place): Plant(float(rng.uniform(0.2, 0.8)), 0.1, 6)
        for name in suite.variants
        for place in PLACES
    }
    suite = suite.model_copy(update={"environments": PLACES, "questions": ("trick-factorial",)})
    snapshot = planted.planted(cells)
    rows = rows_of("trick-factorial", suite, snapshot, "trick-factorial")
    tricks = [factor.trick for factor in suite.design.factors]
    switched = np.array(
        [[bool(getattr(v.config.tricks, trick)) for trick in tricks] for v in suite.variants.values()]
    )
    runs = {place: np.stack([scores(snapshot, name, place) for name in suite.variants]) for place in PLACES}
    return {(row["effect"], row["where"]): row for row in rows}, tricks, switched, runs


def test_every_effect_of_a_factorial_its_interval_and_its_p_value(factorial):
    rows, tricks, switched, runs = factorial
    assert len(rows) == (2 ** len(tricks) - 1) * (len(PLACES) + 1)
    for (effect, where), row in rows.items():
        of = [tricks.index(name) for name in effect.split(" × ")]
        # +1 where an even number of them is off: half of the cells on either side.
        signs = np.where((~switched[:, of]).sum(1) % 2 == 0, 1, -1)
        values, squares, parts = [], [], []
        for place in PLACES if where == "aggregate" else (where,):
            own = unit(place, runs[place]) if where == "aggregate" else runs[place]
            values.append((signs * own.mean(1)).sum() / (len(signs) / 2))
            # One spread for all cells of an environment: the mean of their variances.
            squares.append(own.var(1, ddof=1).mean() / own.shape[1] * len(signs) / (len(signs) / 2) ** 2)
            parts.append(len(signs) * (own.shape[1] - 1))
        value = np.mean(values)
        squares = np.array(squares) / len(squares) ** 2
        error, freedom = np.sqrt(squares.sum()), squares.sum() ** 2 / (squares**2 / parts).sum()
        wide, narrow = (stats.t.ppf(level, freedom) * error for level in (0.975, 0.95))
        expected = {
            "difference": value, "standard_error": error, "degrees_of_freedom": freedom, "seeds": 6,
            "low_95": value - wide, "high_95": value + wide, "low_90": value - narrow,
            "high_90": value + narrow, "p_welch": 2 * stats.t.sf(abs(value) / error, freedom),
        }  # fmt: skip
        same([row], [expected])


def test_every_number_of_the_updates_against_their_bounds():
    """A number per run, its mean over runs, and Student's interval; all or none beyond has an exact bound."""
    suite = load_suite("mujoco-on-policy").restricted(steps=planted.STEPS, seeds="6", only="trpo,ppo-m")
    suite = suite.model_copy(update={"environments": PLACES, "questions": ("trust-region",)})
    snapshot = planted.planted({(name, p): Plant(0.5, 0.1, 6) for name in ("trpo", "ppo-m") for p in PLACES})
    rows = rows_of("trust-region", suite, snapshot, "trust-region")
    assert {row["variant"] for row in rows} == {"trpo", "ppo-m"}
    for row in rows:
        own = snapshot.updates
        own = own[(own["variant"] == row["variant"]) & (own["environment"] == row["environment"])]
        quantity, limit = {"trpo": ("mean_kl", 0.01), "ppo-m": ("max_ratio", 1.2)}[row["variant"]]
        runs = [run for _, run in own.groupby("seed")]
        of_each = {
            "beyond": np.array([np.mean(run[quantity].dropna() > limit) for run in runs]),
            "mean_kl": np.array([run["mean_kl"].mean() for run in runs]),
            "max_ratio": np.array([run["max_ratio"].median() for run in runs]),
        }
        expected = {"quantity": quantity, "seeds": 6, "largest_ratio": own["max_ratio"].max()}
        for name, values in of_each.items():
            value, reach = values.mean(), stats.t.ppf(0.975, 5) * values.std(ddof=1) / np.sqrt(6)
            low, high = value - reach, value + reach
            if name == "beyond":
                exact = 0.025 ** (1 / 6)
                low, high = {0.0: (0, 1 - exact), 1.0: (exact, 1)}.get(value, (max(low, 0), min(high, 1)))
            expected |= {name: value, f"{name}_low": low, f"{name}_high": high}
        same([row], [expected])


SQUARE = {"ppo": 0.7, "ppo-m": 0.45, "trpo-plain": 0.4, "trpo-tricks": 0.5}
SPREADS = {"ppo": 0.1, "ppo-m": 0.16, "trpo-plain": 0.05, "trpo-tricks": 0.12}


def test_every_number_of_the_attribution():
    """Engstrom et al.'s two maxima, what they would be without an effect, and the signed effects."""
    suite = load_suite("implementation-matters").restricted(steps=planted.STEPS, seeds="8")
    suite = suite.model_copy(update={"environments": PLACES})
    cells = {
        (name, p): Plant(SQUARE[name] / (1 + k), SPREADS[name], 8)
        for name in SQUARE
        for k, p in enumerate(PLACES)
    }
    suite = suite.restricted(only=",".join(SQUARE))
    snapshot = planted.planted(cells)
    rows = rows_of("code-level-tricks", suite, snapshot, "attribution")
    assert [row["environment"] for row in rows] == list(PLACES)
    for row in rows:
        ppo, ppo_m, plain, tricks = (scores(snapshot, name, row["environment"]) for name in SQUARE)
        expected = {}
        for name, pairs in {
            "aai": ((ppo, tricks), (ppo_m, plain)),
            "acli": ((ppo, ppo_m), (tricks, plain)),
        }.items():
            found = [welch(pair, (1, -1)) for pair in pairs]
            # Two differences: each interval at 97.5 %, so that both hold in 95 % of cases.
            ends = [(v - stats.t.ppf(0.9875, df) * e, v + stats.t.ppf(0.9875, df) * e) for v, e, df in found]
            expected |= {
                name: max(abs(value) for value, _, _ in found),
                f"{name}_low": max(max(low, -high, 0) for low, high in ends),
                f"{name}_high": max(max(abs(low), abs(high)) for low, high in ends),
                f"{name}_null": np.sqrt(2 * sum(error**2 for _, error, _ in found) / np.pi),
            }
        expected["algorithm"] = ((ppo - tricks).mean() + (ppo_m - plain).mean()) / 2
        expected["tricks"] = ((ppo - ppo_m).mean() + (tricks - plain).mean()) / 2
        expected["interaction"] = (ppo - ppo_m).mean() - (tricks - plain).mean()
        same([row], [expected])


def imagined(groups, count, rng, draws=20_000):
    """Groups of `count` runs [draws, count] per environment, with the spread that these runs estimate."""
    wide = [
        group.mean() + (group - group.mean()) * np.sqrt(len(group) / (len(group) - 1)) for group in groups
    ]
    return [group[rng.integers(0, len(group), (draws, count))] for group in wide]


def judged(one, two, margin):
    """Half widths [draws] of Welch's intervals, and how often each of the three answers is given."""
    groups, count = [*one, *two], one[0].shape[1]
    weights = np.repeat([1 / len(one), -1 / len(two)], len(one))
    value = sum(w * g.mean(1) for w, g in zip(weights, groups, strict=True))
    parts = np.array([w**2 * g.var(1, ddof=1) / count for w, g in zip(weights, groups, strict=True)])
    error = np.sqrt(parts.sum(0))
    drawn = error > 0  # where one run was drawn again and again, the value is taken as known
    freedom = np.ones_like(error)
    freedom[drawn] = (parts.sum(0) ** 2)[drawn] / (parts**2 / (count - 1)).sum(0)[drawn]
    reach = stats.t.ppf(0.975, freedom) * error
    within = np.abs(value) < margin
    within[drawn] &= (stats.t.sf((margin - np.abs(value))[drawn] / error[drawn], freedom[drawn])) <= 0.05
    return {
        "half_width": np.median(reach),
        "false_positive": (np.abs(value) > reach).mean(),
        "found": (value + margin > reach).mean(),
        "equivalent": within.mean(),
    }


def test_every_number_of_the_outlook_on_seeds():
    """Drawn anew here: shares agree as far as 2000 and 20 000 draws do, the formula to the last digit."""
    suite = load_suite("implementation-matters").restricted(steps=planted.STEPS, seeds="8", only="ppo,ppo-m")
    suite = suite.model_copy(update={"environments": PLACES, "questions": ("seeds",)})
    names = ("ppo", "ppo-m")
    cells = {(name, p): Plant(SQUARE[name] / (1 + k), 0.1, 8) for name in names for k, p in enumerate(PLACES)}
    snapshot = planted.planted(cells)
    rows = rows_of("seeds", suite, snapshot, "seeds")
    counts = sorted({3, 5, 10, 20, 40, 80, 8})
    assert [(row["where"], row["n"], row["variant"]) for row in rows] == [
        (where, n, name) for where in ("aggregate", *PLACES) for n in counts for name in names
    ]
    rng = np.random.default_rng(3)
    margin = 0.1
    for row in rows:
        over = PLACES if row["where"] == "aggregate" else (row["where"],)
        groups = [unit(p, scores(snapshot, row["variant"], p)) for p in over]
        other = [unit(p, scores(snapshot, *(set(names) - {row["variant"]}), p)) for p in over]
        one, two, against = (imagined(each, row["n"], rng) for each in (groups, groups, other))
        expected = judged(one, two, margin)
        assert row["margin"] == pytest.approx(margin)
        assert row["at_hand"] == (row["n"] == 8)
        assert row["half_width"] == pytest.approx(expected["half_width"], rel=0.04)
        differences = sum(a.mean(1) - b.mean(1) for a, b in zip(one, against, strict=True))
        full = sum(a.mean() - b.mean() for a, b in zip(groups, other, strict=True))
        expected["wrong_sign"] = (differences * full < 0).mean()
        for name in ("false_positive", "found", "equivalent", "wrong_sign"):
            share = expected[name]
            assert row[name] == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 1800) + 1e-3), name
        parts = np.array([group.var(ddof=1) / row["n"] / len(over) ** 2 for group in (*groups, *groups)])
        freedom = parts.sum() ** 2 / (parts**2 / (row["n"] - 1)).sum()
        critical = stats.t.ppf(0.975, freedom)
        planned = stats.t.sf(critical - margin / np.sqrt(parts.sum()), freedom)
        assert row["planned"] == pytest.approx(planned, rel=1e-8)
