"""Bounds against published and independently computed ones, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from matters.reports.statistics.looks import bounds, levels, spent


@pytest.mark.parametrize(("share", "both_sides"), [(0.25, 1.5e-5), (0.5, 0.00305), (1.0, 0.05)])
def test_spending_is_that_of_lan_and_demets(share: float, both_sides: float) -> None:
    assert 2 * spent(0.025, share) == pytest.approx(both_sides, rel=0.02)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [((0.25, 0.5, 1.0), (4.333, 2.963, 1.969)), ((0.5, 1.0), (2.963, 1.969)), ((1.0,), (1.960,))],
)
def test_two_sided_bounds_are_those_computed_elsewhere(
    shares: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    assert bounds(shares, 0.05, two_sided=True) == pytest.approx(expected, abs=6e-4)


def test_five_equal_looks_are_those_of_the_literature() -> None:
    """Lan and DeMets' O'Brien-Fleming-like bounds at 0.2, 0.4, …, 1, as software for trials prints them."""
    found = bounds((0.2, 0.4, 0.6, 0.8, 1.0), 0.05, two_sided=True)
    assert found == pytest.approx((4.877, 3.357, 2.680, 2.290, 2.031), abs=2e-3)


def test_one_look_is_no_look() -> None:
    assert levels([20])[0].different == pytest.approx(0.05, abs=1e-9)
    assert levels([20])[0].equivalent == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("two_sided", [True, False])
def test_wandering_sums_cross_as_often_as_was_to_be_spent(two_sided: bool) -> None:
    shares = np.array([0.25, 0.5, 1.0])
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(200_000, 3)) * np.sqrt(np.diff([0, *shares]))
    z = steps.cumsum(axis=1) / np.sqrt(shares)
    z = np.abs(z) if two_sided else z
    crossed = (z > bounds(tuple(shares), 0.05, two_sided=two_sided)).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 200_000))


def test_levels_are_on_p() -> None:
    first, last = levels([10, 20])
    assert first.different == pytest.approx(2 * stats.norm.sf(2.963), rel=2e-3)
    assert last.different == pytest.approx(2 * stats.norm.sf(1.969), rel=2e-3)
    assert first.equivalent < last.equivalent < 0.05
