"""What a run's result depends on, and the identity that follows from it."""

import hashlib
import json
import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_SEED = 2**63 - 1
"""Seeds are stored as int64."""


def _json_value(value: Any, name: str = "config") -> Any:
    """A deep copy with JSON's types only. Raises ValueError that names the first value that has none."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name} = {value}: a number must be finite")
        return value
    if isinstance(value, list | tuple):
        return [_json_value(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _json_value(item, f"{name}.{key}") for key, item in value.items()}
    raise ValueError(f"{name} = {value!r}: not a JSON value")


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, ASCII, floats by repr. Raises ValueError for nan and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity(canonical: str) -> str:
    """First 16 hex digits of the SHA-256 of canonical JSON."""
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


class Evaluation(BaseModel):
    """When and how a run is evaluated: `points` equally spaced, the last at the end."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    points: int = Field(10, gt=0, description="evaluations of a run, equally spaced, the last one at the end")
    episodes: int = Field(5, gt=0, description="episodes of each evaluation")


class RunSpec(BaseModel):
    """All that a run's result depends on. The variant's name is not in it: names do not change results.

    `config` is the complete config as JSON values, dumped from the validated model, so that what was
    written as 1 in a float field is 1.0 here and has one identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    algorithm: str
    algorithm_version: int
    environment: str
    config: Annotated[dict[str, Any], BeforeValidator(_json_value)]
    seed: int = Field(ge=0, le=MAX_SEED)
    steps: int = Field(gt=0)
    evaluation: Evaluation

    def canonical(self) -> str:
        """The spec as canonical JSON, which its identity is the hash of."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def run_id(self) -> str:
        """The name of the run: first 16 hex digits of the SHA-256 of the canonical JSON."""
        return identity(self.canonical())
