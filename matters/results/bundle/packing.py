"""`pack`: the finished and failed runs of a suite, out of a store into a bundle."""

import hashlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from matters.results import files
from matters.results.bundle import manifest as form
from matters.results.bundle.shapes import curves_csv, scores_csv
from matters.results.lease import POLICIES
from matters.results.store import POLICY, Store
from matters.suites.errors import InputError
from matters.suites.suite import Suite

PARAMETERS = (POLICY, POLICIES)
"""What a bundle without parameters leaves out: the final ones, and those of the policies kept on the way."""
SHARD_BYTES = 64 * 2**20
ROW_GROUP_BYTES = 4 * 2**20
TABLES = {"scores.csv": scores_csv, "curves.csv": curves_csv}
"""Beside the shards, for other tools; not needed to unpack."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Packed:
    """How many runs are new in a bundle, how many it has, and how many the suite declares."""

    path: Path
    added: int
    runs: int
    declared: int


def pack(
    store: Store,
    suite: Suite,
    toml: str,
    out: Path,
    *,
    narrowed: Sequence[str] = (),
    parameters: bool = True,
    progress: Progress = lambda *_: None,
) -> Packed:
    """Write the suite's finished and failed runs as a bundle: an archive if `out` ends in .zip, or a folder.

    A folder that is a bundle of the suite already gets what it lacks, in shards of its own. Without
    `parameters` the policies are left out. Raises InputError, before anything is written, for a place that is
    taken, a suite without such a run, and a run whose results are not those that the bundle has.
    """
    archive = out.suffix == ".zip"
    before = _before(out, suite, parameters, archive=archive)
    there = {run.run_id: run for run in before.runs} if before else {}
    runs, missing = [], 0
    cells = suite.cells()
    for cell in cells:
        for spec in cell.specs:
            run = _described(store, cell.variant, spec.run_id, parameters)
            missing += run is None
            if run is not None:
                _check_same(run, there.get(run.run_id))
                runs.append(run)
    if not runs:
        raise InputError(
            f"suite {suite.name}: the store has no finished run of it, so there is nothing to export"
        )
    new = [run for run in runs if run.run_id not in there]
    made = out.with_name(f".{out.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    made.mkdir(parents=True)
    try:
        shards = _write_shards(store, new, made, len(before.shards) if before else 0, progress)
        every = [*there.values(), *new]
        study = form.Study(
            name=suite.name,
            title=suite.title,
            toml=toml,
            declared=sum(len(cell.specs) for cell in cells),
            narrowed=list(narrowed),
        )
        facts = form.Manifest(
            format="matters bundle",
            version=form.VERSION,
            matters=version("matters"),
            schema_version=max(store.schema, before.schema_version if before else 0),
            suite=study,
            without=[] if parameters else [*PARAMETERS],
            shards={**(before.shards if before else {}), **shards},
            runs=every,
        )
        for name, table in TABLES.items():
            (made / name).write_bytes(table(store, runs))
        (made / form.MANIFEST).write_bytes(files.sealed(facts.model_dump(mode="json")))
        _put(made, out, archive=archive)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Packed(out, len(new), len(every), study.declared)


def _before(out: Path, suite: Suite, parameters: bool, *, archive: bool) -> form.Manifest | None:
    """The bundle that is to be extended; None if there is none."""
    if not out.exists():
        return None
    if archive or not form.is_bundle(out):
        raise InputError(f"--out {out}: is there already" + ("" if archive else ", and is no bundle"))
    before = form.read(out)
    if before.suite.name != suite.name:
        raise InputError(f"--out {out}: is a bundle of suite {before.suite.name!r}, not of {suite.name!r}")
    if bool(before.without) == parameters:
        raise InputError(
            f"--out {out}: was written {'without' if parameters else 'with'} parameters; choose the same"
        )
    return before


def _described(store: Store, variant: str, run_id: str, parameters: bool) -> form.Run | None:
    """What the manifest says of the run; None if it is not finished."""
    status = store.status(run_id)
    directory = store.directory(run_id)
    if status.state not in ("done", "failed"):
        return None
    if directory.name != run_id:
        raise InputError(f"run {run_id}: is of schema 1; run matters upgrade first")
    faults = store.verify([run_id])
    if faults:
        raise InputError(
            f"run {run_id}: {faults[0].file} {faults[0].message}; a bundle holds sound runs only"
        )
    spec = store.spec(run_id)
    fields = json.loads((directory / "status.json").read_bytes())
    names = [name for name in ("status.json", *fields["files"]) if parameters or name not in PARAMETERS]
    if parameters and POLICY in names and not (directory / POLICY).exists():
        raise InputError(f"run {run_id}: this store leaves its parameters out; export --without-parameters")
    return form.Run(
        run_id=run_id,
        training_id=spec.training_id,
        variant=variant,
        environment=spec.environment,
        seed=spec.seed,
        steps=status.steps,
        state=status.state,
        digest=status.digest,
        score=status.score,
        diverged_at=status.diverged_at,
        parts=fields.get("parts", {}),
        files={name: _content((directory / name).read_bytes()) for name in sorted(names)},
    )


def _content(data: bytes) -> form.Content:
    return form.Content(bytes=len(data), sha256=files.sha256(data))


def _check_same(run: form.Run, before: form.Run | None) -> None:
    if before is not None and before.digest != run.digest:
        raise InputError(
            f"run {run.run_id}: the bundle has digest {before.digest}, the store {run.digest}: two results "
            "of one run; see matters reproduce"
        )


def _write_shards(
    store: Store, runs: Sequence[form.Run], folder: Path, first: int, progress: Progress
) -> dict[str, form.Content]:
    """Shards of the runs' files, numbered from `first`: records, and apart from them the parameters."""
    found: dict[str, form.Content] = {}
    for kind in ("records", "parameters"):
        for rows in _filled(_rows(store, runs, kind, progress), SHARD_BYTES):
            name = f"{kind}-{first + len(found):05d}.parquet"
            _write_shard(folder / name, rows)
            with (folder / name).open("rb") as file:
                hashed = hashlib.file_digest(file, "sha256").hexdigest()
            found[name] = form.Content(bytes=(folder / name).stat().st_size, sha256=hashed)
    return found


def _rows(
    store: Store, runs: Sequence[form.Run], kind: str, progress: Progress
) -> Iterator[tuple[str, str, bytes]]:
    for number, run in enumerate(runs):
        if kind == "records":
            progress(number, len(runs))
        for name, content in run.files.items():
            if name.endswith(".safetensors") == (kind == "parameters"):
                data = (store.directory(run.run_id) / name).read_bytes()
                if files.sha256(data) != content.sha256:
                    raise InputError(f"run {run.run_id}: {name} changed while it was exported")
                yield run.run_id, name, data


def _filled(rows: Iterator[tuple[str, str, bytes]], size: int) -> Iterator[list[tuple[str, str, bytes]]]:
    """The rows in lists of about `size` bytes."""
    part: list[tuple[str, str, bytes]] = []
    weight = 0
    for row in rows:
        part.append(row)
        weight += len(row[2])
        if weight >= size:
            yield part
            part, weight = [], 0
    if part:
        yield part


def _write_shard(path: Path, rows: Sequence[tuple[str, str, bytes]]) -> None:
    """Plain pages without a dictionary: what is read from a shard is never more than its own size."""
    plain: dict[str, Any] = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    with pyarrow.parquet.ParquetWriter(path, form.ROWS, **plain) as writer:
        for part in _filled(iter(rows), ROW_GROUP_BYTES):
            columns = [list(column) for column in zip(*part, strict=True)]
            writer.write_table(pyarrow.table(columns, schema=form.ROWS))


def _put(made: Path, out: Path, *, archive: bool) -> None:
    """Put what was made in its place; of a bundle that is extended the manifest last."""
    names = sorted(path.name for path in made.iterdir() if path.name != form.MANIFEST)
    if not archive:
        if not out.exists():
            os.rename(made, out)
            return
        for name in [*names, form.MANIFEST]:
            os.replace(made / name, out / name)
        files.sync_directory(out)
        return
    packed = made / "bundle"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as writer:
        for name in [form.MANIFEST, *names]:
            with (
                (made / name).open("rb") as file,
                writer.open(zipfile.ZipInfo(name), "w", force_zip64=True) as to,
            ):
                shutil.copyfileobj(file, to)
    os.replace(packed, out)
    for name in TABLES:
        os.replace(made / name, out.with_name(f"{out.stem}-{name}"))


__all__ = ["Packed", "pack"]
