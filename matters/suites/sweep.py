"""One setting over several values, all else equal: what `matters ablate --sweep` runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from matters.suites.errors import InputError, nearest
from matters.suites.settings import settings
from matters.suites.variant import Variant, changed


class Point(BaseModel):
    """One variant of a sweep: the variant whose line it is on, and its value of the setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: str
    line: str
    value: Any


class Sweep(BaseModel):
    """The variants that differ from those of their lines in one setting alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    setting: str
    points: tuple[Point, ...]


def sweep(
    variants: Mapping[str, Variant], setting: str, values: Sequence[Any], field: str
) -> tuple[Sweep, dict[str, Variant]]:
    """A line for each of the variants: itself, at its own value, and one more variant for each other value.

    Raises InputError that begins with `field`, for a setting that one of them lacks, or a value that it
    refuses.
    """
    points, made = [], {}
    for name, variant in variants.items():
        own = settings(variant)
        if setting not in own:
            raise InputError(
                f"{field} {setting!r}: {name} has no such setting{nearest(setting, sorted(own))}"
            )
        points.append(Point(variant=name, line=name, value=own[setting]))
        made[name] = variant
        for value in values:
            other = changed(variant, {setting: value}, field)
            if settings(other)[setting] == own[setting]:
                continue
            label = f"{name}-{setting}-{value}"
            made[label] = other.model_copy(update={"name": label})
            points.append(Point(variant=label, line=name, value=settings(other)[setting]))
    return Sweep(setting=setting, points=tuple(points)), made
