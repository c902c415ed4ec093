"""The numbers of seeds at which verdicts on a suite's runs were read: adding seeds after that is a look.

    <store>/verdicts/<suite>.json    one entry per number of seeds: cells, number of runs, declared looks

Whoever adds seeds because a verdict was *undecided* looks twice, and errs more often than the report states,
unless the looks were declared. So a report notes that it was made, and a later one with more seeds says so.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from matters.results import files

FEWEST = 5
"""The number of runs in the smallest cell: with fewer there is no interval, and no verdict to read."""


def cells_of(suite: Any) -> str:
    """The name of a suite's cells, whatever their seeds: SHA-256 of what each would be with seed 0."""
    named = [
        [cell.variant, cell.environment, cell.specs[0].model_copy(update={"seed": 0}).run_id]
        for cell in suite.cells()
    ]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def note(store: Path, suite: Any, seeds: int) -> None:
    """Note that a verdict was read with `seeds` runs in the smallest cell, unless that is already noted."""
    if seeds >= FEWEST:
        add(store, suite.name, [{"cells": cells_of(suite), "seeds": seeds, "looks": list(suite.looks)}])


def add(store: Path, name: str, found: Iterable[Mapping[str, Any]]) -> None:
    """Add entries to what is noted of the suite of this name, unless they are there.

    A file that cannot be read is not written over: it is set aside as <suite>.damaged.
    """
    found, path = list(found), _path(store, name)
    if all(entry in entries(store, name) for entry in found):
        return
    path.parent.mkdir(exist_ok=True)
    with open(path.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands on one suite, each with some of its cells
        there = entries(store, name)
        if path.exists() and not there:
            path.rename(path.with_suffix(".damaged"))
        new = [dict(entry) for entry in found if entry not in there]
        files.write(path, files.json_bytes([*there, *new]))


def undeclared(store: Path, suite: Any, seeds: int) -> list[int]:
    """The smaller numbers of seeds at which a verdict was read that are not looks of the suite, in order."""
    cells, looks = cells_of(suite), list(suite.looks)
    earlier = [one for one in entries(store, suite.name) if one["cells"] == cells and one["seeds"] < seeds]
    return sorted({one["seeds"] for one in earlier if not looks or one["looks"] != looks})


def remark(store: Path, suite: Any, seeds: int) -> list[str]:
    """What a page says about it, as notices."""
    before = undeclared(store, suite, seeds)
    if not before:
        return []
    return [
        f"Seeds were added after a verdict was read, at {', '.join(map(str, before))} runs per cell, without "
        "declared looks: more than 5 % of such studies err (five seeds added to ten if undecided make 7.7 % "
        "false *different*). `--until-decided` declares looks beforehand and keeps to 5 %."
    ]


def _path(store: Path, name: str) -> Path:
    return store / "verdicts" / f"{name}.json"


def entries(store: Path, name: str) -> list[dict[str, Any]]:
    """What is noted of the suite of this name, oldest first; what cannot be read counts as nothing."""
    try:
        found = json.loads(_path(store, name).read_bytes())
        return [one for one in found if {"cells", "seeds", "looks"} <= one.keys()]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return []
