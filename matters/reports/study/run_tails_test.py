"""The lower tail of a cell: worked factors and shares."""

import numpy as np
import pytest
from scipy.stats import norm

from matters.reports.page.score_tables import tail_table
from matters.reports.study.run_tails import clopper_pearson, run_tails, tolerance_factor, two_sided_factor
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER = "Hopper-v5"


@pytest.mark.parametrize(("n", "factor"), [(5, 3.4066), (10, 2.3546), (20, 1.9260)])
def test_published_factors_of_one_sided_tolerance_bounds(n, factor):
    assert tolerance_factor(n) == pytest.approx(factor, abs=1e-3)


@pytest.mark.parametrize(("n", "factor"), [(5, 4.2746), (10, 2.8382), (20, 2.3098)])
def test_published_factors_of_two_sided_tolerance_intervals(n, factor):
    """Howe's, as tables print them."""
    assert two_sided_factor(n) == pytest.approx(factor, rel=2e-3)


def test_about_nineteen_in_twenty_tolerance_intervals_hold_nine_of_ten_runs():
    rng = np.random.default_rng(1)
    runs = rng.normal(size=(4_000, 10))
    reach = two_sided_factor(10) * runs.std(axis=1, ddof=1)
    content = norm.cdf(runs.mean(axis=1) + reach) - norm.cdf(runs.mean(axis=1) - reach)
    assert (content >= 0.90).mean() == pytest.approx(0.95, abs=0.015)


def test_exact_intervals_of_a_share():
    four, none = clopper_pearson(4, 10), clopper_pearson(0, 10)
    assert (four.low, four.high) == pytest.approx((0.122, 0.738), abs=1e-3)
    assert (none.low, none.high) == pytest.approx((0, 0.309), abs=1e-3)
    assert clopper_pearson(10, 10).high == 1


def test_the_tail_of_planted_cells():
    cells = {
        ("a", HOPPER): Plant(0.5, 0.1),
        ("b", HOPPER): Plant(0.5, 0.0),
        ("c", HOPPER): Plant(0, 0, 0, missing=2),
    }
    found = run_tails(prepare(planted_suite("abc", [HOPPER]), planted(cells), constants=CONSTANTS))
    assert [one.variant for one in found] == ["a", "b"]
    assert found[1].lower_half == pytest.approx(20 + 2980 * 0.5)
    assert (found[1].bound, found[1].collapsed) == (None, 0)
    assert found[0].bound == pytest.approx(20 + 2980 * (0.5 - 2.3546 * 0.1), rel=1e-4)
    middle, reach = 20 + 2980 * 0.5, 2980 * 2.8382 * 0.1
    assert (found[0].within.low, found[0].within.high) == pytest.approx(
        (middle - reach, middle + reach), rel=1e-3
    )
    assert found[1].within is None
    assert found[0].lower_half < 20 + 2980 * 0.5


def test_what_has_learnt_nothing_has_no_share_of_collapses_not_even_none_of_ten():
    cells = {("a", HOPPER): Plant(0.05, 0.01), ("a", "Unknown-v0"): Plant(0.5, 0.1)}
    found = run_tails(
        prepare(planted_suite("a", [HOPPER, "Unknown-v0"]), planted(cells), constants=CONSTANTS)
    )
    assert [(one.collapsed, one.share) for one in found] == [(None, None)] * 2
    assert [row[5:7] for row in tail_table(found).rows] == [("–", "–")] * 2


def test_about_nineteen_in_twenty_bounds_leave_nine_of_ten_runs_above():
    rng = np.random.default_rng(0)
    runs = rng.normal(size=(4_000, 10))
    bounds = runs.mean(axis=1) - tolerance_factor(10) * runs.std(axis=1, ddof=1)
    assert (bounds < -1.2816).mean() == pytest.approx(0.95, abs=0.015)
