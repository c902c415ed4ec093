"""The suite of `matters ablate`: a design over named tricks, its protocol and its question."""

from hashlib import sha256

from pydantic import ValidationError

from matters.suites.design import Factor, Kind, design
from matters.suites.errors import from_validation
from matters.suites.suite import Suite, parse_seeds

QUESTION = "trick-factorial"
LONGEST_NAME = 100


def ablation(
    algorithm: str,
    tricks: str,
    *,
    environments: str,
    seeds: str,
    steps: int,
    preset: str | None = None,
    kind: Kind = "full",
) -> Suite:
    """The suite of a two-level design over `tricks` and `environments`, each separated by commas.

    `seeds` is "10" for 0 to 9 or "3:5" for 3 and 4; `steps` are of each run. Tricks, `preset` and `kind` are
    as `design` has them. Raises InputError that names the option.
    """
    made, variants = design(
        algorithm, [part.strip() for part in tricks.split(",")], preset=preset, kind=kind, field=""
    )
    places = tuple(part.strip() for part in environments.split(","))
    try:
        return Suite(
            name=_name(made.preset, kind, made.factors, places),
            title=_title(made.preset, kind, tuple(factor.trick for factor in made.factors)),
            environments=places,
            seeds=parse_seeds(seeds),
            steps=steps,
            questions=(QUESTION,),
            design=made,
            variants=variants,
        )
    except ValidationError as error:
        raise from_validation(error, Suite) from None


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


__all__ = ["QUESTION", "ablation"]
