"""Two-level designs over named tricks, as suites: every combination of them, or one trick at a time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from typing import Any, Literal, get_args

from pydantic import BaseModel, ValidationError

from matters import algorithms
from matters.suites.errors import InputError, from_validation, nearest
from matters.suites.suite import Suite, parse_seeds
from matters.suites.variant import Variant, variant

Kind = Literal["full", "one-in", "one-out"]

QUESTION = "trick-factorial"
MOST_FACTORS = 6
"""A full design has at most 2⁶ cells."""

LONGEST_NAME, LONGEST_LABEL = 100, 32


@dataclass(frozen=True)
class Factor:
    """A trick and the value that is its high level; its low level is off, the trick's default."""

    trick: str
    on: Any
    off: Any
    given: bool = False


def design(
    algorithm: str,
    tricks: str,
    *,
    environments: str,
    seeds: str,
    steps: int,
    preset: str | None = None,
    kind: Kind = "full",
) -> Suite:
    """The suite of a two-level design over `tricks`, the rest as in `preset`.

    Args:
        algorithm: one that has tricks.
        tricks: names separated by commas. A trick that is a number or a word is on with its value in the
            preset, else with that of the algorithm's first preset that has it on, else with `trick=value`.
        environments: ids separated by commas.
        seeds: "10" for 0 to 9, "3:5" for 3 and 4.
        steps: steps a run.
        preset: default is the preset named like the algorithm.
        kind: "full" has all 2^k combinations; "one-in" has all named tricks off, and each alone on; "one-out"
            has all on, and each alone off.

    Raises:
        InputError: something of it cannot be used.
    """
    config = _config_with_tricks(algorithm)
    presets = algorithms.load(algorithm).PRESETS
    base = algorithm if preset is None else preset
    if base not in presets:
        raise InputError(f"--preset {base!r}: unknown preset of {algorithm}{nearest(base, presets)}")
    factors = _factors(algorithm, config, base, tricks)
    if kind == "full" and len(factors) > MOST_FACTORS:
        raise InputError(
            f"--tricks: {len(factors)} tricks make {2 ** len(factors)} cells, at most {2**MOST_FACTORS} are "
            f"allowed; --one-in or --one-out needs {len(factors) + 1}"
        )
    names = tuple(factor.trick for factor in factors)
    labels = _labels(names)
    variants = {}
    for pattern in patterns(len(factors), kind):
        name = _cell_name(labels, pattern, kind)
        variants[name] = _cell(name, algorithm, base, factors, pattern)
    places = tuple(part.strip() for part in environments.split(","))
    try:
        return Suite(
            name=_name(base, kind, factors, places),
            title=_title(base, kind, names),
            environments=places,
            seeds=parse_seeds(seeds),
            steps=steps,
            questions=(QUESTION,),
            variants=variants,
        )
    except ValidationError as error:
        raise from_validation(error, Suite) from None


def patterns(count: int, kind: Kind) -> list[tuple[bool, ...]]:
    """Which of `count` tricks each cell has on. A full design comes in Yates' order: none, a, b, ab, c, …"""
    if kind == "full":
        return [pattern[::-1] for pattern in product((False, True), repeat=count)]
    base = kind == "one-out"
    alone = [tuple(base ^ (k == own) for k in range(count)) for own in range(count)]
    return [(base,) * count, *alone]


def _config_with_tricks(algorithm: str) -> type[BaseModel]:
    if algorithm not in algorithms.ALGORITHMS:
        raise InputError(
            f"algorithm = {algorithm!r}: unknown algorithm{nearest(algorithm, algorithms.ALGORITHMS)}"
        )
    config: type[BaseModel] = algorithms.load(algorithm).Config
    if "tricks" not in config.model_fields:
        able = [
            name
            for name in algorithms.ALGORITHMS
            if "tricks" in algorithms.load(name).Config.model_fields  # references have none
        ]
        raise InputError(f"algorithm = {algorithm!r}: has no tricks; those that have: {', '.join(able)}")
    return config


def _factors(algorithm: str, config: type[BaseModel], preset: str, text: str) -> tuple[Factor, ...]:
    fields = _fields(config)
    found: dict[str, Factor] = {}
    for part in text.split(","):
        trick, has_value, value = (piece.strip() for piece in part.partition("="))
        if trick not in fields:
            raise InputError(f"--tricks {trick!r}: {algorithm} has no such trick{nearest(trick, fields)}")
        if trick in found:
            raise InputError(f"--tricks {trick!r}: appears twice")
        off = fields[trick].default
        if has_value:
            on = _parsed(value)
            if on is None or on is False or on == off:
                raise InputError(f"--tricks {part.strip()!r}: that is off, and off is the other level")
        else:
            on = _on(algorithm, preset, trick, fields[trick])
        found[trick] = Factor(trick, on, off, bool(has_value))
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


def _on(algorithm: str, preset: str, trick: str, field: Any) -> Any:
    presets = algorithms.load(algorithm).PRESETS
    for config in (presets[preset], *presets.values()):
        value = getattr(config.tricks, trick)
        if value != field.default:
            return value
    if field.annotation is bool or bool in get_args(field.annotation):
        return True
    raise InputError(
        f"--tricks {trick!r}: no preset of {algorithm} has it on; give its value, as in {trick}=VALUE "
        f"({field.description})"
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
    """The tricks as names of cells have them: whole, or their first words, or initials, for cells of many."""
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


def _name(preset: str, kind: Kind, factors: tuple[Factor, ...], environments: tuple[str, ...]) -> str:
    """A name for files, the same for the same design whatever its seeds and steps."""
    tricks = "+".join(f.trick + (str(f.on) if f.given else "") for f in factors)
    parts = [f"ablate-{preset}", *([] if kind == "full" else [kind]), tricks, *environments]
    whole = "-".join(part.replace("/", ".") for part in parts)
    if len(whole) <= LONGEST_NAME:
        return whole
    return f"ablate-{preset}-{kind}-{len(factors)}-tricks-{sha256(whole.encode()).hexdigest()[:8]}"


def _title(preset: str, kind: Kind, tricks: tuple[str, ...]) -> str:
    listed = f"{', '.join(tricks[:-1])} and {tricks[-1]}" if 1 < len(tricks) <= 4 else tricks[0]
    many = listed if len(tricks) <= 4 else f"{len(tricks)} tricks"
    if kind == "one-in":
        return f"What does each of {many} do for {preset} alone?"
    if kind == "one-out":
        return f"What does {preset} lose without each of {many}?"
    return f"What {'does' if len(tricks) == 1 else 'do'} {many} do for {preset}?"


__all__ = ["MOST_FACTORS", "QUESTION", "Kind", "design", "patterns"]
