"""The store: one directory per run, readable by people, safe against kill -9 and two processes at once.

    <store>/store.json                 the schema's version; what this copy of the store leaves out
    <store>/index.jsonl                what the runs are, in short; see `matters.results.index`
    <store>/logs/                      what each worker did, for people
    <store>/<run_id>/spec.json         what the run is
                     status.json       its state; when final, with the SHA-256 of every other file
                     episodes.parquet evaluations.parquet updates.parquet policy.safetensors provenance.json
                     policies.safetensors   the policies kept on the way
                     state.*           the final state, if it was kept
                     failure-1.json …  the status of earlier failures, if it was retried
                     lock              held by the process that trains it
                     holder.json       who that is, for other machines
                     checkpoint.*      while it is not finished

Everything is written under another name and renamed, status.json last. Loading runs no code from the files.
Runs of schema 1 lie in directories with the names that they had then: see `matters.results.upgrade`.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import safetensors.numpy

from matters.results import files, index, marker, spec_file, upgrade, verification
from matters.results.heartbeat import held_elsewhere
from matters.results.lease import POLICY, TABLES, Lease, is_locked, lock
from matters.results.parquet import table_of
from matters.results.schema import (
    SCHEMA_VERSION,
    UPGRADES,
    Record,
    Status,
    part_hashes,
)
from matters.results.status import (
    Damage,
    earlier_failures,
    keep_failure,
    read_failure,
    read_status,
)
from matters.results.thinning import RULES, THINNED_JSON
from matters.results.verification import Fault
from matters.suites.errors import InputError, nearest
from matters.suites.spec import RunSpec


@dataclass(frozen=True)
class Store:
    """A directory of runs. Made by `Store.open`."""

    path: Path
    schema: int = SCHEMA_VERSION
    """The version of the newest runs in it."""
    oldest_schema: int = SCHEMA_VERSION
    """The version of the oldest runs in it."""
    without: frozenset[str] = frozenset()
    """Files of finished runs that this copy of a store leaves out, such as policy.safetensors."""
    thinned: frozenset[str] = frozenset()
    """Tables that may have fewer rows in this copy of a store than were recorded: see `results.thinning`."""

    @classmethod
    def open(cls, path: Path | str, *, create: bool = False) -> Self:
        """The store at `path`; with `create`, a new one if nothing is there. Raises InputError."""
        path = Path(path)
        return cls(path, *marker.read(path, create=create))

    def run_ids(self) -> list[str]:
        """The runs that have been leased at least once, sorted."""
        now = {name: run_id for run_id, name in self._former.items()}
        names = [name for name in self._directories() if self._was_leased(name)]
        return sorted({now.get(name, name) for name in names})

    def directory(self, run_id: str) -> Path:
        """Where the run lies, or would lie."""
        former = self._former.get(run_id)
        if former is None or (self.path / run_id).exists():
            return self.path / run_id
        return self.path / former

    def spec(self, run_id: str) -> RunSpec:
        """What the run is. Raises InputError if its spec is missing, or is not of this id."""
        directory = self.directory(run_id)
        try:
            spec, named, _ = spec_file.read(f"{directory}/spec.json")
        except FileNotFoundError:
            raise InputError(f"run = {run_id!r}: not in the store") from None
        except Damage as damage:
            raise InputError(f"run = {run_id!r}: spec.json {damage}") from None
        if named != directory.name:
            raise InputError(f"run = {run_id!r}: spec.json does not match, it is of run {named!r}")
        return spec

    def status(self, run_id: str) -> Status:
        """The state of the run; "missing" also for a run that the store has never seen.

        A damaged status.json counts as a failure that says so: the run is neither trusted nor trained again.
        """
        try:
            fields = self.status_fields(run_id)
        except Damage as damage:
            return Status("failed", 0, error=f"status.json {damage}")
        if fields is None:
            return Status("missing", 0)
        state = fields["state"]
        directory = self.directory(run_id)
        if state == "running" and not (is_locked(directory / "lock") or held_elsewhere(directory)):
            state = "paused" if fields["steps"] else "missing"
        return Status(
            state,
            fields["steps"],
            fields.get("digest"),
            fields.get("score"),
            fields.get("diverged_at"),
            fields.get("error"),
        )

    def record(self, run_id: str) -> Record:
        """What a finished run recorded, without a policy where the copy leaves it out.

        Raises InputError for any other run, and where a file that is read does not match its SHA-256.
        """
        directory = self.directory(run_id)
        try:
            fields = self.status_fields(run_id)
            if fields is None or fields["state"] != "done":
                raise InputError(f"run = {run_id!r}: not finished, so that it has no record")
            hashes = {**fields["files"], **self.thinned_tables(directory)}
            tables = {table: table_of(_intact(directory / f"{table}.parquet", hashes)) for table in TABLES}
            left_out = self.leaves_out(directory, POLICY)
            policy = {} if left_out else safetensors.numpy.load(_intact(directory / POLICY, hashes))
        except InputError:
            raise
        except Exception as error:  # whatever a parser makes of damaged bytes
            raise InputError(f"run = {run_id!r}: cannot be read: {error}; see matters verify") from error
        record = Record(**tables, policy=policy, diverged_at=fields["diverged_at"])
        for version in range(fields["schema_version"], SCHEMA_VERSION):
            record = UPGRADES[version](record)
        return record

    def provenance(self, run_id: str) -> dict[str, Any]:
        """Where the run's results come from; empty while it has none.

        Raises InputError where the file does not match its SHA-256: a page says more than a score.
        """
        try:
            fields = self.status_fields(run_id) or {}
            if fields.get("state") == "failed":
                return dict(fields["provenance"])
            if fields.get("state") == "done":
                path = self.directory(run_id) / "provenance.json"
                return dict(json.loads(_intact(path, fields["files"])))
        except Damage:
            pass
        except InputError:
            raise
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"run = {run_id!r}: cannot be read: {error}; see matters verify") from None
        return {}

    def failures(self, run_id: str) -> list[dict[str, Any]]:
        """Every failure of the run, oldest first: `error`, `traceback`, `steps`, `provenance`."""
        directory = self.directory(run_id)
        paths = earlier_failures(directory)
        if self.status(run_id).state == "failed":
            paths.append(directory / "status.json")
        return [read_failure(path) for path in paths]

    def progress_age(self, run_id: str) -> float:
        """Seconds since a run that has not ended last got on; 0 where that is not known."""
        with suppress(OSError):
            return max(time.time() - os.stat(self.directory(run_id) / "status.json").st_mtime, 0.0)
        return 0.0

    def lease(self, spec: RunSpec, *, retry_failed: bool = False) -> Lease | None:
        """The right to train the run; None if another holds it, or it is done, or it failed.

        With `retry_failed`, a failed run is started afresh, and its failure is kept as failure-N.json.
        """
        run_id = spec.run_id
        # First without the lock: nobody should be refused because somebody looked at a final run.
        if not self._leasable(run_id, retry_failed):
            return None
        if self.schema < SCHEMA_VERSION:
            upgrade.mark(self.path, SCHEMA_VERSION, older=True)
        directory = self.directory(run_id)
        if directory.name == run_id:
            directory.mkdir(exist_ok=True)
            files.sync_directory(self.path)
        try:
            descriptor = lock(directory / "lock")
        except FileNotFoundError:  # of schema 1, and just renamed by a process that now has the lease
            return None
        if descriptor is None:
            return None
        if held_elsewhere(directory):
            os.close(descriptor)
            return None
        try:
            if not self._leasable(run_id, retry_failed):
                os.close(descriptor)
                return None
            if directory.name != run_id:
                upgrade.rename(self.path, directory.name)
            self._prepare(self.path / run_id, spec)
            lease = Lease(self.path / run_id, spec, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return lease

    def verify(
        self, run_ids: Iterable[str] | None = None, progress: Callable[[int, int], None] = lambda *_: None
    ) -> list[Fault]:
        """Rehash every file of every finished or failed run, and compute digests and scores again.

        `progress` is told how many runs of how many are done.
        """
        if run_ids is None:
            now = {name: run_id for run_id, name in self._former.items()}
            run_ids = {now.get(name, name) for name in self._directories()}
        wanted = sorted(run_ids)
        found: list[Fault] = []
        for number, run_id in enumerate(wanted):
            progress(number, len(wanted))
            found += verification.faults(self, run_id)
        return found

    def tidy(self, run_id: str) -> None:
        """Remove what a final run needed until it was final, where a kill or an error has left it."""
        directory = self.directory(run_id)
        unfinished = (".", "checkpoint.", "holder.")
        left = [name for name in os.listdir(directory) if name.startswith(unfinished)]
        with suppress(OSError):  # it is in nobody's way
            if left and (descriptor := lock(directory / "lock")) is not None:
                try:
                    for name in left:
                        (directory / name).unlink(missing_ok=True)
                finally:
                    os.close(descriptor)

    def resolve(self, prefix: str, where: str = "the store") -> str:
        """The one run whose id, or whose id of schema 1, begins with `prefix`.

        Raises InputError, which calls the store `where`, if there is none, or there are several.
        """
        run_ids = self.run_ids()
        found = [run_id for run_id in run_ids if run_id.startswith(prefix.lower())]
        if prefix and not found:
            former = {run_id: self._former_id(run_id) for run_id in run_ids}
            found = [run_id for run_id in run_ids if (former[run_id] or "").startswith(prefix.lower())]
        if not prefix or not found:
            raise InputError(f"run = {prefix!r}: no such run in {where}{_near(prefix, run_ids)}")
        if len(found) > 1:
            shown = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
            raise InputError(f"run = {prefix!r}: stands for {len(found)} runs: {shown}")
        return found[0]

    def _was_leased(self, name: str) -> bool:
        """Whether a directory has a run; a final one is one without its spec, too, which `verify` misses."""
        if os.path.exists(f"{self.path}/{name}/spec.json"):
            return True
        with suppress(Damage, InputError):
            status = read_status(f"{self.path}/{name}")
            return status is not None and status["state"] in ("done", "failed")
        return True

    def _directories(self) -> list[str]:
        with os.scandir(self.path) as entries:
            return sorted(
                entry.name for entry in entries if marker.RUN_ID.fullmatch(entry.name) and entry.is_dir()
            )

    def schema_of(self, run_id: str) -> int:
        """The version of the schema that the run's record was written in."""
        return int((self.status_fields(run_id) or {}).get("schema_version", SCHEMA_VERSION))

    def runs_of(self, trainings: Collection[str]) -> Iterator[tuple[str, str]]:
        """Training id and run id of each run of these trainings, except those still named by schema 1."""
        if trainings:
            for name, entry in index.entries(self.path, self._directories()).items():
                if entry.training_id in trainings:
                    yield entry.training_id, name

    @property
    def former_names(self) -> dict[str, str]:
        """The directories that still have the names of schema 1, by the ids that their runs have now."""
        return dict(self._former)

    @cached_property
    def _former(self) -> dict[str, str]:
        return {} if self.oldest_schema > 1 else upgrade.former_names(self.path, self._directories())

    def _former_id(self, run_id: str) -> str | None:
        try:
            return spec_file.read(f"{self.directory(run_id)}/spec.json")[2]
        except (FileNotFoundError, Damage):
            return None

    def parts(self, run_id: str) -> dict[str, str]:
        """The hashes of the parts of a finished run, as they were when it finished. Raises InputError."""
        stated: dict[str, str] | None = (self.status_fields(run_id) or {}).get("parts")
        return part_hashes(self.record(run_id)) if stated is None else stated

    def thinned_tables(self, directory: Path) -> dict[str, str]:
        """The SHA-256 of each table of the run that has fewer rows than were recorded. Raises Damage."""
        path = directory / THINNED_JSON
        if not self.thinned or not path.exists():
            return {}
        data = path.read_bytes()
        if not files.intact(data):
            raise Damage("is damaged: it does not match its checksum")
        return {name: sha for name, sha in json.loads(data).items() if name in self.thinned & RULES.keys()}

    def leaves_out(self, directory: Path, name: str) -> bool:
        """Whether this copy of a store leaves out that file of the run in the directory."""
        return name in self.without and not (directory / name).exists()

    def status_fields(self, run_id: str) -> dict[str, Any] | None:
        """The fields of the run's status.json, None without one. Raises Damage."""
        return read_status(str(self.directory(run_id)))

    def _leasable(self, run_id: str, retry_failed: bool) -> bool:
        try:
            fields = self.status_fields(run_id)
        except Damage:
            return retry_failed
        return (
            fields is None or fields["state"] == "running" or (retry_failed and fields["state"] == "failed")
        )

    def _prepare(self, directory: Path, spec: RunSpec) -> None:
        """With the lock held: clear what a killed process left, keep a failure, write status and spec."""
        for temporary in directory.glob(files.TEMPORARY):
            temporary.unlink()
        status = directory / "status.json"
        failed = status.exists() and self.status(spec.run_id).state == "failed"
        if failed:
            keep_failure(directory, status.read_bytes())
            # The checkpoint may be the cause of the failure.
            for checkpoint in directory.glob("checkpoint.*"):
                checkpoint.unlink()
        if failed or not status.exists():
            fields = {"schema_version": SCHEMA_VERSION, "state": "running", "steps": 0}
            files.write(status, files.sealed(fields))
        spec_file.write(directory, spec)


def _intact(path: Path, hashes: Mapping[str, str]) -> bytes:
    """The file's bytes, which are those that were written. Raises ValueError if they are not."""
    data = path.read_bytes()
    if files.sha256(data) != hashes[path.name]:
        raise ValueError(f"{path.name} does not match its SHA-256 in status.json")
    return data


def _near(prefix: str, run_ids: list[str]) -> str:
    hint = nearest(prefix, run_ids)
    return hint if hint.startswith("; did") else ""
