"""What several commands let a user choose, and the checks that come before anything is written."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matters.harness.scheduling.executors.interface import Executor
from matters.harness.scheduling.executors.local import Local
from matters.harness.terminal.console import notes
from matters.suites.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from matters.results.store import Store
    from matters.suites.joint import Joint
    from matters.suites.suite import Suite

SuiteNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SUITE…", help="Names or TOML files; several are reported as one.", show_default=False
    ),
]
SuiteName = Annotated[
    str, typer.Argument(metavar="SUITE", help="A name that `matters list suites` shows, or a TOML file.")
]
RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="A run's id, or the first digits of it.")]
StoreDirectory = Annotated[Path, typer.Option("--store", metavar="DIR", help="Where runs are kept.")]
Seeds = Annotated[
    str | None,
    typer.Option(metavar="N|A:B|A,B", help="The first N seeds, those from A to before B, or A and B."),
]
Steps = Annotated[int | None, typer.Option(metavar="N", help="Steps of each run, in place of the suite's.")]
Only = Annotated[
    str | None,
    typer.Option(metavar="PATTERN", help="Only these cells, as 'ppo*/Hopper*'; several with commas."),
]
UntilDecided = Annotated[
    bool,
    typer.Option(
        "--until-decided",
        help="Look at declared numbers of seeds, until the first question's headline is decided.",
    ),
]
Looks = Annotated[
    str | None,
    typer.Option(
        "--looks", metavar="A,B,…", help="Numbers of seeds to look at.  [default: the suite's, or 10,20]"
    ),
]
Smoke = Annotated[
    bool, typer.Option("--smoke", help="See that it runs: 2 seeds, few steps, seconds per cell. No finding.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where the report goes.  [default: STORE/report/SUITE]"),
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Aggregate over what is there; the page says what is not.")
]
Evidence = Annotated[
    str | None,
    typer.Option(
        "--evidence",
        metavar="NAME",
        help="Runs of this bundle in matters/results/evidence, or at this path, not of a store.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="Processes at a time.  [default: one per core]")
]
Json = Annotated[bool, typer.Option("--json", help="Facts as JSON.")]

DEFAULT_STORE = Path("runs")


def crew_of(asked: int | None, executor: Executor | None = None) -> int:
    """How many workers to use: by default one for each core of the executor, or of this machine."""
    if asked is None:
        return (executor.cores() if executor else None) or Local().cores()
    if asked < 1:
        raise InputError(f"--workers {asked}: at least 1 is needed")
    return asked


@contextmanager
def opened(store: Path, evidence: str | None, run_id: str | None = None) -> "Iterator[Store]":
    """The store, or one with the runs of an evidence bundle: with the one of that id, if it is one's.

    Raises InputError.
    """
    from matters.results import evidence as bundles
    from matters.results.store import Store

    if evidence is None:
        if not store.exists():
            raise InputError(
                f"store = {str(store)!r}: does not exist; name another with --store DIR, or a bundle with "
                "--evidence NAME"
            )
        yield Store.open(store)
        return
    from matters.harness.terminal.progress_bar import stages

    with stages(notes(), work="evidence") as tell, bundles.opened(evidence, tell, run_id) as found:
        yield found.store


@contextmanager
def meant(store: Path, evidence: str | None, run_id: str) -> "Iterator[tuple[Store, str]]":
    """As `opened`, with the whole id of the one run whose id begins with `run_id`. Raises InputError."""
    with opened(store, evidence, run_id) as runs:
        yield runs, runs.resolve(run_id, place_of(evidence))


def place_of(evidence: str | None) -> str:
    """Where `opened` has its runs from, in words."""
    return "the store" if evidence is None else f"the bundle {evidence}"


def opened_if_there(store: Path) -> "Store | None":
    """The store, None where there is nothing yet. Raises InputError where none is and none could be."""
    from matters.results.store import Store

    if store.exists():
        return Store.open(store)
    for place in (store, *store.absolute().parents):
        if place.is_symlink() and not place.exists():
            raise InputError(f"store = {str(store)!r}: {place} is a link to nothing")
        if place.is_file():
            raise InputError(f"store = {str(store)!r}: {place} is a file")
    return None


def noted(store: Path, suite: "Suite | Joint", runs: "pd.DataFrame") -> list[str]:
    """Note that a verdict on these runs is read; returns what the page has to say about earlier readings."""
    from matters.results import verdicts_read

    done = runs["state"].eq("done").groupby([runs["variant"], runs["environment"]], observed=True).sum()
    seeds = int(done.min())
    reached = max([look for look in suite.looks if look <= seeds], default=seeds)
    if os.access(store, os.W_OK):
        verdicts_read.note(store, suite, reached)
    return verdicts_read.remark(store, suite, reached)


def report_directory(out: Path | None, store: Path, suite: str) -> Path:
    """Where the report goes, after checking that it can go there.

    Raises InputError if the place is a file, or may not be written to.
    """
    place = store / "report" / suite if out is None else out
    if out is None and not store.is_dir():
        return place  # The store does not exist yet, or is not a store: opening it says which.
    standing = next(path for path in (place, *place.absolute().parents) if path.exists())
    if not standing.is_dir():
        raise InputError(f"--out {place}: {standing} is not a directory")
    if not os.access(standing, os.W_OK | os.X_OK):
        elsewhere = "; --out DIR writes it elsewhere" if out is None else ""
        raise InputError(f"--out {place}: {standing} is not writable{elsewhere}")
    return place
