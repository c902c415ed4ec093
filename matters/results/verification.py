"""What `verify` finds: files that are not as they were written, and records that contradict their status."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from matters.results import files
from matters.results.lease import POLICY
from matters.results.schema import PARTS, Record, digest_1, digest_of, part_hashes, primary_endpoint
from matters.results.status import Damage
from matters.results.thinning import THINNED_JSON
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec


@dataclass(frozen=True)
class Fault:
    """Something that `verify` found."""

    run_id: str
    file: str
    message: str


class Readable(Protocol):
    """What is read of a store."""

    @property
    def without(self) -> frozenset[str]:
        """Names of files that this copy leaves out."""
        ...

    def directory(self, run_id: str) -> Path:
        """Where a run's files lie."""
        ...

    def status_fields(self, run_id: str) -> dict[str, Any] | None:
        """The fields of status.json, None without one. Raises Damage."""
        ...

    def spec(self, run_id: str) -> RunSpec:
        """The run's spec. Raises InputError."""
        ...

    def record(self, run_id: str) -> Record:
        """What a finished run recorded. Raises InputError."""
        ...

    def thinned_tables(self, directory: Path) -> dict[str, str]:
        """The SHA-256 of each table that has fewer rows than were recorded. Raises Damage."""
        ...

    def leaves_out(self, directory: Path, name: str) -> bool:
        """Whether the copy leaves a run's file out."""
        ...


def faults(store: Readable, run_id: str) -> list[Fault]:
    """What is wrong with the files of one run, or with what they say of each other."""
    directory = store.directory(run_id)
    try:
        fields = store.status_fields(run_id)
    except (Damage, InputError) as error:
        return [Fault(run_id, "status.json", str(error))]
    if fields is None:
        # A lease writes the status first: a directory without a spec either was just made.
        begun = (directory / "spec.json").exists() or not directory.exists()
        return [Fault(run_id, "status.json", "is missing")] if begun else []
    found = []
    try:
        expected_files = {**fields.get("files", {}), **store.thinned_tables(directory)}
    except Damage as damage:
        return [Fault(run_id, THINNED_JSON, str(damage))]
    for name, expected in expected_files.items():
        try:
            if files.sha256((directory / name).read_bytes()) != expected:
                found.append(Fault(run_id, name, "does not match its SHA-256 in status.json"))
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            if not (missing and name in store.without):
                found.append(Fault(run_id, name, "is missing" if missing else f"cannot be read: {error}"))
    for name, expected in fields.get("kept", {}).items():  # which may have been removed since
        path = directory / name
        if path.exists() and files.sha256_of(path) != expected:
            found.append(Fault(run_id, name, "does not match its SHA-256 in status.json"))
    return found or _contradictions(store, run_id, fields)


def _contradictions(store: Readable, run_id: str, fields: dict[str, Any]) -> list[Fault]:
    """The places where intact files contradict the status."""
    directory = store.directory(run_id)
    try:
        if fields["state"] != "running" or (directory / "spec.json").exists():
            store.spec(run_id)
    except InputError as error:
        return [Fault(run_id, "spec.json", str(error))]
    if fields["state"] != "done":
        return []
    try:
        record = store.record(run_id)
    except InputError as error:
        # Every file has the SHA-256 that the status seals: it sealed what is no record.
        return [Fault(run_id, "status.json", f"what it seals is no record: {error.__cause__ or error}")]
    if _digest(store, directory, record, fields) != fields["digest"]:
        return [Fault(run_id, "status.json", "its digest is not that of the record")]
    score, stated = primary_endpoint(record.evaluations), fields["score"]
    # Close, not equal: another processor may add in another order.
    if math.isfinite(score) if stated is None else not math.isclose(score, stated, rel_tol=1e-9):
        return [Fault(run_id, "status.json", f"its score is not that of the evaluations, {score}")]
    return []


def _digest(store: Readable, directory: Path, record: Record, fields: dict[str, Any]) -> str:
    """The record's digest, as its schema computes it; what this copy leaves out is taken as stated."""
    if fields["schema_version"] == 1:
        return fields["digest"] if store.leaves_out(directory, POLICY) else digest_1(record)
    absent = ["parameters"] if store.leaves_out(directory, POLICY) else []
    absent += [name.removesuffix(".parquet") for name in store.thinned_tables(directory)]
    stated = {part: fields["parts"][part] for part in absent}
    parts = part_hashes(record, [part for part in PARTS if part not in stated]) | stated
    return digest_of(parts, record.diverged_at)
