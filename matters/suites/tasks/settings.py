"""An environment that is not just an id: arguments, wrappers, a time limit, and constants of its own.

In a suite a table stands in place of the id:

    environments = [
        "Hopper-v5",
        { id = "Hopper-v5", name = "Hopper-short", max_episode_steps = 200 },
        { id = "mazes:Maze-v0", kwargs = { size = 5 }, wrappers = ["mazes.wrappers:Noisy"],
          random = 0.1, reference = 0.9, source = "100 episodes each, our paper's table 2" },
    ]
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Self

import gymnasium
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from matters.suites.spec import json_value
from matters.suites.tasks.yardsticks import ENVIRONMENTS


def _importable(path: str) -> str:
    module, colon, name = path.partition(":")
    if not (colon and module and name):
        raise ValueError(f"{path!r}: should be 'module:Class'")
    return path


class Own(BaseModel):
    """A user's own environment, or a known one with something changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(min_length=1, description="as `gymnasium.make` takes it; `module:Name-v0` imports module")
    name: str = Field("", description="what pages call it; by default its id, unless something is changed")
    kwargs: Annotated[dict[str, Any], BeforeValidator(lambda value: json_value(value, "kwargs"))] = Field(
        {}, description="what `gymnasium.make` passes to its constructor"
    )
    wrappers: Annotated[tuple[Annotated[str, AfterValidator(_importable)], ...], BeforeValidator(tuple)] = (
        Field((), description="`module:Class`, called with the environment, the first innermost")
    )
    max_episode_steps: int | None = Field(None, gt=0, description="the time limit, in place of its own")
    random: float | None = Field(None, allow_inf_nan=False, description="what uniform actions reach")
    reference: float | None = Field(None, allow_inf_nan=False, description="what a known agent reaches")
    source: str = Field("", description="where the two constants come from")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.settings and not self.name:
            raise ValueError("name: missing; what differs from its id needs a name of its own")
        if (self.settings or self.random is not None) and self.called in ENVIRONMENTS:
            raise ValueError(
                f"name = {self.called!r}: is the name of a task as it is; this one differs from it"
            )
        return self

    @model_validator(mode="after")
    def _has_both_constants_or_none(self) -> Self:
        if (self.random is None) != (self.reference is None):
            lacking = "random" if self.random is None else "reference"
            raise ValueError(f"{lacking}: missing; scores are normalised by random and reference together")
        if self.random is not None and self.random == self.reference:
            raise ValueError(f"reference = {self.reference}: should differ from random")
        if self.random is not None and not self.source:
            raise ValueError("source: missing; constants are worth as much as where they come from")
        return self

    @property
    def called(self) -> str:
        """Its name on pages and in tables."""
        return self.name or self.id

    @property
    def settings(self) -> dict[str, Any]:
        """How it differs from what its id alone makes; part of a run's identity."""
        changed: dict[str, Any] = {
            "kwargs": self.kwargs,
            "wrappers": list(self.wrappers),
            "max_episode_steps": self.max_episode_steps,
        }
        return {name: value for name, value in changed.items() if value not in ({}, [], None)}

    @property
    def constants(self) -> tuple[float, float] | None:
        """(random, reference), where the suite gives them."""
        return None if self.random is None or self.reference is None else (self.random, self.reference)


def modules(environment_id: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The users' own modules that an environment is made from, sorted."""
    paths = [environment_id, *settings.get("wrappers", ())]
    return tuple(sorted({path.partition(":")[0] for path in paths if ":" in path}))


def wrapped(environment: gymnasium.Env[Any, Any], wrappers: tuple[str, ...]) -> gymnasium.Env[Any, Any]:
    """The environment in its wrappers, the first innermost. Raises what importing or calling them raises."""
    for path in wrappers:
        module, _, name = path.partition(":")
        environment = getattr(import_module(module), name)(environment)
    return environment
