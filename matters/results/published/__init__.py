"""What others published, as data: one CSV per source beside this file, and single seeds where released.

README.md says what the columns mean and what was left out. A published number is never pooled with ours, nor
with one for another version of the environment.
"""

import csv
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from matters.suites.errors import InputError, from_validation

FOLDER = Path(__file__).parent
Measure = Literal["evaluation", "maximum", "training"]
MEASURES: dict[Measure, str] = {
    "evaluation": "evaluations at the end",
    "maximum": "the best checkpoint",
    "training": "training episodes",
}
"""The kinds of source of a published number, in words."""


class Entry(BaseModel):
    """One published number with its protocol; a field that the source does not state is None.

    `algorithm` is the source's name for it. `spread` is the number after ±; an interval has `low` and `high`
    instead. `spread_kind` says what kind of spread it is. `values` are the scores of single seeds, where the
    source released them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1)
    reference: str = Field(min_length=1)
    algorithm: str = Field(min_length=1)
    implementation: str = Field(min_length=1)
    environment: str = Field(pattern=r"^[A-Za-z0-9]+-v\d+$")
    steps: int = Field(gt=0)
    seeds: int = Field(gt=0)
    measure: Measure
    statistic: str = Field(min_length=1)
    value: float = Field(allow_inf_nan=False)
    spread: float | None = Field(None, ge=0, allow_inf_nan=False)
    low: float | None = Field(None, allow_inf_nan=False)
    high: float | None = Field(None, allow_inf_nan=False)
    spread_kind: str
    notes: str
    values: tuple[float, ...] = ()

    @field_validator("spread", "low", "high", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _a_spread_says_what_it_is(self) -> Self:
        if (self.low is None) != (self.high is None) or (self.spread is not None and self.low is not None):
            raise ValueError("should have a spread, or low and high, or neither")
        if (self.spread is None and self.low is None) != (not self.spread_kind):
            raise ValueError("a spread and its kind go together")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"value = {self.value}: outside of {self.low} to {self.high}")
        return self

    @property
    def task(self) -> str:
        """The environment's name without its version."""
        return task(self.environment)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends that a figure draws: low and high, or the value minus and plus the spread, or None."""
        if self.spread is not None:
            return self.value - self.spread, self.value + self.spread
        return None if self.low is None or self.high is None else (self.low, self.high)


def task(environment: str) -> str:
    """`HalfCheetah` of `HalfCheetah-v5`."""
    return environment.rpartition("-v")[0]


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every shipped entry, file by file, in the order of the rows. Raises InputError for a damaged file."""
    return tuple(entry for path in sorted(FOLDER.glob("*.csv")) for entry in read(path))


def read(path: Path) -> list[Entry]:
    """The entries of one file, with single seeds from the file of the same name in `seeds/`, if there is one.

    Raises InputError that names the file and the line.
    """
    seeds = path.parent / "seeds" / path.name
    single = _single(seeds) if seeds.exists() else {}
    found: list[Entry] = []
    seen: dict[tuple[object, ...], int] = {}
    for line, row in _rows(path):
        try:
            entry = Entry(**row)
        except ValidationError as error:
            raise InputError(f"{path}:{line}: {from_validation(error, Entry)}") from None
        key = (entry.algorithm, entry.implementation, entry.environment, entry.steps, entry.statistic)
        if key in seen:
            raise InputError(f"{path}:{line}: the same as line {seen[key]}")
        seen[key] = line
        # A source may also print maxima and training returns; the released seeds are of its evaluations.
        values = single.get((entry.algorithm, entry.environment, entry.steps), ())
        if values and _is_mean_of(entry, values):
            entry = entry.model_copy(update={"values": values})
        found.append(entry)
    return found


def _is_mean_of(entry: Entry, values: tuple[float, ...]) -> bool:
    """Whether the entry is the mean of these seeds, to the digits that were published."""
    if entry.measure != "evaluation" or entry.seeds != len(values):
        return False
    return math.isclose(entry.value, sum(values) / len(values), rel_tol=1e-6, abs_tol=0.006)


def _single(path: Path) -> dict[tuple[str, str, int], tuple[float, ...]]:
    """Values by algorithm, environment and steps, in the order of the seeds."""
    found: dict[tuple[str, str, int], dict[int, float]] = {}
    for line, row in _rows(path):
        try:
            key = (row["algorithm"], row["environment"], int(row["steps"]))
            seed, value = int(row["seed"]), float(row["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}:{line}: {error}") from None
        if not math.isfinite(value) or seed in found.setdefault(key, {}):
            raise InputError(f"{path}:{line}: should be one finite value per seed")
        found[key][seed] = value
    return {key: tuple(values[seed] for seed in sorted(values)) for key, values in found.items()}


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restkey="too many cells", restval="")
        for row in reader:
            yield reader.line_num, row
