"""`matters show`: one run."""

from typing import TYPE_CHECKING, Any

import typer

from matters.harness.commands.options import DEFAULT_STORE, Evidence, Json, RunId, StoreDirectory, meant
from matters.harness.terminal.console import print_json, print_table
from matters.suites.spec import flat

if TYPE_CHECKING:
    from matters.results.store import Store

POINTS = 5
"""How many of the last evaluation points are shown."""


def show(
    run_id: RunId, store: StoreDirectory = DEFAULT_STORE, evidence: Evidence = None, json: Json = False
) -> None:
    """Show a run: spec, status, provenance and its last evaluations."""
    with meant(store, evidence, run_id) as (runs, found):
        facts = _facts(runs, found)
    if json:
        print_json(facts)
        return
    for part in ("spec", "status", "provenance"):
        typer.echo(part)
        for name, value in flat(facts[part]).items():
            typer.echo(f"  {name}: {value}")
    for number, failure in enumerate(facts["failures"], start=1):
        typer.echo(f"failure {number}, after {failure['steps']} steps: {failure['error']}")
        typer.echo(failure["traceback"] or "")
    if facts["evaluations"]:
        typer.echo("evaluations (mean return over the episodes of each point)")
        rows = [row.values() for row in facts["evaluations"][-POINTS:]]
        print_table(("point", "step", "score"), [list(row) for row in rows])


def _facts(store: "Store", run_id: str) -> dict[str, Any]:
    status, spec = store.status(run_id), store.spec(run_id)
    return {
        "run_id": run_id,
        "training_id": spec.training_id,
        "spec": spec.model_dump(mode="json"),
        "status": vars(status),
        "provenance": store.provenance(run_id),
        "failures": store.failures(run_id),
        "evaluations": _evaluations(store.record(run_id).evaluations) if status.state == "done" else [],
    }


def _evaluations(columns: Any) -> list[dict[str, Any]]:
    """One row per point: its step and its mean return."""
    points: dict[int, list[tuple[int, float]]] = {}
    for point, step, score in zip(columns["point"], columns["step"], columns["return"], strict=True):
        points.setdefault(int(point), []).append((int(step), float(score)))
    return [
        {"point": point, "step": rows[-1][0], "score": sum(score for _, score in rows) / len(rows)}
        for point, rows in sorted(points.items())
    ]
