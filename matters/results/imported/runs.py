"""Runs of others in the store: as they were read, with the file that they came from, marked as foreign.

    <store>/imported/<set>/<run_id>.json     one run, its steps and returns, sealed by a checksum

Matters did not evaluate these runs: their owner says of what kind their returns are, and under which
protocol. So they lie beside our runs, never among them. A run's identity is the hash of what was read.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from matters.results import files
from matters.results.imported.curve import ReturnsOf
from matters.suites.errors import InputError, nearest
from matters.suites.spec import canonical_json, identity

FOLDER = "imported"
FORMAT = 2
"""The format. 2 has `diverged_at` and `notes`, which a run of format 1 lacks."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

RETURNS_OF: dict[ReturnsOf, str] = {
    "evaluation": "evaluation episodes",
    "training": "training episodes",
    "unstated": "episodes of an unstated kind",
}
"""The kinds of returns, in words."""


@dataclass(frozen=True)
class ForeignRun:
    """One run as it was read: `returns[k]` at `steps[k]` environment steps, steps rising.

    Training episodes may end at the same step. `file` is the name of the file it was read from, `sha256` the
    hash of that file's bytes; for several files that are one run, the folder's name and the hash of their
    hashes. `diverged_at` is the step from which on no return is finite, None for a sound run. `notes` say
    what was left out, and where the rest was taken from.
    """

    variant: str
    environment: str
    seed: int
    returns_of: ReturnsOf
    steps: tuple[int, ...]
    returns: tuple[float, ...]
    file: str
    sha256: str
    diverged_at: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """Variant, environment and seed: a set has at most one run of each."""
        return self.variant, self.environment, self.seed

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name. Not `asdict`, which copies each of thousands of steps."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def content(self) -> str:
        """What was read, as canonical JSON: without the file, whose name says nothing about the run.

        A sound run's content has no `diverged_at`, so its id is the same as before that field existed.
        """
        left_out = ("file", "sha256", "notes", *(("diverged_at",) if self.diverged_at is None else ()))
        return canonical_json({name: it for name, it in self.facts.items() if name not in left_out})

    @property
    def run_id(self) -> str:
        """First 16 hex digits of the content's SHA-256."""
        return identity(self.content)

    @property
    def digest(self) -> str:
        """The content's SHA-256."""
        return hashlib.sha256(self.content.encode("ascii")).hexdigest()

    @property
    def curve_digest(self) -> str:
        """The SHA-256 of steps and returns alone: equal for one run under two names."""
        curve = canonical_json([self.returns_of, self.steps, self.returns, self.diverged_at])
        return hashlib.sha256(curve.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class ForeignSet:
    """Imported runs under one name, in the order of variant, environment and seed."""

    name: str
    runs: tuple[ForeignRun, ...]

    @property
    def returns_of(self) -> ReturnsOf:
        """The kind of returns that all of its runs have."""
        return self.runs[0].returns_of

    @property
    def identity(self) -> str:
        """SHA-256 over the name and every run."""
        text = canonical_json(
            [self.name, [[*run.key, run.digest, run.file, run.sha256] for run in self.runs]]
        )
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def names(store: Path) -> list[str]:
    """The imported sets of a store."""
    folder = store / FOLDER
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if any(path.glob("*.json")))


def load(store: Path, name: str) -> ForeignSet:
    """An imported set. Raises InputError if there is none of that name, or one of its runs is damaged."""
    if name not in names(store):
        known = names(store)
        hint = nearest(name, known) if known else "; the store has none"
        raise InputError(f"imported = {name!r}: no such imported results{hint}")
    return ForeignSet(name, tuple(sorted(_runs(store / FOLDER / name), key=lambda run: run.key)))


def pooled(sets: Sequence[ForeignSet]) -> ForeignSet:
    """Several sets as one, each variant prefixed with the name of its set: `zoo:ppo`.

    Raises InputError where returns are of different kinds, or of a kind that nobody states.
    """
    kinds = sorted({one.returns_of for one in sets})
    if len(kinds) > 1 or kinds == ["unstated"]:
        of = " and ".join(f"{one.name} of {RETURNS_OF[one.returns_of]}" for one in sets)
        raise InputError(f"--imported: {of}; only sets of one stated kind of returns are compared")
    runs = [replace(run, variant=f"{one.name}:{run.variant}") for one in sets for run in one.runs]
    return ForeignSet("+".join(one.name for one in sets), tuple(runs))


def additions(store: Path, name: str, runs: Sequence[ForeignRun]) -> list[ForeignRun]:
    """The runs among these that the set, new or not, does not have yet.

    Raises InputError for a name that cannot be used, for two runs of one variant, environment and seed, for
    one run under two seeds, and for returns of another kind than the set has.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"name = {name!r}: should be letters, digits and . _ + -")
    before = load(store, name).runs if name in names(store) else ()
    kinds = sorted({run.returns_of for run in (*before, *runs)})
    if len(kinds) > 1:
        raise InputError(
            f"{runs[0].file}: returns of {' and of '.join(RETURNS_OF[kind] for kind in kinds)} do not go "
            f"into one set; import them under another --name than {name}"
        )
    there = {run.key: run for run in before}
    new: dict[tuple[str, str, int], ForeignRun] = {}
    for run in runs:
        other = new.get(run.key) or there.get(run.key)
        if other is None:
            new[run.key] = run
        elif run.key in new or other.content != run.content:
            raise InputError(
                f"{run.file}: a second run of variant {run.variant}, environment {run.environment}, "
                f"seed {run.seed}, the first is from {other.file}; give it another seed, variant or --name"
            )
    _refuse_copies([*before, *new.values()])
    return list(new.values())


def _refuse_copies(runs: Sequence[ForeignRun]) -> None:
    """One file, or one curve to the last digit, under two seeds is a copied file: the most common slip."""
    seen: dict[tuple[object, ...], ForeignRun] = {}
    for run in runs:
        curve = (run.variant, run.environment, run.steps, run.returns)
        # At a task's ceiling two seeds may well have the same returns throughout.
        other = seen.setdefault(curve, run) if len(set(run.returns)) > 1 else run
        if other is not run:
            raise InputError(
                f"{run.file}: seed {run.seed} of variant {run.variant} on {run.environment} has the steps "
                f"and returns of seed {other.seed}, from {other.file}: one run under two seeds; leave it out"
            )


def save(store: Path, name: str, runs: Sequence[ForeignRun]) -> None:
    """Write `additions` into the set."""
    folder = store / FOLDER / name
    for run in runs:
        folder.mkdir(parents=True, exist_ok=True)
        written = {"format": FORMAT, "protocol": "foreign", **run.facts}
        files.write(folder / f"{run.run_id}.json", files.sealed(written))


def problems(store: Path) -> list[tuple[str, str]]:
    """The name of every imported set with a damaged run, and what is wrong."""
    found = []
    for name in names(store):
        try:
            load(store, name)
        except InputError as error:
            found.append((name, str(error)))
    return found


def _runs(folder: Path) -> Iterable[ForeignRun]:
    for path in sorted(folder.glob("*.json")):
        data = path.read_bytes()
        try:
            found: dict[str, Any] = json.loads(data)
            version = found.pop("format")
            if version > FORMAT:
                raise InputError(f"{path}: written by a newer Matters: format {version}")
            if version == 1:
                found |= {"diverged_at": None, "notes": []}
            found = {name: found[name] for name in ForeignRun.__dataclass_fields__}
            found |= {name: tuple(found[name]) for name in ("steps", "returns", "notes")}
            run = ForeignRun(**found)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: is damaged: not the JSON of an imported run") from None
        if not files.intact(data) or run.run_id != path.stem:
            raise InputError(f"{path}: is damaged: it does not match its checksum")
        yield run
