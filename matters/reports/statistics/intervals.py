"""Intervals: Student's for means and their contrasts, the stratified bootstrap for everything else.

The unit is the run. Resampling draws whole runs within each environment, never environments, and never one
time point without the rest of its run. How often the intervals cover is measured by
`testing.coverage`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

RESAMPLES = 10_000
CURVE_RESAMPLES = 2_000
MINIMUM_FOR_INTERVAL = 5  # with fewer runs in a cell an interval says more about its method than about them
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

    A standard error of zero means that no run differed from its cell's mean.
    """

    value: float
    standard_error: float
    degrees_of_freedom: float

    def interval(self, level: float = 0.95) -> Interval | None:
        """Student's interval around the value; None without any spread: a point would claim certainty.

        Ten equal runs leave open that one run in four differs (1 - 0.05^(1/10) = 26 %).
        """
        if self.standard_error == 0:
            return None
        reach = stats.t.ppf(0.5 + level / 2, self.degrees_of_freedom) * self.standard_error
        return Interval(float(self.value - reach), float(self.value + reach), level)


def deviation(scores: Array) -> float | None:
    """The sample standard deviation over runs; None for fewer than two."""
    return float(scores.std(ddof=1)) if len(scores) > 1 else None


def generator(identity: str, *labels: str) -> np.random.Generator:
    """A PCG64 generator that depends on the snapshot and the draw's name alone.

    Each draw has its own name, so adding a figure or a question changes no other number.
    """
    text = "\n".join((identity, *labels)).encode()
    return np.random.Generator(np.random.PCG64(int(hashlib.sha256(text).hexdigest(), 16)))


def contrasts(samples: Sequence[Array], weights: Sequence[float]) -> tuple[Array, Array, Array]:
    """Weighted sums of sample means: value, standard error and degrees of freedom, each [...].

    A sample is [..., runs]; leading axes are kept, so that many draws are judged at once. Equal variances are
    not assumed. Where no sample has any spread the error is zero. Raises ValueError for a sample of one run,
    whose variance is unknown. Source: Satterthwaite 1946.
    """
    if any(sample.shape[-1] < 2 for sample in samples):
        raise ValueError("a contrast needs at least two runs in every cell")
    value, parts, fourth = (np.zeros(samples[0].shape[:-1]) for _ in range(3))
    for sample, weight in zip(samples, weights, strict=True):
        value = value + weight * sample.mean(axis=-1)
        # Rounding errors can give a constant sample a variance; it has none.
        spread = np.where(np.ptp(sample, axis=-1) == 0, 0.0, sample.var(axis=-1, ddof=1))
        part = weight**2 * spread / sample.shape[-1]
        parts = parts + part
        fourth = fourth + part**2 / (sample.shape[-1] - 1)
    most = float(sum(sample.shape[-1] - 1 for sample in samples))
    freedom = np.where(fourth > 0, parts**2 / np.where(fourth > 0, fourth, 1.0), most)
    return value, np.sqrt(parts), freedom


def difference_weights(environments: int) -> list[float]:
    """The weights of a mean over environments of mean(x) - mean(y), x on all of them before y."""
    share = 1 / environments
    return [share] * environments + [-share] * environments


def contrast(samples: Sequence[Array], weights: Sequence[float]) -> Estimate:
    """The weighted sum of sample means, without assuming equal variances.

    Two samples with weights 1 and -1 give Welch's comparison. Raises ValueError for a sample of one run.
    """
    value, error, freedom = contrasts([np.asarray(sample, float) for sample in samples], weights)
    return Estimate(float(value), float(error), float(freedom))


def mean_interval(sample: Array) -> Interval | None:
    """Student's 95 % interval of one mean; None without any spread."""
    return contrast([sample], [1.0]).interval()


def expanded_tail(
    counts: Sequence[int],
    variances: Sequence[Array] | None = None,
    level: float = 0.95,
    *,
    pooled: bool = False,
) -> Array:
    """The tail probability that makes a percentile interval of a mean as wide as Student's.

    The bootstrap's standard error is too small by sqrt((n-1)/n), and it takes normal quantiles where
    Student's belong: Phi(-sqrt(n/(n-1)) t). `counts` are the runs per stratum, `variances` [...] theirs.
    Without them the strata are taken as equally variable; with them Satterthwaite's degrees of freedom keep
    an environment where every run scores the same from lending its own to the others. Source: Hesterberg
    2015, section 5.

    `pooled` is for a trimmed mean of all runs together. Resampled as one stratum, its standard error is not
    too small, so that only what stratifying takes away is given back: sqrt((N-1)/N) for N runs in all.
    """
    if min(counts) < 2:
        raise ValueError("an expanded percentile needs at least two runs in every stratum")
    spread = np.stack([np.ones(()) for _ in counts] if variances is None else list(variances), axis=-1)
    spread = np.where(spread.sum(axis=-1, keepdims=True) > 0, spread, 1.0)
    n = np.asarray(counts, float)
    parts = spread / n
    freedom = parts.sum(axis=-1) ** 2 / (parts**2 / (n - 1)).sum(axis=-1)
    narrowness = np.sqrt(parts.sum(axis=-1) / (parts * (n - 1) / n).sum(axis=-1))
    if pooled:
        narrowness = narrowness * np.sqrt((n.sum() - 1) / n.sum())
    return np.asarray(special.ndtr(-narrowness * special.stdtrit(freedom, 0.5 + level / 2)))


Tail = Callable[[Sequence[Array], float], Array]
"""The tail probability [...] of a percentile interval of samples [..., runs] at a level."""


def plain_tail(samples: Sequence[Array], level: float) -> Array:
    """The tail of the plain percentile interval, which covers too little with few seeds."""
    return np.full(samples[0].shape[:-1], (1 - level) / 2)


def mean_tail(samples: Sequence[Array], level: float) -> Array:
    """The expanded tail of a mean over environments of means over runs."""
    variances = [sample.var(axis=-1, ddof=1) for sample in samples]
    return expanded_tail([sample.shape[-1] for sample in samples], variances, level)


def iqm_tail(samples: Sequence[Array], level: float) -> Array:
    """The expanded tail of the interquartile mean of all runs together.

    Its degrees of freedom are those of the winsorised runs, from which its standard error comes: an
    environment whose runs are trimmed away lends none. Source: Tukey and McLaughlin 1963.
    """
    ordered = np.sort(np.concatenate(list(samples), axis=-1), axis=-1)
    cut = int(0.25 * ordered.shape[-1])
    low, high = ordered[..., cut, None], ordered[..., -1 - cut, None]
    counts = [sample.shape[-1] for sample in samples]
    # A run weighs the same wherever it is, so an environment weighs in proportion to its runs.
    variances = [
        n**2 * np.clip(sample, low, high).var(axis=-1, ddof=1)
        for n, sample in zip(counts, samples, strict=True)
    ]
    return expanded_tail(counts, variances, level, pooled=True)


def iqm_difference_tail(samples: Sequence[Array], level: float) -> Array:
    """The expanded tail of one IQM minus another: the first half of `samples` is the first variant's."""
    half = len(samples) // 2
    counts, variances = [], []
    for side in (samples[:half], samples[half:]):
        ordered = np.sort(np.concatenate(list(side), axis=-1), axis=-1)
        cut = int(0.25 * ordered.shape[-1])
        low, high = ordered[..., cut, None], ordered[..., -1 - cut, None]
        for sample in side:
            share = sample.shape[-1] / ordered.shape[-1]
            counts.append(sample.shape[-1])
            variances.append(share**2 * np.clip(sample, low, high).var(axis=-1, ddof=1))
    return expanded_tail(counts, variances, level, pooled=True)


TAILS: dict[str, Tail] = {"IQM": iqm_tail}
"""Metrics that are not means over environments of means over runs, with the tail that makes them cover."""


def resampled(
    samples: Sequence[Array],
    statistic: Callable[[Sequence[Array]], Array],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Array:
    """`statistic` of resampled runs, [..., resamples]; runs are drawn within each sample [..., runs].

    All leading axes share a draw: where they are time, a resampled run brings its whole past.
    """

    def of_columns(*columns: Array, axis: int = -1) -> Array:
        return statistic([np.moveaxis(column, axis, -1) for column in columns])

    result = stats.bootstrap(
        tuple(samples),
        of_columns,
        axis=-1,
        n_resamples=resamples,
        batch=_batch(samples, resamples),
        vectorized=True,
        method="percentile",
        rng=rng,
    )
    return np.asarray(result.bootstrap_distribution)


def percentiles(distribution: Array, tail: Array) -> tuple[Array, Array]:
    """The quantiles [...] at `tail` [...] and 1 - `tail` of draws [..., resamples], interpolated linearly."""
    ordered = np.sort(distribution, axis=-1)
    last = ordered.shape[-1] - 1
    place = np.broadcast_to(tail * last, ordered.shape[:-1])
    below = np.floor(place).astype(int)
    share = place - below

    def at(index: NDArray[np.int_]) -> Array:
        return np.asarray(np.take_along_axis(ordered, index[..., None], axis=-1)[..., 0])

    above = np.minimum(below + 1, last)
    low = at(below) + share * (at(above) - at(below))
    high = at(last - below) - share * (at(last - below) - at(last - above))
    return low, high


def bootstrap_bounds(
    samples: Sequence[Array],
    statistic: Callable[[Sequence[Array]], Array],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    tail: Tail = mean_tail,
) -> tuple[Array, Array]:
    """Bounds [...], [...] of the percentile interval of `statistic`, runs resampled within each sample.

    `samples` is one array [..., runs] per stratum (variant and environment).
    """
    distribution = resampled(samples, statistic, rng, resamples)
    return percentiles(distribution, tail(samples, level))


def bootstrap(
    samples: Sequence[Array],
    statistic: Callable[[Sequence[Array]], Array],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    tail: Tail = mean_tail,
) -> Interval | None:
    """`bootstrap_bounds` of one vector of runs per stratum, as an interval; None without any spread."""
    if all(np.ptp(sample) == 0 for sample in samples):
        return None
    low, high = bootstrap_bounds(samples, statistic, rng, level=level, resamples=resamples, tail=tail)
    return Interval(float(low), float(high), level)


def bootstrap_curve(
    curves: Sequence[Array],
    statistic: Callable[[Sequence[Array]], Array],
    rng: np.random.Generator,
    *,
    resamples: int = CURVE_RESAMPLES,
    tail: Tail = mean_tail,
) -> tuple[Array, Array]:
    """Pointwise 95 % band [T], [T] of `statistic` over curves [runs, T], whole runs resampled."""
    columns = [np.ascontiguousarray(curve.T) for curve in curves]
    return bootstrap_bounds(columns, statistic, rng, resamples=resamples, tail=tail)


def _batch(samples: Sequence[Array], resamples: int) -> int:
    # A comparison of pairs of runs needs n² cells per resample: keep a batch near sixteen million numbers.
    widest = max(int(sample.size) for sample in samples)
    longest = max(int(sample.shape[-1]) for sample in samples)
    return max(1, min(resamples, 16_000_000 // max(1, widest * longest)))
