"""Runs on nodes that do not see the store: what they need is sent along, what they made comes back.

The driver holds the leases and is the only one that writes. A node trains, by the same worker program, in a
folder of its own that has just the runs of its job. With the worker's news come the files that have changed:
a checkpoint now and then, a finished run whole. Files that only grow are sent from where they were.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from matters.harness.scheduling.executors.interface import Ended, Job, News, Progress
from matters.harness.scheduling.worker_program import PROGRAM, death
from matters.harness.training.job import heard, spoken
from matters.results import files
from matters.results.lease import Lease
from matters.results.merge import kept_name
from matters.results.store import Store

CHECKPOINT_SECONDS = 120.0
"""Seconds between two checkpoints, at least: each travels, of every run."""
CHECKPOINT = "checkpoint.safetensors"
GROWING = (".rows", ".ends", ".policies")
"""The files beside a checkpoint that are only appended to, and count only as far as a checkpoint says."""


@dataclass(frozen=True)
class Piece:
    """Some bytes of a run's file, from an offset on; all of it where the offset is 0."""

    run_id: str
    name: str
    data: bytes
    offset: int = 0


@dataclass
class Home:
    """The driver's side: leases on runs that are trained where the store is not seen."""

    _held: dict[str, Lease] = field(default_factory=dict)

    def sent(self, job: Job) -> tuple[Job | None, list[Piece], list[Progress]]:
        """What is sent to a node: the job, without the runs that others hold, and the files that it needs.

        Without any run left there is no job. The news say which runs are skipped.
        """
        from matters.harness.training import earlier  # torch, which a driver of other nodes does not need

        store = Store.open(job.store)
        found = earlier.trainings(store, job.specs)
        pieces: list[Piece] = []
        skipped: list[Progress] = []
        for spec in job.specs:
            if not job.repeat:
                lease = store.lease(spec, retry_failed=job.retry_failed)
                if lease is None:
                    skipped.append(Progress((spec.run_id,), "skipped", 0, spec.steps))
                    continue
                self._held[spec.run_id] = lease
                pieces += _whole(lease.directory, spec.run_id, checkpoints=True)
                source = earlier.choose(store, spec, found).source
                if source is not None and not lease.checkpoint.exists():
                    pieces += _whole(store.directory(source.run_id), source.run_id)
        gone = {run_id for one in skipped for run_id in one.run_ids}
        specs = tuple(spec for spec in job.specs if spec.run_id not in gone)
        seconds = max(job.checkpoint_seconds, CHECKPOINT_SECONDS)
        return (replace(job, specs=specs, checkpoint_seconds=seconds) if specs else None), pieces, skipped

    def received(self, pieces: Sequence[Piece]) -> None:
        """Write what came back: a final run whole, its status last; else a checkpoint, after what it needs.

        Raises OSError where it cannot be written, or the run is somebody else's by now.
        """
        by_run: dict[str, list[Piece]] = {}
        for piece in pieces:
            by_run.setdefault(piece.run_id, []).append(piece)
        for run_id, some in by_run.items():
            lease = self._held[run_id]
            contents = {piece.name: piece.data for piece in some}
            status = json.loads(contents["status.json"])
            if status["state"] == "running":
                for piece in sorted(some, key=lambda piece: piece.name == CHECKPOINT):
                    _put(lease.directory, piece)
                lease.progress(status["steps"])
            else:
                lease.adopt(contents, contents.__getitem__)
                del self._held[run_id]

    def release(self, run_ids: Collection[str]) -> None:
        """Give back the leases on these runs, which are not finished if they are still held."""
        for run_id in run_ids & self._held.keys():
            self._held.pop(run_id).release()

    def release_all(self) -> None:
        """Give back every lease."""
        self.release(set(self._held))


def _put(directory: Path, piece: Piece) -> None:
    path = directory / piece.name
    if piece.name == "status.json":
        return  # the lease writes its own
    if piece.offset == 0:
        files.write(path, piece.data)
        return
    with path.open("r+b") as file:
        file.seek(piece.offset)
        file.write(piece.data)


def _whole(directory: Path, run_id: str, *, checkpoints: bool = False) -> list[Piece]:
    """Every file of a run that belongs to it wherever it is; its checkpoints, too, if they are wanted."""
    return [
        Piece(run_id, path.name, path.read_bytes())
        for path in sorted(directory.iterdir())
        if kept_name(path.name) or (checkpoints and path.name.startswith("checkpoint."))
    ]


def worked_on(job: Job, pieces: Sequence[Piece]) -> Iterator[tuple[str, list[Piece]]]:
    """On a node: train in a folder of its own; yields each line of news with what has changed of the runs."""
    with TemporaryDirectory(prefix="matters-") as folder:
        store = Store.open(Path(folder, "runs"), create=True).path
        sizes: dict[str, int] = {}
        """How much of each growing file the driver has."""
        for piece in pieces:
            path = store / piece.run_id / piece.name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(piece.data)
            sizes[f"{piece.run_id}/{piece.name}"] = len(piece.data)
        known: dict[str, int] = {}
        """When each run's checkpoint was taken that the driver has."""
        for said in spoken_by_worker(replace(job, store=store)):
            news = heard(said)
            if isinstance(news, Progress) and news.state in ("done", "failed"):
                yield said, [piece for run_id in news.run_ids for piece in _whole(store / run_id, run_id)]
            elif isinstance(news, Progress):
                yield (
                    said,
                    [piece for one in news.run_ids for piece in _checkpoint(store / one, sizes, known)],
                )
            else:
                yield said, []


def _checkpoint(directory: Path, sizes: dict[str, int], known: dict[str, int]) -> list[Piece]:
    """The run's newest checkpoint with what it counts on, unless the driver has it."""
    run_id = directory.name
    try:
        taken = (directory / CHECKPOINT).stat().st_mtime_ns
        if known.get(run_id) == taken:
            return []
        # First the checkpoint: what lies beside it may grow meanwhile, which does no harm.
        found = [Piece(run_id, name, (directory / name).read_bytes()) for name in (CHECKPOINT, "status.json")]
    except FileNotFoundError:
        return []  # it has none, or has just come to its end: the next word says so
    if json.loads(found[1].data)["state"] != "running":
        return []
    known[run_id] = taken
    for path in sorted(directory.glob("checkpoint.*")):
        if path.suffix in GROWING:
            name = f"{run_id}/{path.name}"
            start = sizes.get(name, 0) if path.stat().st_size >= sizes.get(name, 0) else 0
            with path.open("rb") as file:
                file.seek(start)
                data = file.read()
            sizes[name] = start + len(data)
            found.append(Piece(run_id, path.name, data, start))
    return found


def spoken_by_worker(job: Job) -> Iterator[str]:
    """Start the worker program for one job and yield what it says, line by line; closed, it is ended.

    Its last line is an Ended, whether it has said so or was ended by something else.
    """
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, *PROGRAM], stdin=pipe, stdout=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    last: News | None = None
    try:
        process.stdin.write(job.line() + "\n")
        process.stdin.flush()
        for said in process.stdout:
            last = heard(said)
            yield said
            if isinstance(last, Ended):
                break
    finally:
        if isinstance(last, Ended):
            process.stdin.close()
        else:
            process.terminate()
        code = process.wait()
    if not isinstance(last, Ended):
        yield spoken(Ended(death(code), again=True))
