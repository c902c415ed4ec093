"""`matters status`: what is done, running, paused, failed and missing."""

from collections import Counter
from typing import TYPE_CHECKING

import typer

from matters.harness.commands.options import (
    DEFAULT_STORE,
    Json,
    Only,
    Seeds,
    Smoke,
    Steps,
    StoreDirectory,
    SuiteName,
    choose,
)
from matters.harness.terminal.console import print_json, print_table

if TYPE_CHECKING:
    from matters.results.schema import State

STATES: tuple["State", ...] = ("done", "running", "paused", "failed", "missing")


def status(
    suite: SuiteName,
    store: StoreDirectory = DEFAULT_STORE,
    seeds: Seeds = None,
    steps: Steps = None,
    only: Only = None,
    smoke: Smoke = False,
    json: Json = False,
) -> None:
    """Show done / running / paused / failed / missing, by cell. A store that does not exist lacks all."""
    declared = choose(suite, seeds, steps, only, smoke)

    from matters.results.schema import Status
    from matters.results.store import Store

    # A place that exists has to be a store; one that does not has no runs.
    opened = Store.open(store) if store.exists() else None
    missing = Status("missing", 0)
    if opened is not None and declared.tuning is not None:
        from matters.reports.study.own_best import resolved

        declared = resolved(opened, declared)
    runs = [
        (cell, spec, missing if opened is None else opened.status(spec.run_id))
        for cell in (*declared.cells(), *declared.tuning_cells())
        for spec in cell.specs
    ]
    if json:
        print_json(
            [
                {
                    "run_id": spec.run_id,
                    "variant": cell.variant,
                    "environment": cell.environment,
                    "seed": spec.seed,
                    "state": found.state,
                    "steps": found.steps,
                    "digest": found.digest,
                    "score": found.score,
                    "steps_asked": spec.steps,
                    "training_id": spec.training_id,
                }
                for cell, spec, found in runs
            ]
        )
        return
    counts: dict[tuple[str, str], Counter[State]] = {}
    for cell, _, found in runs:
        counts.setdefault((cell.variant, cell.environment), Counter())[found.state] += 1
    rows = [(*cell, *(states[state] for state in STATES)) for cell, states in counts.items()]
    paused = [100 * found.steps // spec.steps for _, spec, found in runs if found.state == "paused"]
    print_table(("variant", "environment", *STATES), rows)
    for remark in declared.remarks():
        typer.echo(remark)
    total = Counter(found.state for _, _, found in runs)
    shares = f" at {min(paused)} to {max(paused)} %" if paused else ""
    typer.echo(", ".join(f"{total[s]} {s}{shares if s == 'paused' else ''}" for s in STATES))
