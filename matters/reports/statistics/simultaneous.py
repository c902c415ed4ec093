"""A band that holds a whole curve: where two variants differ over training, without looking once per point.

Pointwise intervals at ten points miss somewhere far more often than in 5 %. The band is wider, by less the
more the points have in common: for runs that are constant in time it is the interval of their end point.
"""

import math
from dataclasses import dataclass

import numpy as np

from matters.reports.statistics.intervals import Array, contrasts

DRAWS = 10_000


@dataclass(frozen=True)
class Band:
    """Mean of x minus mean of y [T], and the simultaneous 95 % band; a line where no run has any spread.

    `critical` is how many standard errors the band reaches, and `freedom` that of Student's t behind it.
    """

    value: Array
    low: Array
    high: Array
    critical: float
    freedom: float


def difference_band(x: Array, y: Array, rng: np.random.Generator) -> Band:
    """The band of two sets of whole runs, [n, T] and [m, T], independent of each other.

    D(t) ± c s(t), with Welch's standard error s and c the quantile of max_t |T(t)|, where T is the process of
    studentised differences under no difference: Gaussian with the covariance over time that the runs show,
    drawn by giving each whole run's residual one normal multiplier, over a χ that all points share with the
    smallest of Welch's degrees of freedom. Source: Chernozhukov, Chetverikov and Kato, "Gaussian
    approximations and multiplier bootstrap" (2013); Montiel Olea and Plagborg-Møller, "Simultaneous
    confidence bands" (2019).
    """
    value, error, freedom = contrasts([x.T, y.T], (1.0, -1.0))
    moving = error > 0
    if not moving.any():
        return Band(value, value, value, 0.0, math.inf)
    least = float(freedom[moving].min())
    process = np.zeros((DRAWS, int(moving.sum())))
    for runs in (x, y):
        n = len(runs)
        residuals = (runs - runs.mean(axis=0))[:, moving] / math.sqrt(n * (n - 1))
        process += rng.standard_normal((DRAWS, n)) @ residuals
    # The n multipliers of a sample have n - 1 degrees of freedom: dividing by s makes up for that.
    process /= error[moving] * np.sqrt(rng.chisquare(least, DRAWS) / least)[:, None]
    critical = float(np.quantile(np.abs(process).max(axis=1), 0.95))
    return Band(value, value - critical * error, value + critical * error, critical, least)
