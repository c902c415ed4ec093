"""The difference over training: where it ends, and steps that are not the same."""

from dataclasses import replace

import numpy as np
import pytest

from matters.reports.study.difference_curves import difference_curve, difference_rows
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER = "Hopper-v5"


def study(n=6, shift=0):
    """`a` is 0.2 of the scale above `b` at the end; the steps of `b` lie `shift` later."""
    snapshot = planted({("a", HOPPER): Plant(0.7, 0.1, n), ("b", HOPPER): Plant(0.5, 0.1, n)})
    table = snapshot.evaluations.copy()
    table.loc[table["variant"] == "b", "step"] += shift
    return prepare(planted_suite("ab", [HOPPER]), replace(snapshot, evaluations=table), constants=CONSTANTS)


def test_it_ends_at_the_difference_of_the_scores_and_its_numbers_are_the_figures():
    curve = difference_curve(study(), "a", "b", HOPPER)
    assert curve.band.value[-1] == pytest.approx(0.2 * 2980)
    assert curve.band.low[-1] < 0.2 * 2980 < curve.band.high[-1]
    assert len(curve.steps) == 10
    rows = difference_rows([curve])
    assert [row["step"] for row in rows] == curve.steps.tolist()
    assert [row["low"] for row in rows] == curve.band.low.tolist()
    mirrored = difference_curve(study(), "b", "a", HOPPER)
    assert mirrored.band.value == pytest.approx(-curve.band.value)


def test_the_same_store_gives_the_same_band():
    one, two = (difference_curve(study(), "a", "b", HOPPER) for _ in range(2))
    assert np.array_equal(one.band.high, two.band.high)


def test_runs_at_other_steps_are_interpolated_as_far_as_both_go():
    late = difference_curve(study(shift=1_000), "a", "b", HOPPER)
    assert late.steps.min() >= 6_000
    assert late.steps.max() <= 50_000
    assert len(late.steps) == 9
    # At 50 000, `b` stands between its evaluations at 46 000 and 51 000, which are equal.
    assert late.band.value[-1] == pytest.approx(0.2 * 2980)


def test_under_five_runs_there_is_no_band():
    assert difference_curve(study(n=4), "a", "b", HOPPER) is None
