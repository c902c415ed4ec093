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
    chosen = [opened.resolve(run) for run in runs] if runs else opened.run_ids()
    problems = opened.verify(chosen)
    if json:
        print_json({"runs": len(chosen), "problems": [vars(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(f"{problem.run_id}: {problem.message}")
        typer.echo(f"{len(chosen)} runs checked, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)
