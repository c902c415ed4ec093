"""`unpack`: the runs of a bundle into a store, each checked before the store sees it.

A bundle comes from somebody else. Its files are neither run nor unpickled. They are written under names of a
fixed form into a folder of their own, no more bytes than the manifest announces and the disk has room for,
and are verified there just as a store is. Only then do they go into the store, each run under its lease.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet

from matters.results import files, verdicts_read
from matters.results.bundle import manifest as form
from matters.results.bundle import shards
from matters.results.merge import take
from matters.results.parquet import refuse_large
from matters.results.schema import SCHEMA_VERSION
from matters.results.store import Store
from matters.suites.errors import InputError

SPARE_BYTES = 64 * 2**20

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Unpacked:
    """A bundle's manifest, the ids of the runs that were added, and of those that were already there."""

    manifest: form.Manifest
    added: tuple[str, ...]
    already_there: tuple[str, ...]


def unpack(
    path: Path, store: Path, progress: Progress = lambda *_: None, only: Collection[str] | None = None
) -> Unpacked:
    """Put the runs of the bundle at `path` into the store at `store`, new or not; all, or `only` these ids.

    Of the other runs nothing is checked but the hashes of the shards that they lie in.

    Raises InputError, with the store as it was, for a bundle that is damaged, for a run with other results
    than it has in the store, and for a bundle without parameters where the store has them.
    """
    manifest = form.read(path)
    _check_without(manifest, path, store)
    _check_sizes(manifest, path, store)
    for number, (name, content) in enumerate(manifest.shards.items()):
        progress("checking shards", number, len(manifest.shards))
        _check_hash(path, name, content)
    store.absolute().parent.mkdir(parents=True, exist_ok=True)
    staged = store.absolute().parent / f".{store.name}.{os.getpid()}-{secrets.token_hex(4)}.import.tmp"
    try:
        meant = [run for run in manifest.runs if only is None or run.run_id in only]
        checked = _staged(manifest, meant, path, staged, progress)
        return _merged(manifest.model_copy(update={"runs": meant}), path, checked, store, progress)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _check_without(manifest: form.Manifest, path: Path, store: Path) -> None:
    """Refuse a bundle without files or rows that the store has: their loss could no longer be noticed."""
    if not (store / "store.json").exists():
        return
    there = Store.open(store)
    without = [name for name in manifest.without if name not in there.without]
    thinned = [name for name in manifest.thinned if name not in there.thinned]
    lacks = [f"is without {', '.join(without)}"] if without else []
    lacks += [f"has {', '.join(thinned)} thinned"] if thinned else []
    if lacks:
        raise InputError(
            f"{path}: {' and '.join(lacks)}, and {store} is a store with them; import it into a store of its "
            "own with --store DIR"
        )


def _check_sizes(manifest: form.Manifest, path: Path, store: Path) -> None:
    """Check that the manifest announces no more than the shards hold, and than there is room for twice."""
    total = sum(content.bytes for run in manifest.runs for content in run.files.values())
    held = sum(content.bytes for content in manifest.shards.values())
    if total > held:
        raise InputError(f"{path}: announces {total} bytes of runs in {held} bytes of shards")
    free = files.free_bytes(store)
    if 2 * total + SPARE_BYTES > free:
        raise InputError(
            f"{path}: needs {(2 * total + SPARE_BYTES) >> 20} MiB to be imported, the disk of {store} has "
            f"{free >> 20} MiB left"
        )


def _check_hash(path: Path, name: str, content: form.Content) -> None:
    sha, size = hashlib.sha256(), 0
    with form.opened(path, name) as file:
        while block := file.read(2**20):
            sha.update(block)
            size += len(block)
            if size > content.bytes:
                break
    if size != content.bytes or sha.hexdigest() != content.sha256:
        raise InputError(f"{path}: {name} is damaged: it does not match its SHA-256 in the manifest")


def _staged(
    manifest: form.Manifest, meant: Sequence[form.Run], path: Path, staged: Path, progress: Progress
) -> Store:
    """A store of those of the bundle's runs that are meant, verified."""
    staged.mkdir()
    files.write(staged / "store.json", files.json_bytes(_marker(manifest, manifest.schema_version)))
    checked = Store.open(staged)
    expected = {(run.run_id, name): content for run in manifest.runs for name, content in run.files.items()}
    wanted = {run.run_id for run in meant}
    written, other = set(), set()
    for run_id, name, data in shards.read(manifest, path):
        content = expected.get((run_id, name))
        if content is None or (run_id, name) in written:
            raise InputError(
                f"{path}: holds {name!r} of run {run_id!r}, which its manifest does not announce once"
            )
        if run_id not in wanted:
            written.add((run_id, name))
            continue
        if len(data) != content.bytes or files.sha256(data) != content.sha256:
            other.add((run_id, name))  # a failure's, if the run was trained again: a later row has the rest
            continue
        place = staged / run_id
        place.mkdir(exist_ok=True)
        (place / name).write_bytes(data)
        written.add((run_id, name))
    for run_id, name in expected.keys() - written:
        if (run_id, name) in other:
            raise InputError(f"{path}: {name} of run {run_id} does not match its SHA-256 in the manifest")
        raise InputError(f"{path}: lacks {name} of run {run_id}")
    for number, run in enumerate(meant):
        progress("verifying runs", number, len(meant))
        _check_run(checked, run, path)
    return checked


def _marker(manifest: form.Manifest, schema_version: int) -> dict[str, Any]:
    """The store.json of a store with the bundle's runs."""
    left_out = {"without": manifest.without, "thinned": list(manifest.thinned)}
    return {"schema_version": schema_version, **{name: value for name, value in left_out.items() if value}}


def _check_run(checked: Store, run: form.Run, path: Path) -> None:
    for table in sorted((checked.path / run.run_id).glob("*.parquet")):
        try:
            refuse_large(pyarrow.parquet.read_metadata(table))
        except Exception as error:  # whatever a parser makes of damaged bytes
            raise InputError(f"{path}: run {run.run_id}: {table.name} cannot be read: {error}") from None
    faults = checked.verify([run.run_id])
    if faults:
        raise InputError(f"{path}: run {run.run_id}: {faults[0].file} {faults[0].message}")
    status = checked.status(run.run_id)
    if (status.state, status.digest) != (run.state, run.digest):
        raise InputError(f"{path}: run {run.run_id}: the manifest says other than its status.json")


def _merged(manifest: form.Manifest, path: Path, checked: Store, store: Path, progress: Progress) -> Unpacked:
    exists = (store / "store.json").exists()
    before = Store.open(store) if exists else None
    statuses = {run.run_id: before.status(run.run_id) for run in manifest.runs} if before else {}
    for run in manifest.runs:
        ours = statuses.get(run.run_id)
        if ours is not None and ours.state == run.state == "done" and ours.digest != run.digest:
            raise InputError(
                f"{path}: run {run.run_id} has digest {run.digest}, in {store} it has {ours.digest}: two "
                "results of one run; see matters reproduce"
            )
    target = Store.open(store, create=True)
    if not exists:
        files.write(store / "store.json", files.json_bytes(_marker(manifest, SCHEMA_VERSION)))
    added: list[str] = []
    there: list[str] = []
    for number, run in enumerate(manifest.runs):
        progress("importing runs", number, len(manifest.runs))
        ours = statuses.get(run.run_id)
        kept = ours is not None and ours.state in ("done", run.state)
        spec, directory = checked.spec(run.run_id), checked.path / run.run_id
        (there if kept or not take(target, spec, directory, run.files) else added).append(run.run_id)
    verdicts_read.add(store, manifest.suite.name, [entry.model_dump() for entry in manifest.suite.read])
    return Unpacked(manifest, tuple(added), tuple(there))
