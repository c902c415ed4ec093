"""A suite's results as tables: one row a declared run, and what the finished runs recorded."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from results.schema import Record, Status
from results.store import Store
from suites.suite import Suite

KEYS = ["run_id", "variant", "environment", "seed"]


@dataclass(frozen=True)
class Snapshot:
    """A suite's results at one moment. Rows stand by variant and environment as declared, then seed.

    `runs`: one row a declared run: KEYS, state, steps, digest, score, diverged_at, error. A run that is
    training counts as missing. The other tables have rows of finished runs only, and start with KEYS:
    `evaluations`: point, step, score (mean return over the point's episodes).
    `episodes`: step, return, length. `updates`: step and every diagnostic that any run has, nan elsewhere.
    `provenance`: run_id and flat columns, such as `packages.torch`, of finished and failed runs.
    """

    identity: str
    runs: pd.DataFrame
    evaluations: pd.DataFrame
    episodes: pd.DataFrame
    updates: pd.DataFrame
    provenance: pd.DataFrame


def snapshot(store: Store, suite: Suite) -> Snapshot:
    """The results that the store has for the suite now."""
    runs: list[dict[str, Any]] = []
    evaluations, episodes, updates, provenance = [], [], [], []
    for cell in suite.cells():
        for spec in cell.specs:
            keys = {
                "run_id": spec.run_id,
                "variant": cell.variant,
                "environment": cell.environment,
                "seed": spec.seed,
            }
            status = _settled(store.status(spec.run_id))
            runs.append({**keys, **asdict(status)})
            if status.state in ("done", "failed"):
                provenance.append({"run_id": spec.run_id, **_flat(store.provenance(spec.run_id))})
            if status.state == "done":
                record = store.record(spec.run_id)
                evaluations.append(_keyed(keys, _scores(record)))
                episodes.append(
                    _keyed(keys, {name: record.episodes[name] for name in ("step", "return", "length")})
                )
                updates.append(_keyed(keys, record.updates))
    return Snapshot(
        identity=_identity(suite, runs),
        runs=_runs(runs),
        evaluations=_joined(evaluations, {"point": "int64", "step": "int64", "score": "float64"}),
        episodes=_joined(episodes, {"step": "int64", "return": "float64", "length": "int64"}),
        updates=_joined(updates, {"step": "int64"}),
        provenance=pd.DataFrame(provenance, columns=None if provenance else ["run_id"]),
    )


def _settled(status: Status) -> Status:
    """A run in training as missing: a report must not depend on who is at work while it is made."""
    return replace(status, state="missing") if status.state == "running" else status


def _identity(suite: Suite, runs: list[dict[str, Any]]) -> str:
    """SHA-256 over what was declared and what came of it."""
    states = [[run["run_id"], run["state"], run["digest"]] for run in runs]
    text = json.dumps([suite.model_dump(mode="json"), states], sort_keys=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _runs(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = [*KEYS, "state", "steps", "digest", "score", "diverged_at", "error"]
    types = {"seed": "int64", "steps": "int64", "score": "float64", "diverged_at": "Int64"}
    return pd.DataFrame(rows, columns=columns).astype(types)


def _scores(record: Record) -> dict[str, np.ndarray]:
    """One row an evaluation point: its number, its step, the mean return of its episodes."""
    points, first = np.unique(record.evaluations["point"], return_index=True)
    returns = record.evaluations["return"]
    means = [returns[record.evaluations["point"] == point].mean() for point in points]
    return {
        "point": points,
        "step": record.evaluations["step"][first],
        "score": np.array(means, dtype=np.float64),
    }


def _keyed(keys: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    frame = pd.DataFrame(dict(columns))
    for position, (name, value) in enumerate(keys.items()):
        frame.insert(position, name, value)
    return frame


def _joined(frames: list[pd.DataFrame], types: Mapping[str, str]) -> pd.DataFrame:
    """All rows; the columns are KEYS, those of `types`, and then any others by name."""
    full = [frame for frame in frames if len(frame)]
    if not full:
        return pd.DataFrame(columns=[*KEYS, *types]).astype({"seed": "int64", **types})
    joined = pd.concat(full, ignore_index=True)
    known = [*KEYS, *types]
    return joined[[*known, *sorted(set(joined.columns) - set(known))]]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted columns; lists as JSON."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return flat
