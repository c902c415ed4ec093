"""`matters verify`: rehash the store."""

from typing import Annotated

import typer

from matters.harness.commands.options import DEFAULT_STORE, Json, StoreDirectory
from matters.harness.terminal.console import print_json


def verify(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_ID...]", help="Only these runs.", show_default=False)
    ] = None,
    store: StoreDirectory = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Rehash every file of every finished or imported run, and name what is not as it was written."""
    from matters.results.imported import runs as imported_runs
    from matters.results.store import Fault, Store

    opened = Store.open(store)
    chosen = [opened.resolve(run) for run in runs] if runs else None
    problems = opened.verify(chosen)
    if chosen is None:
        problems += [Fault("imported", name, message) for name, message in imported_runs.problems(store)]
    checked = len(opened.run_ids() if chosen is None else chosen)
    if json:
        print_json({"runs": checked, "problems": [vars(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(f"{problem.run_id} {problem.file}: {problem.message}")
        typer.echo(f"{checked} runs checked, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)
