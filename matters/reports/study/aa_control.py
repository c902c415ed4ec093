"""The A/A control: a reference compared with itself, over random splits of its runs into two halves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, contrasts
from matters.reports.study.study import AGGREGATE, Study

Array = NDArray[np.float64]

SPLITS = 2_000


@dataclass(frozen=True)
class Control:
    """One variant split into two halves of `n` runs, many times.

    `different` and `equivalent` are shares of the splits by place; a difference is counted after Holm's
    correction over the places, as a verdict would be. `anywhere` is the share called different in any
    place. Without a margin there is no share of equivalence.
    """

    variant: str
    n: int
    splits: int
    different: Mapping[str, float]
    equivalent: Mapping[str, float | None]
    anywhere: float


def split_control(study: Study, question: str, variant: str, splits: int = SPLITS) -> Control | None:
    """The control over the environments where both halves have at least five runs; None if there is none.

    With ten runs or more in all comparable environments the aggregate is a place too.
    """
    halves: dict[str, tuple[Array, Array]] = {}
    for environment in study.environments:
        scores = study.cell(variant, environment).scores
        half = len(scores) // 2
        if half < MINIMUM_FOR_INTERVAL:
            continue
        rng = study.generator(question, variant, environment, "control")
        mixed = rng.permuted(np.tile(scores, (splits, 1)), axis=1)
        halves[environment] = mixed[:, :half], mixed[:, half : 2 * half]
    if not halves:
        return None
    places = {name: _judged(study, [name], halves) for name in halves}
    if len(study.comparable) > 1 and not study.blocked(variant) and set(study.comparable) <= set(halves):
        places = {AGGREGATE: _judged(study, study.comparable, halves), **places}
    family = np.stack([p_values for p_values, _ in places.values()], axis=1)
    called = compare.holm_families(family) <= compare.ALPHA  # [splits, places]
    return Control(
        variant=variant,
        n=min(one.shape[1] for one, _ in halves.values()),
        splits=splits,
        different={place: float(called[:, k].mean()) for k, place in enumerate(places)},
        equivalent={
            place: None if same is None else float(same.mean()) for place, (_, same) in places.items()
        },
        anywhere=float(called.any(axis=1).mean()),
    )


def _judged(
    study: Study, environments: Sequence[str], halves: Mapping[str, tuple[Array, Array]]
) -> tuple[Array, NDArray[np.bool_] | None]:
    """p-values of no difference, and whether equivalence was shown, for every split."""
    scales = [study.scale(name) or 1.0 for name in environments]
    units = [study.margin(name) for name in environments]
    share = 1 / len(environments)
    samples = [
        halves[name][k] / scale for k in (0, 1) for name, scale in zip(environments, scales, strict=True)
    ]
    weights = [share] * len(environments) + [-share] * len(environments)
    known = all(study.scale(name) is not None for name in environments)
    own = (units[0] or 0.0) / scales[0]
    margin = study.suite.aggregate_margin if len(environments) > 1 else own
    p_values, tost = compare.tests(*contrasts(samples, weights), margin if known else None)
    return p_values, tost <= compare.ALPHA if known else None
