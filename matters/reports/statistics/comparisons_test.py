"""Comparisons: oracles of the literature, verdicts, and data that has no spread."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import Estimate, contrast, contrasts
from testing.planted import placed

A, B = np.array([4.0, 7, 8, 6, 3, 2]), np.array([6.0, 8, 7, 10, 11, 9])


def test_the_permutation_p_of_the_published_example():
    found = compare.permutation_p(
        np.array([2.0, 5, 3, 6, 7, 2, 5]),
        np.array([20.0, 5, 13, 12, 7, 2, 2]),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
    )
    assert found == pytest.approx(460 / 3432)


def test_permutation_of_separated_runs_is_two_over_the_number_of_splits():
    for n, p in ((3, 0.1), (4, 2 / 70), (5, 2 / 252), (6, 2 / 924), (8, 2 / 12_870)):
        assert compare.permutation_p(np.arange(n) + 100.0, np.arange(float(n))) == pytest.approx(p)
        assert compare.permutation_p(np.full(n, 2.0), np.full(n, 1.0)) == pytest.approx(p)
    assert compare.permutation_p(np.full(5, 1.0), np.full(5, 1.0)) == 1


def test_permutation_of_many_runs_is_drawn_from_its_generator():
    x, y = placed(20, 0, 1), placed(20, 0.5, 1)
    found = [compare.permutation_p(x, y, rng=np.random.default_rng(3)) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0] == pytest.approx(stats.ttest_ind(x, y, equal_var=False).pvalue, abs=0.02)


def test_holm_of_the_published_example():
    found = compare.holm([0.50, 0.003, 0.32, 0.054, 0.0003])
    assert found == pytest.approx([0.64, 0.012, 0.64, 0.162, 0.0015])
    assert compare.holm([]) == []


def test_holm_of_many_families_at_once_is_statsmodels_of_each():
    families = np.random.default_rng(8).uniform(0, 0.3, (3, 7))
    families[2, 3:] = families[2, 0]
    expected = [multipletests(family, method="holm")[1] for family in families]
    assert compare.holm_families(families) == pytest.approx(np.array(expected))


def test_tost_of_the_published_example():
    # The published number pools the variances; with as many runs in both cells only the freedom differs.
    error = contrast([A, B], [1, -1]).standard_error
    pooled = Estimate(float(A.mean() - B.mean()), error, len(A) + len(B) - 2)
    assert compare.tost_p(pooled, 1) == pytest.approx(0.965097, abs=1e-6)


@pytest.mark.parametrize("margin", [1.0, 4.0, 8.0])
def test_tost_equals_statsmodels_with_unequal_variances(margin):
    found = compare.tost_p(contrast([A, B[:4]], [1, -1]), margin)
    assert found == pytest.approx(ttost_ind(A, B[:4], -margin, margin, usevar="unequal")[0])


@given(st.floats(-3, 3), st.floats(0.01, 2), st.floats(2, 50), st.floats(0.05, 3))
def test_the_90_percent_interval_is_inside_the_margin_exactly_when_tost_passes(value, error, freedom, margin):
    estimate = Estimate(value, error, freedom)
    inside = max(abs(estimate.interval(0.9).low), abs(estimate.interval(0.9).high)) < margin
    p = compare.tost_p(estimate, margin)
    if abs(p - 0.05) > 1e-9:
        assert inside == (p < 0.05)


def test_tost_of_the_published_paired_and_one_sample_examples():
    assert compare.tost_p(contrast([A - B], [1]), 0.5) == pytest.approx(0.954854, abs=1e-6)
    assert compare.tost_p(contrast([A], [1]), 4) == pytest.approx(0.825967, abs=1e-6)


@pytest.mark.parametrize("margin", [0.3, 0.9, 2.5])
def test_many_differences_at_once_are_judged_as_each_alone(margin):
    rng = np.random.default_rng(7)
    x, y = rng.normal(0.3, 1, (20, 5)), rng.normal(0, 2, (20, 7))
    x[0], y[0] = 1.0, 1.0
    x[1], y[1] = 2.0, 1.0
    p_values, tost = compare.tests(*contrasts([x, y], [1, -1]), margin)
    for k in range(2, 20):
        one = contrast([x[k], y[k]], [1, -1])
        assert p_values[k] == pytest.approx(compare.p_of_zero(one, [x[k]], [y[k]]))
        assert tost[k] == pytest.approx(compare.tost_p(one, margin))
    assert list(p_values[:2]) == [1, 0]
    assert list(tost[:2]) == [1, 1]
    assert (compare.tests(*contrasts([x, y], [1, -1]), None)[1] == 1).all()


def found(difference, sd, n=10, margin=0.25):
    return compare.difference([placed(n, difference, sd)], [placed(n, 0, sd)], margin)


def test_four_runs_are_too_few_whatever_they_show():
    assert found(5.0, 0.01, n=4) is None
    assert compare.difference([placed(20, 0, 1)], [placed(1, 0, 1)], 0.25) is None
    assert compare.difference([placed(20, 0, 1)], [np.array([])], 0.25) is None


def test_cells_without_spread_have_no_interval_and_show_no_equivalence():
    same = compare.difference([np.full(5, 1000.0)], [np.full(5, 1000.0)], 250.0)
    assert (same.interval95, same.interval90, same.tost_p, same.achieved_margin) == (None, None, None, None)
    assert same.p_value == 1
    assert not same.within(250.0)
    far = compare.difference([np.full(5, 1000.0)], [np.full(5, 500.0)], 250.0)
    assert far.p_value == pytest.approx(2 / 252)


def test_unequal_numbers_of_runs_are_compared_with_welch():
    x, y = placed(5, 1, 1), placed(12, 0, 3)
    expected = stats.ttest_ind(x, y, equal_var=False)
    assert compare.difference([x], [y], None).p_value == pytest.approx(expected.pvalue)
    assert compare.difference([x], [y], None).n == 5


def test_the_achieved_margin_is_the_smallest_that_passes():
    d = found(0.05, 0.2)
    assert compare.tost_p(d.estimate, d.achieved_margin * 1.001) < 0.05
    assert compare.tost_p(d.estimate, d.achieved_margin * 0.999) > 0.05


def test_seeds_of_the_published_power_tables():
    for effect, (eighty, ninety) in {
        0.5: (64, 86),
        0.8: (26, 34),
        1: (17, 23),
        1.5: (9, 11),
        2: (6, 7),
    }.items():
        assert compare.seeds_for_difference(1.0, effect) == eighty
        assert compare.seeds_for_difference(1.0, effect, power=0.9) == ninety
    table = {
        0.25: (275, 347),
        0.5: (69, 87),
        0.75: (31, 39),
        1: (18, 22),
        1.25: (11, 14),
        1.5: (8, 10),
        2: (5, 6),
    }
    for margin, (eighty, ninety) in table.items():
        assert compare.seeds_for_equivalence(1.0, margin) == eighty
        assert compare.seeds_for_equivalence(1.0, margin, power=0.9) == ninety


def test_what_a_hundred_seeds_can_show_as_lakens_has_it():
    """Lakens 2017: bounds of ±0.414 standard deviations; by a normal approximation 0.396 for a difference."""
    assert compare.seeds_for_equivalence(1.0, 0.4139) == 100
    assert compare.seeds_for_equivalence(1.0, 0.4138) == 101
    # Student's own is 0.398: the approximation asks for a seed less.
    assert compare.seeds_for_difference(1.0, 0.3982) == 100
    assert compare.seeds_for_difference(1.0, 0.3962) == 101


def test_the_seeds_that_would_decide_do_decide():
    n = compare.plan(found(0.0, 0.5)).margin
    assert n == 69
    assert found(0.0, 0.5, n=n).within(0.25)
    assert found(0.25, 0.5, n=n).p_value < 0.05


def test_cells_of_unequal_size_and_spread_are_planned_for_by_both_spreads():
    """(1.645 + 1.282)² (s₁² + s₂²) / δ² for equivalence: the narrow cell does not hide the wide one."""
    d = compare.difference([placed(5, 0, 0.05)], [placed(50, 0, 0.40)], 0.10)
    assert compare.seeds_for_equivalence(d.deviation, 0.10) == 140


def test_both_plans_are_more_than_there_are_and_none_is_made_without_something_to_plan_by():
    assert compare.plan(found(0.24, 0.05)).effect == 11
    assert compare.plan(found(0.0, 0.5, margin=None)) == compare.Plan(None, None)
    hopeful = compare.plan(found(1.353, 1.0, margin=0.1))
    assert hopeful.effect < 20
    assert hopeful.margin > 1000


def test_the_expected_maximum_of_two_null_differences():
    assert compare.expected_maximum([1, 1]) == pytest.approx(2 / math.sqrt(math.pi))
    draws = np.abs(np.random.default_rng(0).normal(size=(200_000, 2)) * [1, 3]).max(axis=1)
    assert compare.expected_maximum([1, 3]) == pytest.approx(draws.mean(), rel=0.01)


TABLE = {  # Engstrom et al. 2020, tables 2 and 3: PPO, PPO-M, TRPO, TRPO+, AAI, ACLI
    "Walker2d-v2": ((3292, 2735, 2791, 3050), 242, 557),
    "Hopper-v2": ((2513, 2142, 2043, 2466), 99, 421),
    "Humanoid-v2": ((806, 674, 586, 1030), 224, 444),
}


@pytest.mark.parametrize("environment", TABLE)
def test_aai_and_acli_of_engstroms_table(environment):
    means, aai, acli = TABLE[environment]
    shape = np.array([-1.0, 0, 1, 0, 0])
    a = compare.attribution(*(mean + shape for mean in means))
    assert a.aai == pytest.approx(aai, abs=2)
    assert a.acli == pytest.approx(acli, abs=2)


# Half widths of the published intervals, of 80 agents each: the standard errors are known.
HALVES = {
    "Walker2d-v2": (134.5, 132, 82, 75),
    "Hopper-v2": (120.5, 135.5, 94, 84),
    "Humanoid-v2": (21, 19.5, 10, 52),
}
EXPECTED = {  # environment: main effects of algorithm and code with their error, interaction with its, E[AAI]
    "Walker2d-v2": (93, 408, 56, 298, 112, 89),
    "Hopper-v2": (73, 397, 56, -52, 113, 90),
    "Humanoid-v2": (-68, 288, 15, -312, 31, 25),
}


@pytest.mark.parametrize("environment", TABLE)
def test_signed_effects_show_what_engstroms_numbers_hide(environment):
    """Hopper's AAI of 99 is what no effect would give; in Humanoid the algorithm's effect turns its sign."""
    pairs = zip(TABLE[environment][0], HALVES[environment], strict=True)
    a = compare.attribution(*(placed(80, mean, half / 1.96 * math.sqrt(80)) for mean, half in pairs))
    algorithm, code, error, interaction, its_error, null = EXPECTED[environment]
    assert a.algorithm.value == pytest.approx(algorithm, abs=1)
    assert a.code.value == pytest.approx(code, abs=1)
    assert a.algorithm.standard_error == a.code.standard_error == pytest.approx(error, abs=1)
    assert a.interaction.value == pytest.approx(interaction, abs=1)
    assert a.interaction.standard_error == pytest.approx(its_error, abs=1)
    assert a.aai_null == pytest.approx(null, abs=1)


def test_the_interval_of_a_maximum_starts_at_zero_where_nothing_is_shown():
    a = compare.attribution(*(placed(10, 0, 1) for _ in range(4)))
    assert a.aai_interval.low == 0
    assert a.aai_interval.high > a.aai_null > 0


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(1, 5, 0.643, 1), (24 / 25, 5, 0.592, 0.997), (23 / 25, 5, 0.547, 0.990), (1, 10, 0.800, 1)],
)
def test_newcombes_fifth_method(wins, n, low, high):
    interval = compare.newcombe(wins, n, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=6e-4)
    mirrored = compare.newcombe(1 - wins, n, n)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_ties_alone_leave_the_chance_open():
    value, interval = compare.improvement([np.full(5, 1.0)], [np.full(5, 1.0)])
    assert value == 0.5
    assert (interval.low, interval.high) == pytest.approx((0.206, 0.794), abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100))
def test_improvement_lies_in_its_interval_mirrors_and_is_narrower_over_more_environments(seed):
    rng = np.random.default_rng(seed)
    x, y = [rng.normal(0.4, 1, 8), rng.normal(0, 1, 6)], [rng.normal(size=8), rng.normal(size=9)]
    value, interval = compare.improvement(x, y)
    mirrored, turned = compare.improvement(y, x)
    assert 0 <= interval.low <= value <= interval.high <= 1
    assert value + mirrored == pytest.approx(1)
    assert interval.low + turned.high == pytest.approx(1, abs=1e-6)
    twice = compare.improvement([x[0]] * 4, [y[0]] * 4)[1]
    once = compare.improvement(x[:1], y[:1])[1]
    assert twice.high - twice.low == pytest.approx((once.high - once.low) / 2, rel=0.35)


def test_the_effect_size_is_in_averaged_deviations_and_corrected_for_few_runs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 20), rng.normal(1, 2, 20)
    plain = (x.mean() - y.mean()) / math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    freedom = stats.ttest_ind(x, y, equal_var=False).df
    assert compare.hedges_g(x, y) == pytest.approx(plain * (1 - 3 / (4 * freedom - 1)), rel=1e-3)
    assert compare.hedges_g(np.ones(5), np.ones(5)) is None


def test_a_margin_must_be_above_zero():
    with pytest.raises(ValueError, match=r"margin = 0\.0: must be above 0"):
        compare.tost_p(Estimate(0, 1, 5), 0.0)
