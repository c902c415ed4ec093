"""What variants are, whatever their names: their settings, and the settings in which two differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from matters import algorithms
from matters.suites.spec import flat
from matters.suites.variant import Variant, without_effect

ABSENT = "absent"
"""In place of a value: the algorithm has no such setting, or its other settings leave it without effect."""

Settings = dict[str, Any]
"""Values by dotted name, `algorithm` first."""


@dataclass(frozen=True)
class PerEnvironment:
    """A setting that is not the same on all environments."""

    values: tuple[tuple[str, Any], ...]


def settings(variant: Variant, environments: Sequence[str] = ()) -> Settings:
    """The settings of a variant that have an effect, on these environments; without any, the general ones."""
    found = [_effective(variant.algorithm, variant.on(name)) for name in environments] or [
        _effective(variant.algorithm, variant.config)
    ]
    names = dict.fromkeys(name for one in found for name in one)
    return {name: _joined([one.get(name, ABSENT) for one in found], environments) for name in names}


def differences(
    first: Variant, second: Variant, environments: Sequence[str] = ()
) -> dict[str, tuple[Any, Any]]:
    """The settings in which two variants differ, defaults included: (first's, second's) by dotted name.

    A setting that one of the two lacks differs if the other's has an effect: off and 0 have none.
    """
    a, b = settings(first, environments), settings(second, environments)
    pairs = {name: (a.get(name, ABSENT), b.get(name, ABSENT)) for name in dict.fromkeys((*a, *b))}
    return {name: pair for name, pair in pairs.items() if not _same(*pair)}


def nearest_preset(
    variant: Variant, environments: Sequence[str] = ()
) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """The preset of its algorithm from which the variant differs least, and how: (preset's, variant's)."""
    presets = algorithms.load(variant.algorithm).PRESETS
    apart = {name: differences(preset(variant.algorithm, name), variant, environments) for name in presets}
    return min(apart.items(), key=lambda item: len(item[1]))


def preset(algorithm: str, name: str) -> Variant:
    """A preset as a variant, with the settings of each task where its source has them."""
    rule = algorithms.load(algorithm)
    tasks = getattr(rule, "PER_TASK", {}).get(name, {})
    return Variant(name=name, algorithm=algorithm, config=rule.PRESETS[name], environments=tasks)


def value_text(value: Any) -> str:
    """A setting's value as a page shows it."""
    if isinstance(value, PerEnvironment):
        return ", ".join(f"{value_text(one)} on {name}" for name, one in value.values)
    if value is None or value is False:
        return "off"
    if value is True:
        return "on"
    if value == ABSENT:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def difference_text(found: Mapping[str, tuple[Any, Any]]) -> str:
    """Differences in one line: name, the first's value → the second's."""
    return "; ".join(f"{name} {value_text(a)} → {value_text(b)}" for name, (a, b) in found.items())


def sources(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """What each setting of a config is and where it comes from, by dotted name."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            found |= sources(below, f"{prefix}{name}.")
        else:
            found[prefix + name] = field.description or ""
    return found


def _effective(algorithm: str, config: BaseModel) -> Settings:
    idle = without_effect(algorithm, config)
    values = flat(config.model_dump(mode="json"))
    return {"algorithm": algorithm, **{name: value for name, value in values.items() if name not in idle}}


def _joined(values: Sequence[Any], environments: Sequence[str]) -> Any:
    if all(value == values[0] for value in values):
        return values[0]
    return PerEnvironment(tuple(zip(environments, values, strict=True)))


def _same(a: Any, b: Any) -> bool:
    if ABSENT in (a, b):
        present = b if a == ABSENT else a
        return present == ABSENT or _is_off(present) or not present
    if _is_off(a) or _is_off(b):
        return _is_off(a) and _is_off(b)
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _is_off(value: Any) -> bool:
    if isinstance(value, PerEnvironment):
        return all(one == ABSENT or _is_off(one) for _, one in value.values)
    return value is None or value is False
