"""What a suite tunes before it compares: `[suite.tuning]`.

    [suite.tuning]
    learning_rate = [1e-4, 3e-4, 1e-3]     # any settings, by name; with several, every combination
    seeds = 3                              # 2000 to 2002; or a list; never those of the comparison
    rule = "mean"                          # one choice per variant; "per-environment": one for each
    variants = ["ppo", "ppo-m"]            # by default every variant that has one of the settings

A detail may matter only because the other settings were chosen with it: Engstrom et al. 2020 took the best of
a grid of learning rates for each configuration. So each variant is tried at each value on seeds that the
comparison never sees, and the suite is answered twice, at equal settings and each variant at its own best.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from matters.suites.errors import InputError, from_validation, shown
from matters.suites.spec import MAX_SEED, flat
from matters.suites.variant import Name, Variant

FIRST_SEED = 2000
"""The first seed of a tuning whose seeds are given as a number."""

AT_BEST = "-at-best"
"""How the name of a variant at its own best ends."""

Rule = Literal["mean", "per-environment"]


def _own(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return tuple(range(FIRST_SEED, FIRST_SEED + value))


Seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)]


class Tuning(BaseModel):
    """A grid of settings, the seeds on which it is tried, and the rule by which a value is chosen.

    The rule "mean" takes the values with the largest mean over environments of the normalised primary
    endpoint, "per-environment" those with the largest mean on each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    grid: dict[str, tuple[Any, ...]] = Field(min_length=1)
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(_own)] = Field(
        tuple(range(FIRST_SEED, FIRST_SEED + 3)), min_length=1
    )
    rule: Rule = "mean"
    variants: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _each_value_once(self) -> Self:
        for setting, values in self.grid.items():
            if len(values) < 2:
                raise ValueError(f"{setting} = {shown(list(values))}: a grid has at least two values")
            for index, value in enumerate(values):
                if value in values[:index]:
                    raise ValueError(f"{setting}: {shown(value)} appears twice")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds = {shown(list(self.seeds))}: one appears twice")
        return self

    def tunes(self, variant: str) -> bool:
        """Whether the variant of that name is tuned, if it has one of the settings."""
        return not self.variants or variant in self.variants


def declared(table: object, field: str = "suite.tuning") -> Tuning:
    """The tuning that a table `[suite.tuning]` declares. Raises InputError that begins with `field`."""
    if not isinstance(table, Mapping):
        raise InputError(f"{field} = {shown(table)}: should be a table")
    reserved = {name: table[name] for name in ("seeds", "rule", "variants") if name in table}
    grid = flat({name: value for name, value in table.items() if name not in reserved})
    if not grid:
        raise InputError(f"{field}: no setting to tune, as in learning_rate = [1e-4, 3e-4, 1e-3]")
    for setting, values in grid.items():
        if not isinstance(values, list):
            raise InputError(f"{field}.{setting} = {shown(values)}: should be a list of values")
    try:
        return Tuning(grid=grid, **reserved)
    except ValidationError as error:
        raise from_validation(error, Tuning, field) from None


def values(text: str, option: str) -> tuple[str, list[Any]]:
    """A setting and the values that `learning_rate=1e-4,3e-4` gives it. Raises InputError."""
    setting, equals, listed = (part.strip() for part in text.partition("="))
    if not equals or not setting or not listed:
        raise InputError(f"{option} {text!r}: should be SETTING=A,B,…, as in learning_rate=1e-4,3e-4,1e-3")
    return setting, [_value(part.strip()) for part in listed.split(",")]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass(frozen=True)
class Candidate:
    """A variant at one point of the grid: the values of the settings, and the variant that they make."""

    of: str
    values: Mapping[str, Any]
    variant: Variant

    @property
    def label(self) -> str:
        """Its name in tables and in progress."""
        return f"{self.of}@{','.join(f'{name}={value}' for name, value in self.values.items())}"
