"""Aggregate scores of each variant: every metric with our interval and, beside it, rliable's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matters.reports.statistics.aggregates import METRICS
from matters.reports.statistics.intervals import (
    MINIMUM_FOR_INTERVAL,
    TAILS,
    Array,
    Interval,
    bootstrap,
    contrast,
    mean_tail,
)
from matters.reports.statistics.rliable_intervals import percentile_intervals
from matters.reports.study.study import Study


@dataclass(frozen=True)
class AggregateScore:
    """One metric of one variant over the comparable environments; intervals are None under five seeds."""

    variant: str
    metric: str
    value: float
    interval: Interval | None
    plain: Interval | None
    seeds: int
    claim: bool


def aggregate_scores(
    study: Study, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[AggregateScore], dict[str, str]]:
    """(scores, {variant: why it has none}), variants in the suite's order, metrics in that of `METRICS`."""
    scores: list[AggregateScore] = []
    blocked: dict[str, str] = {}
    for variant in study.variants:
        reason = study.blocked(variant)
        if reason is not None:
            blocked[variant] = reason
            continue
        progress(variant)
        samples = study.aggregate_samples(variant)
        seeds = study.seeds([variant], study.comparable)
        enough = seeds >= MINIMUM_FOR_INTERVAL
        seed = int(study.generator("familiar", variant).integers(2**32))
        plain = percentile_intervals(samples, seed) if enough else None
        for metric, function in METRICS.items():
            scores.append(
                AggregateScore(
                    variant=variant,
                    metric=metric,
                    value=float(function(samples)),
                    interval=_interval(study, variant, metric, samples) if enough else None,
                    plain=plain[metric][1] if plain else None,
                    seeds=seeds,
                    claim=study.claim([variant], study.comparable),
                )
            )
    return scores, blocked


def _interval(study: Study, variant: str, metric: str, samples: Sequence[Array]) -> Interval | None:
    if metric == "mean":
        # Satterthwaite's interval covers exactly where a percentile interval of five runs covers too little.
        return contrast(samples, [1 / len(samples)] * len(samples)).interval()
    rng = study.generator("aggregate", variant, metric)
    return bootstrap(samples, METRICS[metric], rng, tail=TAILS.get(metric, mean_tail))
