"""Rank probabilities: how often each variant comes first, second, …, over bootstrap resamples of its runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, resampled
from matters.reports.study.study import Study

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranks:
    """`shares[v, k]`: how often variant v ranks k-th by the IQM of normalised scores, the best first."""

    variants: tuple[str, ...]
    shares: Array

    @property
    def expected(self) -> Array:
        """The mean rank of each variant, 1 the best."""
        return np.asarray(self.shares @ np.arange(1, len(self.variants) + 1))


def shares_of_ranks(scores: Array) -> Array:
    """[variants, ranks] from scores [variants, draws]; variants that tie share the ranks they take."""
    first, last = (stats.rankdata(-scores, method=method, axis=0) for method in ("min", "max"))
    ranks = np.arange(1, len(scores) + 1)[:, None, None]
    held = (first <= ranks) & (ranks <= last)
    return np.asarray((held / (last - first + 1)).mean(axis=-1).T)


def rank_probabilities(study: Study) -> Ranks | None:
    """Over the variants that have an aggregate with an interval; None with fewer than two."""
    variants = [
        name
        for name in study.variants
        if study.blocked(name) is None and study.seeds([name], study.comparable) >= MINIMUM_FOR_INTERVAL
    ]
    if len(variants) < 2:
        return None
    scores = [
        resampled(study.aggregate_samples(name), aggregates.iqm, study.generator("ranks", name))
        for name in variants
    ]
    return Ranks(tuple(variants), shares_of_ranks(np.stack(scores)))
