"""Scores of many runs on several environments, summed up in one number.

All functions take `samples`: one array per environment, its last axis holding the runs. Environments may have
different numbers of runs. Leading axes are kept, so that a bootstrap can hand in all its resamples at once.
The definitions are those of Agarwal et al., "Deep RL at the Edge of the Statistical Precipice" (2021), and
equal `rliable.metrics` wherever all environments have the same number of runs.
"""

from collections.abc import Callable, Sequence

import numpy as np

from matters.reports.statistics.intervals import Array

Samples = Sequence[Array]


def iqm(samples: Samples) -> Array:
    """Interquartile mean: the mean of the middle half of all runs, pooled over environments.

    `floor(n / 4)` runs are cut at either end, so three runs in all lose none. With unequal numbers of runs an
    environment weighs in proportion to its runs.
    """
    pooled = np.sort(np.concatenate(list(samples), axis=-1), axis=-1)
    cut = int(0.25 * pooled.shape[-1])
    return np.asarray(pooled[..., cut : pooled.shape[-1] - cut].mean(axis=-1))


def mean(samples: Samples) -> Array:
    """Mean over environments of the mean over runs; every environment weighs the same."""
    return np.asarray(np.mean([sample.mean(axis=-1) for sample in samples], axis=0))


def median(samples: Samples) -> Array:
    """Median over environments of the mean over runs."""
    return np.asarray(np.median([sample.mean(axis=-1) for sample in samples], axis=0))


def optimality_gap(samples: Samples) -> Array:
    """Mean shortfall below 1, in normalised score; runs above 1 do not make up for others."""
    return 1.0 - mean([np.minimum(sample, 1.0) for sample in samples])


def probability_of_improvement(x: Samples, y: Samples) -> Array:
    """Mean over environments of P(a run of x scores more than a run of y), ties counting one half."""
    chances = []
    for ours, theirs in zip(x, y, strict=True):
        left, right = ours[..., :, None], theirs[..., None, :]
        chances.append(((left > right) + 0.5 * (left == right)).mean(axis=(-2, -1)))
    return np.asarray(np.mean(chances, axis=0))


def area_under_curve(steps: Array, curves: Array) -> Array:
    """Trapezoidal area under each run's curve, divided by the span: a mean score over training.

    `steps` is [T], `curves` is [..., T]. The area is taken per run, before anything is resampled.
    """
    return np.asarray(np.trapezoid(curves, steps, axis=-1) / (steps[-1] - steps[0]))


METRICS: dict[str, Callable[[Samples], Array]] = {
    "IQM": iqm,
    "mean": mean,
    "median": median,
    "optimality gap": optimality_gap,
}
