"""Ranks with their uncertainty: between which places each variant may stand, given its runs.

The share of bootstrap resamples in which a variant is first is not the probability that it is best: of two
variants that are alike, one is "first in 95 %" in one report of ten. So a variant's rank is an interval:
it is behind those that are significantly better and before those that are significantly worse, by tests with
Holm's correction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from matters.reports.statistics import aggregates
from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, Array, resampled
from matters.reports.study.study import Study


@dataclass(frozen=True)
class Ranks:
    """`low[v]` to `high[v]` are the ranks that variant v may have, 1 the best: simultaneous 95 % intervals.

    `means[v]` is its mean normalised score. `shares[v, k]` is how often it ranks k-th by the IQM over
    bootstrap resamples: a description of these runs. `left_out` are the variants that have no rank, for want
    of an aggregate with an interval: a rank is among the others.
    """

    variants: tuple[str, ...]
    means: Array
    low: NDArray[np.int_]
    high: NDArray[np.int_]
    shares: Array
    left_out: tuple[str, ...] = ()

    @property
    def expected(self) -> Array:
        """The mean rank of each variant over the resamples, 1 the best."""
        return np.asarray(self.shares @ np.arange(1, len(self.variants) + 1))

    @property
    def order(self) -> list[int]:
        """The variants from the best mean down."""
        return [int(v) for v in np.argsort(-self.means, kind="stable")]


def shares_of_ranks(scores: Array) -> Array:
    """[variants, ranks] from scores [variants, draws]; variants that tie share the ranks they take."""
    first, last = (stats.rankdata(-scores, method=method, axis=0) for method in ("min", "max"))
    ranks = np.arange(1, len(scores) + 1)[:, None, None]
    held = (first <= ranks) & (ranks <= last)
    return np.asarray((held / (last - first + 1)).mean(axis=-1).T)


def rank_bounds(better: NDArray[np.bool_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Lowest and highest rank of each variant from better[a, b], whether a is significantly better than b.

    Together the intervals hold every true rank where all of the tests are right. Source: Mohamad, van Zwet,
    Solari and Goeman, "Simultaneous confidence intervals for ranks" (2019).
    """
    return 1 + better.sum(axis=0), len(better) - better.sum(axis=1)


def significantly_better(samples: Sequence[Sequence[Array]]) -> NDArray[np.bool_]:
    """better[a, b] as `rank_bounds` takes it, by tests with Holm's correction over all pairs of variants.

    `samples` holds each variant's runs, at least five in each of its environments.
    """
    pairs = list(combinations(range(len(samples)), 2))
    found = [compare.difference(samples[a], samples[b], None, permuted=False) for a, b in pairs]
    adjusted = compare.holm([one.p_value for one in found if one is not None])
    better = np.zeros((len(samples), len(samples)), bool)
    for (a, b), one, p_value in zip(pairs, found, adjusted, strict=True):
        if one is not None and p_value <= compare.ALPHA:
            winner, loser = (a, b) if one.estimate.value > 0 else (b, a)
            better[winner, loser] = True
    return better


def rank_intervals(study: Study) -> Ranks | None:
    """Over the variants that have an aggregate with an interval; None with fewer than two."""
    variants = [
        name
        for name in study.variants
        if study.blocked(name) is None and study.seeds([name], study.comparable) >= MINIMUM_FOR_INTERVAL
    ]
    if len(variants) < 2:
        return None
    samples = {name: study.aggregate_samples(name) for name in variants}
    scores = [resampled(samples[name], aggregates.iqm, study.generator("ranks", name)) for name in variants]
    low, high = rank_bounds(significantly_better(list(samples.values())))
    means = np.array([float(aggregates.mean(samples[name])) for name in variants])
    left_out = tuple(name for name in study.variants if name not in variants)
    return Ranks(tuple(variants), means, low, high, shares_of_ranks(np.stack(scores)), left_out)
