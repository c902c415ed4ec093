"""The right to train a run: at most one process has it, and the kernel takes it back when that one dies.

The kernel's lock does not reach other machines on a shared file system; there a sign of life does: see
`matters.results.heartbeat`.
"""

import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
import safetensors.numpy

from matters.results import files
from matters.results.heartbeat import Holder, LeaseLost
from matters.results.parquet import table_bytes
from matters.results.schema import (
    SCHEMA_VERSION,
    Columns,
    Record,
    check,
    digest_of,
    part_hashes,
    primary_endpoint,
)
from matters.results.status import Damage, read_status
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec

TABLES = ("episodes", "evaluations", "updates")
POLICY = "policy.safetensors"
"""A run's final parameters."""
POLICIES = "policies.safetensors"
"""The policies that a run kept during training."""
STATE = ("state.safetensors", "state.rows", "state.ends")
"""The final state of a run: its last checkpoint under another name."""


def lock(path: Path) -> int | None:
    """An open descriptor that holds the lock exclusively, or None if another holder has it.

    The lock goes with the descriptor: children that inherit it by fork keep it, so workers are spawned.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            pass
        # Was it refused by a holder, or by a process in `is_locked`, which shares the lock for an instant?
        # Only the holder refuses to share.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(0.001)


def state_files(directory: Path, stem: str) -> dict[str, Path]:
    """The files called `stem` that make up a final state, by the names that they have in a finished run."""
    found = {name: directory / f"{stem}{Path(name).suffix}" for name in STATE}
    return {name: path for name, path in found.items() if path.exists()}


def refuse_without_locks(directory: Path) -> None:
    """Raise InputError where the file system has no locks: two processes would train the same runs."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    except OSError as error:
        raise InputError(
            f"store = {str(directory)!r}: its file system has no locks (flock: {error.strerror}); "
            "put the store on one that has"
        ) from None
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class Lease:
    """The exclusive right to train one run, and the only way to write its results.

    A context manager that releases on exit. `finish` and `fail` are final and release too: after that the
    run's files do not change.
    """

    def __init__(self, directory: Path, spec: RunSpec, descriptor: int) -> None:
        self.directory = directory
        self.checkpoint = directory / "checkpoint.safetensors"
        self.spec = spec
        self._descriptor: int | None = descriptor
        self._holder = Holder(directory)

    def progress(self, steps: int) -> None:
        """Note how far the run has come; called when a checkpoint of these steps is safe."""
        self._require()
        self._write_status({"state": "running", "steps": steps})

    def touch(self) -> None:
        """Note that there is progress, where no checkpoint says so: status.json is as old as the last."""
        with suppress(OSError):
            os.utime(self.directory / "status.json")

    def finish(
        self,
        record: Record,
        provenance: dict[str, Any],
        *,
        steps: int | None = None,
        policies: Columns | None = None,
        state: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        """Write the results of a run that took `steps` steps; by default, as many as were asked for.

        The run is done once status.json, the last file, is in place; until then it can be leased again. With
        `policies` it can be evaluated again. `state` holds the files, by their new names, from which training
        can go on; they may be removed later, and are hashed separately.

        Raises InputError for a record that is not of the schema, ValueError for provenance that is not
        JSON; both before anything is written. RuntimeError for a lease that is no longer held, LeaseLost if
        another machine has taken the run over or finished it.
        """
        self._require()
        check(record)
        contents = {"provenance.json": files.json_bytes(provenance)}
        for table in TABLES:
            contents[f"{table}.parquet"] = table_bytes(getattr(record, table))
        contents[POLICY] = _safetensors(record.policy)
        if policies is not None:
            contents[POLICIES] = _safetensors(policies)
        score = primary_endpoint(record.evaluations)
        parts = part_hashes(record)
        taken = self.spec.steps if steps is None else steps
        digest = digest_of(parts, record.diverged_at)
        self._refuse_to_finish_twice(digest)
        for name, data in contents.items():
            files.write(self.directory / name, data)
        for name, path in state.items():
            files.link(path, self.directory / name)
        self._write_status(
            {
                "state": "done",
                "steps": taken if record.diverged_at is None else record.diverged_at,
                "digest": digest,
                "parts": parts,
                "score": score if math.isfinite(score) else None,
                "diverged_at": record.diverged_at,
                "files": self._hashes(contents),
                "kept": {name: files.sha256_of(self.directory / name) for name in state},
            }
        )
        # What is left behind here, by a kill or an error, `Store.tidy` removes: the run is done.
        self._discard_checkpoint()
        self.release()

    def adopt(self, names: Iterable[str], content: Callable[[str], bytes]) -> None:
        """Take over this run's final files, which were made elsewhere: `content` gives each by its name.

        status.json comes last. Raises LeaseLost as `finish` does; what the files say is not checked.
        """
        self._require()
        status = content("status.json")
        if (digest := json.loads(status).get("digest")) is not None:
            self._refuse_to_finish_twice(digest)
        for name in names:
            if name != "status.json":
                files.write(self.directory / name, content(name))
        files.write(self.directory / "status.json", status)
        self._discard_checkpoint()
        self.release()

    def fail(self, error: str, steps: int, provenance: dict[str, Any]) -> None:
        """Record a failure: the first line of `error` says what happened, the rest is the traceback.

        The checkpoint is removed, since it may be the cause of the failure.
        """
        self._require()
        lines = error.strip().splitlines() or ["unknown error"]
        self._write_status(
            {
                "state": "failed",
                "steps": steps,
                "error": lines[0].strip(),
                "traceback": "\n".join(lines[1:]),
                "provenance": provenance,
                "files": self._hashes({}),
            }
        )
        self._discard_checkpoint()
        self.release()

    def release(self) -> None:
        """Give the right back. An unfinished run is then paused at its checkpoint, or missing without one."""
        if self._descriptor is not None:
            self._holder.release()
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _require(self) -> None:
        if self._descriptor is None:
            raise RuntimeError(f"run {self.spec.run_id}: this lease is finished or released")
        self._holder.check()

    def _refuse_to_finish_twice(self, digest: str) -> None:
        """Raise LeaseLost if the run was finished by a process that lock and sign of life did not stop."""
        try:
            fields = read_status(str(self.directory)) or {}
        except Damage:
            return
        if fields.get("state") != "done":
            return
        finished = fields["digest"]
        if finished == digest:
            raise LeaseLost(f"run {self.spec.run_id}: was finished elsewhere meanwhile, with the same digest")
        raise LeaseLost(
            f"run {self.spec.run_id}: was finished elsewhere meanwhile with digest {finished}, here it is "
            f"{digest}: one of the machines computes other bits"
        )

    def _write_status(self, fields: dict[str, Any]) -> None:
        status = {"schema_version": SCHEMA_VERSION, **fields}
        files.write(self.directory / "status.json", files.sealed(status))

    def _hashes(self, contents: dict[str, bytes]) -> dict[str, str]:
        """SHA-256 of the given files, the spec, and the earlier failures."""
        kept = [self.directory / "spec.json", *sorted(self.directory.glob("failure-*.json"))]
        everything = {path.name: path.read_bytes() for path in kept} | contents
        return {name: files.sha256(data) for name, data in everything.items()}

    def _discard_checkpoint(self) -> None:
        for path in self.directory.glob("checkpoint.*"):
            with suppress(OSError):
                path.unlink()


def _safetensors(arrays: Columns) -> bytes:
    # safetensors writes an array's memory as it is, ignoring strides.
    plain = {name: np.array(a, a.dtype.newbyteorder("="), order="C") for name, a in arrays.items()}
    return safetensors.numpy.save(plain)
