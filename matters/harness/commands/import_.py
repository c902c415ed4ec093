"""`matters import`: put others' results into the store, marked as of a foreign protocol."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matters.harness.commands.options import DEFAULT_STORE, Json, StoreDirectory
from matters.harness.terminal.console import notes, print_json
from matters.suites.errors import InputError, counted, shown

if TYPE_CHECKING:
    from matters.results.imported.runs import ForeignRun

MOST_SEEDS = 1_000_000

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE|FOLDER…",
        help="Results of others, recognised by their content: Stable-Baselines3's evaluations.npz, monitors "
        "and progress.csv, TensorBoard's event files, the logs of Spinning Up, RLlib, Baselines, garage, "
        "CleanRL and others, W&B's export, any CSV. A folder is searched; one training is one run.",
        show_default=False,
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="What to call these results; a bundle needs none."),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PATTERN",
        help="In place of files: one run per match, as '{variant}/{environment}_s{seed}/progress.txt'. The "
        "last part may be a folder.",
    ),
]
Variant = Annotated[
    str | None, typer.Option(metavar="NAME", help="The variant, where the file does not say it.")
]
Environment = Annotated[
    str | None, typer.Option("--env", metavar="E", help="The environment, where the file does not say it.")
]
Seeds = Annotated[
    str | None,
    typer.Option(metavar="S|S,S,…|A:B", help="One seed per run, in order, where the files do not say it."),
]
Tag = Annotated[
    str | None,
    typer.Option(metavar="TAG", help="TensorBoard's scalar, where it is none that known programs use."),
]
StepColumn = Annotated[str | None, typer.Option("--step", metavar="COLUMN", help="The column of steps.")]
ReturnColumn = Annotated[
    str | None, typer.Option("--return", metavar="COLUMN", help="The column of returns.")
]
SeedColumn = Annotated[str | None, typer.Option("--seed", metavar="COLUMN", help="The column of seeds.")]
Every = Annotated[
    int | None,
    typer.Option(metavar="N", help="Steps from one row to the next, of files that have no steps."),
]


class UnitOf(StrEnum):
    """What one run is."""

    file = "file"
    folder = "folder"


Unit = Annotated[
    UnitOf | None,
    typer.Option(
        metavar="file|folder", help="What one run is, where a folder has several monitors or event files."
    ),
]


Declare = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="What the protocol was, kept with the results: policy, episodes, normalised, source, commit, "
        "licence.",
    ),
]


class Returns(StrEnum):
    """Which episodes returns may come from."""

    evaluation = "evaluation"
    training = "training"


ReturnsOf = Annotated[
    Returns | None,
    typer.Option(
        "--returns", metavar="evaluation|training", help="What returns are of, in place of what is assumed."
    ),
]


def import_(
    files: Files = None,
    name: Name = None,
    pattern: Pattern = None,
    variant: Variant = None,
    env: Environment = None,
    seeds: Seeds = None,
    step: StepColumn = None,
    returned: ReturnColumn = None,
    seed: SeedColumn = None,
    every: Every = None,
    tag: Tag = None,
    returns: ReturnsOf = None,
    unit: Unit = None,
    declare: Declare = None,
    store: StoreDirectory = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Read results into the store: a bundle, or files of others.

    Runs of a bundle, which `matters export` wrote, are runs like ours. Files of other programs get a name:
    `matters report --imported NAME` shows them, apart from ours.
    """
    from matters.results.bundle import is_bundle

    bundles = [path for path in files or () if is_bundle(path)]
    if bundles:
        options = {
            "--name": name, "--from": pattern, "--variant": variant, "--env": env, "--seeds": seeds,
            "--step": step, "--return": returned, "--seed": seed, "--every": every, "--tag": tag,
            "--returns": returns, "--unit": unit, "--declare": declare,
        }  # fmt: skip
        more = [option for option, value in options.items() if value is not None]
        if len(files or ()) > 1 or more:
            without = f"without {more[0]}" if more else "one at a time"
            raise InputError(f"{bundles[0]}: is a bundle, which says what it holds; import it {without}")
        import_bundle(bundles[0], store, json=json)
        return
    if bool(files) == (pattern is not None):
        raise InputError(
            "file: name files or folders, or a pattern with --from" + (", not both" if files else "")
        )
    if every is not None and every < 1:
        raise InputError(f"--every {every}: at least 1 is needed")
    for path in files or ():
        if not path.exists():
            raise InputError(f"{path}: does not exist")
    if name is None:
        raise InputError("--name: missing; say what to call these results")
    from matters.results.imported import declared, runs
    from matters.results.imported.reading import Said, read
    from matters.results.store import Store

    said = Said(
        variant=variant,
        environment=env,
        seeds=None if seeds is None else _seeds(seeds),
        tag=tag,
        returns_of=None if returns is None else returns.value,
        step=step,
        returns=returned,
        seed=seed,
        every=every,
        unit=None if unit is None else unit.value,
    )
    stated = declared.parse(declare or ())
    found = read(files or (), said, pattern)
    new = runs.additions(store, name, found)
    stated = declared.joined(declared.load(store, name), stated, name)
    Store.open(store, create=True)
    runs.save(store, name, new)
    declared.save(store, name, stated)
    facts = {
        "name": name,
        "protocol": "foreign",
        "returns_of": found[0].returns_of,
        "imported": len(new),
        "already_there": len(found) - len(new),
        "declared": asdict(stated),
        "notes": _notes(found),
        "runs": [
            {
                "run_id": run.run_id,
                "variant": run.variant,
                "environment": run.environment,
                "seed": run.seed,
                "steps": run.steps[-1],
                "points": len(run.steps),
                "diverged_at": run.diverged_at,
                "file": run.file,
                "notes": list(run.notes),
            }
            for run in found
        ],
    }
    if json:
        print_json(facts)
        return
    cells = len({(run.variant, run.environment) for run in found})
    there = f", {len(found) - len(new)} were there" if len(new) < len(found) else ""
    typer.echo(
        f"{counted(len(new), 'run')} imported in {counted(cells, 'cell')}{there}: a foreign protocol, "
        f"returns of {runs.RETURNS_OF[found[0].returns_of]}"
    )
    for note in _notes(found):
        typer.echo(f"  {note}")
    elsewhere = [] if store == DEFAULT_STORE else ["--store", str(store)]
    typer.echo(shlex.join(["matters", "report", "--imported", name, *elsewhere]))


def import_bundle(path: Path, store: Path, *, json: bool) -> None:
    """Put a bundle's runs into the store, keep its suite beside them, and say how to report it."""
    from matters.harness.terminal.progress_bar import stages
    from matters.results.bundle import unpack
    from matters.suites.loading import suite_names

    with stages(notes(), work="import") as tell:
        found = unpack(path, store, tell)
    study = found.manifest.suite
    known = study.name
    if study.name not in suite_names():
        known = str(_keep_suite(store, study.name, study.toml))
    command = shlex.join(["matters", "report", known, *study.narrowed, "--store", str(store)])
    missing = study.declared - len(found.manifest.runs)
    if json:
        print_json(
            {
                "suite": study.name,
                "imported": len(found.added),
                "already_there": len(found.already_there),
                "missing": missing,
                "without": found.manifest.without,
                "thinned": found.manifest.thinned,
                "runs": [run.run_id for run in found.manifest.runs],
                "report": command,
            }
        )
        return
    there = f", {len(found.already_there)} were there" if found.already_there else ""
    lacks = f"; it lacks {missing} of {counted(study.declared, 'declared run')}" if missing else ""
    typer.echo(f"{counted(len(found.added), 'run')} of suite {study.name} imported{there}{lacks}\n{command}")


def _keep_suite(store: Path, name: str, toml: str) -> Path:
    """Write the declaration of a suite that is not shipped into the store, under its name."""
    from matters.results import files

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", name):
        raise InputError(f"suite = {shown(name)}: should be letters, digits and . _ + -")
    path = store / "suites" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    files.write(path, toml.encode())
    return path


def _seeds(text: str) -> tuple[int, ...]:
    """The seeds that "11307,2" (these two), "3:5" (3 and 4) or "7" (that one) mean. Raises InputError."""
    from matters.suites.spec import MAX_SEED

    match = re.fullmatch(r"(\d{1,19}):(\d{1,19})", text.strip(), flags=re.ASCII)
    if match:
        first, end = int(match[1]), int(match[2])
        if first < end <= min(first + MOST_SEEDS, MAX_SEED):
            return tuple(range(first, end))
    elif re.fullmatch(r"\d{1,19}(\s*,\s*\d{1,19})*", text.strip(), flags=re.ASCII):
        found = tuple(int(part) for part in text.split(","))
        if max(found) <= MAX_SEED:
            return found
    raise InputError(
        f"--seeds {shown(text)}: should be a seed (7), seeds (11307,2) or a range (3:5 is 3 and 4)"
    )


def _notes(found: "Sequence[ForeignRun]") -> list[str]:
    """Every note once, with the number of runs that it applies to."""
    counts = Counter(note for run in found for note in run.notes)
    return [f"{note} ({counted(count, 'run')})" if len(found) > 1 else note for note, count in counts.items()]
