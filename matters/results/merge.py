"""Two stores into one, for studies that were trained on two machines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from matters.results.store import Store
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Merged:
    """The outcome of a merge, as run ids."""

    taken: tuple[str, ...]
    there: tuple[str, ...]
    """Those that were in both, with the same digest."""
    left: tuple[str, ...]
    """Unfinished ones, and those that a process is training in the target store."""


def merge(source: Store, target: Store, progress: Progress = lambda *_: None) -> Merged:
    """Copy each final run of `source` that `target` lacks, or has only as a failure.

    Raises InputError before anything is written: for a run with two digests, one in each store, since the
    machines then compute different bits; for a damaged run; for stores of which one leaves out files that the
    other has, or whose runs have the names of schema 1.
    """
    for store in (source, target):
        if store.former_names:
            raise InputError(f"store = {str(store.path)!r}: has runs of schema 1; first matters upgrade")
    without, thinned = source.without ^ target.without, source.thinned ^ target.thinned
    unlike = [f"only one leaves out {', '.join(sorted(without))}"] if without else []
    unlike += [f"only one has {', '.join(sorted(thinned))} thinned"] if thinned else []
    if unlike:
        raise InputError(f"{source.path} and {target.path}: {', and '.join(unlike)}")
    run_ids = source.run_ids()
    ours, theirs = ({run_id: store.status(run_id) for run_id in run_ids} for store in (target, source))
    for run_id in run_ids:
        digests = theirs[run_id].digest, ours[run_id].digest
        if None not in digests and digests[0] != digests[1]:
            raise InputError(
                f"run = {run_id!r}: has digest {digests[0]} in {source.path} and {digests[1]} in "
                f"{target.path}: two results of one run; see matters reproduce"
            )
    final = [run_id for run_id in run_ids if theirs[run_id].state in ("done", "failed")]
    wanted = [
        run_id for run_id in final if ours[run_id].state not in ("done", "running", theirs[run_id].state)
    ]
    for number, run_id in enumerate(wanted):
        progress("checking runs", number, len(wanted))
        for fault in source.verify([run_id]):
            raise InputError(f"run = {run_id!r} in {source.path}: {fault.file} {fault.message}")
    taken = []
    for number, run_id in enumerate(wanted):
        progress("copying runs", number, len(wanted))
        directory = source.directory(run_id)
        names = [path.name for path in directory.iterdir() if path.is_file() and kept_name(path.name)]
        if take(target, source.spec(run_id), directory, names):
            taken.append(run_id)
    there = [run_id for run_id in final if run_id not in wanted and ours[run_id].state != "running"]
    left = [run_id for run_id in run_ids if run_id not in taken and run_id not in there]
    return Merged(tuple(taken), tuple(there), tuple(left))


def kept_name(name: str) -> bool:
    """Whether a file belongs to a final run: not a lock, a sign of life, or anything unfinished."""
    return not name.startswith((".", "checkpoint.")) and name not in ("lock", "holder.json")


def take(target: Store, spec: RunSpec, directory: Path, names: Iterable[str]) -> bool:
    """Copy a final run's files under its lease, status.json last; False if another process is training it."""
    lease = target.lease(spec, retry_failed=True)
    if lease is None:
        return False
    with lease:
        lease.adopt(names, lambda name: (directory / name).read_bytes())
    return True
