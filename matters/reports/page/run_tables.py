"""Tables of runs: every one, those that are not whole, and what they were made with."""

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from matters.reports.page.formatting import DASH, number, thousands
from matters.reports.page.section import Table
from matters.reports.study.study import Study
from matters.suites.errors import on_one_line

# Facts of a run that differ between any two runs, or say nothing about how its numbers came about.
PERSONAL = ("run_id", "started", "finished", "wall_seconds", "core_seconds", "steps_per_second", "population")
LONGEST = 300
"""Characters of an error that a table shows; its data have the whole line."""


def run_list(study: Study, bundle: str | None = None) -> Table:
    """Every declared run with its identity, and how to see one: in a store, or in that bundle."""
    columns = ("run", "variant", "environment", "seed", "state", "score", "digest")
    of = "" if bundle is None else f" --evidence {shlex.quote(bundle)}"
    rows, data = [], []
    files = (
        dict(zip(study.provenance["run_id"], study.provenance["file"], strict=True)) if study.foreign else {}
    )
    for run in study.runs.to_dict("records"):
        diverged = present(run["diverged_at"])
        state = run["state"]
        if diverged is not None:
            sound = present(run["sound_score"])
            state += f", diverged at {thousands(int(diverged))}"
            state += "" if sound is None else f" (before that {number(sound)})"
        digest = present(run["digest"])
        said = present(run.get("error"))
        error = None if said is None else on_one_line(str(said))
        if study.foreign:
            state = f"imported from {files[run['run_id']]}"
        rows.append(
            (
                f"`{run['run_id']}`",
                f"`{run['variant']}`",
                run["environment"],
                str(int(run["seed"])),
                f"{state}: {on_one_line(error, LONGEST)}" if error else state,
                number(present(run["score"])),
                f"`{digest[:12]}`" if digest else DASH,
            )
        )
        data.append(
            {
                "run_id": run["run_id"],
                "variant": run["variant"],
                "environment": run["environment"],
                "seed": int(run["seed"]),
                "state": run["state"],
                "steps": int(present(run["steps"]) or 0),
                "score": present(run["score"]),
                "sound_score": present(run["sound_score"]),
                "diverged_at": None if diverged is None else int(diverged),
                "digest": digest,
                "error": error,
            }
        )
    return Table(
        name="runs",
        fold=f"All {len(rows)} runs with their identities",
        caption="Every number above comes from these runs. "
        + (
            "A run’s identity and digest are of what was read from its file."
            if study.foreign
            else f"`matters show RUN{of}` prints one, `matters reproduce RUN{of}` trains it again and "
            "compares digests."
        ),
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset({"seed", "score"}),
    )


def incomplete(study: Study) -> Table:
    """The runs that failed, diverged or are missing."""
    every = run_list(study)
    picked = [
        k
        for k, run in enumerate(every.data)
        if run["state"] != "done" or run["diverged_at"] is not None or run["score"] is None
    ]
    return Table(
        name="incomplete",
        caption="Runs that failed, diverged, have no score, or were never finished.",
        empty="No run failed, diverged or is missing; every one has a score.",
        columns=every.columns,
        rows=tuple(every.rows[k] for k in picked),
        data=tuple(every.data[k] for k in picked),
        numeric=every.numeric,
    )


def provenance(study: Study) -> Table:
    """What the runs were made with: one line per fact, its values and how many runs have each."""
    rows, data = [], []
    frame = study.provenance
    for column in frame.columns:
        if column in PERSONAL:
            continue
        values = frame[column].map(lambda value: DASH if present_any(value) is None else str(value))
        counts: Mapping[str, int] = values.value_counts().sort_index().to_dict()
        shown = [value if len(counts) == 1 else f"{value} ({count} runs)" for value, count in counts.items()]
        text = "; ".join(shown[:4]) + (f"; {len(shown) - 4} more" if len(shown) > 4 else "")
        rows.append((column, text or DASH))
        data.append({"fact": column, "values": dict(counts)})
    return Table(
        name="provenance",
        caption="As recorded with the runs.",
        empty="No run has recorded any.",
        columns=("fact", "value"),
        rows=tuple(rows),
        data=tuple(data),
    )


def present(value: Any) -> Any:
    """The value, or None for any of pandas' ways to say that there is none."""
    return None if value is None or pd.isna(value) else value


def present_any(value: Any) -> Any:
    """Like `present`, but lists and dictionaries are present too."""
    return value if isinstance(value, (list, dict, tuple, np.ndarray)) else present(value)
