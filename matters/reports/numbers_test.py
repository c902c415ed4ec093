"""Every number of report.json and of each CSV file, computed again from the snapshot.

Nothing here comes from `matters.reports` but what is shown itself: a few plain lines of NumPy per table, so
that a column that shows another statistic, or a band of another width, is seen. Numbers that rest on random
draws are drawn anew here, and agree as far as two draws do.
"""

import csv
import json
import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from matters.reports.report import write_report
from testing import planted
from testing.plain_statistics import (
    METRICS,
    curves,
    iqm,
    mean,
    near,
    redrawn,
    same,
    scores,
    tail,
    unit,
    welch,
)
from testing.planted import CONSTANTS, Plant

PLACES = ("Hopper-v5", "Walker2d-v5")
MEANS = {"ppo": (0.62, 0.55), "ppo-m": (0.45, 0.5), "ppo-sb3": (0.7, 0.6), "sb3-ppo": (0.68, 0.63)}
SPREADS = {"ppo": 0.1, "ppo-m": 0.16, "ppo-sb3": 0.07, "sb3-ppo": 0.12}
PAIRS = {"code-level-tricks": ("ppo", "ppo-m"), "reproduction": ("ppo-sb3", "sb3-ppo")}
CELLS = list(product(MEANS, PLACES))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(report.json, rows of each CSV file by name, the snapshot that all comes from)."""
    out = tmp_path_factory.mktemp("numbers")
    suite = planted.planted_suite(MEANS, PLACES)
    cells = {
        (variant, place): Plant(MEANS[variant][k], SPREADS[variant] * (1 + k), 10 + 2 * k)
        for variant in MEANS
        for k, place in enumerate(PLACES)
    }
    cells["ppo-m", "Hopper-v5"] = Plant(0.45, 0.16, 10)
    snapshot = planted.planted(cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "matters.reports.study.normalising_constants.known_constants", lambda names, _: CONSTANTS
        )
        write_report(suite, snapshot, out, command="x")
    tables = {
        path.stem: list(csv.DictReader(path.read_text().splitlines()))
        for path in (out / "tables").glob("*.csv")
    }
    return json.loads((out / "report.json").read_text()), tables, snapshot


def both(made, key, name, expected):
    found, tables, _ = made
    same(found[key], expected)
    same(tables[name], expected)


def test_the_table_of_cells(made):
    expected = []
    for place, variant in product(PLACES, MEANS):
        s = scores(made[2], variant, place)
        expected.append(
            {
                "environment": place, "variant": variant, "mean": s.sum() / len(s),
                "standard_deviation": np.sqrt(((s - s.mean()) ** 2).sum() / (len(s) - 1)),
                "lowest": np.sort(s)[0], "highest": np.sort(s)[-1], "n": len(s), "declared": len(s),
                "failed": 0, "diverged": 0, "missing": 0, "unscored": 0,
                "normalised_mean": unit(place, s).mean(),
            }
        )  # fmt: skip
    both(made, "cells", "cells", expected)


def test_every_aggregate_and_its_intervals(made):
    found, tables, snapshot = made
    rows = {(row["variant"], row["metric"]): row for row in tables["aggregates"]}
    assert len(rows) == len(found["aggregates"]) == len(MEANS) * len(METRICS)
    for variant, (metric, function) in product(MEANS, METRICS.items()):
        groups = [unit(place, scores(snapshot, variant, place)) for place in PLACES]
        row = rows[variant, metric]
        assert float(row["value"]) == pytest.approx(function(groups), rel=1e-8)
        if metric == "mean":
            value, error, freedom = welch(groups, [0.5, 0.5])
            reach = stats.t.ppf(0.975, freedom) * error
            assert float(row["low"]) == pytest.approx(value - reach, rel=1e-8)
            assert float(row["high"]) == pytest.approx(value + reach, rel=1e-8)
        else:
            share = tail(groups, pooled=metric == "IQM")
            low, high = np.quantile(redrawn(groups, function), [share, 1 - share])
            near(row["low"], low, high - low)
            near(row["high"], high, high - low)
    same(
        found["aggregates"],
        [{k: v or None for k, v in row.items() if k in ("variant", "metric")} for row in rows.values()],
    )
    for row, shown in zip(tables["aggregates"], found["aggregates"], strict=True):
        assert float(row["low"]) == pytest.approx(shown["low"])
        assert float(row["value"]) == pytest.approx(shown["value"])


def test_the_areas_under_the_curves(made):
    _, tables, snapshot = made
    expected, aggregate = [], {}
    for place, variant in product(PLACES, MEANS):
        steps, runs = curves(snapshot, variant, place)
        widths = np.diff(steps)
        own = ((runs[:, 1:] + runs[:, :-1]) / 2 * widths).sum(axis=1) / widths.sum()
        aggregate.setdefault(variant, []).append(unit(place, own))
        value, error, freedom = welch([own], [1])
        reach = stats.t.ppf(0.975, freedom) * error
        expected.append(
            {"where": place, "variant": variant, "area": value, "low": value - reach, "high": value + reach}
            | {"n": len(own)}
        )
    first = [{"where": "aggregate", "variant": v, "area": iqm(g)} for v, g in aggregate.items()]
    both(made, "areas", "area-under-curve", [*first, *expected])
    for row in tables["area-under-curve"][: len(MEANS)]:
        groups = aggregate[row["variant"]]
        share = tail(groups, pooled=True)
        low, high = np.quantile(redrawn(groups, iqm), [share, 1 - share])
        near(row["low"], low, high - low)
        near(row["high"], high, high - low)


def test_the_learning_curves_and_their_bands(made):
    found, tables, snapshot = made
    rows = tables["learning-curves"]
    expected = []
    for place, variant in product(PLACES, MEANS):
        steps, runs = curves(snapshot, variant, place)
        for t, step in enumerate(steps):
            value, error, freedom = welch([runs[:, t]], [1])
            reach = stats.t.ppf(0.975, freedom) * error
            row = {"variant": variant, "environment": place, "step": step, "runs": len(runs), "score": value}
            expected.append(row | {"low": value - reach, "high": value + reach})
    each = [row for row in rows if row["environment"] != "aggregate"]
    same(each, expected)
    same([row for row in found["curves"] if row["environment"] != "aggregate"], expected)
    pooled = [row for row in rows if row["environment"] == "aggregate"]
    assert len(pooled) == len(MEANS) * planted.POINTS
    for row in pooled:
        here = [curves(snapshot, row["variant"], place) for place in PLACES]
        t = list(here[0][0]).index(float(row["step"]))
        groups = [unit(place, runs[:, t]) for place, (_, runs) in zip(PLACES, here, strict=True)]
        assert float(row["score"]) == pytest.approx(iqm(groups))
        share = tail(groups, pooled=True)
        low, high = np.quantile(redrawn(groups, iqm), [share, 1 - share])
        near(row["low"], low, high - low, 0.12)
        near(row["high"], high, high - low, 0.12)


def test_the_performance_profiles(made):
    _, tables, snapshot = made
    every = {v: [unit(place, scores(snapshot, v, place)) for place in PLACES] for v in MEANS}
    assert len(tables["performance-profiles"]) == 101 * len(MEANS)
    for row in tables["performance-profiles"][::7]:
        tau, groups = float(row["score"]), every[row["variant"]]
        shares = [(group > tau).astype(float) for group in groups]
        assert float(row["share"]) == pytest.approx(mean(shares))
        if 0.2 < mean(shares) < 0.8:
            bound = tail([share + 0.0 for share in shares])
            low, high = np.quantile(redrawn(shares, mean), [bound, 1 - bound])
            near(row["low"], low, high - low, 0.13)
            near(row["high"], high, high - low, 0.13)


def test_the_diagnostics(made):
    _, tables, snapshot = made
    for key in ("mean_kl", "clip_fraction"):
        rows = iter(tables[key.replace("_", "-")])
        for place, variant in product(PLACES, MEANS):
            own = snapshot.updates
            own = own[(own["variant"] == variant) & (own["environment"] == place)]
            values = own.pivot(index="step", columns="seed", values=key)
            for step, line in values.iterrows():
                row = next(rows)
                assert (row["variant"], row["environment"]) == (variant, place)
                assert float(row["step"]) == pytest.approx(step)
                shown = [float(row[name]) for name in ("median", "lowest", "highest")]
                assert shown == pytest.approx([line.median(), line.min(), line.max()])


def test_the_list_of_runs_and_the_constants(made):
    expected = [
        {"run_id": r["run_id"], "variant": r["variant"], "environment": r["environment"], "seed": r["seed"]}
        | {"state": r["state"], "steps": r["steps"], "score": r["score"], "digest": r["digest"]}
        for r in made[2].runs.to_dict("records")
    ]
    both(made, "runs", "runs", expected)
    known = [{"environment": p, "random": CONSTANTS[p][0], "reference": CONSTANTS[p][1]} for p in PLACES]
    both(made, "constants", "constants", known)


def test_every_number_of_the_comparisons(made):
    found, tables, snapshot = made
    for question, (x, y) in PAIRS.items():
        rows = [row for row in found["comparisons"] if row["question"] == question]
        assert [row["where"] for row in rows] == ["aggregate", *PLACES]
        same(tables[question], [{k: v for k, v in row.items() if not isinstance(v, bool)} for row in rows])
        p_values = []
        for row in rows:
            over = PLACES if row["where"] == "aggregate" else (row["where"],)
            ours, theirs = ([scores(snapshot, name, place) for place in over] for name in (x, y))
            if row["where"] == "aggregate":
                ours, theirs = (
                    [unit(p, s) for p, s in zip(over, side, strict=True)] for side in (ours, theirs)
                )
            share = 1 / len(over)
            value, error, freedom = welch([*ours, *theirs], [share] * len(over) + [-share] * len(over))
            p_values.append(2 * stats.t.sf(abs(value) / error, freedom))
            wide, narrow = (stats.t.ppf(level, freedom) * error for level in (0.975, 0.95))
            wins = [
                np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b)) for a, b in zip(ours, theirs, strict=True)
            ]
            expected = {
                "x": x, "y": y, "n_x": min(map(len, ours)), "n_y": min(map(len, theirs)),
                "difference": value, "standard_error": error, "degrees_of_freedom": freedom,
                "low_95": value - wide, "high_95": value + wide,
                "low_90": value - narrow, "high_90": value + narrow,
                "achieved_margin": abs(value) + narrow, "p_welch": p_values[-1], "improvement": np.mean(wins),
            }  # fmt: skip
            if question == "code-level-tricks":
                margin = 0.10 * (1 if len(over) > 1 else CONSTANTS[over[0]][1] - CONSTANTS[over[0]][0])
                expected |= {"margin": margin, "p_tost": stats.t.sf((margin - abs(value)) / error, freedom)}
                expected["gate"] = 2.5 * margin
            if len(over) > 1:
                expected["iqm_difference"] = iqm(ours) - iqm(theirs)
            else:
                spread = np.sqrt((ours[0].var(ddof=1) + theirs[0].var(ddof=1)) / 2)
                few = math.gamma(freedom / 2) / math.gamma((freedom - 1) / 2) / math.sqrt(freedom / 2)
                expected["effect_size"] = value / spread * few
            same([row], [expected])
        order = np.argsort(p_values)
        holm = np.maximum.accumulate(np.array(p_values)[order] * [3, 2, 1])
        for k, place in enumerate(order):
            assert rows[place]["p_holm"] == pytest.approx(min(1, holm[k]))


def test_the_ranks(made):
    found, _, snapshot = made
    means = {v: mean([unit(place, scores(snapshot, v, place)) for place in PLACES]) for v in MEANS}
    order = sorted(means, key=lambda name: -means[name])
    both(made, "ranks", "ranks", [{"variant": name, "mean": means[name]} for name in order])
    for row in found["ranks"]:
        assert 1 <= row["low"] <= order.index(row["variant"]) + 1 <= row["high"] <= len(MEANS)


def test_the_lower_tails(made):
    expected = []
    for place, variant in product(PLACES, MEANS):
        s = np.sort(scores(made[2], variant, place))
        n = len(s)
        factor = stats.nct.ppf(0.95, n - 1, stats.norm.ppf(0.9) * np.sqrt(n)) / np.sqrt(n)
        bound = s.mean() - factor * s.std(ddof=1)
        row = {"environment": place, "variant": variant, "lower_half": s[: n // 2].mean(), "bound": bound}
        expected.append(row | {"collapsed": 0, "share_low": 0, "share_high": 1 - 0.025 ** (1 / n), "n": n})
    both(made, "run-tails", "run-tails", expected)


def test_the_control_of_a_reference_against_itself(made):
    """Both halves of random splits: Welch's test in each place, Holm's correction over the three."""
    _, tables, snapshot = made
    (reference,) = {row["reference"] for row in tables["aa-control"]}
    rng, splits, places = np.random.default_rng(11), 4000, ("aggregate", *PLACES)
    halves = {}
    for place in PLACES:
        own = unit(place, scores(snapshot, reference, place))
        n = len(own) // 2
        mixed = rng.permuted(np.tile(own, (splits, 1)), axis=1)
        halves[place] = mixed[:, :n], mixed[:, n : 2 * n]
    found = []
    for place in places:
        over = PLACES if place == "aggregate" else (place,)
        value = sum(halves[p][0].mean(1) - halves[p][1].mean(1) for p in over) / len(over)
        sides = [side for p in over for side in halves[p]]
        parts = np.array([side.var(1, ddof=1) / side.shape[1] / len(over) ** 2 for side in sides])
        counts = np.array([side.shape[1] for side in sides])[:, None]
        freedom = parts.sum(0) ** 2 / (parts**2 / (counts - 1)).sum(0)
        found.append(2 * stats.t.sf(np.abs(value) / np.sqrt(parts.sum(0)), freedom))
    p_values = np.array(found)
    order = np.argsort(p_values, axis=0)
    stepped = np.maximum.accumulate(np.take_along_axis(p_values, order, 0) * [[3], [2], [1]], axis=0)
    holm = np.empty_like(stepped)
    np.put_along_axis(holm, order, stepped, 0)
    called = holm <= 0.05
    assert [row["where"] for row in tables["aa-control"]] == list(places)
    for row, share in zip(tables["aa-control"], called.mean(1), strict=True):
        assert int(row["runs_a_half"]) == min(half.shape[1] for half, _ in halves.values())
        assert int(row["splits"]) == 2000
        # 2000 splits there, 4000 here: four standard errors of the difference of two shares.
        for shown, expected in (
            (row["different"], share),
            (row["different_anywhere"], called.any(axis=0).mean()),
        ):
            error = np.sqrt(expected * (1 - expected) * (1 / 2000 + 1 / splits))
            assert float(shown) == pytest.approx(expected, abs=4 * error)
        assert 0 <= float(row["equivalent"]) < 0.05  # no margin is as wide as five such runs are uncertain
