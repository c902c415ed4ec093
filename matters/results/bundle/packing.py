"""`pack`: the finished and failed runs of a suite, out of a store into a bundle."""

import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from matters.results import files, verdicts_read
from matters.results.bundle import manifest as form
from matters.results.bundle import shards
from matters.results.bundle.shapes import curves_csv, scores_csv
from matters.results.lease import POLICIES, POLICY
from matters.results.parquet import read_table, table_bytes, table_of
from matters.results.schema import Columns
from matters.results.store import Store
from matters.results.thinning import MOST_ROWS, RULES, THINNED_JSON, thinned_json
from matters.suites.errors import InputError
from matters.suites.suite import Suite

PARAMETERS = (POLICY, POLICIES)
"""What a bundle without parameters leaves out: the final ones, and those of the policies kept on the way."""
SCORES, CURVES = "scores.csv", "curves.csv"
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
    thinned: bool = False,
    progress: Progress = lambda *_: None,
) -> Packed:
    """Write the suite's finished and failed runs as a bundle: an archive if `out` ends in .zip, or a folder.

    A folder that is already a bundle of the suite gets what it lacks, in additional shards. Without
    `parameters` the policies are left out; with `thinned`, long tables of training have fewer rows. Raises
    InputError, before anything is written, for a path that is taken, a suite without such a run, and a run
    whose results are not those that the bundle has.
    """
    archive = out.suffix == ".zip"
    before = _before(out, suite, parameters, thinned, archive=archive)
    there = {run.run_id: run for run in before.runs} if before else {}
    runs = []
    cells = (*suite.cells(), *suite.tuning_cells())
    for cell in cells:
        for spec in cell.specs:
            run = _described(store, cell.variant, spec.run_id, parameters, thinned)
            if run is not None:
                _check_same(run, there.get(run.run_id))
                runs.append(run)
    if not runs:
        raise InputError(
            f"suite {suite.name}: the store has no finished run of it, so there is nothing to export"
        )
    new = [run for run in runs if _is_new(run, there.get(run.run_id))]
    made = out.with_name(f".{out.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    made.mkdir(parents=True)
    try:
        held = dict(before.shards) if before else {}
        for kind in ("records", "parameters"):
            rows = _rows(store, new, there, kind, thinned, progress)
            held |= shards.write(rows, kind, made, len(held))
        every = [*(there | {run.run_id: run for run in new}).values()]
        study = form.Study(
            name=suite.name,
            title=suite.title,
            toml=toml,
            declared=sum(len(cell.specs) for cell in cells),
            narrowed=list(narrowed),
            read=_verdicts_read(store, suite.name, before),
        )
        facts = form.Manifest(
            format="matters bundle",
            version=form.VERSION,
            matters=version("matters"),
            schema_version=max(store.schema, before.schema_version if before else 0),
            suite=study,
            without=[] if parameters else [*PARAMETERS],
            thinned=dict.fromkeys(RULES, MOST_ROWS) if thinned else {},
            shards=held,
            runs=every,
        )
        evaluations = _evaluations(store, before, out)
        (made / SCORES).write_bytes(scores_csv(every))
        (made / CURVES).write_bytes(curves_csv(every, evaluations))
        (made / form.MANIFEST).write_bytes(files.sealed(facts.model_dump(mode="json")))
        _put(made, out, archive=archive)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Packed(out, len(new), len(every), study.declared)


def _verdicts_read(store: Store, name: str, before: form.Manifest | None) -> list[form.Read]:
    """When verdicts were read, by the bundle that is extended and by the store."""
    found = [] if before is None else list(before.suite.read)
    for entry in verdicts_read.entries(store.path, name):
        with suppress(ValidationError):  # a note that somebody else has written
            if (noted := form.Read.model_validate(entry)) not in found:
                found.append(noted)
    return found


def _evaluations(store: Store, before: form.Manifest | None, out: Path) -> Callable[[str], Columns]:
    """Finds the evaluations of a run: in the store, or else in the bundle that is extended."""
    held = {run.run_id for run in before.runs} if before else set()
    lacking = {run_id for run_id in held if store.status(run_id).state != "done"}
    of_bundle: dict[str, Columns] = {}
    if before is not None and lacking:
        of_bundle = {
            run_id: table_of(data)
            for run_id, name, data in shards.read(before, out)
            if run_id in lacking and name == "evaluations.parquet"
        }
    return lambda run_id: of_bundle[run_id] if run_id in of_bundle else store.record(run_id).evaluations


def _before(
    out: Path, suite: Suite, parameters: bool, thinned: bool, *, archive: bool
) -> form.Manifest | None:
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
    if bool(before.thinned) != thinned:
        raise InputError(f"--out {out}: was written {'' if before.thinned else 'un'}thinned; choose the same")
    return before


def _described(store: Store, variant: str, run_id: str, parameters: bool, thinned: bool) -> form.Run | None:
    """What the manifest says about the run; None if it is not finished."""
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
    if not thinned and (directory / THINNED_JSON).exists():
        raise InputError(f"run {run_id}: this store has thinned tables; export --thinned")
    thin = _thin_tables(directory) if thinned else {}
    names += [THINNED_JSON] if thin or (directory / THINNED_JSON).exists() else []
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
        files={name: _content(thin.get(name) or (directory / name).read_bytes()) for name in sorted(names)},
    )


def _content(data: bytes) -> form.Content:
    return form.Content(bytes=len(data), sha256=files.sha256(data))


def _check_same(run: form.Run, before: form.Run | None) -> None:
    if before is not None and "done" == before.state == run.state and before.digest != run.digest:
        raise InputError(
            f"run {run.run_id}: the bundle has digest {before.digest}, the store {run.digest}: two results "
            "of one run; see matters reproduce"
        )


def _is_new(run: form.Run, before: form.Run | None) -> bool:
    """Whether the bundle lacks the run's result: it has none, or a failure since made good."""
    return before is None or (before.state, run.state) == ("failed", "done")


def _rows(
    store: Store,
    runs: Sequence[form.Run],
    there: Mapping[str, form.Run],
    kind: str,
    thinned: bool,
    progress: Progress,
) -> Iterator[shards.Row]:
    """The files of the runs that belong in shards of this kind, but for those already `there` unchanged."""
    for number, run in enumerate(runs):
        if kind == "records":
            progress(number, len(runs))
        directory = store.directory(run.run_id)
        thin = _thin_tables(directory) if thinned else {}
        held = there[run.run_id].files if run.run_id in there else {}
        for name, content in run.files.items():
            if name.endswith(".safetensors") == (kind == "parameters") and held.get(name) != content:
                data = thin.get(name) or (directory / name).read_bytes()
                if files.sha256(data) != content.sha256:
                    raise InputError(f"run {run.run_id}: {name} changed while it was exported")
                yield run.run_id, name, data


def _thin_tables(directory: Path) -> dict[str, bytes]:
    """The tables of a run that have too many rows, thinned, and the file that says so; empty if none has."""
    if (directory / THINNED_JSON).exists():
        return {}  # a run of a thinned bundle
    tables: dict[str, bytes] = {}
    for name, rule in RULES.items():
        if (directory / name).exists():
            whole = read_table(directory / name)
            thin = rule(whole)
            tables |= {} if thin is whole else {name: table_bytes(thin)}
    return {**tables, THINNED_JSON: thinned_json(tables)} if tables else {}


def _put(made: Path, out: Path, *, archive: bool) -> None:
    """Put what was made in its place; where a bundle is extended, the manifest comes last."""
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
    for name in (SCORES, CURVES):
        os.replace(made / name, out.with_name(f"{out.stem}-{name}"))


__all__ = ["Packed", "pack"]
