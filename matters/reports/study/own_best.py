"""What tuning chose for each variant, and the studies of the two answers: at equal settings, at its own best.

A choice is made from the scores of the tuning's runs alone. The runs that are compared have other seeds, so
that they do not favour whoever had more values to choose from (Cawley and Talbot 2010).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matters.reports.statistics.intervals import Array
from matters.reports.study.cells import cell_of, with_diverged
from matters.reports.study.normalising_constants import constants_of
from matters.reports.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from matters.results.store import Store
    from matters.suites.joint import Joint
    from matters.suites.suite import Suite

Constants = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Tried:
    """One variant at one point of its grid, on one environment: the primary endpoints of its runs.

    `gaps` says in words which of its runs have no score or diverged, empty if none.
    """

    variant: str
    candidate: str
    values: Mapping[str, Any]
    environment: str
    scores: Array
    declared: int
    gaps: str
    steps: int
    core_seconds: float


@dataclass(frozen=True)
class Choice:
    """The best point of a variant's grid over `places`: all environments, or one of them.

    `means` are those that were compared, by candidate: of normalised scores, or of raw returns on an
    environment without constants. `values` are None where no choice could be made, and `reason` says why.
    `edges` are the chosen values that are the smallest or largest tried, in words.
    """

    variant: str
    places: tuple[str, ...]
    means: Mapping[str, float]
    candidate: str = ""
    values: Mapping[str, Any] | None = None
    edges: tuple[str, ...] = ()
    reason: str = ""


def tried(table: pd.DataFrame, constants: Constants) -> list[Tried]:
    """Every point on every environment, in the order of the table. A diverged run has the random score."""
    found = []
    # A tuning's table does not say what its runs played: nobody asks whether two of them are the same.
    runs = with_diverged(table, constants).assign(outcome=None)
    for (variant, candidate, environment), group in runs.groupby(
        ["variant", "candidate", "environment"], sort=False
    ):
        cell = cell_of(str(candidate), str(environment), group)
        found.append(
            Tried(
                variant=str(variant),
                candidate=cell.variant,
                values=json.loads(group["values"].iloc[0]),
                environment=cell.environment,
                scores=cell.scores,
                declared=cell.declared,
                gaps=cell.gaps,
                steps=int(group["steps"].sum()),
                core_seconds=float(group["core_seconds"].sum()),
            )
        )
    return found


def choices(
    suite: Suite | Joint, table: pd.DataFrame, constants: Constants, *, allow_missing: bool = False
) -> list[Choice]:
    """What is best for each variant that is tuned, by the suite's rule, in the order of the variants.

    Of equal means the variant's own values go first, then those that stand first in the grid. Runs without a
    score forbid a choice, unless `allow_missing`; then it is made from the others.
    """
    if suite.tuning is None:
        return []
    points = tried(table, constants)
    found = []
    for variant in dict.fromkeys(one.variant for one in points):
        own = [one for one in points if one.variant == variant]
        environments = tuple(dict.fromkeys(one.environment for one in own))
        groups = [environments] if suite.tuning.rule == "mean" else [(place,) for place in environments]
        found += [_choice(suite, variant, own, group, constants, allow_missing) for group in groups]
    return found


def _choice(
    suite: Suite | Joint,
    variant: str,
    points: list[Tried],
    places: tuple[str, ...],
    constants: Constants,
    allow_missing: bool,
) -> Choice:
    by: dict[str, list[Tried]] = {}
    for one in points:
        if one.environment in places:
            by.setdefault(one.candidate, []).append(one)
    lost = [one for cells in by.values() for one in cells if len(one.scores) < one.declared]
    empty = [one for one in lost if not len(one.scores)]
    means = {name: _mean(cells, constants) for name, cells in by.items() if all(len(c.scores) for c in cells)}
    if (lost and not allow_missing) or empty:
        one = (empty or lost)[0]
        return Choice(variant, places, means, reason=f"`{one.candidate}` on {one.environment}: {one.gaps}")
    order = list(means)
    best = max(order, key=lambda name: (means[name], _is_own(suite, by[name][0]), -order.index(name)))
    values = by[best][0].values
    return Choice(variant, places, means, best, values, _edges(by, values))


def _mean(cells: list[Tried], constants: Constants) -> float:
    return float(np.mean([_on_scale(one, constants).mean() for one in cells]))


def _on_scale(one: Tried, constants: Constants) -> Array:
    low, high = constants.get(one.environment, (0.0, 1.0))
    return np.asarray((one.scores - low) / (high - low))


def _is_own(suite: Suite | Joint, one: Tried) -> bool:
    from matters.suites.settings import settings

    own = settings(suite.variants[one.variant], (one.environment,))
    return all(own.get(name) == value for name, value in one.values.items())


def _edges(by: Mapping[str, list[Tried]], values: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    for name, value in values.items():
        every = [cells[0].values[name] for cells in by.values()]
        if any(isinstance(one, bool) or not isinstance(one, int | float) for one in every):
            continue
        if value in (min(every), max(every)):
            found.append(f"{name} = {value:g}, the {'smallest' if value == min(every) else 'largest'}")
    return tuple(found)


def resolved(store: Store, suite: Suite, *, allow_missing: bool = False) -> Suite:
    """The suite with the variants at their own best, as far as the store's tuning runs tell."""
    from matters.results.tuning_runs import tuning_runs
    from matters.suites.at_best import with_best

    if suite.tuning is None:
        return suite
    chosen: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in choices(suite, tuning_runs(store, suite), constants_of(suite), allow_missing=allow_missing):
        if one.values is not None:
            chosen.setdefault(one.variant, {}).update(dict.fromkeys(one.places, one.values))
    return with_best(suite, chosen)


def each_resolved(store: Store, suite: Suite | Joint, *, allow_missing: bool = False) -> Suite | Joint:
    """As `resolved`, each of several suites by itself."""
    from matters.suites.joint import Joint

    if isinstance(suite, Joint):
        each = tuple(resolved(store, one, allow_missing=allow_missing) for one in suite.suites)
        return Joint(suites=each)
    return resolved(store, suite, allow_missing=allow_missing)


def equal_settings(study: Study) -> Study:
    """The study of the variants as they were declared."""
    from matters.suites.at_best import at_equal_settings

    return _of(study, at_equal_settings, frozenset())


def own_best(study: Study) -> Study:
    """The study of each variant at its own best."""
    from matters.suites.at_best import at_own_best

    best = _of(study, at_own_best, frozenset(study.suite.tuning.grid))
    suites = getattr(study.suite, "suites", (study.suite,))
    # Where nothing was chosen, a variant that is at its best as declared elsewhere is not known to be.
    untuned = {cell for suite in suites for cell in suite.untuned}

    def known(table: pd.DataFrame) -> list[bool]:
        return [cell not in untuned for cell in zip(table["variant"], table["environment"], strict=True)]

    return best.keeping(known) if untuned else best


def _of(study: Study, change: Any, tuned: frozenset[str]) -> Study:
    from matters.suites.joint import Joint

    suite = study.suite
    if isinstance(suite, Joint):
        narrowed: Any = Joint(suites=tuple(map(change, suite.suites)))
    else:
        narrowed = change(suite)
    names = tuple(name for name in study.variants if name in narrowed.variants)
    return replace(study, suite=narrowed, variants=names, tuned=tuned)
