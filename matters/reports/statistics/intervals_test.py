"""Intervals: oracles and identities. How often they cover is tested beside `testing.coverage`."""

import numpy as np
import pytest
from scipy import stats

from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import (
    Estimate,
    bootstrap,
    bootstrap_curve,
    contrast,
    contrasts,
    expanded_tail,
    generator,
    iqm_difference_tail,
    iqm_tail,
    mean_interval,
    mean_tail,
    percentiles,
    plain_tail,
)
from testing.planted import placed

RNG = np.random.default_rng(20)
A, B = RNG.normal(10, 2, 7), RNG.normal(12, 5, 11)


def test_a_contrast_of_two_samples_is_welchs_interval():
    expected = stats.ttest_ind(A, B, equal_var=False)
    for level in (0.90, 0.95):
        low, high = expected.confidence_interval(level)
        found = contrast([A, B], [1, -1]).interval(level)
        assert (found.low, found.high) == pytest.approx((low, high))
    assert contrast([A, B], [1, -1]).degrees_of_freedom == pytest.approx(expected.df)


def test_welch_of_the_two_samples_that_colas_published_with_the_code():
    # flowersteam/rl-difference-testing, files data1 and data2: twenty scores each, by mean and deviation.
    x, y = placed(20, 3649.020043, 945.772804), placed(20, 4913.363358, 1387.842068)
    found = contrast([x, y], [1, -1])
    assert found.value / found.standard_error == pytest.approx(-3.366742, abs=1e-6)
    p = 2 * stats.t.cdf(found.value / found.standard_error, found.degrees_of_freedom)
    assert p == pytest.approx(0.00192162, abs=1e-8)


def test_welch_from_the_published_summary_of_colas():
    # Two samples with exactly the summary (3523, 1341, 5) and (4905, 990, 5).
    shape = np.array([-1.0, -0.5, 0, 0.5, 1.0])
    shape /= shape.std(ddof=1)
    found = contrast([3523 + 1341 * shape, 4905 + 990 * shape], [1, -1])
    p = 2 * stats.t.sf(abs(found.value) / found.standard_error, found.degrees_of_freedom)
    assert p == pytest.approx(0.104075, abs=1e-6)


def test_the_mean_of_equal_cells_over_environments_has_all_their_degrees_of_freedom():
    shape = np.array([-1.0, 0, 1, -2, 2])
    found = contrast([shape, shape + 3, shape - 1], [1 / 3] * 3)
    assert found.degrees_of_freedom == pytest.approx(12)


def test_a_constant_cell_lends_no_degrees_of_freedom():
    shape = np.array([-1.0, 0, 1, -2, 2])
    assert contrast([shape, np.full(5, 8.0)], [0.5, 0.5]).degrees_of_freedom == pytest.approx(4)


def test_constant_cells_give_no_interval_and_no_nan():
    found = contrast([np.full(5, 0.1), np.full(5, 0.3)], [1, -1])
    assert (found.standard_error, found.interval()) == (0, None)
    assert found.value == pytest.approx(-0.2)


def test_one_run_has_no_variance():
    with pytest.raises(ValueError, match="at least two runs"):
        contrast([np.array([1.0]), A], [1, -1])


@pytest.mark.parametrize(
    ("runs", "tails"),
    [
        (5, {1: 0.00095, 3: 0.00743, 6: 0.01051}),
        (10, {1: 0.00855, 3: 0.01528, 6: 0.01729}),
        (20, {1: 0.01588, 3: 0.01996, 6: 0.02105}),
    ],
)
def test_expanded_tails_of_equally_variable_environments(runs, tails):
    for environments, tail in tails.items():
        assert expanded_tail([runs] * environments) == pytest.approx(tail, abs=5e-6)
        assert expanded_tail([runs] * environments, [3.0] * environments) == pytest.approx(tail, abs=5e-6)


def test_an_environment_without_spread_does_not_narrow_the_tail():
    assert expanded_tail([5, 5], [1.0, 0.0]) == pytest.approx(expanded_tail([5]))
    assert expanded_tail([5, 5], [0.0, 0.0]) == pytest.approx(expanded_tail([5, 5]))


def test_the_bootstraps_standard_error_is_too_small_by_the_known_factor():
    # So many environments that the resampled mean is as good as normal, and five runs in each.
    samples = list(np.random.default_rng(1).normal(size=(60, 5)))
    one_sigma = 2 * stats.norm.cdf(1) - 1
    rng = np.random.default_rng(2)
    found = bootstrap(samples, aggregates.mean, rng, level=one_sigma, tail=plain_tail)
    error = np.sqrt(np.mean([sample.var(ddof=1) for sample in samples]) / (60 * 5))
    assert (found.high - found.low) / 2 == pytest.approx(error * np.sqrt(4 / 5), rel=0.03)


def test_the_expanded_interval_of_a_mean_is_about_students():
    sample = np.random.default_rng(3).normal(size=20)
    ours = bootstrap([sample], aggregates.mean, np.random.default_rng(4), resamples=40_000)
    students = mean_interval(sample)
    assert ours.high - ours.low == pytest.approx(students.high - students.low, rel=0.03)


def test_a_band_of_bounds_is_numpys_quantile_at_every_leading_index():
    draws = np.random.default_rng(5).normal(size=(3, 4, 101))
    tail = np.random.default_rng(6).uniform(0.001, 0.4, (3, 4))
    low, high = percentiles(draws, tail)
    for at in np.ndindex(3, 4):
        assert low[at] == pytest.approx(np.quantile(draws[at], tail[at]))
        assert high[at] == pytest.approx(np.quantile(draws[at], 1 - tail[at]))


def test_many_contrasts_at_once_are_each_the_contrast_of_its_samples():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(6, 5)), rng.normal(0, 3, size=(6, 8))
    x[2] = 1.0
    y[2] = 4.0
    many = contrasts([x, y], [1, -1])
    for k in range(6):
        one = contrast([x[k], y[k]], [1, -1])
        expected = (one.value, one.standard_error, one.degrees_of_freedom)
        assert tuple(part[k] for part in many) == pytest.approx(expected)
    assert (many[1][2], many[2][2]) == (0, 11)


def test_the_tail_of_an_iqm_on_one_environment_has_students_quantile_and_no_narrowness():
    sample = np.random.default_rng(10).normal(size=12)
    assert iqm_tail([sample], 0.95) == pytest.approx(stats.norm.cdf(-stats.t.ppf(0.975, 11)))
    assert mean_tail([sample], 0.95) < iqm_tail([sample], 0.95) < plain_tail([sample], 0.95)


def test_an_environment_whose_runs_are_all_trimmed_away_lends_the_iqm_no_degrees_of_freedom():
    rng = np.random.default_rng(11)
    low, middle, high = rng.normal(0, 1, 4), rng.normal(100, 1, 8), rng.normal(200, 1, 4)
    # Half of sixteen runs are left, and they are those of the middle environment.
    found = iqm_tail([low, middle, high], 0.95)
    narrow = np.sqrt(8 / 7 * 15 / 16)
    assert found == pytest.approx(stats.norm.cdf(-narrow * stats.t.ppf(0.975, 7)))


def test_constant_scores_give_no_interval_and_no_warning():
    assert bootstrap([np.full(5, 0.7)] * 2, aggregates.iqm, np.random.default_rng(0)) is None


def test_the_interval_of_a_difference_of_iqms_covers():
    """Two alike variants of ten normal runs on two environments: 95 % within three Monte-Carlo errors."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        samples = [rng.normal(size=10) for _ in range(4)]
        interval = bootstrap(
            samples,
            lambda s: aggregates.iqm(s[:2]) - aggregates.iqm(s[2:]),
            rng,
            resamples=1_000,
            tail=iqm_difference_tail,
        )
        hits += interval.low <= 0 <= interval.high
    assert 0.91 <= hits / 300 <= 0.985


def test_a_curve_that_is_constant_in_time_has_the_band_of_its_endpoint():
    scores = np.random.default_rng(6).normal(size=8)
    curves = np.repeat(scores[:, None], 10, axis=1)
    low, high = bootstrap_curve([curves], aggregates.mean, np.random.default_rng(7), resamples=20_000)
    # Whole runs: with points resampled separately the ten columns would differ from each other.
    assert np.ptp(low) == pytest.approx(0, abs=1e-12)
    assert np.ptp(high) == pytest.approx(0, abs=1e-12)
    end = bootstrap([scores], aggregates.mean, np.random.default_rng(8), resamples=20_000)
    assert (low[0], high[0]) == pytest.approx((end.low, end.high), abs=0.03 * (end.high - end.low))


def test_a_draw_depends_on_snapshot_and_name_and_on_nothing_global():
    def draw(*labels):
        np.random.seed(len(labels))  # noqa: NPY002 - shown to have no effect
        found = bootstrap([A], aggregates.mean, generator(*labels))
        return found.low, found.high

    assert draw("snapshot", "curve") == draw("snapshot", "curve")
    assert draw("snapshot", "curve") != draw("snapshot", "curve", "again")
    assert draw("snapshot", "curve") != draw("other", "curve")


def test_a_wider_level_contains_a_narrower_one():
    wide, narrow = Estimate(1.0, 2.0, 5.0).interval(0.95), Estimate(1.0, 2.0, 5.0).interval(0.90)
    assert wide.low < narrow.low < 1.0 < narrow.high < wide.high
