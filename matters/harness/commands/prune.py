"""`matters prune`: remove what a store can do without."""

from typing import Annotated

import typer

from matters.harness.commands.options import DEFAULT_STORE, Json, StoreDirectory
from matters.harness.terminal.console import print_json
from matters.suites.errors import InputError

Superseded = Annotated[
    bool,
    typer.Option("--superseded", help="Runs of earlier versions of our algorithms, and of unknown ones."),
]
Failures = Annotated[bool, typer.Option("--failures", help="Failed runs, and records of earlier failures.")]
States = Annotated[bool, typer.Option("--states", help="Final states, from which runs could go on.")]
Yes = Annotated[bool, typer.Option("--yes", help="Remove it; without this, it is only said what would go.")]


def prune(
    store: StoreDirectory = DEFAULT_STORE,
    superseded: Superseded = False,
    failures: Failures = False,
    states: States = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Say what a store can do without, and with --yes remove it. Finished runs of today's versions stay."""
    if not (superseded or failures or states):
        raise InputError("prune: nothing chosen; one or more of --superseded, --failures, --states")
    from matters.harness.scheduling.memory import shown
    from matters.results.prune import prunable, remove
    from matters.results.store import Store

    opened = Store.open(store, create=yes) if store.exists() else Store.open(store)
    found = prunable(opened, superseded=_superseded if superseded else None, failures=failures, states=states)
    held = [what for what in found if yes and not remove(opened, what)]
    size = sum(what.size for what in found if what not in held)
    if json:
        rows = [{"run_id": what.run_id, "reason": what.reason, "bytes": what.size} for what in found]
        print_json({"removed": yes, "bytes": size, "found": rows, "held": [what.run_id for what in held]})
    else:
        for what in found:
            typer.echo(f"{what.run_id} {what.reason}: {shown(what.size)}")
        end = "removed" if yes else "would be removed; --yes does it"
        typer.echo(f"{len(found) - len(held)} entries, {shown(size)} {end}")
    if held:
        raise typer.Exit(1)


def _superseded(algorithm: str, version: int) -> str:
    """Why runs of this algorithm at this version are out of date; one's own algorithms never are."""
    from matters.algorithms import ALGORITHMS, load

    if set(".:") & set(algorithm):  # a module, or a function in one
        return ""
    if algorithm not in ALGORITHMS:
        return f"of an algorithm that is not here, {algorithm}"
    now = load(algorithm).VERSION
    return f"of {algorithm} version {version}, now {now}" if version < now else ""
