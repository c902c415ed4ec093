"""Steps to a threshold: worked curves, and runs that do not arrive count."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from matters.reports.page.curve_tables import arrival_table
from matters.reports.study.study import prepare
from matters.reports.study.time_to_threshold import arrivals, first_arrival
from testing.planted import Plant, planted, planted_suite

STEPS = np.arange(1, 7) * 10.0
CONSTANTS = {"Hopper-v5": (0.0, 100.0)}


@pytest.mark.parametrize(
    ("scores", "step"),
    [
        ([0, 30, 60, 60, 60, 60], 40),  # 30 + 60 + 60 = 150: at the third 90 / 3 = 30 is too little
        ([50, 50, 50, 0, 0, 0], 30),  # there at once, and lost later: it was there
        ([0, 0, 150, 0, 0, 0], 30),  # a spike so high that the mean of three is there
        ([0, 0, 140, 0, 0, 0], None),  # one lucky point is no arrival
        ([0, 0, 0, 0, 0, 49], None),
    ],
)
def test_the_mean_of_three_evaluations_has_to_be_there(scores, step):
    assert first_arrival(STEPS, np.array(scores, float), 50.0) == step


def test_fewer_evaluations_than_three_never_arrive():
    assert first_arrival(STEPS[:2], np.array([99.0, 99.0]), 50.0) is None


def study(curves):
    """Runs of `a` on Hopper with these evaluations."""
    snapshot = planted({("a", "Hopper-v5"): Plant(0.5, 0.1, len(curves))}, CONSTANTS)
    keys = snapshot.runs[["run_id", "variant", "environment", "seed"]].to_dict("records")
    rows = [
        {**run, "point": k + 1, "step": int(STEPS[k]), "score": float(score)}
        for run, curve in zip(keys, curves, strict=True)
        for k, score in enumerate(curve)
    ]
    snapshot = replace(snapshot, evaluations=pd.DataFrame(rows))
    return prepare(planted_suite(["a"], ["Hopper-v5"]), snapshot, constants=CONSTANTS)


def test_runs_that_do_not_arrive_count_with_all_their_steps():
    slow, fast, never = [0, 30, 60, 60, 60, 60], [60] * 6, [0] * 6
    found = {one.share: one for one in arrivals(study([fast, slow, slow, never, never]))}
    half = found[0.5]
    assert (half.threshold, half.n, half.arrived, half.steps) == (50.0, 5, 3, 60.0)
    assert half.restricted == pytest.approx((30 + 40 + 40 + 60 + 60) / 5)
    assert half.median == 40.0
    assert half.interval.low < 46 < half.interval.high
    assert 0.75 not in found, "no run reaches it"
    fewer = {one.share: one for one in arrivals(study([fast, slow, never, never, never]))}
    assert fewer[0.5].median is None, "fewer than half arrive"


def test_the_table_says_how_many_arrived():
    table = arrival_table(arrivals(study([[60] * 6] * 5 + [[0] * 6])))
    assert [row[2:5] for row in table.rows] == [("`a`", "5 of 6", "30")] * 2
    assert [(row["share"], row["median"]) for row in table.data] == [(0.25, 30.0), (0.5, 30.0)]


def test_the_interval_of_steps_ends_at_those_that_a_run_was_given():
    never, soon = [0] * 6, [60] * 6
    found = arrivals(study([soon, never, never, never, never]))
    assert [one.share for one in found] == [0.25, 0.5]
    for one in found:
        assert one.restricted == pytest.approx((30 + 4 * 60) / 5)
        assert one.interval.low < one.restricted < one.interval.high == one.steps == 60.0
