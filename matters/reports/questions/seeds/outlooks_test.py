"""Planning: the published power numbers, draws that keep their spread, and the question `seeds`."""

import re

import numpy as np
import pytest
from scipy import stats

from matters.reports import questions
from matters.reports.questions.seeds.outlooks import (
    Spread,
    drawn,
    outlook,
    planned_error,
    planned_power,
    pooled_spread,
    wrong_signs,
)
from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import contrast
from matters.reports.study.study import AGGREGATE, prepare
from testing.planted import CONSTANTS, Plant, placed, planted, planted_suite

HOPPER, WALKER, UNKNOWN = "Hopper-v5", "Walker2d-v5", "Unknown-v0"


@pytest.mark.parametrize(
    ("n", "sides", "missed"), [(5, 1, 0.5103), (10, 1, 0.1958), (5, 2, 0.6799), (10, 2, 0.3091)]
)
def test_the_planned_power_of_colas_example(n, sides, missed):
    """Colas et al. 2018: a difference of 1382, deviations of 1341 and 990."""
    error, freedom = planned_error([1341, 990], [1, -1], n)
    assert 1 - planned_power(1382, error, freedom, sides=sides) == pytest.approx(missed, abs=1e-4)


def test_the_planned_error_is_that_of_a_contrast_with_those_deviations():
    found = contrast([placed(7, 3, 2.0), placed(7, 1, 5.0)], [0.5, -0.5])
    expected = (found.standard_error, found.degrees_of_freedom)
    assert planned_error([2.0, 5.0], [0.5, -0.5], 7) == pytest.approx(expected)
    assert planned_error([0.0, 0.0], [1, -1], 5) == (0, 8)
    assert planned_power(1.0, 0.0, 8.0) == 1


def test_the_planned_power_is_near_the_exact_one_and_below_it_with_few_runs():
    from statsmodels.stats.power import TTestIndPower

    for n, apart in ((5, 0.06), (10, 0.02), (40, 0.005)):
        exact = TTestIndPower().power(1.0, n, 0.05)
        planned = planned_power(1.0, *planned_error([1, 1], [1, -1], n))
        assert -apart < planned - exact < 0.005


def test_draws_have_the_spread_that_the_runs_show_and_not_the_smaller_one_of_their_list():
    scores = placed(5, 3.0, 2.0)
    groups = drawn(scores, 4, np.random.default_rng(0), draws=20_000)
    assert groups.shape == (20_000, 4)
    assert groups.mean() == pytest.approx(3, abs=0.03)
    assert groups.var(ddof=1, axis=1).mean() == pytest.approx(4, rel=0.03)


def test_the_outlook_of_many_normal_runs_is_what_theory_says():
    scores, rng = placed(400, 0, 1), np.random.default_rng(1)
    found = outlook([scores], [drawn(scores, 17, rng, 8_000)], [drawn(scores, 17, rng, 8_000)], 1.0)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, 32) * np.sqrt(2 / 17), rel=0.03)
    assert found.false_positive == pytest.approx(0.05, abs=0.01)
    # Seventeen runs are the published number for a power of 80 % at one standard deviation.
    assert found.found == pytest.approx(0.80, abs=0.02)
    assert found.planned == pytest.approx(found.found, abs=0.02)
    assert found.equivalent == pytest.approx(0.77, abs=0.04)
    bare = outlook([scores], [scores[None, :9]], [scores[None, 9:18]], None)
    assert (bare.found, bare.planned, bare.equivalent) == (None, None, None)


def test_runs_that_never_differ_are_found_by_the_first_few():
    flat = np.full(6, 7.0)
    found = outlook([flat], [np.full((10, 3), 7.0)], [np.full((10, 3), 7.0)], 0.5)
    assert (found.half_width, found.false_positive) == (0, 0)
    assert (found.found, found.planned, found.equivalent) == (1, 1, 0)


def test_wrong_signs_are_counted_and_ties_are_half():
    means = {"a": np.array([1.0, 0.0, 2.0, 1.0]), "b": np.array([0.0, 1.0, 2.0, 0.0])}
    assert wrong_signs({"a": 1.0, "b": 0.5}, means) == {"a": 0.375, "b": 0.375}
    assert wrong_signs({"a": 1.0, "b": 1.0}, means) == {"a": None, "b": None}


def test_the_pooled_spread_is_that_of_a_mean_over_environments_in_units_of_a_run():
    cells = [[placed(10, 0, 2.0), placed(10, 5, 2.0)], [placed(10, 0, 2.0), placed(10, 1, 2.0)]]
    spread = pooled_spread(cells)
    assert spread.deviation == pytest.approx(2 / np.sqrt(2))
    assert spread.freedom == pytest.approx(36)
    # The difference of two such variants has this standard error.
    both = contrast([*cells[0], *cells[1]], [0.5, 0.5, -0.5, -0.5])
    assert spread.deviation * np.sqrt(2 / 10) == pytest.approx(both.standard_error)
    assert pooled_spread([[np.ones(5)], [np.ones(5)]]).deviation == 0


def test_five_runs_know_their_spread_within_a_factor_of_about_three():
    # The quantiles of χ² with four degrees of freedom: 11.143 and 0.4844.
    low, high = Spread(1.0, 4.0).bounds()
    assert (low, high) == pytest.approx((np.sqrt(4 / 11.143), np.sqrt(4 / 0.4844)), rel=1e-3)


def study(cells, **options):
    names, places = (list(dict.fromkeys(part)) for part in zip(*cells, strict=True))
    known = {name: CONSTANTS[name] for name in places if name in CONSTANTS}
    return prepare(
        planted_suite(names, places, ("seeds",), margin=0.25), planted(cells), constants=known, **options
    )


def cells(sd, n=10, places=(HOPPER,)):
    means = {"a": 0.5, "b": 0.7}
    return {(name, place): Plant(mean, sd, n) for name, mean in means.items() for place in places}


@pytest.fixture
def asked(monkeypatch):
    """Answers without their figure."""
    monkeypatch.setattr("matters.reports.questions.seeds.seeds.seed_curves", lambda *_: None)
    return lambda cells, **options: questions.answer("seeds", study(cells, **options))


def rows(section, where=HOPPER, variant="a"):
    data = section.tables[0].data
    return {row["n"]: row for row in data if (row["where"], row["variant"]) == (where, variant)}


def test_narrow_runs_are_enough_seeds_and_wide_ones_too_few_with_the_number_that_would_do(asked):
    enough = asked(cells(0.1))
    assert (enough.word, enough.claim) == ("enough seeds", True)
    assert enough.answer.startswith("10 seeds per variant are enough on Hopper-v5")
    few = asked(cells(0.5))
    assert few.word == "too few seeds"
    # The larger of the two plans: to show equivalence within half a standard deviation.
    assert f"About {compare.seeds_for_equivalence(0.5, 0.25)} would do both in 80 %." in few.answer


def test_an_average_over_variants_that_are_far_apart_says_between_which(asked):
    unlike = {("a", HOPPER): Plant(0.5, 0.05, 10), ("b", HOPPER): Plant(0.7, 0.5, 10)}
    said = asked(unlike).answer
    assert re.search(
        r", both on average over the variants \(equivalence from \d+ % of `b` to 100 % of `a`\)", said
    )
    assert "average" not in asked(cells(0.3)).answer


def test_more_seeds_are_narrower_more_powerful_and_less_often_wrong(asked):
    found = rows(asked(cells(0.3)))
    counts = list(found)
    assert counts == [3, 5, 10, 20, 40, 80]
    for name, rises in (("half_width", False), ("found", True), ("equivalent", True), ("wrong_sign", False)):
        steps = np.diff([found[n][name] for n in counts])
        # Where a share is next to nothing, or all, its Monte-Carlo error is all that moves it.
        assert (steps * (1 if rises else -1) > -0.003).all(), name
        assert abs(steps).max() > 0.05, name
    assert all(abs(found[n]["false_positive"] - 0.05) < 0.02 for n in counts)
    assert all(abs(found[n]["found"] - found[n]["planned"]) < 0.06 for n in counts)


def test_the_aggregate_comes_first_and_needs_fewer_seeds_than_one_environment(asked):
    section = asked(cells(0.15, places=(HOPPER, WALKER)))
    assert [verdict.where for verdict in section.verdicts] == [AGGREGATE, HOPPER, WALKER]
    both, alone = rows(section, AGGREGATE)[10], rows(section, HOPPER)[10]
    assert both["half_width"] == pytest.approx(alone["half_width"] / np.sqrt(2), rel=0.1)
    assert section.answer.startswith("10 seeds per variant are too few in aggregate")


def test_the_number_at_hand_is_a_row_of_its_own(asked):
    section = asked(cells(0.2, n=12))
    assert [n for n, row in rows(section).items() if row["at_hand"]] == [12]
    assert any(row[1] == "12 (at hand)" for row in section.tables[0].rows)


def test_under_ten_runs_it_is_an_indication_and_under_twenty_the_spread_is_doubted(asked):
    section = asked(cells(0.2, n=6))
    assert section.answer.startswith("Indication: 6 seeds")
    assert section.verdicts[0].statement.startswith("Indication: on Hopper-v5, 6 seeds")
    assert any(line.startswith("6 runs in the smallest cell") for line in section.lacks)
    assert asked(cells(0.2, n=20)).lacks == ()


def test_too_few_runs_are_one_line_and_no_table(asked):
    section = asked(cells(0.2, n=4))
    assert (section.word, section.tables, section.drawings) == ("too few seeds", (), ())
    few = "no two variants have 5 scored runs on one environment (the largest cell has 4)"
    assert section.answer == f"Too few seeds to plan by: {few}."


def test_without_constants_there_is_a_width_but_nothing_to_plan(asked):
    section = asked(cells(0.2, places=(UNKNOWN,)))
    assert section.word == "undecided"
    assert "no margin to plan by" in section.answer
    row = rows(section, UNKNOWN)[10]
    assert (row["unit"], row["margin"], row["found"]) == ("return", None, None)
    assert row["half_width"] > 0


def test_an_incomplete_variant_keeps_out_of_the_aggregate_and_is_said(asked):
    holes = cells(0.2, places=(HOPPER, WALKER)) | {("b", WALKER): Plant(0.7, 0.2, 8, failed=2)}
    section = asked(holes)
    assert AGGREGATE not in [verdict.where for verdict in section.verdicts]
    assert any(line.startswith("In aggregate, nothing to plan by") for line in section.lacks)
    assert AGGREGATE in [verdict.where for verdict in asked(holes, allow_missing=True).verdicts]


def test_the_figure_has_a_panel_for_each_number_and_words():
    section = questions.answer("seeds", study(cells(0.2, places=(HOPPER, WALKER))))
    (drawing,) = section.drawings
    assert [panel.alt.split(",")[0] for panel in drawing.panels] == [
        "Half the 95 % interval",
        "A difference of the margin is found",
        "Equivalence is shown",
        "Two variants the wrong way round",
        "False positives",
    ]
    assert drawing.variants == ("a", "b")
