"""The suite with the variants that its tuning chose."""

from collections.abc import Mapping
from typing import Any

from matters.suites.candidates import made_by_tuning, tuned_settings
from matters.suites.suite import Suite
from matters.suites.tuning import AT_BEST
from matters.suites.variant import Variant, changed

Chosen = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By variant and environment, the values of the settings that were chosen for it."""


def with_best(suite: Suite, chosen: Chosen) -> Suite:
    """The suite with one more variant, `NAME-at-best`, for each tuned to settings other than its own.

    `at_best` of the result maps every variant that was tuned to the name of the one at its best: its own name
    where the best settings are those that it has. A variant for which only some of its environments have a
    choice is at its own best on these alone: its other cells are `untuned`.
    """
    cells = suite.pairs()
    untuned = tuple((name, place) for name, place in cells if name in chosen and place not in chosen[name])
    variants, at_best = dict(suite.variants), {}
    for name, places in chosen.items():
        made = _best(suite.variants[name], places)
        same = all(made.on(place) == suite.variants[name].on(place) for place in places)
        at_best[name] = name if same else made.name
        if not same:
            variants[made.name] = made
    only = suite.only
    if only or untuned:  # what was narrowed stays narrowed, and nothing is made where nothing was chosen
        twins = [(at_best[name], place) for name, place in cells if place in chosen.get(name, ())]
        only = tuple(dict.fromkeys(f"{name}/{place}" for name, place in (*cells, *twins)))
    changes = {"variants": variants, "at_best": at_best, "untuned": untuned, "only": only}
    return suite.model_copy(update=changes)


def _best(variant: Variant, places: Mapping[str, Mapping[str, Any]]) -> Variant:
    points = list(places.values())
    name = variant.name + AT_BEST
    if all(point == points[0] for point in points):
        return changed(variant, points[0], "tuning").model_copy(update={"name": name})
    own = {place: changed(variant, point, "tuning").on(place) for place, point in places.items()}
    return variant.model_copy(update={"name": name, "environments": {**variant.environments, **own}})


def at_equal_settings(suite: Suite) -> Suite:
    """The suite with its variants as they were declared, without those that tuning made."""
    made = made_by_tuning(suite)
    return suite.model_copy(
        update={"variants": {name: it for name, it in suite.variants.items() if name not in made}}
    )


def at_own_best(suite: Suite) -> Suite:
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
