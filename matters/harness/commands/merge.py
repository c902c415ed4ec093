"""`matters merge`: two stores into one."""

from pathlib import Path
from typing import Annotated

import typer

from matters.harness.commands.options import Json
from matters.harness.terminal.console import notes, print_json
from matters.harness.terminal.progress_bar import stages


def merge(
    source: Annotated[Path, typer.Argument(metavar="A", help="The store whose runs are taken.")],
    target: Annotated[Path, typer.Argument(metavar="B", help="The store that they go to.")],
    json: Json = False,
) -> None:
    """Copy the finished and failed runs of A that B lacks into B. A run with two digests is an alarm."""
    from matters.results.merge import merge as merge_stores
    from matters.results.store import Store

    with stages(notes()) as tell:
        merged = merge_stores(Store.open(source), Store.open(target, create=True), tell)
    if json:
        print_json(vars(merged))
        return
    for run_id in merged.left:
        typer.echo(f"{run_id} has not ended, or is being trained: left")
    typer.echo(f"{len(merged.taken)} runs taken, {len(merged.there)} were there, {len(merged.left)} left")
