"""The familiar numbers: rliable's plain percentile intervals, for comparison with the literature.

The only module that calls rliable. rliable ignores its `random_state` and draws indices from NumPy's global
generator, so the call is made under a scoped global seed. It also needs the same number of runs in every
environment, and resamples each time point by itself: it is never used for curves or differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from reports.aggregates import METRICS
from reports.intervals import Interval

Array = NDArray[np.float64]

RESAMPLES = 2_000  # rliable's loop is in Python: about a second a variant with 10 000


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator within the block and put its state back afterwards."""
    state = np.random.get_state()  # noqa: NPY002 - rliable knows no other generator
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def percentile_intervals(
    samples: Sequence[Array], seed: int, resamples: int = RESAMPLES
) -> dict[str, tuple[float, Interval]] | None:
    """rliable's value and 95 % percentile interval of each metric, or None where runs are unequal in number.

    `samples` is one vector of normalised run scores an environment; the keys are those of
    `reports.aggregates.METRICS`.
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

    def resampled(drawn: Array) -> Array:
        # Our definitions, which a test holds equal to rliable's: SciPy's `trim_mean`, which rliable calls, is
        # six times slower on arrays this small, and the loop is in Python.
        return np.array([METRICS[name](list(drawn.T)) for name in functions])

    with global_seed(seed):
        _, intervals = library.get_interval_estimates({"all": scores}, resampled, reps=resamples)
    low, high = intervals["all"]
    return {
        name: (float(function(scores)), Interval(float(low[k]), float(high[k])))
        for k, (name, function) in enumerate(functions.items())
    }
