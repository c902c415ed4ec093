"""What a store can do without: superseded runs, failures, kept states. Only what was asked for is removed."""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from matters.results.lease import STATE, lock
from matters.results.status import earlier_failures
from matters.results.store import Store
from matters.suites.errors import InputError


@dataclass(frozen=True)
class Prunable:
    """A run, or some of its files, with the reason why it can go."""

    run_id: str
    reason: str
    files: tuple[Path, ...]
    """Those of its files that can go; empty for the whole run."""
    size: int
    """In bytes, by the sizes of the files."""


def prunable(
    store: Store,
    *,
    superseded: Callable[[str, int], str] | None = None,
    failures: bool = False,
    states: bool = False,
) -> list[Prunable]:
    """What could be removed from the runs that nobody is training.

    Args:
        store: the store with the runs.
        superseded: why the runs of an algorithm at a version are out of date, empty where they are not; None
            to leave them.
        failures: failed runs, and the records of earlier failures of others.
        states: final states, from which finished runs could go on to more steps.
    """
    found = []
    for run_id in store.run_ids():
        directory, status = store.directory(run_id), store.status(run_id)
        if status.state == "running":
            continue
        try:
            spec = store.spec(run_id)
        except InputError:  # damaged: for `verify` to name and `--repair` to mend, not to be thrown away
            continue
        reason = superseded(spec.algorithm, spec.algorithm_version) if superseded else ""
        if failures and status.state == "failed":
            reason = reason or "failed"
        if reason:
            found.append(Prunable(run_id, reason, (), _size(directory.iterdir())))
            continue
        kept = [directory / name for name in STATE if (directory / name).exists()] if states else []
        if kept:
            found.append(Prunable(run_id, "final state", tuple(kept), _size(kept)))
        if not failures or status.state == "done":
            # A finished run's earlier failures are hashed in its status: they stay with it.
            continue
        if earlier := earlier_failures(directory):
            found.append(Prunable(run_id, "earlier failures", tuple(earlier), _size(earlier)))
    return found


def remove(store: Store, what: Prunable) -> bool:
    """Remove it; False if somebody has begun to train the run in the meantime.

    A run's directory is renamed first, so that a kill leaves all of it or nothing.
    """
    directory = store.directory(what.run_id)
    descriptor = lock(directory / "lock")
    if descriptor is None:
        return False
    try:
        if what.files:
            for path in what.files:
                path.unlink(missing_ok=True)
        else:
            gone = directory.with_name(f".{directory.name}.pruned")
            shutil.rmtree(gone, ignore_errors=True)
            directory.rename(gone)
            shutil.rmtree(gone)
    finally:
        os.close(descriptor)
    return True


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())
