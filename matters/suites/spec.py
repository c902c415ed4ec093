"""What a run's result depends on, and the identity derived from it."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_SEED = 2**63 - 1
"""Seeds are stored as int64."""
MOST_EVALUATIONS = 100_000
"""Points of a run, and episodes of a point."""


def json_value(value: Any, name: str = "config") -> Any:
    """A deep copy with JSON's types only. Raises ValueError that names the first value JSON lacks."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name} = {value}: a number must be finite")
        return value
    if isinstance(value, list | tuple):
        return [json_value(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: json_value(item, f"{name}.{key}") for key, item in value.items()}
    raise ValueError(f"{name} = {value!r}: not a JSON value")


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, ASCII, floats by repr. Raises ValueError for nan and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one table by dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def identity(canonical: str) -> str:
    """First 16 hex digits of the SHA-256 of canonical JSON."""
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


class Evaluation(BaseModel):
    """When and how a run is evaluated: `points` equally spaced, the last at the end."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    points: int = Field(
        10,
        gt=0,
        le=MOST_EVALUATIONS,
        description="evaluations of a run, equally spaced, the last one at the end",
    )
    episodes: int = Field(5, gt=0, le=MOST_EVALUATIONS, description="episodes of each evaluation")


class RunSpec(BaseModel):
    """All that a run's result depends on. The variant's name is not in it: names do not change results.

    `config` is the complete config as JSON values, dumped from the validated model, so that a 1 written in a
    float field is 1.0 here. `departures` is the part of it that is not at its fields' baselines (see
    `matters.suites.baselines`); only that part is in the identity or, without it, the whole config.
    `environment_settings` says how the environment differs from what its id alone makes, and is empty where
    it does not; see `matters.suites.tasks.settings`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    algorithm: str
    algorithm_version: int
    environment: str
    environment_settings: Annotated[dict[str, Any], BeforeValidator(json_value)] = Field({})
    config: Annotated[dict[str, Any], BeforeValidator(json_value)]
    departures: Annotated[dict[str, Any], BeforeValidator(json_value)] = Field({})
    seed: int = Field(ge=0, le=MAX_SEED)
    steps: int = Field(gt=0)
    evaluation: Evaluation

    @model_validator(mode="before")
    @classmethod
    def _all_of_it_departs(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "config" in fields and "departures" not in fields:
            return {**fields, "departures": fields["config"]}
        return fields

    @property
    def training_id(self) -> str:
        """The name of the training, however long it is and however it is evaluated."""
        return identity(canonical_json(self._training()))

    @property
    def run_id(self) -> str:
        """The name of the run: of the training, its steps and its evaluation."""
        evaluation = {"points": self.evaluation.points, "episodes": self.evaluation.episodes}
        return identity(canonical_json({**self._training(), "steps": self.steps, "evaluation": evaluation}))

    def _training(self) -> dict[str, Any]:
        settings = {"environment_settings": self.environment_settings} if self.environment_settings else {}
        return {
            "algorithm": self.algorithm,
            "algorithm_version": self.algorithm_version,
            "environment": self.environment,
            **settings,
            "departures": self.departures,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Cell:
    """All seeds of one variant on one environment: one spec per seed, in the order of the suite's seeds."""

    variant: str
    environment: str
    specs: tuple[RunSpec, ...]
