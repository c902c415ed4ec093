"""Lets runs be trained again that were trained already: damaged ones, and those of a node that errs.

What such a run was, including its digest, is kept as a failure, with the reason. One that a process holds is
left alone.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from matters.results import files, verification
from matters.results.lease import lock
from matters.results.schema import SCHEMA_VERSION
from matters.results.status import Damage, keep_failure, read_status
from matters.results.store import Store


def begin_anew(store: Store, run_id: str) -> str:
    """Let a final run with damaged files be trained again; returns what was wrong, empty if nothing was."""
    faults = verification.faults(store, run_id)
    directory = store.directory(run_id)
    if not faults or (descriptor := lock(directory / "lock")) is None:
        return ""
    try:
        wrong = "; ".join(f"{fault.file} {fault.message}" for fault in faults)
        _forget(directory, f"was damaged: {wrong}")
    finally:
        os.close(descriptor)
    return wrong


def distrust(store: Store, run_id: str, why: str) -> None:
    """Let a run, finished or not, be trained again from its beginning."""
    directory = store.directory(run_id)
    if store.status(run_id).state in ("missing", "running"):
        return
    if (descriptor := lock(directory / "lock")) is None:
        return
    try:
        for checkpoint in directory.glob("checkpoint.*"):
            checkpoint.unlink()
        _forget(directory, why)
    finally:
        os.close(descriptor)


def _forget(directory: Path, why: str) -> None:
    """With the lock held: keep what the run was as a failure, and put it back to its beginning."""
    fields: dict[str, Any] = {}
    with suppress(Damage):
        fields = read_status(str(directory)) or {}
    failure: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "state": "failed",
        "steps": 0,
        "error": why,
        "traceback": "",
        "digest": fields.get("digest"),
        "provenance": {},
        "files": {},
    }
    # Not as a status of its own first: killed after that, the run would count as failed and be left so.
    keep_failure(directory, files.sealed(failure))
    begun = {"schema_version": SCHEMA_VERSION, "state": "running", "steps": 0}
    files.write(directory / "status.json", files.sealed(begun))
