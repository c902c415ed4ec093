"""`matters report`: pages, tables and figures from what the store has."""

import shlex
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matters.harness.commands.options import (
    DEFAULT_STORE,
    AllowMissing,
    Json,
    Only,
    Out,
    Seeds,
    Smoke,
    Steps,
    StoreDirectory,
    SuiteNames,
    narrowing_words,
    report_directory,
    reproducing_command,
)
from matters.harness.terminal.console import notes, print_json
from matters.suites.errors import InputError, nearest

if TYPE_CHECKING:
    from matters.suites.joint import Joint
    from matters.suites.suite import Suite

Imported = Annotated[
    list[str] | None,
    typer.Option(
        "--imported", metavar="NAME", help="Imported results to show beside; alone, in a report of their own."
    ),
]
Questions = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Questions to answer in place of the suite's.")
]


def report(
    suites: SuiteNames = None,
    store: StoreDirectory = DEFAULT_STORE,
    seeds: Seeds = None,
    steps: Steps = None,
    only: Only = None,
    smoke: Smoke = False,
    imported: Imported = None,
    questions: Questions = None,
    out: Out = None,
    allow_missing: AllowMissing = False,
    json: Json = False,
) -> None:
    """Write index.html, report.md, report.json, tables and figures."""
    if not suites and not imported:
        raise InputError("suite: missing; name a suite, or results with --imported")
    asked = None if questions is None else _questions(questions)
    narrowing = {"--seeds": seeds, "--steps": steps, "--only": only, "--smoke": smoke or None}
    given = [name for name, value in narrowing.items() if value is not None]
    if not suites and given:
        raise InputError(f"{given[0]}: is of a suite's runs; imported results are reported whole")
    declared = _declared(suites, seeds, steps, only, smoke, asked) if suites else None

    from matters.results.imported import runs as imported_runs
    from matters.results.store import Store

    opened = Store.open(store)
    sets = [imported_runs.load(store, name) for name in dict.fromkeys(imported or ())]
    command = _command(suites or [], seeds, steps, only, smoke, list(imported or ()), questions)

    from matters.harness.terminal.progress_bar import stages
    from matters.reports.report import write_report
    from matters.results.imported import tables
    from matters.results.snapshot import snapshot

    subject: Any
    if declared is None:
        if len(sets) > 1:
            raise InputError("--imported: a report of imported results alone is of one set; name one")
        subject = tables.suite(sets[0], asked or ())
    else:
        subject = declared
    place = report_directory(out, store, subject.name)
    with stages(notes()) as tell:
        if declared is None:
            taken, beside = tables.snapshot(sets[0]), []
        else:
            taken, beside = snapshot(opened, declared, partial(tell, "reading runs")), sets
        page = write_report(
            subject,
            taken,
            place,
            allow_missing=allow_missing,
            command=command,
            imported=beside,
            progress=tell,
        )
    if json:
        print_json({"suite": subject.name, "snapshot": taken.identity, "report": str(page)})
    else:
        typer.echo(page)


def _declared(
    names: list[str],
    seeds: str | None,
    steps: int | None,
    only: str | None,
    smoke: bool,
    asked: tuple[str, ...] | None,
) -> "Suite | Joint":
    """The suites as one, less what the user leaves out."""
    from matters.suites.joint import join, narrowed
    from matters.suites.suite import load_suite

    loaded = [load_suite(name) for name in names]
    if smoke:
        loaded = [suite.smoke() for suite in loaded]
    chosen = narrowed(loaded, seeds, steps, only)
    if asked is not None:
        chosen = [suite.model_copy(update={"questions": asked}) for suite in chosen]
    return join(chosen)


def _questions(text: str) -> tuple[str, ...]:
    from matters.suites.suite import QUESTIONS

    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for question in found:
        if question not in QUESTIONS:
            raise InputError(f"--questions {question}: unknown question{nearest(question, QUESTIONS)}")
    return found


def _command(
    suites: list[str],
    seeds: str | None,
    steps: int | None,
    only: str | None,
    smoke: bool,
    imported: list[str],
    questions: str | None,
) -> str:
    """What to type for the same runs and the same report, wherever the store is: a line a command."""
    runs = [reproducing_command(name, seeds, steps, only, smoke) for name in suites]
    if len(suites) == 1 and not imported and questions is None:
        return runs[0]
    words = ["matters", "report", *suites, *narrowing_words(seeds, steps, only, smoke)]
    for name in imported:
        words += ["--imported", name]
    words += [] if questions is None else ["--questions", questions]
    return "\n".join([*runs, shlex.join(words)])
