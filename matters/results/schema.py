"""What a run recorded, its digest, its score; and what a store says about a run."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matters.suites.errors import InputError, nearest

SCHEMA_VERSION = 2

Columns = dict[str, NDArray[Any]]
"""A table: columns of equal length. Or, for a policy, arrays of any shape."""

State = Literal["missing", "running", "paused", "done", "failed"]
"""An interrupted run is paused if it has a checkpoint to go on from, and missing otherwise."""

EPISODES: dict[str, type] = {
    "step": np.int64,  # steps of this run when the episode ended
    "environment": np.int64,
    "return": np.float64,  # raw: neither scaled nor clipped
    "length": np.int64,
    "terminated": np.bool_,
}
EVALUATIONS: dict[str, type] = {
    "point": np.int64,  # 0, the untrained policy, to K; records of schema 1 have no point 0
    "step": np.int64,  # steps taken when the policy was kept
    "episode": np.int64,
    "return": np.float64,
    "length": np.int64,
}
STORABLE = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
"""Types of a policy's arrays: what safetensors and NumPy both have."""


@dataclass(frozen=True)
class Record:
    """What a run recorded.

    `episodes`: one row per training episode, columns as EPISODES. `evaluations`: one row per evaluation
    episode, columns as EVALUATIONS. `updates`: one row per block of 100 steps, or per rollout that is longer:
    `step` (int64) and one float64 column per diagnostic, nan where it was not measured; no column at all if
    nothing was learnt. `policy`: final parameters and frozen normalisers. `diverged_at`: the step at which
    numbers were found to be non-finite, None for a sound run.
    """

    episodes: Columns
    evaluations: Columns
    updates: Columns
    policy: Columns
    diverged_at: int | None = None


@dataclass(frozen=True)
class Status:
    """What the store says about a run. `score` is the primary endpoint; `error` is one line."""

    state: State
    steps: int
    digest: str | None = None
    score: float | None = None
    diverged_at: int | None = None
    error: str | None = None


UPGRADES: dict[int, Callable[[Record], Record]] = {1: lambda record: record}
"""By schema version: the function that lifts a record read from it to the next version.

1 to 2: the columns are the same. That the untrained policy was not evaluated stays visible."""


def check(record: Record) -> None:
    """Raise InputError unless the columns are those of the schema, of their types and of one length."""
    _check_table("episodes", record.episodes, EPISODES)
    _check_table("evaluations", record.evaluations, EVALUATIONS)
    if record.updates:
        diagnostics = dict.fromkeys(record.updates, np.float64)
        _check_table("updates", record.updates, {**diagnostics, "step": np.int64})
    for name, array in record.policy.items():
        if array.dtype.str[1:] not in STORABLE:
            raise InputError(
                f"policy[{name!r}]: {array.dtype} cannot be stored; valid: {', '.join(STORABLE)}"
            )


def _check_table(table: str, columns: Columns, types: Mapping[str, type]) -> None:
    for name in columns:
        if name not in types:
            raise InputError(f"{table}[{name!r}]: unknown column{nearest(name, types)}")
    lengths = set()
    for name, kind in types.items():
        if name not in columns:
            raise InputError(f"{table}[{name!r}]: missing column")
        if columns[name].dtype != kind or columns[name].ndim != 1:
            found = f"{columns[name].dtype} of {columns[name].ndim} dimensions"
            raise InputError(f"{table}[{name!r}]: should be {np.dtype(kind)} of 1 dimension, is {found}")
        lengths.add(len(columns[name]))
    if len(lengths) > 1:
        raise InputError(f"{table}: columns of different lengths, {sorted(lengths)}")


PARTS = ("episodes", "evaluations", "updates", "parameters")
"""The parts that make up a record's digest."""


def part_hashes(record: Record, parts: Iterable[str] = PARTS) -> dict[str, str]:
    """The SHA-256 of each part of a record: names, types, shapes and little-endian bytes, by name."""
    tables = {
        "episodes": record.episodes,
        "evaluations": record.evaluations,
        "updates": record.updates,
        "parameters": record.policy,
    }
    return {part: _table_hash(tables[part]) for part in parts}


def digest_of(parts: Mapping[str, str], diverged_at: int | None) -> str:
    """The digest of a record from the hashes of its parts, so that it can be checked without all of them."""
    named = [[part, parts[part]] for part in PARTS]
    return hashlib.sha256(json.dumps(["matters record", 2, diverged_at, named]).encode()).hexdigest()


def outcome_of(parts: Mapping[str, str], diverged_at: int | None) -> str:
    """As `digest_of`, without the updates: what was played and learnt, whatever diagnostics a rule records.

    Two rules with equal outcomes did the same, even if one of them counts what the other does not have.
    """
    named = [[part, parts[part]] for part in PARTS if part != "updates"]
    return hashlib.sha256(json.dumps(["matters outcome", diverged_at, named]).encode()).hexdigest()


def digest(record: Record) -> str:
    """SHA-256 over what was recorded of the learning: its parts and divergence, but not times or hosts."""
    return digest_of(part_hashes(record), record.diverged_at)


def _table_hash(columns: Columns) -> str:
    sha = hashlib.sha256()
    for name in sorted(columns):
        little = columns[name].astype(columns[name].dtype.newbyteorder("<"))
        if little.dtype.kind == "f":
            # One nan for all of its bit patterns: which of them a computation yields depends on the
            # processor.
            little = np.where(np.isnan(little), little.dtype.type(np.nan), little)
        sha.update(json.dumps([name, little.dtype.str, little.shape]).encode() + b"\n")
        sha.update(little.tobytes())
    return sha.hexdigest()


def digest_1(record: Record) -> str:
    """The digest that a store of schema 1 holds: over all parts at once, without the updates."""
    sha = hashlib.sha256(json.dumps(["matters record", 1, record.diverged_at]).encode() + b"\n")
    tables = {"episodes": record.episodes, "evaluations": record.evaluations, "policy": record.policy}
    for table, columns in tables.items():
        for name in sorted(columns):
            little = columns[name].astype(columns[name].dtype.newbyteorder("<"))
            sha.update(json.dumps([table, name, little.dtype.str, little.shape]).encode() + b"\n")
            sha.update(little.tobytes())
    return sha.hexdigest()


def primary_endpoint(evaluations: Columns) -> float:
    """Mean evaluation return over the last tenth of the points (rounded up), at least the last two.

    The points are those recorded, so a diverged run has the score of the evaluations it had; point 0, the
    untrained policy, is not one of them. nan if there are none.
    """
    points = np.unique(evaluations["point"])
    points = points[points > 0]
    if not len(points):
        return math.nan
    first = points[-max(2, -(-len(points) // 10)) :][0]
    return float(evaluations["return"][evaluations["point"] >= first].mean())
