"""Areas under curves: one number a run, before anything is resampled."""

import numpy as np
import pandas as pd
import pytest

from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import bootstrap, generator, iqm_tail
from matters.reports.study import curves
from matters.reports.study.areas_under_curves import areas, run_areas
from matters.reports.study.study import AGGREGATE, prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"


def study(cells, **options):
    names, places = (list(dict.fromkeys(part)) for part in zip(*cells, strict=True))
    return prepare(planted_suite(names, places), planted(cells), constants=CONSTANTS, **options)


def flat(found):
    """The same study with every run's curve constant at its last score."""
    rows = found.evaluations
    last = rows.groupby(["variant", "environment", "seed"])["score"].transform("last")
    object.__setattr__(found, "evaluations", rows.assign(score=last))
    return found


def test_each_run_has_the_trapezoidal_area_of_its_own_curve():
    found = study({("ppo", HOPPER): Plant(0.5, 0.1, 6)})
    steps, runs = curves.run_matrix(found, "ppo", HOPPER)
    expected = [np.trapezoid(run, steps) / (steps[-1] - steps[0]) for run in runs]
    assert run_areas(found, "ppo", HOPPER) == pytest.approx(expected)


def test_runs_that_are_constant_in_time_have_the_area_and_the_interval_of_their_endpoint():
    cells = {("ppo", place): Plant(0.5, 0.1) for place in (HOPPER, WALKER)}
    found = flat(study(cells))
    each = {area.where: area for area in areas(found)}
    cell = found.cell("ppo", HOPPER).scores
    assert each[HOPPER].value == pytest.approx(cell.mean())
    # Points resampled one by one would give an interval narrower by about √10, for ten points.
    end = bootstrap(found.aggregate_samples("ppo"), aggregates.iqm, generator("end"), tail=iqm_tail)
    width = each[AGGREGATE].interval.high - each[AGGREGATE].interval.low
    assert width == pytest.approx(end.high - end.low, rel=0.05)


def test_areas_come_in_aggregate_first_and_without_intervals_under_five_runs():
    cells = {(v, e): Plant(0.5, 0.1, 4) for v in ("ppo", "ppo-m") for e in (HOPPER, WALKER)}
    found = areas(study(cells))
    assert [area.where for area in found] == [AGGREGATE] * 2 + [HOPPER] * 2 + [WALKER] * 2
    assert all(area.interval is None for area in found)
    assert (found[0].variant, found[2].n) == ("ppo", 4)


def test_a_gap_blocks_the_aggregate_and_one_point_has_no_area():
    cells = {("ppo", HOPPER): Plant(0.5, 0.1, 5, failed=1), ("ppo", WALKER): Plant(0.5, 0.1, 5)}
    assert [area.where for area in areas(study(cells))] == [HOPPER, WALKER]
    single = study({("ppo", HOPPER): Plant(0.5, 0.1, 5)})
    rows = single.evaluations
    object.__setattr__(single, "evaluations", pd.DataFrame(rows[rows["point"] == 1]))
    assert areas(single) == []
