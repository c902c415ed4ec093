"""How many steps a run takes to reach a threshold, where not every run arrives.

A mean over those that arrived would flatter a variant that rarely does. So a run that does not arrive counts
with the steps it was given: the restricted mean. Source of that estimand: Royston and Parmar (2013).
"""

from dataclasses import dataclass

import numpy as np

from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, Array, Interval, mean_interval
from matters.reports.study.curves import run_matrix
from matters.reports.study.study import Study

THRESHOLDS = (0.25, 0.50, 0.75)  # of the way from random actions to the yardstick
WINDOW = 3  # evaluation points whose mean has to be there, so that one lucky point is no arrival


@dataclass(frozen=True)
class Arrival:
    """How the `n` runs of one cell, each of `steps` steps, arrive at a threshold in raw return.

    `median` is that of all runs, None where at most half arrived; `restricted` is the mean in which those
    that did not count with their steps, with its `interval`, within 0 and `steps`, None under five runs.
    """

    variant: str
    environment: str
    share: float
    threshold: float
    n: int
    arrived: int
    steps: float
    median: float | None
    restricted: float
    interval: Interval | None


def first_arrival(steps: Array, scores: Array, threshold: float) -> float | None:
    """The first step at which the mean of the last three evaluations is at least the threshold, or None."""
    if len(scores) < WINDOW:
        return None
    sums = np.convolve(scores, np.ones(WINDOW), mode="valid")
    reached = np.flatnonzero(sums >= WINDOW * threshold)
    return float(steps[reached[0] + WINDOW - 1]) if len(reached) else None


def arrivals(study: Study) -> list[Arrival]:
    """Every cell with constants, at each threshold that any run on its environment reaches."""
    found = []
    for environment in study.comparable:
        random, scale = study.constants[environment][0], study.scale(environment) or 0.0
        cells = {variant: run_matrix(study, variant, environment) for variant in study.variants}
        for share in THRESHOLDS:
            here = [
                _arrival(variant, environment, share, random + share * scale, *cells[variant])
                for variant in study.variants
                if len(cells[variant][1])
            ]
            found += here if any(one.arrived for one in here) else []
    return found


def _arrival(
    variant: str, environment: str, share: float, threshold: float, steps: Array, runs: Array
) -> Arrival:
    times = [first_arrival(steps, run, threshold) for run in runs]
    end = float(steps[-1])
    restricted = np.array([end if time is None else time for time in times])
    arrived = [time for time in times if time is not None]
    ordered = sorted(arrived)
    around = mean_interval(restricted) if len(runs) >= MINIMUM_FOR_INTERVAL else None
    middle = [ordered[k] for k in ((len(runs) - 1) // 2, len(runs) // 2) if k < len(ordered)]
    return Arrival(
        variant=variant,
        environment=environment,
        share=share,
        threshold=threshold,
        n=len(runs),
        arrived=len(arrived),
        steps=end,
        median=float(np.mean(middle)) if len(middle) == 2 else None,
        restricted=float(restricted.mean()),
        # No run counts with more steps than it was given, so no mean does.
        interval=around and Interval(max(0.0, around.low), min(end, around.high), around.level),
    )
