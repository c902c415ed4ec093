"""rliable: called under a seed of its own, close to our plain interval, and only where it can be."""

import numpy as np
import pytest
from rliable import library, metrics

from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import bootstrap, plain_tail
from matters.reports.statistics.rliable_intervals import all_metrics, global_seed, percentile_intervals

SAMPLES = list(np.random.default_rng(0).normal(0.5, 0.3, (3, 10)))


def test_its_values_are_ours_and_its_intervals_ours_without_expansion():
    found = percentile_intervals(SAMPLES, 1)
    for name, metric in aggregates.METRICS.items():
        value, interval = found[name]
        ours = bootstrap(SAMPLES, metric, np.random.default_rng(2), tail=plain_tail)
        assert value == pytest.approx(metric(SAMPLES))
        # Equal within Monte-Carlo error: .06 standard errors an end for rliable's 2 000 resamples.
        error = (ours.high - ours.low) / 3.92
        assert (interval.low, interval.high) == pytest.approx((ours.low, ours.high), abs=0.25 * error), name


@pytest.mark.parametrize("shape", [(10, 3), (10, 4), (5, 1), (3, 1), (2, 1), (7, 6)])
def test_what_is_computed_of_a_draw_is_what_we_and_rliable_define(shape):
    drawn = np.random.default_rng(shape[0]).normal(0.7, 0.5, shape)
    ours = [float(metric(list(drawn.T))) for metric in aggregates.METRICS.values()]
    theirs = [
        metrics.aggregate_iqm(drawn), metrics.aggregate_mean(drawn), metrics.aggregate_median(drawn),
        metrics.aggregate_optimality_gap(drawn),
    ]  # fmt: skip
    assert list(aggregates.METRICS) == ["IQM", "mean", "median", "optimality gap"]
    assert all_metrics(drawn) == pytest.approx(ours, abs=1e-12)
    assert all_metrics(drawn) == pytest.approx(theirs, abs=1e-12)


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


def test_rliables_own_call_on_the_same_scores_gives_our_interval_where_the_method_is_the_same():
    scores = np.stack(SAMPLES, axis=1)

    def theirs(drawn):
        return np.array([metrics.aggregate_iqm(drawn), metrics.aggregate_mean(drawn)])

    with global_seed(3):
        _, found = library.get_interval_estimates({"x": scores}, theirs, reps=2_000)
    for k, metric in enumerate((aggregates.iqm, aggregates.mean)):
        plain = bootstrap(SAMPLES, metric, np.random.default_rng(4), tail=plain_tail)
        error = (plain.high - plain.low) / 3.92
        assert found["x"][:, k] == pytest.approx((plain.low, plain.high), abs=0.25 * error)
        # The negative control: with expanded tails it is another interval.
        wider = bootstrap(SAMPLES, metric, np.random.default_rng(4))
        assert wider.high - wider.low > plain.high - plain.low + 0.25 * error


def test_rliables_resampling_of_two_variants_gives_our_interval_of_the_probability_of_improvement():
    x, y = np.random.default_rng(1).normal([[[0.6]], [[0.4]]], 0.3, (2, 6, 2))

    def chance(*drawn):
        # Ours, held equal to rliable's elsewhere: Mann and Whitney's test, which rliable calls, is slow.
        return np.array([aggregates.probability_of_improvement(*(list(part.T) for part in drawn))])

    with global_seed(5):
        _, found = library.get_interval_estimates({"x,y": (x, y)}, chance, reps=2_000)
    plain = bootstrap(
        [*x.T, *y.T],
        lambda drawn: aggregates.probability_of_improvement(drawn[:2], drawn[2:]),
        np.random.default_rng(6),
        tail=plain_tail,
    )
    error = (plain.high - plain.low) / 3.92
    assert found["x,y"][:, 0] == pytest.approx((plain.low, plain.high), abs=0.25 * error)
