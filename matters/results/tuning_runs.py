"""The runs of a suite's tuning as a table: ordinary runs of the store, on seeds of their own."""

import json
from typing import Any

import pandas as pd

from matters.results.provenance import core_seconds_per_step
from matters.results.store import Store
from matters.suites.candidates import candidates
from matters.suites.errors import InputError
from matters.suites.joint import Joint
from matters.suites.suite import Suite

COLUMNS = (
    "run_id", "variant", "candidate", "values", "environment", "seed",
    "state", "steps", "digest", "score", "diverged_at", "error", "core_seconds",
)  # fmt: skip


def tuning_runs(store: Store, suite: Suite | Joint) -> pd.DataFrame:
    """One row per run of the tuning: COLUMNS, in the order of variants, grid, environments and seeds.

    `variant` is the one that is tuned, `candidate` the name of a point of its grid, `values` the settings
    there as JSON. A run that is under way counts as missing. `core_seconds` is the processor's time for
    the run's steps, an even share of its population's; nan where nothing was trained.
    """
    rows = [
        row for one in (suite.suites if isinstance(suite, Joint) else (suite,)) for row in _rows(store, one)
    ]
    types = {"seed": "int64", "steps": "int64", "score": "float64", "diverged_at": "Int64"}
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)
    # Suites reported together may share some; variants that share a run have one row each for it.
    return table.drop_duplicates(["candidate", "environment", "seed"], ignore_index=True)


def _rows(store: Store, suite: Suite) -> list[dict[str, Any]]:
    tried = {one.label: one for one in candidates(suite)}
    rows = []
    for cell in suite.tuning_cells():
        one = tried[cell.variant]
        for spec in cell.specs:
            status = store.status(spec.run_id)
            state = "missing" if status.state in ("running", "paused") else status.state
            seconds, score, error = float("nan"), status.score, status.error
            try:
                if state in ("done", "failed"):
                    seconds = status.steps * core_seconds_per_step(store.provenance(spec.run_id))
            except InputError as damage:  # a damaged run gives no choice, just as a failed one
                state, score, error = "failed", None, f"damaged: {damage}"
            rows.append(
                {
                    "run_id": spec.run_id,
                    "variant": one.of,
                    "candidate": one.label,
                    "values": json.dumps(dict(one.values)),
                    "environment": cell.environment,
                    "seed": spec.seed,
                    "state": state,
                    "steps": status.steps,
                    "digest": status.digest,
                    "score": score,
                    "diverged_at": status.diverged_at,
                    "error": error,
                    "core_seconds": seconds,
                }
            )
    return rows
