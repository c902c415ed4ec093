"""The difference of two variants over training, with one band for the whole curve."""

from dataclasses import dataclass

import numpy as np

from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, Array
from matters.reports.statistics.simultaneous import Band, difference_band
from matters.reports.study.curves import run_matrix
from matters.reports.study.study import Study


@dataclass(frozen=True)
class DifferenceCurve:
    """Mean return of x minus that of y at environment steps [T], with the simultaneous 95 % band."""

    x: str
    y: str
    environment: str
    steps: Array
    band: Band


def difference_curve(study: Study, x: str, y: str, environment: str) -> DifferenceCurve | None:
    """The curve on one environment; None where a side has fewer than five runs, or no common steps.

    Where the two were evaluated at different steps, as their rollouts end elsewhere, the runs of both are
    interpolated to the steps of the one with fewer points, as far as both go.
    """
    (left, ours), (right, theirs) = (run_matrix(study, name, environment) for name in (x, y))
    if min(len(ours), len(theirs)) < MINIMUM_FOR_INTERVAL:
        return None
    steps = left if len(left) <= len(right) else right
    steps = steps[(steps >= max(left[0], right[0])) & (steps <= min(left[-1], right[-1]))]
    if not len(steps):
        return None
    ours, theirs = (
        np.stack([np.interp(steps, at, run) for run in runs]) for at, runs in ((left, ours), (right, theirs))
    )
    rng = study.generator("difference-curve", x, y, environment)
    return DifferenceCurve(x, y, environment, steps, difference_band(ours, theirs, rng))


def difference_rows(curves: list[DifferenceCurve]) -> list[dict[str, object]]:
    """Difference curves as data: one row per pair, environment and step."""
    return [
        {
            "x": curve.x,
            "y": curve.y,
            "environment": curve.environment,
            "step": float(curve.steps[t]),
            "difference": float(curve.band.value[t]),
            "low": float(curve.band.low[t]),
            "high": float(curve.band.high[t]),
        }
        for curve in curves
        for t in range(len(curve.steps))
    ]
