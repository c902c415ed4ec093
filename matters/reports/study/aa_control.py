"""The A/A control: a reference compared with itself, over random splits of its runs into two halves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics import verdicts
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, Array, contrasts, difference_weights
from matters.reports.study.pairwise import Margin, normalised_margin, pooled_margin
from matters.reports.study.study import AGGREGATE, Study

SPLITS = 2_000


@dataclass(frozen=True)
class Control:
    """One variant split into two halves of `n` runs, many times.

    `different` and `equivalent` are shares of the splits by place, each judged as a verdict would be: with
    Holm's correction over the places, and, in aggregate, with the gate on every environment. `anywhere` is
    the share called different in any place. Without a margin there is no share of equivalence.
    """

    variant: str
    n: int
    splits: int
    different: Mapping[str, float]
    equivalent: Mapping[str, float | None]
    anywhere: float


def split_control(study: Study, question: str, variant: str, margin: Margin) -> Control | None:
    """The control over the environments where both halves have at least five runs; None if there is none.

    `margin` is the question's, so that the reference is held to what it is a reference for. With ten runs or
    more in all comparable environments the aggregate is a place too.
    """
    halves: dict[str, tuple[Array, Array]] = {}
    for environment in study.environments:
        scores = study.cell(variant, environment).scores
        half = len(scores) // 2
        if half < MINIMUM_FOR_INTERVAL:
            continue
        rng = study.generator(question, variant, environment, "control")
        mixed = rng.permuted(np.tile(scores, (SPLITS, 1)), axis=1)
        halves[environment] = mixed[:, :half], mixed[:, half : 2 * half]
    if not halves:
        return None
    each = {name: _tests(study, [name], halves, normalised_margin(study, margin, name)) for name in halves}
    every = study.comparable
    whole = None
    if len(every) > 1 and not study.blocked(variant) and set(every) <= set(halves):
        whole = _tests(study, every, halves, pooled_margin(study, margin, every))
    tested = [*([] if whole is None else [whole]), *each.values()]
    called = compare.holm_families(np.stack([one.p_value for one in tested], axis=1)) <= compare.ALPHA
    places = [*([] if whole is None else [AGGREGATE]), *each]
    return Control(
        variant=variant,
        n=min(one.shape[1] for one, _ in halves.values()),
        splits=SPLITS,
        different={place: float(called[:, k].mean()) for k, place in enumerate(places)},
        equivalent=_equivalent(study, variant, whole, each, called),
        anywhere=float(called.any(axis=1).mean()),
    )


@dataclass(frozen=True)
class _Tests:
    """Of every split: the difference, and the p-values of no difference, of the margin and of the gate.

    Without a margin the last two are None.
    """

    value: Array
    p_value: Array
    tost: Array | None
    gate: Array | None


def _tests(
    study: Study, environments: Sequence[str], halves: Mapping[str, tuple[Array, Array]], margin: float | None
) -> _Tests:
    scales = [study.scale(name) or 1.0 for name in environments]
    samples = [
        halves[name][k] / scale for k in (0, 1) for name, scale in zip(environments, scales, strict=True)
    ]
    found = contrasts(samples, difference_weights(len(environments)))
    p_values, tost = compare.tests(*found, margin)
    if margin is None:
        return _Tests(found[0], p_values, None, None)
    gate = compare.tests(*found, study.gate(margin))[1]
    return _Tests(found[0], p_values, tost, gate)


def _equivalent(
    study: Study,
    variant: str,
    whole: _Tests | None,
    each: Mapping[str, _Tests],
    called: NDArray[np.bool_],
) -> dict[str, float | None]:
    """By place, how often two halves are called equivalent, by the rules of the verdicts."""
    known = {name: one.tost for name, one in each.items() if one.tost is not None}
    adjusted = compare.holm_families(np.stack(list(known.values()), axis=1)) if known else np.empty((0, 0))
    differs = called if whole is None else called[:, 1:]
    early = {name: study.early(name, [variant]) for name in each}
    shares: dict[str, float | None] = {}
    if whole is not None:
        shares[AGGREGATE] = None
        places = [k for k, name in enumerate(each) if name in study.comparable]
        over = [one for name, one in each.items() if name in study.comparable]
        gates = [one.gate for one in over if one.gate is not None]
        if whole.tost is not None and len(gates) == len(over):
            outcome = verdicts.in_aggregate(
                called[:, 0],
                whole.tost <= compare.ALPHA,
                differs[:, places],
                np.sign(np.stack([one.value for one in over], axis=1)),
                np.stack(gates, axis=1) <= compare.ALPHA,
                any(early.values()),
            )
            shares[AGGREGATE] = _share(outcome)
    for k, name in enumerate(each):
        if name not in known:
            shares[name] = None
            continue
        same = adjusted[:, list(known).index(name)] <= compare.ALPHA
        shares[name] = _share(verdicts.on_environment(differs[:, k], same, early[name]))
    return shares


def _share(outcome: NDArray[np.str_]) -> float:
    return float(np.isin(outcome, ("equivalent", "both")).mean())
