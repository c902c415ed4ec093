"""Tables with fewer rows, by a declared rule: for pages, and for bundles that are kept in version control.

The evaluations, on which verdicts rest, are never thinned. A thinned table cannot be hashed as the whole one
was: its hash is in THINNED_JSON beside it, and its part of the digest is taken as stated.
"""

from collections.abc import Callable

import numpy as np

from matters.results import files
from matters.results.schema import Columns

MOST_ROWS = 2_000
"""Rows per run: an actor-critic that updates every five steps has 200 000 updates in a million steps."""
THINNED_JSON = "thinned.json"
"""The file in the directory of a run with thinned tables: the SHA-256 of each, sealed."""


def thin_updates(updates: Columns) -> Columns:
    """At most MOST_ROWS rows of diagnostics.

    In a run with more, neighbours become one row, with the last one's step and the mean of each diagnostic
    (the largest, for one called `max_…`), rounded to single precision, as it was computed. A value that is
    not finite is unknown and does not count.
    """
    rows = len(updates["step"]) if updates else 0
    if rows <= MOST_ROWS:
        return updates
    ends = np.linspace(0, rows, MOST_ROWS + 1).astype(np.int64)
    thin: Columns = {"step": updates["step"][ends[1:] - 1]}
    for name in updates.keys() - {"step"}:
        column = updates[name]
        known = np.isfinite(column)
        count = np.add.reduceat(known.astype(np.int64), ends[:-1])
        if name.startswith("max_"):
            found = np.maximum.reduceat(np.where(known, column, -np.inf), ends[:-1])
        else:
            found = np.add.reduceat(np.where(known, column, 0.0), ends[:-1]) / np.maximum(count, 1)
        # Digits that nothing was computed to would be most of a bundle.
        thin[name] = np.where(count > 0, found, np.nan).astype(np.float32).astype(np.float64)
    return {name: thin[name] for name in updates}


def thin_episodes(episodes: Columns) -> Columns:
    """At most MOST_ROWS training episodes; from more, equally spaced rows, with the first and the last."""
    rows = len(episodes["step"])
    if rows <= MOST_ROWS:
        return episodes
    kept = np.linspace(0, rows - 1, MOST_ROWS).round().astype(np.int64)
    return {name: column[kept] for name, column in episodes.items()}


RULES: dict[str, Callable[[Columns], Columns]] = {
    "episodes.parquet": thin_episodes,
    "updates.parquet": thin_updates,
}
"""The tables that may be thinned, each with its rule."""


def thinned_json(tables: dict[str, bytes]) -> bytes:
    """The content of the file that is written beside these thinned tables."""
    return files.sealed({name: files.sha256(data) for name, data in tables.items()})
