"""Curves: aligned by evaluation point, whole runs, gaps carried forward."""

import numpy as np
import pandas as pd
import pytest

from matters.reports.study import curves
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"


def study(cells, **options):
    names, places = (list(dict.fromkeys(part)) for part in zip(*cells, strict=True))
    return prepare(planted_suite(names, places), planted(cells), constants=CONSTANTS, **options)


def test_a_curve_ends_at_the_mean_of_the_endpoints():
    found = study({("ppo", HOPPER): Plant(0.5, 0.1)})
    curve = curves.learning_curve(found, "ppo", HOPPER)
    assert curve.runs.shape == (10, 10)
    assert curve.centre[-1] == pytest.approx(found.cell("ppo", HOPPER).scores.mean())
    assert (curve.low < curve.centre).all()
    assert (curve.centre < curve.high).all()


def test_a_diverged_run_scores_as_random_actions_do_to_the_end():
    found = study({("ppo", HOPPER): Plant(0.5, 0.1, 6, diverged=2)})
    curve = curves.learning_curve(found, "ppo", HOPPER)
    assert np.isfinite(curve.runs).all()
    assert curve.runs[-1, 4] > CONSTANTS[HOPPER][0]
    assert set(curve.runs[-1, 5:]) == {CONSTANTS[HOPPER][0]}
    assert curve.runs[-1, -1] == found.cell("ppo", HOPPER).scores[-1]


def test_without_constants_a_diverged_run_keeps_its_last_score():
    found = study({("ppo", "Unknown-v0"): Plant(0.5, 0.1, 6, diverged=2)})
    curve = curves.learning_curve(found, "ppo", "Unknown-v0")
    assert curve.runs[-1, 4] == curve.runs[-1, -1]


def test_points_on_the_same_step_are_one_point():
    found = study({("ppo", HOPPER): Plant(0.5, 0.1, 5)})
    doubled = found.evaluations.assign(step=(found.evaluations["point"] + 1) // 2 * 1000)
    object.__setattr__(found, "evaluations", doubled)
    curve = curves.learning_curve(found, "ppo", HOPPER)
    assert list(curve.steps) == [1000, 2000, 3000, 4000, 5000]
    first = doubled[(doubled["seed"] == 0) & (doubled["step"] == 1000)]["score"]
    assert curve.runs[0, 0] == pytest.approx(first.mean())


def test_under_five_runs_there_is_no_band_and_without_any_no_curve():
    found = study({("ppo", HOPPER): Plant(0.5, 0.1, 4), ("ppo-m", HOPPER): Plant(0, 0, 0, missing=4)})
    assert curves.learning_curve(found, "ppo", HOPPER).low is None
    assert curves.learning_curve(found, "ppo-m", HOPPER) is None


def test_the_aggregate_curve_needs_two_environments_and_no_gap():
    both = {("ppo", HOPPER): Plant(0.5, 0.1), ("ppo", WALKER): Plant(0.7, 0.1)}
    curve = curves.aggregate_curve(study(both), "ppo")
    assert curve.centre[-1] == pytest.approx(0.6, abs=0.02)
    assert curves.aggregate_curve(study({("ppo", HOPPER): Plant(0.5, 0.1)}), "ppo") is None
    gap = both | {("ppo", WALKER): Plant(0.7, 0.1, failed=1)}
    assert curves.aggregate_curve(study(gap), "ppo") is None
    assert curves.aggregate_curve(study(gap, allow_missing=True), "ppo") is not None


def test_a_profile_falls_from_all_runs_to_none():
    found = study({("ppo", HOPPER): Plant(0.5, 0.1)})
    profile = curves.performance_profile(found, "ppo")
    assert (profile.centre[0], profile.centre[-1]) == (1.0, 0.0)
    assert (np.diff(profile.centre) <= 0).all()
    middle = np.searchsorted(profile.steps, 0.5)
    assert profile.centre[middle] == pytest.approx(0.5, abs=0.1)
    assert (profile.low <= profile.centre).all()
    assert (profile.centre <= profile.high).all()


def test_a_trace_takes_the_mean_of_a_stretch_but_the_largest_ratio():
    found = study({("ppo", HOPPER): Plant(0.5, 0.1, 5)})
    rows = found.updates
    many = pd.concat([rows.assign(step=rows["step"] + k, max_ratio=k + 1.0, mean_kl=k) for k in range(100)])
    object.__setattr__(found, "updates", many)
    ratio, kl = (curves.trace(found, "ppo", HOPPER, key) for key in ("max_ratio", "mean_kl"))
    assert len(ratio.steps) <= curves.DIAGNOSTIC_POINTS
    assert ratio.high.max() == 100
    assert kl.centre.max() < 99


def test_a_diagnostic_that_nobody_recorded_has_no_trace():
    found = study({("sb3-ppo", HOPPER): Plant(0.5, 0.1, 5)})
    assert curves.trace(found, "sb3-ppo", HOPPER, "max_ratio") is None
    assert curves.trace(found, "sb3-ppo", HOPPER, "residual") is None
    assert curves.trace(found, "sb3-ppo", HOPPER, "mean_kl") is not None
