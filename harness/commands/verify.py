"""`matters verify`: rehash the store."""

from typing import Annotated

import typer

from harness.commands.options import DEFAULT_STORE, Json, StoreDirectory
from harness.console import print_json


def verify(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_ID...]", help="Only these runs.", show_default=False)
    ] = None,
    store: StoreDirectory = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Rehash every file of every finished run, and name those that are not as they were written."""
    from results.store import Store

    opened = Store.open(store)
    chosen = [opened.resolve(run) for run in runs] if runs else None
    problems = opened.verify(chosen)
    checked = len(opened.run_ids() if chosen is None else chosen)
    if json:
        print_json({"runs": checked, "problems": [vars(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(f"{problem.run_id} {problem.file}: {problem.message}")
        typer.echo(f"{checked} runs checked, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)
