"""Two-level designs over named tricks: every combination of them, or one trick at a time.

`[suite.design]` in a suite's TOML and `matters ablate` both make a `Design`; it is kept in the suite, so that
a page need not guess from the configs what was meant.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matters import algorithms
from matters.suites.errors import InputError, from_validation, nearest
from matters.suites.variant import Variant, named, variant

Kind = Literal["full", "one-in", "one-out"]

MOST_FACTORS = 6
"""A full design has at most 2⁶ cells."""

LONGEST_LABEL = 32


class Factor(BaseModel):
    """A trick with its two levels: off, which is its default, and on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trick: str
    off: Any
    on: Any
    given: bool = Field(False, description="whether the value of `on` was given, as in trick=value")


class Design(BaseModel):
    """Variants of one algorithm that differ in nothing but the levels of some tricks.

    `cells` has the variants' names in the order of `patterns(len(factors), kind)`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    algorithm: str
    preset: str
    factors: tuple[Factor, ...]
    cells: tuple[str, ...]


class Declared(BaseModel):
    """The table `[suite.design]`, as written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    algorithm: str
    preset: str | None = None
    tricks: Annotated[list[str], Field(min_length=1)]
    kind: Kind = "full"


def declared(table: object) -> tuple[Design, dict[str, Variant]]:
    """The design that a table `[suite.design]` declares, and its variants. Raises InputError."""
    field = "suite.design"
    if not isinstance(table, Mapping):
        raise InputError(f"{field}: should be a table, with algorithm and tricks")
    try:
        written = Declared.model_validate(table)
    except ValidationError as error:
        raise from_validation(error, Declared, field) from None
    return design(written.algorithm, written.tricks, preset=written.preset, kind=written.kind, field=field)


def design(
    algorithm: str,
    tricks: Sequence[str],
    *,
    preset: str | None = None,
    kind: Kind = "full",
    field: str,
) -> tuple[Design, dict[str, Variant]]:
    """A two-level design over `tricks`, the rest as in `preset`, and its variants by name.

    A trick that is a number or a word is on with its value in the preset, else with its value in the
    algorithm's first preset that has it on, else with the value of `trick=value`. Without `preset`, the
    preset named like the algorithm is used. `kind` "full" has all 2^k combinations; "one-in" has all named
    tricks off, and each on alone; "one-out" has all on, and each off alone. Raises an InputError that begins
    with `field`, or with the option of `matters ablate` where `field` is empty.
    """
    prefix = f"{field}." if field else "--"
    config = _config_with_tricks(algorithm, f"{field}.algorithm" if field else "algorithm")
    presets = algorithms.load(algorithm).PRESETS
    base = algorithm if preset is None else preset
    if base not in presets:
        raise InputError(f"{prefix}preset {base!r}: unknown preset of {algorithm}{nearest(base, presets)}")
    factors = _factors(algorithm, config, base, tricks, f"{prefix}tricks")
    if kind == "full" and len(factors) > MOST_FACTORS:
        raise InputError(
            f"{prefix}tricks: {len(factors)} tricks make {2 ** len(factors)} cells, at most "
            f"{2**MOST_FACTORS} are allowed; one-in or one-out needs {len(factors) + 1}"
        )
    labels = _labels(tuple(factor.trick for factor in factors))
    variants = {}
    for pattern in patterns(len(factors), kind):
        name = _cell_name(labels, pattern, kind)
        variants[name] = _cell(name, algorithm, base, factors, pattern)
    made = Design(kind=kind, algorithm=algorithm, preset=base, factors=factors, cells=tuple(variants))
    return made, variants


def patterns(count: int, kind: Kind) -> list[tuple[bool, ...]]:
    """Which of `count` tricks each cell has on. A full design comes in Yates' order: none, a, b, ab, c, …"""
    if kind == "full":
        return [pattern[::-1] for pattern in product((False, True), repeat=count)]
    base = kind == "one-out"
    alone = [tuple(base ^ (k == own) for k in range(count)) for own in range(count)]
    return [(base,) * count, *alone]


def _config_with_tricks(algorithm: str, field: str) -> type[BaseModel]:
    config: type[BaseModel] = named(field, algorithm)[1].Config
    if "tricks" not in config.model_fields:
        able = [
            name
            for name in algorithms.ALGORITHMS
            if "tricks" in algorithms.load(name).Config.model_fields  # references have none
        ]
        raise InputError(f"{field} = {algorithm!r}: has no tricks; those that have: {', '.join(able)}")
    return config


def _factors(
    algorithm: str, config: type[BaseModel], preset: str, tricks: Sequence[str], field: str
) -> tuple[Factor, ...]:
    fields = _fields(config)
    found: dict[str, Factor] = {}
    for part in tricks:
        trick, has_value, value = (piece.strip() for piece in part.partition("="))
        if trick not in fields:
            raise InputError(f"{field} {trick!r}: {algorithm} has no such trick{nearest(trick, fields)}")
        if trick in found:
            raise InputError(f"{field} {trick!r}: appears twice")
        off = fields[trick].default
        if has_value:
            on = _parsed(value)
            if on is None or on is False or on == off:
                raise InputError(f"{field} {part.strip()!r}: that is off, and off is the other level")
        else:
            on = _on(algorithm, preset, trick, fields[trick], field)
        found[trick] = Factor(trick=trick, off=off, on=on, given=bool(has_value))
    return tuple(found.values())


def _fields(config: type[BaseModel]) -> Mapping[str, Any]:
    tricks = config.model_fields["tricks"].annotation
    assert isinstance(tricks, type)
    assert issubclass(tricks, BaseModel)
    return tricks.model_fields


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if value is None or isinstance(value, bool | int | float) else text


def _on(algorithm: str, preset: str, trick: str, info: Any, field: str) -> Any:
    presets = algorithms.load(algorithm).PRESETS
    for config in (presets[preset], *presets.values()):
        value = getattr(config.tricks, trick)
        if value != info.default:
            return value
    if info.annotation is bool or bool in get_args(info.annotation):
        return True
    raise InputError(
        f"{field} {trick!r}: no preset of {algorithm} has it on; give its value, as in {trick}=VALUE "
        f"({info.description})"
    )


def _cell(
    name: str, algorithm: str, preset: str, factors: tuple[Factor, ...], pattern: tuple[bool, ...]
) -> Variant:
    # As TOML does: false switches off what is otherwise a number or a word.
    levels = {
        factor.trick: factor.on if on else False if factor.off is None else factor.off
        for factor, on in zip(factors, pattern, strict=True)
    }
    try:
        return variant(name, {"algorithm": algorithm, "preset": preset, "config": {"tricks": levels}})
    except InputError as error:
        raise InputError(str(error).removeprefix(f"variants.{name}.config.")) from None


def _labels(tricks: tuple[str, ...]) -> tuple[str, ...]:
    """The tricks as names of cells have them: whole, or as first words or initials if there are many."""
    words = [trick.split("_") for trick in tricks]
    for labels in (tricks, tuple(part[0] for part in words)):
        if len(set(labels)) == len(labels) and len("+".join(labels)) <= LONGEST_LABEL:
            return labels
    initials = tuple("".join(word[0] for word in part) for part in words)
    return initials if len(set(initials)) == len(initials) else tricks


def _cell_name(labels: tuple[str, ...], pattern: tuple[bool, ...], kind: Kind) -> str:
    if kind == "one-out":
        lost = [label for label, on in zip(labels, pattern, strict=True) if not on]
        return f"all-{lost[0]}" if lost else "all"
    return "+".join(label for label, on in zip(labels, pattern, strict=True) if on) or "none"


__all__ = ["MOST_FACTORS", "Design", "Factor", "Kind", "declared", "design", "patterns"]
