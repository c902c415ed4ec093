"""`matters report`: pages, tables and figures from what the store has."""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matters.harness.commands.narrowing import Narrowing, narrowed
from matters.harness.commands.options import (
    DEFAULT_STORE,
    AllowMissing,
    Evidence,
    Json,
    StoreDirectory,
    SuiteNames,
    noted,
    report_directory,
)
from matters.harness.terminal.console import notes, print_json
from matters.suites.errors import InputError, counted, nearest

if TYPE_CHECKING:
    from matters.results.bundle.manifest import Manifest
    from matters.suites.joint import Joint
    from matters.suites.suite import Suite

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Where the report goes.  [default: STORE/report/SUITE, or report/NAME of --evidence NAME]",
    ),
]
Imported = Annotated[
    list[str] | None,
    typer.Option(
        "--imported", metavar="NAME", help="Imported results to show beside; alone, in a report of their own."
    ),
]
Questions = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Questions to answer in place of the suite's.")
]

Compare = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X,Y",
        help="Imported variants to compare; several as 'x,y;x,z'.  [default: all pairs of up to six, else "
        "each with the first]",
    ),
]
Reference = Annotated[
    str | None, typer.Option(metavar="X", help="Compare each imported variant with this one.")
]
Margin = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Margin of equivalence of imported variants, as a share of the yardstick.  [default: 0.1]",
    ),
]
PoolProtocols = Annotated[
    str | None,
    typer.Option(
        metavar="REASON",
        help="Why imported sets of several protocols are compared; the page shows it.",
    ),
]


@narrowed
def report(
    narrowing: Narrowing,
    suites: SuiteNames = None,
    store: StoreDirectory = DEFAULT_STORE,
    evidence: Evidence = None,
    imported: Imported = None,
    questions: Questions = None,
    compare: Compare = None,
    reference: Reference = None,
    margin: Margin = None,
    pool_protocols: PoolProtocols = None,
    out: Out = None,
    allow_missing: AllowMissing = False,
    json: Json = False,
) -> None:
    """Write index.html, report.md, report.json, tables and figures."""
    of_imported = {
        "--compare": compare,
        "--reference": reference,
        "--margin": margin,
        "--pool-protocols": pool_protocols,
    }
    if evidence is not None:
        for name, value in ({"--imported": imported} | of_imported).items():
            if value is not None:
                raise InputError(f"{name}: is of imported results; --evidence shows a bundle's own runs")
        _report_evidence(
            evidence,
            suites or [],
            narrowing,
            questions=questions,
            out=out,
            allow_missing=allow_missing,
            json=json,
        )
        return
    if not suites and not imported:
        raise InputError("suite: missing; name a suite, or results with --imported")
    asked = None if questions is None else _questions(questions)
    if not suites and narrowing.words:
        raise InputError(f"{narrowing.words[0]}: is of a suite's runs; imported results are reported whole")
    for name, value in of_imported.items():
        if suites and value is not None:
            raise InputError(f"{name}: is of imported results alone; a suite declares its own")
    if margin is not None and not 0 < margin <= 1:
        raise InputError(f"--margin {margin}: should be above 0 and at most 1, as a share of the yardstick")
    declared: Suite | Joint | None = None
    notices: list[str] = []
    if suites:
        declared, notices = _declared(suites, narrowing, asked)

    from matters.results.imported import runs as imported_runs
    from matters.results.store import Store

    opened = Store.open(store)
    names = list(dict.fromkeys(imported or ()))
    command = _command(suites or [], narrowing, list(imported or ()), questions) + _said(of_imported)

    from matters.harness.terminal.progress_bar import stages
    from matters.reports.report import write_report
    from matters.reports.study.own_best import each_resolved
    from matters.results.imported import pairs, tables
    from matters.results.snapshot import snapshot

    subject: Any
    if declared is None:
        found, protocols = pairs.several(store, names, pool_protocols)
        subject = tables.suite(
            found,
            asked or (),
            pairs=pairs.pairs(found, compare or (), reference),
            margin=margin,
            pooled=pool_protocols or "",
            protocols=protocols,
        )
    else:
        declared = subject = each_resolved(opened, declared, allow_missing=allow_missing)
    place = report_directory(out, store, subject.name)
    with stages(notes()) as tell:
        if declared is None:
            taken, beside = tables.snapshot(found), []
        else:
            taken = snapshot(opened, declared, partial(tell, "reading runs"))
            beside = [imported_runs.load(store, name) for name in names]
        page = write_report(
            subject,
            taken,
            place,
            allow_missing=allow_missing,
            command=command,
            imported=beside,
            remarks=() if declared is None else (*notices, *noted(store, declared, taken.runs)),
            progress=tell,
        )
    if json:
        print_json({"suite": subject.name, "snapshot": taken.identity, "report": str(page)})
    else:
        typer.echo(page)


def _report_evidence(
    name: str,
    suites: list[str],
    narrowing: Narrowing,
    *,
    questions: str | None,
    out: Path | None,
    allow_missing: bool,
    json: bool,
) -> None:
    """The report of a bundle's own suite, as it was exported, or of other suites on its runs."""
    from matters.harness.terminal.progress_bar import stages
    from matters.reports.report import write_report
    from matters.reports.study.own_best import each_resolved
    from matters.results import evidence
    from matters.results.snapshot import snapshot
    from matters.suites.loading import loads

    answered = None if questions is None else _questions(questions)
    held = evidence.manifest(name)
    study = held.suite
    declared: Suite | Joint
    chosen = narrowing.over(Narrowing.parse(study.narrowed))
    if suites:
        declared, notices = _declared(suites, chosen, answered)
    else:
        whole = loads(study.toml, f"{name}: suite {study.name}")
        one, notices = chosen.of(whole), chosen.notices(whole)
        declared = one if answered is None else one.model_copy(update={"questions": answered})
    _refuse_none_of(declared, held, f"--evidence {name}", chosen)
    words = ["matters", "report", *suites, "--evidence", name, *narrowing.words]
    command = shlex.join(words) + _said({"--questions": questions})
    place = report_directory(Path("report") / Path(name).stem if out is None else out, Path(), name)
    with stages(notes()) as tell, evidence.opened(name, tell) as found:
        declared = each_resolved(found.store, declared, allow_missing=allow_missing)
        taken = snapshot(found.store, declared, partial(tell, "reading runs"))
        page = write_report(
            declared,
            taken,
            place,
            allow_missing=allow_missing,
            command=command,
            remarks=(*notices, *noted(found.store.path, declared, taken.runs)),
            bundle=name,
            progress=tell,
        )
    if json:
        print_json({"suite": declared.name, "snapshot": taken.identity, "report": str(page)})
    else:
        typer.echo(page)


def _said(options: dict[str, Any]) -> str:
    """These options, as they were typed."""
    words = []
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            words += [] if one is None else [name, str(one)]
    return f" {shlex.join(words)}" if words else ""


def _refuse_none_of(declared: "Suite | Joint", held: "Manifest", option: str, narrowing: Narrowing) -> None:
    """Raise InputError if a bundle has none of the runs: their page would be all gaps."""
    there = {run.run_id for run in held.runs}
    if any(
        spec.run_id in there for cell in (*declared.cells(), *declared.tuning_cells()) for spec in cell.specs
    ):
        return
    part = f" under {shlex.join(narrowing.words)}" if narrowing.words else ""
    raise InputError(
        f"{option}: has no run of {declared.name}{part}; it holds {counted(len(there), 'run')} of suite "
        f"{held.suite.name}"
    )


def _declared(
    names: list[str], narrowing: Narrowing, asked: tuple[str, ...] | None
) -> "tuple[Suite | Joint, list[str]]":
    """The suites as one, without what the user leaves out, with the questions that are asked; and what their
    page opens with.
    """
    from matters.suites.joint import join, narrowed
    from matters.suites.loading import load_suite

    if narrowing.looks is not None and len(names) > 1:
        raise InputError(f"--until-decided: is of one suite, not of {len(names)}")
    whole = [load_suite(name) for name in names]
    loaded = [narrowing.prepared(suite) for suite in whole]
    chosen = narrowed(loaded, narrowing.seeds, narrowing.steps, narrowing.only)
    if asked is not None:
        chosen = [suite.model_copy(update={"questions": asked}) for suite in chosen]
    return join(chosen), narrowing.notices(*whole)


def _questions(text: str) -> tuple[str, ...]:
    from matters.suites.fields import QUESTIONS

    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for question in found:
        if question not in QUESTIONS:
            raise InputError(f"--questions {question}: unknown question{nearest(question, QUESTIONS)}")
    return found


def _command(suites: list[str], narrowing: Narrowing, imported: list[str], questions: str | None) -> str:
    """What to type for the same runs and the same report, wherever the store is: one line per command."""
    runs = [narrowing.command(name) for name in suites]
    if len(suites) == 1 and not imported and questions is None:
        return runs[0]
    words = ["matters", "report", *suites, *narrowing.words]
    options = _said({"--imported": imported, "--questions": questions})
    return "\n".join([*runs, shlex.join(words) + options])
