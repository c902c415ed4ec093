"""The variants that a suite's tuning tries, and the suite with those that it chose."""

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from matters.suites.errors import dotted, nearest
from matters.suites.spec import flat
from matters.suites.tasks.yardsticks import ENVIRONMENTS
from matters.suites.tuning import AT_BEST, Candidate
from matters.suites.variant import Variant, changed, without_effect

if TYPE_CHECKING:
    from matters.suites.suite import Cell, Suite

Chosen = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By variant and environment, the values of the settings that were chosen for it."""


def candidates(suite: "Suite") -> tuple[Candidate, ...]:
    """Every variant that is tuned, at every point of the grid of the settings that it has.

    A setting that the variant lacks, or that its other settings leave without effect, is not tuned there.
    """
    if suite.tuning is None:
        return ()
    found = []
    for name, variant in suite.variants.items():
        grid = {field: suite.tuning.grid[field] for field in tuned_settings(suite, name)}
        for values in product(*grid.values()) if grid else ():
            point = dict(zip(grid, values, strict=True))
            found.append(Candidate(name, point, changed(variant, point, "tuning")))
    return tuple(found)


def tuned_settings(suite: "Suite", name: str) -> tuple[str, ...]:
    """The settings that are tuned in the variant of that name; none in a variant that tuning made."""
    if suite.tuning is None or not suite.tuning.tunes(name) or name in made_by_tuning(suite):
        return ()
    variant = suite.variants[name]
    has = flat(variant.config.model_dump(mode="json")).keys() - without_effect(
        variant.algorithm, variant.config
    )
    return tuple(field for field in suite.tuning.grid if field in has)


def made_by_tuning(suite: "Suite") -> set[str]:
    """The names of the variants that were not declared, but chosen."""
    return set(suite.at_best.values()) - set(suite.at_best)


def check(suite: "Suite") -> None:
    """Raise ValueError for a tuning that does not fit the suite that declares it."""
    tuning = suite.tuning
    if tuning is None:
        return
    for name in tuning.variants:
        if name not in suite.variants:
            raise ValueError(
                f"tuning.variants = {name!r}: no variant of that name{nearest(name, suite.variants)}"
            )
    of = {name: tuned_settings(suite, name) for name in suite.variants}
    for name in tuning.variants:
        if not of[name]:
            raise ValueError(f"tuning.variants = {name!r}: has none of the settings {', '.join(tuning.grid)}")
    known = {
        field
        for name, variant in suite.variants.items()
        if tuning.tunes(name)
        for field in flat(variant.config.model_dump(mode="json"))
    }
    for field in tuning.grid:
        if not any(field in fields for fields in of.values()):
            raise ValueError(f"tuning.{field}: no variant has such a setting{nearest(field, sorted(known))}")
    if shared := sorted(set(tuning.seeds) & set(suite.seeds)):
        raise ValueError(f"tuning.seeds: {shared[0]} is a seed of the comparison, which tuning must not see")
    for name, fields in of.items():
        if fields and name + AT_BEST in suite.variants:
            raise ValueError(f"{dotted('variants', name + AT_BEST)}: the name is for `{name}` as tuned")
    without = [name for name in suite.environments if not _has_constants(suite, name)]
    if tuning.rule == "mean" and len(suite.environments) > 1 and without:
        raise ValueError(
            f"tuning.rule = 'mean': {without[0]} has no normalising constants, so there is no mean over"
            " environments; valid: per-environment"
        )
    candidates(suite)


def _has_constants(suite: "Suite", environment: str) -> bool:
    own, known = suite.own.get(environment), ENVIRONMENTS.get(environment)
    if own is not None and own.constants is not None:
        return True
    return known is not None and known.random is not None and known.yardstick(suite.scale) is not None


def cells(suite: "Suite") -> tuple["Cell", ...]:
    """The cells of the tuning: each candidate on each environment of its variant, on the tuning's seeds."""
    from matters.suites.suite import Cell

    if suite.tuning is None:
        return ()
    return tuple(
        Cell(one.label, environment, suite.specs(one.variant, environment, suite.tuning.seeds))
        for one in candidates(suite)
        for name, environment in suite.pairs()
        if name == one.of
    )


def with_best(suite: "Suite", chosen: Chosen) -> "Suite":
    """The suite with one more variant, `NAME-at-best`, for each tuned to settings other than its own.

    `at_best` of the result maps every variant that was tuned to the name of the one at its best: its own name
    where the best settings are those that it has.
    """
    variants, at_best = dict(suite.variants), {}
    for name, places in chosen.items():
        made = _best(suite.variants[name], places)
        same = all(made.on(place) == suite.variants[name].on(place) for place in places)
        at_best[name] = name if same else made.name
        if not same:
            variants[made.name] = made
    only = suite.only
    if only:  # what was narrowed stays narrowed
        twins = [f"{at_best.get(name, name)}/{place}" for name, place in suite.pairs()]
        only = tuple(dict.fromkeys((*(f"{name}/{place}" for name, place in suite.pairs()), *twins)))
    return suite.model_copy(update={"variants": variants, "at_best": at_best, "only": only})


def _best(variant: Variant, places: Mapping[str, Mapping[str, Any]]) -> Variant:
    points = list(places.values())
    name = variant.name + AT_BEST
    if all(point == points[0] for point in points):
        return changed(variant, points[0], "tuning").model_copy(update={"name": name})
    own = {place: changed(variant, point, "tuning").on(place) for place, point in places.items()}
    return variant.model_copy(update={"name": name, "environments": {**variant.environments, **own}})


def at_equal_settings(suite: "Suite") -> "Suite":
    """The suite with its variants as they were declared, without those that tuning made."""
    made = made_by_tuning(suite)
    return suite.model_copy(
        update={"variants": {name: it for name, it in suite.variants.items() if name not in made}}
    )


def at_own_best(suite: "Suite") -> "Suite":
    """The suite with each variant at its own best, in the comparisons and the design as well.

    A variant that has none of the tuned settings stays as it was declared; one whose tuning chose nothing is
    left out.
    """
    declared = at_equal_settings(suite).variants
    best = {
        name: suite.at_best.get(name, name)
        for name in declared
        if name in suite.at_best or not tuned_settings(suite, name)
    }

    def renamed(name: str) -> str:
        return best.get(name, name + AT_BEST)

    design = suite.design
    if design is not None:
        design = design.model_copy(update={"cells": tuple(map(renamed, design.cells))})
    return suite.model_copy(
        update={
            "variants": {name: suite.variants[name] for name in best.values()},
            "compare": tuple((renamed(x), renamed(y)) for x, y in suite.compare),
            "baseline": None if suite.baseline is None else renamed(suite.baseline),
            "design": design,
        }
    )


__all__ = [
    "Chosen",
    "at_equal_settings",
    "at_own_best",
    "candidates",
    "cells",
    "check",
    "made_by_tuning",
    "tuned_settings",
    "with_best",
]
