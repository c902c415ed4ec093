"""Every variant against every other: effects, and no verdicts.

With many variants these are many pairs, some of which a question compares already: no pair gets two
verdicts or two adjusted p-values. Source of the layout: Ismail-Fawaz et al., "An Approach to Multiple
Comparison Benchmark Evaluations that is Stable Under Manipulation of the Comparate Set" (2023).
"""

from dataclasses import dataclass

from matters.reports.statistics.comparisons import hedges_g, improvement
from matters.reports.statistics.intervals import (
    MINIMUM_FOR_INTERVAL,
    Array,
    Interval,
    contrast,
    difference_weights,
)
from matters.reports.study.study import AGGREGATE, Study


@dataclass(frozen=True)
class Effect:
    """How one variant scores beside another, `x` minus `y`: in raw return, or in normalised score over all.

    `difference` is of the means with its unadjusted 95 % interval, `chance` the probability that a run of x
    scores more than one of y, and `effect_size` Hedges' g, on single environments only. Where both are the
    same runs there are no intervals.
    """

    x: str
    y: str
    where: str
    difference: float
    interval: Interval | None
    chance: float
    chance_interval: Interval | None
    effect_size: float | None
    n: int


def all_pairs(study: Study) -> list[Effect]:
    """Every pair once, in the order of the variants, in aggregate and on every environment.

    Cells of fewer than five runs are left out, and in aggregate variants whose aggregate is blocked. Two
    variants of the same runs are no two samples: their difference is 0, without an interval.
    """
    found = []
    for k, x in enumerate(study.variants):
        for y in study.variants[k + 1 :]:
            if len(study.comparable) > 1 and not study.blocked(x) and not study.blocked(y):
                samples = [study.aggregate_samples(name) for name in (x, y)]
                same = all(study.same_runs(where, x, y) for where in study.comparable)
                found += _effect(x, y, AGGREGATE, *samples, same=same)
            for where in study.environments:
                if study.apart(where, x, y) is None:
                    cells = [[study.cell(name, where).scores] for name in (x, y)]
                    found += _effect(x, y, where, *cells, same=study.same_runs(where, x, y))
    return found


def _effect(x: str, y: str, where: str, left: list[Array], right: list[Array], *, same: bool) -> list[Effect]:
    n = min(len(sample) for sample in (*left, *right))
    if n < MINIMUM_FOR_INTERVAL:
        return []
    estimate = contrast([*left, *right], difference_weights(len(left)))
    chance, around = improvement(left, right)
    size = hedges_g(left[0], right[0]) if len(left) == 1 else None
    if same:
        return [Effect(x, y, where, 0.0, None, 0.5, None, 0.0 if size is not None else None, n)]
    return [Effect(x, y, where, estimate.value, estimate.interval(0.95), chance, around, size, n)]
