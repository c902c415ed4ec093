"""Twins: a variant of ours and the reference that it reproduces, known by their settings, not their names."""

from functools import cache, reduce
from typing import Any

from pydantic import BaseModel

from matters import algorithms
from matters.algorithms.interface import Twin
from matters.suites.variant import Variant, facts


@cache
def rules_by_name() -> dict[str, str]:
    """Our learning rules by every name that stands for one: those of its presets, and its reference's."""
    found: dict[str, str] = {}
    for name in algorithms.ALGORITHMS:
        if name in found:  # a reference that a rule has named: its library need not be imported
            continue
        rule = algorithms.load(name)
        if rule.KIND != "reference":
            found |= dict.fromkeys(rule.PRESETS, name)
            found |= {} if rule.FACTS.twin is None else {rule.FACTS.twin.reference: name}
    return found


def twin_of(chosen: Variant) -> Twin | None:
    """The twin of its algorithm; None for a reference itself and for a variant that departs from
    the reference, on whatever environment, in a setting that the reference does not have.
    """
    twin = facts(chosen).twin
    if twin is None:
        return None
    ours = {own for own, _ in twin.fields}
    preset = algorithms.load(chosen.algorithm).PRESETS[twin.preset]
    configs = (chosen.config, *chosen.environments.values())
    return None if any(_differing(config, preset) - ours for config in configs) else twin


def differences(ours: Variant, reference: Variant) -> tuple[str, ...] | None:
    """The settings that keep the two from being twins, under our names where we have them.

    None if they could not be twins whatever the values of the settings that both have.
    """
    twin = twin_of(ours)
    if twin is None or twin.reference != reference.algorithm:
        return None
    theirs = {other for _, other in twin.fields}
    default = algorithms.load(twin.reference).PRESETS[twin.reference]
    found: dict[str, None] = {}
    for one, other in _configs(ours, reference):
        found |= dict.fromkeys(a for a, b in twin.fields if _value(one, a) != _value(other, b))
        found |= dict.fromkeys(sorted(_differing(other, default) - theirs))
    return tuple(found)


def _configs(ours: Variant, reference: Variant) -> list[tuple[Any, Any]]:
    """Pairs of both configs: the general ones, and those on each environment where either has its own."""
    places = dict.fromkeys((*ours.environments, *reference.environments))
    return [(ours.config, reference.config), *((ours.on(place), reference.on(place)) for place in places)]


def _differing(one: Any, other: Any, prefix: str = "") -> set[str]:
    """The dotted names of the fields in which two configs of one model differ."""
    found = set()
    for name in type(one).model_fields:
        left, right = getattr(one, name), getattr(other, name)
        if isinstance(left, BaseModel):
            found |= _differing(left, right, f"{prefix}{name}.")
        elif left != right:
            found.add(prefix + name)
    return found


def _value(config: Any, field: str) -> Any:
    return reduce(getattr, field.split("."), config)
