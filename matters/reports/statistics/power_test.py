"""What the whole rule of a headline needs, against whole simulated studies and normal theory."""

import pytest

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.power import Question, need, rates
from testing.coverage import NORMAL, PPO_SPREADS, page_rates

THREE = Question(PPO_SPREADS, (0.10,) * 3, (0.25,) * 3, 0.10)
ONE = Question((0.1,), (0.10,), (0.25,), 0.10)


@pytest.mark.parametrize("n", [5, 20])
@pytest.mark.parametrize(("question", "gap"), [(THREE, 0.0), (THREE, 0.1), (ONE, 0.0), (ONE, 0.1)])
def test_rates_are_those_of_studies_that_are_simulated_run_by_run(question, gap, n):
    gaps = (gap,) * len(question.deviations)
    found = rates(question, gaps, n, 8_000)
    whole = page_rates(NORMAL, n, gaps, question.deviations, replicates=8_000)
    assert found == pytest.approx((whole.different, whole.equivalent), abs=0.02)


def test_one_seed_has_no_spread_and_decides_nothing():
    for question in (ONE, THREE):
        found = need(question, 1)
        assert (found.equivalent_now, found.different_now) == (0.0, 0.0)
        assert found.equivalent == need(question, 10).equivalent


def test_two_alike_variants_with_ppos_spreads_need_about_forty_seeds():
    """1.5 % of studies with ten seeds, 30 % with twenty, 80 % with forty: docs/coverage.md."""
    found = need(THREE, 10)
    assert found.equivalent == pytest.approx(40, abs=2)
    assert found.equivalent_now == pytest.approx(0.015, abs=0.006)
    assert need(THREE, 20).equivalent_now == pytest.approx(0.31, abs=0.03)


def test_on_one_environment_it_is_normal_theory():
    found = need(ONE, 5)
    assert found.equivalent == pytest.approx(compare.seeds_for_equivalence(0.1, 0.1), abs=2)
    assert found.different == pytest.approx(compare.seeds_for_difference(0.1, 0.1), abs=2)


def test_a_wide_environment_is_beyond_two_hundred_seeds():
    assert need(Question((0.7,), (0.1,), (0.25,), 0.1), 5).equivalent is None


def test_seeds_that_are_enough_are_the_fewest_that_are():
    for power in (0, 1):
        found = need(THREE, 10)
        seeds = (found.different, found.equivalent)[power]
        gaps = (0.1, 0.0)[power]
        assert rates(THREE, (gaps,) * 3, seeds)[power] >= 0.80
        assert rates(THREE, (gaps,) * 3, seeds - 3)[power] < 0.80


@pytest.mark.filterwarnings("error")
def test_an_environment_on_which_no_run_differs_closes_no_gate():
    still, moving, dead = (
        Question(spreads, (0.10,) * 2, (0.25,) * 2, 0.10) for spreads in ((0.0, 0.1), (0.1, 0.1), (0.0, 0.0))
    )
    assert rates(still, (0.0, 0.0), 20)[1] > rates(moving, (0.0, 0.0), 20)[1] > 0.5
    assert rates(still, (0.3, 0.0), 20)[1] == 0.0, "beyond its gate"
    assert rates(still, (0.3, 0.0), 20)[0] == 1.0
    assert rates(dead, (0.0, 0.0), 20) == (0.0, 0.0), "without any spread no equivalence is shown"
