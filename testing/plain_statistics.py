"""Statistics in a few plain lines of NumPy each, to hold against what a report shows.

Nothing here comes from `matters.reports`: a column that shows another statistic, or a band of another width,
is then seen by the tests that use this.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from matters.results.snapshot import Snapshot
from testing.planted import CONSTANTS

DRAWS = 10_000
Array = NDArray[np.float64]
Statistic = Callable[[Sequence[Array]], Array]
"""Of groups of runs [..., n], one per environment."""
Rows = Sequence[Mapping[str, Any]]


def scores(snapshot: Snapshot, variant: str, place: str) -> Array:
    """The scores of a cell's runs [n]."""
    runs = snapshot.runs
    own = runs[(runs["variant"] == variant) & (runs["environment"] == place)]
    return np.asarray(own["score"].to_numpy(float))


def unit(place: str, returns: Array) -> Array:
    """Returns in normalised score."""
    low, high = CONSTANTS[place]
    return (returns - low) / (high - low)


def curves(snapshot: Snapshot, variant: str, place: str) -> tuple[Array, Array]:
    """Steps [T] and scores [n, T] of a cell's evaluations."""
    rows = snapshot.evaluations
    rows = rows[(rows["variant"] == variant) & (rows["environment"] == place)].sort_values(["seed", "step"])
    steps = rows["step"].unique()
    return steps.astype(float), rows["score"].to_numpy(float).reshape(-1, len(steps))


def welch(groups: Sequence[Array], weights: Sequence[float]) -> tuple[float, float, float]:
    """Value, standard error and Satterthwaite's degrees of freedom of Σ weight · mean."""
    parts = np.array([w**2 * g.var(ddof=1) / len(g) for g, w in zip(groups, weights, strict=True)])
    value = sum(float(w * g.mean()) for g, w in zip(groups, weights, strict=True))
    freedom = parts.sum() ** 2 / sum(p**2 / (len(g) - 1) for g, p in zip(groups, parts, strict=True))
    return value, float(np.sqrt(parts.sum())), float(freedom)


def iqm(groups: Sequence[Array]) -> Array:
    """The mean of the middle half of all runs."""
    pooled = np.sort(np.concatenate(groups, axis=-1), axis=-1)
    cut = pooled.shape[-1] // 4
    return np.asarray(pooled[..., cut : pooled.shape[-1] - cut].mean(-1))


def mean(groups: Sequence[Array]) -> Array:
    """The mean over environments of their means."""
    return np.asarray(np.mean([group.mean(-1) for group in groups], axis=0))


def median(groups: Sequence[Array]) -> Array:
    """The median over environments of their means."""
    return np.asarray(np.median([group.mean(-1) for group in groups], axis=0))


def gap(groups: Sequence[Array]) -> Array:
    """The optimality gap: what is lacking to 1, runs above it counting as 1."""
    return 1 - mean([np.minimum(group, 1) for group in groups])


METRICS: dict[str, Statistic] = {"IQM": iqm, "mean": mean, "median": median, "optimality gap": gap}


def redrawn(groups: Sequence[Array], statistic: Statistic) -> Array:
    """The statistic of resampled runs [draws]."""
    rng = np.random.default_rng(7)
    drawn = [group[rng.integers(0, len(group), (DRAWS, len(group)))] for group in groups]
    return statistic(drawn)


def tail(groups: Sequence[Array], *, pooled: bool = False) -> float:
    """Hesterberg's expanded tail, of a mean of means or of the trimmed mean of all runs."""
    n = np.array([len(group) for group in groups])
    used = list(groups)
    if pooled:
        every = np.sort(np.concatenate(groups))
        cut = len(every) // 4
        used = [len(group) * np.clip(group, every[cut], every[-1 - cut]) for group in groups]
    parts = np.array([group.var(ddof=1) for group in used]) / n
    narrow = np.sqrt(parts.sum() / (parts * (n - 1) / n).sum())
    narrow *= np.sqrt(1 - 1 / n.sum()) if pooled else 1
    freedom = parts.sum() ** 2 / (parts**2 / (n - 1)).sum()
    return float(stats.norm.cdf(-narrow * stats.t.ppf(0.975, freedom)))


def same(shown: Rows, expected: Rows) -> None:
    """The table as the CSV file and report.json hold it: each key of each row, and as many rows."""
    assert len(shown) == len(expected)
    for row, wanted in zip(shown, expected, strict=True):
        for key, value in wanted.items():
            given = row[key]
            if value is None:
                assert given in (None, ""), key
            elif isinstance(value, str):
                assert given == value, key
            else:
                assert float(given) == pytest.approx(float(value), rel=1e-8, abs=1e-9), (key, row)


def near(shown: float | str, expected: float, width: float, share: float = 0.06) -> None:
    """Equal as far as two bootstraps of the same runs are."""
    assert float(shown) == pytest.approx(expected, abs=share * width)
