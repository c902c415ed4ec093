"""The band of a difference of curves: one quantile where points are one, wider where they are many."""

import numpy as np
import pytest
from scipy import stats

from matters.reports.statistics.comparisons import difference
from matters.reports.statistics.simultaneous import difference_band


def test_runs_that_are_constant_in_time_have_the_interval_of_their_end_point():
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.0, 2.0, 10), rng.normal(0.0, 1.0, 7)
    band = difference_band(np.tile(x[:, None], 12), np.tile(y[:, None], 12), rng)
    welch = difference([x], [y], None).interval95
    assert band.critical == pytest.approx(stats.t.ppf(0.975, band.freedom), rel=0.02)
    assert (band.low[-1], band.high[-1]) == pytest.approx((welch.low, welch.high), rel=0.03)
    assert np.ptp(band.low) == 0


def test_independent_points_need_the_quantile_of_their_maximum():
    """With many runs: the maximum of |z| over k independent points, Φ⁻¹((1 + .95^(1/k)) / 2)."""
    rng = np.random.default_rng(1)
    band = difference_band(rng.normal(size=(400, 10)), rng.normal(size=(400, 10)), rng)
    assert band.critical == pytest.approx(stats.norm.ppf((1 + 0.95 ** (1 / 10)) / 2), rel=0.03)


def test_the_band_holds_the_whole_curve_in_about_95_per_cent_of_studies():
    """Runs that wander, ten and ten; pointwise intervals would hold it in far fewer."""
    rng = np.random.default_rng(2)
    whole = pointwise = 0
    for _ in range(300):
        x, y = (rng.normal(size=(10, 12)).cumsum(axis=1) for _ in range(2))
        band = difference_band(x, y, rng)
        whole += bool(((band.low <= 0) & (band.high >= 0)).all())
        reach = (band.high - band.low) / 2 / band.critical * stats.t.ppf(0.975, 18)
        pointwise += bool((np.abs(band.value) <= reach).all())
    assert whole / 300 >= 0.92
    assert pointwise / 300 < 0.90


def test_where_no_run_has_spread_there_is_a_line_and_elsewhere_the_band():
    x = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 4.0], [1.0, 5.0], [1.0, 6.0]])
    band = difference_band(x, x - 1, np.random.default_rng(0))
    assert (band.low[0], band.value[0], band.high[0]) == (1.0, 1.0, 1.0)
    assert band.low[1] < 1.0 < band.high[1]
    still = difference_band(x[:, :1], x[:, :1], np.random.default_rng(0))
    assert (still.low[0], still.high[0]) == (0.0, 0.0)
