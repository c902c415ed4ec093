"""The familiar numbers: rliable's plain percentile intervals, for comparison with the literature.

The only module that calls rliable. rliable ignores its `random_state` and draws indices from NumPy's global
generator, so the call is made under a scoped global seed. It also needs the same number of runs in every
environment, and resamples each time point by itself: it is never used for curves or differences.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from matters.reports.statistics.intervals import Array, Interval

RESAMPLES = 2_000  # rliable's loop is in Python: about a second per variant with 10 000


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator within the block and put its state back afterwards."""
    state = np.random.get_state()  # noqa: NPY002 - rliable knows no other generator
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def all_metrics(drawn: Array) -> Array:
    """All of METRICS, in their order, of one draw [runs, environments].

    Written out, and held equal to rliable's by a test: the loop over resamples is in Python, and SciPy's
    `trim_mean`, which rliable calls, is slow on arrays this small.
    """
    pooled = np.sort(drawn, axis=None)
    cut = len(pooled) // 4
    means = np.sort(drawn.mean(axis=0))
    middle = (means[(len(means) - 1) // 2] + means[len(means) // 2]) / 2
    return np.array(
        [pooled[cut : len(pooled) - cut].mean(), means.mean(), middle, 1 - np.minimum(drawn, 1).mean()]
    )


def percentile_intervals(
    samples: Sequence[Array], seed: int, resamples: int = RESAMPLES
) -> dict[str, tuple[float, Interval]] | None:
    """rliable's value and 95 % percentile interval of each metric, or None where runs are unequal in number.

    `samples` is one vector of normalised run scores per environment; the keys are those of
    `matters.reports.statistics.aggregates.METRICS`.
    """
    if len({len(sample) for sample in samples}) != 1 or len(samples[0]) < 2:
        return None
    from rliable import library, metrics

    functions = {
        "IQM": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "median": metrics.aggregate_median,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    scores = np.stack(list(samples), axis=1)  # [runs, environments]

    with global_seed(seed):
        _, intervals = library.get_interval_estimates({"all": scores}, all_metrics, reps=resamples)
    low, high = intervals["all"]
    return {
        name: (float(function(scores)), Interval(float(low[k]), float(high[k])))
        for k, (name, function) in enumerate(functions.items())
    }
