"""The secondary endpoint: the area under each run's curve, a mean return over training."""

from dataclasses import dataclass

import numpy as np

from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import (
    MINIMUM_FOR_INTERVAL,
    Array,
    Interval,
    bootstrap,
    contrast,
    iqm_tail,
)
from matters.reports.study.curves import run_matrix
from matters.reports.study.study import AGGREGATE, Study


@dataclass(frozen=True)
class Area:
    """The area of one variant, in return on an environment and as IQM of normalised scores in aggregate.

    `n` is the number of runs, that of the smallest cell in aggregate; there is no interval under five.
    """

    variant: str
    where: str
    value: float
    interval: Interval | None
    n: int


def run_areas(study: Study, variant: str, environment: str) -> Array:
    """The area under each run's evaluation curve over its span, by seed; empty with fewer than two points."""
    steps, runs = run_matrix(study, variant, environment)
    return aggregates.area_under_curve(steps, runs) if len(steps) > 1 else np.array([])


def areas(study: Study) -> list[Area]:
    """The IQM of the areas in aggregate, then their mean on each environment."""
    found = []
    for variant in study.variants:
        each = {name: run_areas(study, variant, name) for name in study.environments}
        for name, sample in each.items():
            if len(sample):
                known = len(sample) >= MINIMUM_FOR_INTERVAL
                interval = contrast([sample], [1.0]).interval() if known else None
                found.append(Area(variant, name, float(sample.mean()), interval, len(sample)))
        if study.blocked(variant) or not all(len(each[name]) for name in study.comparable):
            continue
        samples = [study.normalised(name, each[name]) for name in study.comparable]
        fewest = min(map(len, samples))
        interval = None
        if fewest >= MINIMUM_FOR_INTERVAL:
            rng = study.generator("area", variant)
            interval = bootstrap(samples, aggregates.iqm, rng, tail=iqm_tail)
        found.append(Area(variant, AGGREGATE, float(aggregates.iqm(samples)), interval, fewest))
    order = {name: k for k, name in enumerate((AGGREGATE, *study.environments))}
    return sorted(found, key=lambda area: order[area.where])
