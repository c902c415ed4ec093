"""What a run's identity leaves out: the settings that are at their baselines.

A field's baseline is the value that runs had before the field existed, so that adding the field changes no
finished run's identity. It is written once: as the field's default, when the field is introduced. Should the
default move later, the old one is kept beside it:

    learning_rate: PositiveFloat = Field(1e-3, json_schema_extra={"baseline": 3e-4}, description="…")

A run that relies on the new default then departs from the baseline like any other. A field without a default
has no baseline: it is always part of the identity.
"""

from collections.abc import Mapping
from functools import cache
from types import EllipsisType
from typing import Any, get_args

from pydantic import BaseModel

from matters.suites.spec import canonical_json, json_value

TABLE = ...
"""In place of a baseline: the field is a table whose fields have baselines of their own."""

Baselines = Mapping[str, Any | EllipsisType]
"""The baseline of each field, by its dotted name."""


@cache
def baselines(model: type[BaseModel], prefix: str = "") -> Baselines:
    """The baselines of a config's fields and, below dots, of the tables in it."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        dotted, extra = prefix + name, field.json_schema_extra
        default = field.get_default(call_default_factory=True) if not field.is_required() else None
        if isinstance(default, BaseModel):
            found |= {dotted: TABLE, **baselines(type(default), f"{dotted}.")}
            continue
        if isinstance(extra, dict) and "baseline" in extra:
            found[dotted] = json_value(extra["baseline"], dotted)
        elif not field.is_required():
            found[dotted] = json_value(default, dotted)
        # A table that may also be absent: its fields have baselines for when it is present.
        for member in get_args(field.annotation):
            if isinstance(member, type) and issubclass(member, BaseModel):
                found |= baselines(member, f"{dotted}.")
    return found


def flattened(table: Mapping[str, Any], prefix: str = "") -> Baselines:
    """Baselines by dotted name, from tables within tables as JSON holds them."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        dotted = prefix + name
        found |= (
            {dotted: TABLE, **flattened(value, f"{dotted}.")}
            if isinstance(value, Mapping)
            else {dotted: value}
        )
    return found


def departures(config: Mapping[str, Any], known: Baselines, prefix: str = "") -> dict[str, Any]:
    """The parts of a complete config, as JSON values, that are not at their baselines; tables stay tables.

    Canonical JSON is compared: 0.0 is not false, and 1 is not 1.0. A table without departures is left out
    only where its baseline is a table too: elsewhere an empty table differs from none.
    """
    found: dict[str, Any] = {}
    for name, value in config.items():
        dotted = prefix + name
        if isinstance(value, Mapping) and not isinstance(known.get(dotted), Mapping):
            below = departures(value, known, f"{dotted}.")
            if below or known.get(dotted) is not TABLE:
                found[name] = below
        elif known.get(dotted, TABLE) is TABLE or canonical_json(value) != canonical_json(known[dotted]):
            found[name] = value
    return found
