"""What a single run may do: the lower tail of each cell, its collapses, and what the next run exceeds.

An interval of a mean says where the mean is, and nothing about the next run. Source: Patterson et al.,
"Empirical Design in Reinforcement Learning" (2024).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, Array, Interval
from matters.reports.study.caveats import collapses
from matters.reports.study.study import Study

CONTENT, CONFIDENCE = 0.90, 0.95
"""The share of runs that a tolerance bound is about, and how sure it is of them."""


@dataclass(frozen=True)
class Tail:
    """The lower tail of one cell of `n` runs, in raw return.

    `lower_half` is the mean of the worse half of the runs. Nine runs of ten score more than `bound`, with 95
    % confidence, and lie within `within`, if runs are normal; None under five runs or without spread.
    `collapsed` runs lie far below the others; `share` is the exact interval of their share. Both are None
    where nothing that was learnt could be lost.
    """

    variant: str
    environment: str
    n: int
    lower_half: float
    bound: float | None
    within: Interval | None
    collapsed: int | None
    share: Interval | None


def tolerance_factor(n: int) -> float:
    """How many standard deviations below the mean a one-sided tolerance bound of n normal runs lies.

    The quantile of Student's non-central t with n - 1 degrees of freedom and shift z √n, over √n.
    """
    return float(stats.nct.ppf(CONFIDENCE, n - 1, stats.norm.ppf(CONTENT) * math.sqrt(n)) / math.sqrt(n))


def two_sided_factor(n: int) -> float:
    """How many standard deviations around the mean a tolerance interval of n normal runs reaches.

    z √((n - 1) (1 + 1/n) / χ²), with the quantile of χ² at 1 - 95 %. Source: Howe 1969.
    """
    reach = stats.norm.ppf((1 + CONTENT) / 2)
    return float(reach * math.sqrt((n - 1) * (1 + 1 / n) / stats.chi2.ppf(1 - CONFIDENCE, n - 1)))


def clopper_pearson(hits: int, n: int) -> Interval:
    """The exact 95 % interval of a share."""
    tail = (1 - 0.95) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits == n else float(stats.beta.ppf(1 - tail, hits + 1, n - hits))
    return Interval(low, high)


def run_tails(study: Study) -> list[Tail]:
    """Every cell that has a run, environments first."""
    return [
        _tail(study, variant, environment, study.cell(variant, environment).scores)
        for environment in study.environments
        for variant in study.variants
        if study.cell(variant, environment).n
    ]


def _tail(study: Study, variant: str, environment: str, scores: Array) -> Tail:
    n = len(scores)
    spread = float(scores.std(ddof=1)) if n >= MINIMUM_FOR_INTERVAL else 0.0
    mean = float(scores.mean())
    reach = two_sided_factor(n) * spread if spread > 0 else 0.0
    lost = collapses(study, environment, scores)
    return Tail(
        variant=variant,
        environment=environment,
        n=n,
        lower_half=float(np.sort(scores)[: -(-n // 2)].mean()),
        bound=mean - tolerance_factor(n) * spread if spread > 0 else None,
        within=Interval(mean - reach, mean + reach, CONTENT) if spread > 0 else None,
        collapsed=lost,
        share=None if lost is None else clopper_pearson(lost, n),
    )
