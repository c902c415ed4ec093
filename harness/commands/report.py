"""`matters report`: pages, tables and figures from what the store has."""

import typer

from harness.commands.options import (
    DEFAULT_STORE,
    AllowMissing,
    Json,
    Only,
    Out,
    Seeds,
    Smoke,
    Steps,
    StoreDirectory,
    SuiteName,
    choose,
    report_directory,
    reproducing_command,
)
from harness.console import print_json


def report(
    suite: SuiteName,
    store: StoreDirectory = DEFAULT_STORE,
    seeds: Seeds = None,
    steps: Steps = None,
    only: Only = None,
    smoke: Smoke = False,
    out: Out = None,
    allow_missing: AllowMissing = False,
    json: Json = False,
) -> None:
    """Write index.html, report.md, report.json, tables and figures."""
    declared = choose(suite, seeds, steps, only, smoke)

    from results.store import Store

    opened = Store.open(store)
    place = report_directory(out, store, declared.name)

    from reports.report import write_report
    from results.table import snapshot

    taken = snapshot(opened, declared)
    command = reproducing_command(suite, seeds, steps, only, smoke)
    page = write_report(declared, taken, place, allow_missing=allow_missing, command=command)
    if json:
        print_json({"suite": declared.name, "snapshot": taken.identity, "report": str(page)})
    else:
        typer.echo(page)
