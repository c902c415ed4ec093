"""`matters upgrade`: give the runs of an older Matters the names that they have now."""

from typing import Annotated

import typer

from matters.harness.commands.options import DEFAULT_STORE, Json, StoreDirectory
from matters.harness.terminal.console import print_json

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def upgrade(store: StoreDirectory = DEFAULT_STORE, dry_run: DryRun = False, json: Json = False) -> None:
    """Rename the runs of an older Matters. Their records stay as they are, and their old ids keep working.

    Nothing needs it: older runs are found, reported and trained further under their old names too.
    """
    from matters.results import upgrade as upgrading
    from matters.results.store import Store

    opened = Store.open(store, create=not dry_run) if store.exists() else Store.open(store)
    former = {name: run_id for run_id, name in opened.former_names.items()}
    held = [] if dry_run else upgrading.rename_all(store, former)
    if json:
        print_json({"dry_run": dry_run, "renamed": former, "held": held})
    else:
        for name, run_id in former.items():
            typer.echo(f"{name} {'is being trained, left alone' if name in held else f'→ {run_id}'}")
        would = "would be renamed; nothing was done" if dry_run else "renamed"
        typer.echo(f"{len(former) - len(held)} runs {would}")
    if held:
        raise typer.Exit(1)
