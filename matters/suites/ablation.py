"""The suite of `matters ablate`: a design over named tricks, its protocol and its question."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from matters.suites.design import Factor, Kind, design
from matters.suites.errors import InputError, from_validation
from matters.suites.seeds import parse_seeds
from matters.suites.suite import Suite
from matters.suites.sweep import sweep
from matters.suites.tuning import declared, values
from matters.suites.variant import Variant, variant

QUESTION = "trick-factorial"
LONGEST_NAME = 100


def ablation(
    algorithm: str,
    tricks: str | None,
    *,
    environments: str,
    seeds: str,
    steps: int,
    preset: str | None = None,
    kind: Kind = "full",
    tune: Sequence[str] = (),
    swept: str | None = None,
) -> Suite:
    """The suite of a two-level design over `tricks` and `environments`, each separated by commas.

    `seeds` is "10" for 0 to 9 or "3:5" for 3 and 4; `steps` is the length of each run. Tricks, `preset` and
    `kind` are as `design` has them. With `tune`, each of the form "learning_rate=1e-4,3e-4", every cell is
    also compared at its own best of these values. With `swept`, of the same form, every cell is run at each
    of the values; without tricks that is the preset alone, and each value is compared with the preset's own.
    Raises InputError that names the option.
    """
    places = tuple(part.strip() for part in environments.split(","))
    made, about, parts = None, dict[str, Any](), list[str]()
    variants: dict[str, Variant] = {}
    if tricks is None:
        if swept is None or tune or kind != "full":
            raise InputError("--tricks: missing; only --sweep alone does without")
        name = preset or algorithm
        variants = {name: variant(name, {"algorithm": algorithm, **({"preset": preset} if preset else {})})}
        about = {"title": _swept_title(name, swept), "baseline": name, "questions": ("comparison",)}
        short = f"ablate-{name}"
        parts = [short]
    else:
        made, variants = design(
            algorithm, [part.strip() for part in tricks.split(",")], preset=preset, kind=kind, field=""
        )
        title = _title(made.preset, kind, tuple(factor.trick for factor in made.factors))
        about = {"title": title, "questions": (QUESTION,)}
        short = f"ablate-{made.preset}-{kind}-{len(made.factors)}-tricks"
        parts = [f"ablate-{made.preset}", *([] if kind == "full" else [kind]), _told(made.factors)]
    lines = None
    if swept is not None:
        lines, variants = sweep(variants, *values(swept, "--sweep"), "--sweep")
    grid = [values(text, "--tune") for text in tune]
    parts += [f"tune-{name}" for name, _ in grid]
    parts += [] if lines is None else [f"sweep-{lines.setting}"]
    try:
        return Suite(
            **about,
            name=_name(short, (*parts, *places)),
            environments=places,
            seeds=parse_seeds(seeds),
            steps=steps,
            design=made,
            variants=variants,
            sweep=lines,
            tuning=declared(dict(grid), "--tune") if grid else None,
        )
    except ValidationError as error:
        raise from_validation(error, Suite) from None


def _name(short: str, parts: Sequence[str]) -> str:
    """A name for files, the same for the same design whatever its seeds and steps."""
    whole = "-".join(part.replace("/", ".") for part in parts)
    return whole if len(whole) <= LONGEST_NAME else f"{short}-{sha256(whole.encode()).hexdigest()[:8]}"


def _told(factors: tuple[Factor, ...]) -> str:
    return "+".join(f.trick + (str(f.on) if f.given else "") for f in factors)


def _swept_title(name: str, swept: str) -> str:
    return f"How sensitive is {name} to {swept.partition('=')[0].strip()}?"


def _title(preset: str, kind: Kind, tricks: tuple[str, ...]) -> str:
    listed = f"{', '.join(tricks[:-1])} and {tricks[-1]}" if 1 < len(tricks) <= 4 else tricks[0]
    many = listed if len(tricks) <= 4 else f"{len(tricks)} tricks"
    if kind == "one-in":
        return f"What does each of {many} do for {preset} alone?"
    if kind == "one-out":
        return f"What does {preset} lose without each of {many}?"
    return f"What {'does' if len(tricks) == 1 else 'do'} {many} do for {preset}?"


__all__ = ["QUESTION", "ablation"]
