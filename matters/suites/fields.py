"""The fields of a suite's header: what they may hold, and how a wrong value is named."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from matters.suites.errors import nearest, shown
from matters.suites.seeds import MOST_SEEDS
from matters.suites.spec import MAX_SEED
from matters.suites.tasks import environments
from matters.suites.variant import Name

QUESTIONS = (
    "actor-critic-ladder",
    "code-level-tricks",
    "comparison",
    "natural-ladder",
    "natural-square",
    "published",
    "reproduction",
    "seeds",
    "trick-factorial",
    "trust-region",
)
"""The questions that a report can answer, by name."""

MINIMUM_OF_A_LOOK = 5
"""In seeds: with fewer there is no interval, and nothing to decide by."""


def _counted(value: Any) -> Any:
    """An int n as the seeds 0 to n - 1; a list as it is."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("should be a number of seeds, such as 10, or a list of seeds")
    if value <= 0:
        raise ValueError("should be greater than 0")
    if value > MOST_SEEDS:
        raise ValueError(f"should be at most {MOST_SEEDS}")
    return tuple(range(value))


def _some(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("should not be empty")
    return values


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    known = set()
    for value in values:
        if value in known:
            raise ValueError(f"{shown(value)} appears twice")
        known.add(value)
    return values


def _printable(text: str) -> str:
    if not " ".join(text.split()).isprintable():
        raise ValueError("has a character that controls a terminal")
    return text


def _runnable(environment: str, info: ValidationInfo) -> str:
    own = info.data.get("own", {}).get(environment)
    if reason := environments.objection(*((own.id, own.settings) if own else (environment,))):
        raise ValueError(reason)
    return environment


def _answerable(question: str) -> str:
    if question not in QUESTIONS:
        raise ValueError(f"unknown question{nearest(question, QUESTIONS)}")
    return question


Seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)]
Margin = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=10_000), AfterValidator(_printable)]
Runnable = Annotated[str, Field(strict=True), AfterValidator(_runnable)]
Pair = Annotated[tuple[Name, Name], Field(strict=False)]
Answerable = Annotated[str, Field(strict=True), AfterValidator(_answerable)]
Runnables = Annotated[tuple[Runnable, ...], AfterValidator(_some), AfterValidator(_distinct)]
Seeds = Annotated[
    tuple[Seed, ...], BeforeValidator(_counted), AfterValidator(_some), AfterValidator(_distinct)
]
Steps = Annotated[int, Field(strict=True, gt=0, le=MAX_SEED)]
Questions = Annotated[tuple[Answerable, ...], AfterValidator(_distinct)]
Looks = tuple[Annotated[int, Field(strict=True, ge=MINIMUM_OF_A_LOOK)], ...]
