"""Reading others' results: which files are one run, what each holds, and which run it is.

Nothing is guessed and no code is run. What neither a file nor the user says is asked for, all of it at once;
arrays are read without pickle, and files only up to a bound.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matters.results.imported import naming, sources
from matters.results.imported.curve import Curve, Names, clean
from matters.results.imported.naming import printable
from matters.results.imported.readers import Lacking, Said, curves
from matters.results.imported.runs import ForeignRun
from matters.results.imported.sources import Unit
from matters.suites.errors import InputError, counted

OPTIONS = {"variant": "--variant", "environment": "--env", "seed": "--seeds"}
OPTION_FIELDS = {"variant": "variant", "environment": "environment", "seed": "seeds"}
SEED_OF_PATH = "seed from the path"


@dataclass(frozen=True)
class Found:
    """A curve, the files that hold it and their hash, and the names that a pattern or convention gives it."""

    curve: Curve
    unit: Unit
    sha256: str
    names: Names


def read(paths: Sequence[Path], said: Said, pattern: str | None = None) -> list[ForeignRun]:
    """The runs of some files and folders, each checked in full, in order.

    Raises an InputError that names the file, the place and what is expected; or all that the files do not
    say.
    """
    found: list[Found] = []
    passed_over: list[str] = []
    for unit in sources.units(paths, pattern, said.unit, training=said.returns_of == "training"):
        try:
            found += _read(unit, said)
        except Lacking as error:
            if not unit.sought:
                raise _at(unit.shown, error) from None
            passed_over.append(f"{unit.shown}: {error}")
        except InputError as error:
            raise _at(unit.shown, error) from None
    if not found:
        raise InputError(f"no file of results: {'; '.join(passed_over[:3])}")
    return _named(found, said, passed_over)


def _at(shown: str, error: InputError) -> InputError:
    return InputError(f"{shown}{'' if str(error).startswith(':') else ': '}{error}")


def _read(unit: Unit, said: Said) -> list[Found]:
    packed = [sources.read_bytes(path) for path in unit.paths]
    hashes = [hashlib.sha256(data).hexdigest() for data in packed]
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    files = [(path, sources.unpacked(data)) for path, data in zip(unit.paths, packed, strict=True)]
    return [Found(curve, unit, sha256, unit.names) for curve in curves(files, said)]


def _named(found: Sequence[Found], said: Said, passed_over: Sequence[str]) -> list[ForeignRun]:
    """Every curve with its names, or one message with all that is lacking."""
    if said.seeds is not None and len(said.seeds) != len(found):
        several = [one for one in found if len(one.unit.paths) > 1]
        why = f"; {several[0].unit.shown} is one run of {len(several[0].unit.paths)} files" if several else ""
        given, there = counted(len(said.seeds), "seed"), counted(len(found), "run")
        raise InputError(f"--seeds: {given} for {there}; one per run is expected{why}")
    runs, lacking = [], []
    for position, one in enumerate(found):
        try:
            names, notes = _names(one, said, None if said.seeds is None else said.seeds[position])
            without = [option for field, option in OPTIONS.items() if getattr(names, field) is None]
            if without:
                lacking.append((one, without))
            else:
                runs.append(_run(one, names, said, notes))
        except InputError as error:
            raise _at(one.unit.shown, error) from None
    if lacking:
        raise _lacking(lacking, len(found))
    _refuse_twins(found, runs)
    if passed_over:
        files = f"{counted(len(passed_over), 'file')} beside them passed over as no results"
        runs[0] = replace(runs[0], notes=(*runs[0].notes, files))
    return runs


def _refuse_twins(found: Sequence[Found], runs: Sequence[ForeignRun]) -> None:
    """Refuse one name for two runs, here where paths are known: files of two folders may be called alike."""
    first: dict[tuple[str, str, int], str] = {}
    for one, run in zip(found, runs, strict=True):
        if run.key in first:
            raise InputError(
                f"{one.unit.shown}: a second run of variant {run.variant}, environment {run.environment}, "
                f"seed {run.seed}, the first is from {first[run.key]}; give it another seed, variant or "
                "--name, or take names from the paths with --from"
            )
        first[run.key] = one.unit.shown


def _names(one: Found, said: Said, seed: int | None) -> tuple[Names, tuple[str, ...]]:
    """What the options and the pattern say; else the file itself, a file beside it, or the path.

    Raises InputError where the file itself says otherwise.
    """
    for field, option in OPTIONS.items():
        if getattr(one.names, field) is not None and getattr(said, OPTION_FIELDS[field]) is not None:
            raise InputError(f"{option}: --from says each run's {field} already; name it once")
    given = Names(said.variant or one.names.variant, said.environment or one.names.environment,
                  one.names.seed if seed is None else seed)  # fmt: skip
    for field, option in OPTIONS.items():
        theirs, ours = getattr(one.curve.names, field), getattr(given, field)
        if theirs is not None and ours is not None and theirs != ours:
            raise InputError(f"is of {field} {theirs}, {option} or the pattern says {ours}")
    weak = [naming.from_sidecar(one.unit.paths[0].parent), naming.from_path(one.unit.paths[0])]
    chosen = {
        field: next(
            (
                value
                for names in (given, one.curve.names, *weak)
                if (value := getattr(names, field)) is not None
            ),
            None,
        )
        for field in OPTIONS
    }
    from_path = given.seed is None and one.curve.names.seed is None and weak[0].seed is None
    notes = (SEED_OF_PATH,) if from_path and chosen["seed"] is not None else ()
    return Names(**chosen), notes


def _run(one: Found, names: Names, said: Said, notes: tuple[str, ...]) -> ForeignRun:
    assert names.variant is not None
    assert names.environment is not None
    assert names.seed is not None
    curve = one.curve if said.returns_of is None else replace(one.curve, returns_of=said.returns_of)
    points = clean(curve)
    first = one.unit.paths[0]
    return ForeignRun(
        variant=naming.variant(names.variant),
        environment=naming.environment(names.environment),
        seed=names.seed,
        returns_of=curve.returns_of,
        steps=points.steps,
        returns=points.returns,
        file=printable(first.name if len(one.unit.paths) == 1 else first.absolute().parent.name),
        sha256=one.sha256,
        diverged_at=points.diverged_at,
        notes=(*one.unit.notes, *points.notes, *notes),
    )


def _lacking(lacking: Sequence[tuple[Found, list[str]]], runs: int) -> InputError:
    first, seems = lacking[0][0].unit.shown, lacking[0][0].curve.seems
    options = list(dict.fromkeys(option for _, without in lacking for option in without))
    if "--seeds" in options and runs > 1:
        options[options.index("--seeds")] = f"--seeds (one per run, there are {runs})"
    if len(lacking) > 1:
        what = f"{first} ({seems}) and {len(lacking) - 1} more do not say what runs they are"
    else:
        what = f"{first}: {seems}, which does not say what run it is"
    return InputError(f"{what}: {', '.join(options)} needed, or a pattern that names them (--from)")


__all__ = ["Said", "read"]
