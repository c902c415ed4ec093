"""rliable: called under a seed of its own, close to our plain interval, and only where it can be."""

import numpy as np
import pytest

from reports import aggregates
from reports.familiar import global_seed, percentile_intervals
from reports.intervals import bootstrap

SAMPLES = list(np.random.default_rng(0).normal(0.5, 0.3, (3, 10)))


def test_its_values_are_ours_and_its_intervals_ours_without_expansion():
    found = percentile_intervals(SAMPLES, 1)
    for name, metric in aggregates.METRICS.items():
        value, interval = found[name]
        ours = bootstrap(SAMPLES, metric, np.random.default_rng(2), expanded=False)
        assert value == pytest.approx(metric(SAMPLES))
        # Equal within Monte-Carlo error: .06 standard errors an end for rliable's 2 000 resamples.
        error = (ours.high - ours.low) / 3.92
        assert (interval.low, interval.high) == pytest.approx((ours.low, ours.high), abs=0.25 * error), name


def test_the_seed_alone_decides_and_the_global_generator_is_left_as_it_was():
    np.random.seed(5)  # noqa: NPY002 - the global generator is what is tested
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    first = percentile_intervals(SAMPLES, 1, resamples=50)
    assert np.random.random() == expected  # noqa: NPY002
    assert percentile_intervals(SAMPLES, 1, resamples=50) == first
    assert percentile_intervals(SAMPLES, 2, resamples=50) != first


def test_the_global_generator_is_left_as_it_was_after_an_error():
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    with pytest.raises(ZeroDivisionError), global_seed(1):
        raise ZeroDivisionError
    assert np.random.random() == expected  # noqa: NPY002


def test_unequal_numbers_of_runs_have_no_familiar_interval():
    assert percentile_intervals([np.zeros(5), np.zeros(6)], 1) is None
    assert percentile_intervals([np.zeros(1)], 1) is None
