"""Aggregates: rliable's own numbers, identities, and ragged cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rliable import metrics
from scipy import stats

from matters.reports.statistics import aggregates

X = np.array([[1, 2], [2, 2], [1, 1], [2, 1]], float)
Y = np.array([[1, 1], [2, 2], [3, 3]], float)


def columns(scores):
    return list(np.asarray(scores, float).T)


@pytest.mark.parametrize(("scores", "expected"), [(X, 1.5), (Y, 2.0)])
def test_median_mean_and_iqm_of_rliables_own_arrays(scores, expected):
    for metric in (aggregates.median, aggregates.mean, aggregates.iqm):
        assert metric(columns(scores)) == expected


def test_probability_of_improvement_of_rliables_own_arrays_is_a_third():
    assert aggregates.probability_of_improvement(columns(X), columns(Y)) == pytest.approx(1 / 3)
    assert aggregates.probability_of_improvement(columns(X), columns(X)) == pytest.approx(0.5)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 6))
def test_every_metric_equals_rliables_on_rectangular_scores(seed, runs, environments):
    rng = np.random.default_rng(seed)
    # Rounded, so that ties occur.
    scores, others = np.round(rng.normal(0.6, 0.5, (2, runs, environments)), 1)
    familiar = (
        metrics.aggregate_iqm,
        metrics.aggregate_mean,
        metrics.aggregate_median,
        metrics.aggregate_optimality_gap,
    )
    for (name, ours), theirs in zip(aggregates.METRICS.items(), familiar, strict=True):
        assert ours(columns(scores)) == pytest.approx(theirs(scores), abs=1e-12), name
    assert aggregates.probability_of_improvement(columns(scores), columns(others)) == pytest.approx(
        metrics.probability_of_improvement(scores, others), abs=1e-12
    )


def test_iqm_trims_whole_runs_and_three_runs_lose_none():
    assert aggregates.iqm([np.array([1.0, 2, 3, 4, 100])]) == 3
    assert aggregates.iqm([np.array([0.0, 0, 9])]) == 3
    assert aggregates.iqm([np.array([7.0])]) == 7


@given(st.integers(1, 60), st.data())
def test_iqm_of_successes_is_the_clipped_success_rate(quarters, data):
    runs = 4 * quarters
    successes = data.draw(st.integers(0, runs))
    scores = np.r_[np.ones(successes), np.zeros(runs - successes)]
    assert aggregates.iqm([scores]) == pytest.approx(np.clip(2 * successes / runs - 0.5, 0, 1))


def test_iqm_equals_scipys_trimmed_mean_with_leading_axes():
    scores = np.random.default_rng(0).normal(size=(7, 11))
    assert aggregates.iqm([scores[:, :4], scores[:, 4:]]) == pytest.approx(
        stats.trim_mean(scores, 0.25, axis=-1)
    )


def test_unequal_runs_leave_every_environment_the_same_weight_in_the_mean():
    ragged = [np.zeros(3), np.ones(9)]
    assert aggregates.mean(ragged) == 0.5
    assert aggregates.optimality_gap(ragged) == 0.5


def test_the_optimality_gap_gives_nothing_back_above_one():
    assert aggregates.optimality_gap([np.array([0.5, 5.0])]) == 0.25


def test_the_area_of_a_constant_curve_is_its_height_whatever_the_steps():
    steps = np.array([1.0, 2, 10])
    assert aggregates.area_under_curve(steps, np.full((4, 3), 7.0)) == pytest.approx(np.full(4, 7.0))
    assert aggregates.area_under_curve(steps, steps) == pytest.approx(5.5)
