"""Intervals: Student's for means and their contrasts, the stratified bootstrap for everything else.

The unit is the run. Resampling draws whole runs within each environment, never environments, and never one
time point without the rest of its run.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

RESAMPLES = 10_000
CURVE_RESAMPLES = 2_000
MINIMUM_FOR_INTERVAL = (
    5  # with fewer runs in a cell an interval says more about its method than about the runs
)
MINIMUM_FOR_CLAIM = 10  # Agarwal et al. 2021, figure 6: bootstrap intervals cover from about ten runs


@dataclass(frozen=True)
class Interval:
    """A two-sided interval with its nominal coverage, `level`."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class Estimate:
    """A linear contrast of cell means: value, standard error, Satterthwaite's degrees of freedom.

    A standard error of zero means that no run differed from its cell's mean: intervals collapse to a point.
    """

    value: float
    standard_error: float
    degrees_of_freedom: float

    def interval(self, level: float = 0.95) -> Interval:
        """Student's interval around the value."""
        if self.standard_error == 0:
            return Interval(self.value, self.value, level)
        reach = stats.t.ppf(0.5 + level / 2, self.degrees_of_freedom) * self.standard_error
        return Interval(float(self.value - reach), float(self.value + reach), level)


def generator(identity: str, *labels: str) -> np.random.Generator:
    """A PCG64 generator that depends on the snapshot and the draw's name alone.

    Each draw has its own name, so adding a figure or a question changes no other number.
    """
    text = "\n".join((identity, *labels)).encode()
    return np.random.Generator(np.random.PCG64(int(hashlib.sha256(text).hexdigest(), 16)))


def contrast(samples: Sequence[Array], weights: Sequence[float]) -> Estimate:
    """The weighted sum of sample means, without assuming equal variances.

    Two samples with weights 1 and -1 give Welch's comparison. Raises ValueError for a sample of one run,
    whose variance nobody knows. Source: Satterthwaite 1946.
    """
    if any(len(sample) < 2 for sample in samples):
        raise ValueError("a contrast needs at least two runs in every cell")
    value, parts, fourth = 0.0, 0.0, 0.0
    for sample, weight in zip(samples, weights, strict=True):
        value += weight * float(np.mean(sample))
        # A constant sample can have a variance of rounding errors; it has none.
        variance = 0.0 if np.ptp(sample) == 0 else float(np.var(sample, ddof=1))
        part = weight**2 * variance / len(sample)
        parts += part
        fourth += part**2 / (len(sample) - 1)
    freedom = parts**2 / fourth if fourth > 0 else float(sum(len(sample) - 1 for sample in samples))
    return Estimate(value, math.sqrt(parts), freedom)


def mean_interval(sample: Array, level: float = 0.95) -> Interval:
    """Student's interval of one mean."""
    return contrast([sample], [1.0]).interval(level)


def expanded_tail(
    counts: Sequence[int], variances: Sequence[float] | None = None, level: float = 0.95
) -> float:
    """The tail probability that makes a percentile interval of a mean as wide as Student's.

    The bootstrap's standard error is too small by sqrt((n-1)/n), and it takes normal quantiles where
    Student's belong: Phi(-sqrt(n/(n-1)) t). `counts` are the runs a stratum. Without `variances` the strata
    are taken as equally variable; with them Satterthwaite's degrees of freedom keep an environment
    where every run scores the same from lending its own to the others. Source: Hesterberg 2015, section 5.
    """
    if min(counts) < 2:
        raise ValueError("an expanded percentile needs at least two runs in every stratum")
    spread = (
        np.ones(len(counts)) if variances is None or sum(variances) == 0 else np.asarray(variances, float)
    )
    n = np.asarray(counts, float)
    parts = spread / n
    freedom = parts.sum() ** 2 / (parts**2 / (n - 1)).sum()
    narrowness = math.sqrt(parts.sum() / (parts * (n - 1) / n).sum())
    return float(special.ndtr(-narrowness * stats.t.ppf(0.5 + level / 2, freedom)))


def bootstrap(
    samples: Sequence[Array],
    statistic: Callable[[Sequence[Array]], Array],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    expanded: bool = True,
) -> Interval:
    """Percentile interval of `statistic(samples)`, runs resampled within each sample.

    `samples` is one vector a stratum (variant and environment), with the runs last. `expanded=False` gives
    the plain percentile interval, which covers too little with few seeds.
    """
    low, high = _bootstrap(samples, statistic, rng, 0, level, resamples, expanded)
    return Interval(float(low), float(high), level)


def bootstrap_curve(
    curves: Sequence[Array],
    statistic: Callable[[Sequence[Array]], Array],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = CURVE_RESAMPLES,
) -> tuple[Array, Array]:
    """Pointwise band [T], [T] of `statistic` over curves [runs, T]: a resampled run brings its whole past.

    `statistic` takes samples whose last axis holds the runs, as everywhere.
    """
    low, high = _bootstrap(curves, statistic, rng, 0, level, resamples, True)
    return np.asarray(low), np.asarray(high)


def _bootstrap(
    samples: Sequence[Array],
    statistic: Callable[[Sequence[Array]], Array],
    rng: np.random.Generator,
    axis: int,
    level: float,
    resamples: int,
    expanded: bool,
) -> tuple[Any, Any]:
    # For a curve the variance that sets the degrees of freedom is the mean over time of that between runs.
    variances = [float(np.mean(np.var(sample, axis=axis, ddof=1))) for sample in samples]
    tail = (
        expanded_tail([len(sample) for sample in samples], variances, level) if expanded else (1 - level) / 2
    )

    def of_columns(*columns: Array, axis: int = -1) -> Array:
        return statistic([np.moveaxis(column, axis, -1) for column in columns])

    result = stats.bootstrap(
        tuple(samples),
        of_columns,
        axis=axis,
        n_resamples=resamples,
        batch=_batch(samples, resamples),
        vectorized=True,
        confidence_level=1 - 2 * tail,
        method="percentile",
        rng=rng,
    )
    return result.confidence_interval.low, result.confidence_interval.high


def _batch(samples: Sequence[Array], resamples: int) -> int:
    # A comparison of pairs of runs needs n² cells a resample: keep a batch near sixteen million numbers.
    widest = max(sample.size for sample in samples)
    longest = max(len(sample) for sample in samples)
    return max(1, min(resamples, 16_000_000 // max(1, widest * longest)))
