"""A suite's results as tables: one row per declared run, and what the finished runs recorded."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from matters.results.schema import Columns, Record, Status, outcome_of
from matters.results.store import Store
from matters.results.thinning import thin_updates
from matters.results.tuning_runs import COLUMNS as TUNING
from matters.results.tuning_runs import tuning_runs
from matters.suites.errors import InputError
from matters.suites.joint import Joint
from matters.suites.spec import flat
from matters.suites.suite import Suite

SETTINGS = ["variant", "environment", "setting", "value"]
KEYS = ["run_id", "variant", "environment", "seed"]
Reading = Callable[[int, int], None]
"""Called with the number of runs read so far and the number of all runs."""


@dataclass(frozen=True)
class Snapshot:
    """A suite's results at one moment. Rows are ordered by variant and environment as declared, then by seed.

    `runs`: one row per declared run: KEYS, state, steps, digest, score, diverged_at, error, and `outcome`, a
    hash of what was played and learnt, see `outcome_of`. A run that is training counts as missing. The other
    tables have rows of finished runs only, and start with KEYS:
    `evaluations`: point, step, score (mean return over the point's episodes); with point 0, the untrained
    policy's, if all runs have it.
    `episodes`: step, return, length. `updates`: step and every diagnostic that any run has, nan elsewhere;
    thinned, see `thin_updates`.
    `provenance`: run_id and flat columns, such as `packages.torch`, of finished and failed runs.
    `settings`: what each cell was trained with, columns SETTINGS: the dotted name and the value as JSON, from
    a stored spec of the cell, or from the declared one where none is stored.
    `tuning`: the runs of the suite's tuning, empty without one; see `matters.results.tuning_runs`.
    """

    identity: str
    runs: pd.DataFrame
    evaluations: pd.DataFrame
    episodes: pd.DataFrame
    updates: pd.DataFrame
    provenance: pd.DataFrame
    settings: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=SETTINGS))
    tuning: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(TUNING)))


def snapshot(store: Store, suite: Suite | Joint, progress: Reading = lambda *_: None) -> Snapshot:
    """The results that the store has for the suite now."""
    runs: list[dict[str, Any]] = []
    evaluations, episodes, updates, provenance, settings = [], [], [], [], []
    cells = suite.cells()
    declared = sum(len(cell.specs) for cell in cells)
    for cell in cells:
        trained_with = cell.specs[0]
        for spec in cell.specs:
            progress(len(runs), declared)
            keys = {
                "run_id": spec.run_id,
                "variant": cell.variant,
                "environment": cell.environment,
                "seed": spec.seed,
            }
            status = _settled(store.status(spec.run_id))
            record, origin, outcome = None, {"run_id": spec.run_id}, None
            try:
                if status.state in ("done", "failed"):
                    trained_with = store.spec(spec.run_id)
                    origin |= _flat(store.provenance(spec.run_id))
                if status.state == "done":
                    record = store.record(spec.run_id)
                    outcome = outcome_of(store.parts(spec.run_id), record.diverged_at)
            except InputError as damage:
                # It blocks its own aggregate, as any failure does, but no other.
                status = Status("failed", status.steps, error=_damaged(damage))
            runs.append({**keys, **asdict(status), "outcome": outcome})
            if status.state in ("done", "failed"):
                provenance.append(origin)
            if record is not None:
                evaluations.append((keys, _scores(record)))
                episodes.append(
                    (keys, {name: record.episodes[name] for name in ("step", "return", "length")})
                )
                updates.append((keys, thin_updates(record.updates)))
        settings += [
            (cell.variant, cell.environment, name, json.dumps(value))
            for name, value in {"algorithm": trained_with.algorithm, **flat(trained_with.config)}.items()
        ]
    if any(0 not in scores["point"] for _, scores in evaluations):
        # Runs of schema 1 did not evaluate the untrained policy, and curves must begin together.
        evaluations = [
            (keys, {name: column[scores["point"] > 0] for name, column in scores.items()})
            for keys, scores in evaluations
        ]
    tuning = tuning_runs(store, suite)
    return Snapshot(
        identity=_identity(suite, runs, tuning),
        runs=run_table(runs),
        evaluations=joined(evaluations, {"point": "int64", "step": "int64", "score": "float64"}),
        episodes=joined(episodes, {"step": "int64", "return": "float64", "length": "int64"}),
        updates=joined(updates, {"step": "int64"}),
        provenance=pd.DataFrame(provenance, columns=None if provenance else ["run_id"]),
        settings=pd.DataFrame(settings, columns=SETTINGS),
        tuning=tuning,
    )


def _damaged(error: InputError) -> str:
    message = str(error).partition(": ")[2].partition("; see")[0]
    return f"damaged: {message} (matters run --repair trains it again)"


def _settled(status: Status) -> Status:
    """A run that is under way counts as missing: a report must not depend on what trains while it is made."""
    return replace(status, state="missing") if status.state in ("running", "paused") else status


def _identity(suite: Suite | Joint, runs: list[dict[str, Any]], tuning: pd.DataFrame) -> str:
    """SHA-256 over what was declared and what resulted.

    The runs' ids contain what the variants are, so that a new setting that is off changes nothing.
    """
    suites = suite.suites if isinstance(suite, Joint) else (suite,)
    declared = [one.model_dump(mode="json", exclude={"variants"}, exclude_defaults=True) for one in suites]
    states = [[run[key] for key in (*KEYS, "state", "digest")] for run in runs]
    tried = [list(row) for row in zip(tuning["run_id"], tuning["state"], tuning["digest"], strict=True)]
    # A page says of what a run failed, which may have been something else the time before.
    errors = {run["run_id"]: run["error"] for run in runs if run["error"]}
    text = json.dumps([declared, states, *([tried] if tried else []), *([errors] if errors else [])])
    return hashlib.sha256(text.encode()).hexdigest()


def run_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """`Snapshot.runs` of these rows, with its types. A row without an outcome has its digest for one."""
    columns = [*KEYS, "state", "steps", "digest", "score", "diverged_at", "error", "outcome"]
    types = {"seed": "int64", "steps": "int64", "score": "float64", "diverged_at": "Int64"}
    table = pd.DataFrame(rows, columns=columns).astype(types)
    return table.assign(outcome=table["outcome"].fillna(table["digest"]))


def _scores(record: Record) -> dict[str, np.ndarray]:
    """One row per evaluation point: its number, its step, the mean return of its episodes."""
    points, first = np.unique(record.evaluations["point"], return_index=True)
    returns = record.evaluations["return"]
    means = [returns[record.evaluations["point"] == point].mean() for point in points]
    return {
        "point": points,
        "step": record.evaluations["step"][first],
        "score": np.array(means, dtype=np.float64),
    }


def joined(parts: list[tuple[dict[str, Any], Columns]], types: Mapping[str, str]) -> pd.DataFrame:
    """All rows; the columns are KEYS, those of `types`, and then any others by name.

    Names are categories: the rows of one variant among a million are then found by comparing bytes.
    """
    full = [(keys, columns) for keys, columns in parts if columns and len(columns["step"])]
    lengths = [len(columns["step"]) for _, columns in full]
    others = sorted({name for _, columns in full for name in columns} - set(types))
    joined: dict[str, Any] = {}
    for key in KEYS:
        values = [keys[key] for keys, _ in full]
        if key == "seed":
            joined[key] = np.repeat(np.array(values, np.int64), lengths)
        else:
            codes, categories = pd.factorize(np.array(values, dtype=object))
            joined[key] = pd.Categorical.from_codes(np.repeat(codes, lengths), categories)
    for name, kind in {**types, **dict.fromkeys(others, "float64")}.items():
        columns = [
            found.get(name, np.full(length, np.nan)) for (_, found), length in zip(full, lengths, strict=True)
        ]
        joined[name] = np.concatenate(columns).astype(kind) if columns else np.array([], kind)
    return pd.DataFrame(joined)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables as dotted columns; lists as JSON."""
    columns = flat(values)
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in columns.items()}
