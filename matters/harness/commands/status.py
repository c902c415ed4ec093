"""`matters status`: what is done, running, paused, failed and missing, and when it last got on; with --watch,
again and again.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matters.harness.commands.narrowing import Narrowing, choose, narrowed
from matters.harness.commands.options import (
    DEFAULT_STORE,
    Json,
    StoreDirectory,
    SuiteName,
    opened_if_there,
)
from matters.harness.terminal.console import LONGEST, notes, print_json, print_table
from matters.suites.errors import InputError, on_one_line

if TYPE_CHECKING:
    from matters.results.schema import State, Status
    from matters.results.store import Store
    from matters.suites.spec import Cell, RunSpec
    from matters.suites.suite import Suite

STATES: tuple["State", ...] = ("done", "running", "paused", "failed", "missing")
LOOK_SECONDS = 2.0
"""Seconds between two looks of --watch, at least; and nine times as long as a look takes."""

Alert = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES",
        help="Exit with 1 if a run has failed, or one that was begun got no further for so long.",
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Look again and again, until every run is done or failed.")
]


@narrowed
def status(
    suite: SuiteName,
    narrowing: Narrowing,
    store: StoreDirectory = DEFAULT_STORE,
    watch: Watch = False,
    alert: Alert = None,
    json: Json = False,
) -> None:
    """Show done / running / paused / failed / missing, by cell. A store that does not exist lacks all."""
    if watch and (json or alert is not None):
        raise InputError(f"{'--json' if json else '--alert'}: is of one look; without --watch")
    declared = choose(suite, narrowing)
    if watch:
        _watch(declared, store)
        return
    runs, states = _look(declared, store, {})
    opened = opened_if_there(store)
    ages = {} if opened is None else _ages(opened, states)
    failures = {} if opened is None else _failures(opened, states)
    if json:
        print_json(
            [
                {
                    "run_id": spec.run_id,
                    "variant": cell.variant,
                    "environment": cell.environment,
                    "seed": spec.seed,
                    "state": states[spec.run_id].state,
                    "steps": states[spec.run_id].steps,
                    "digest": states[spec.run_id].digest,
                    "score": states[spec.run_id].score,
                    "steps_asked": spec.steps,
                    "training_id": spec.training_id,
                    "progress_age_seconds": ages.get(spec.run_id),
                    "failures": failures.get(spec.run_id, 0),
                    "error": states[spec.run_id].error,
                }
                for cell, spec in runs
            ]
        )
    else:
        print_table(("variant", "environment", *STATES), _rows(runs, states))
        if opened is None:
            typer.echo(f"there is no store at {str(store)!r} yet")
        remarks = (
            *declared.remarks(),
            *_until_decided(declared),
            *_failed(runs, states, failures),
            *_progress(ages),
        )
        for remark in remarks:
            typer.echo(remark)
        typer.echo(_total(runs, states))
    late = alert is not None and any(age > 60 * alert for age in ages.values())
    if late or (alert is not None and failures):
        raise typer.Exit(1)


Runs = Sequence[tuple["Cell", "RunSpec"]]


def _ages(store: "Store", states: "Mapping[str, Status]") -> dict[str, float]:
    """Seconds since each run that was begun and has not ended got on."""
    begun = [run_id for run_id, found in states.items() if found.state in ("running", "paused")]
    return {run_id: round(store.progress_age(run_id), 1) for run_id in begun}


def _failures(store: "Store", states: "Mapping[str, Status]") -> dict[str, int]:
    """How often each run that has failed did so."""
    failed = [run_id for run_id, found in states.items() if found.state == "failed"]
    return {run_id: len(store.failures(run_id)) for run_id in failed}


def _failed(runs: Runs, states: "Mapping[str, Status]", failures: Mapping[str, int]) -> list[str]:
    """A line for each run that has failed: how often, and of what at last."""
    lines = []
    for cell, spec in runs:
        if times := failures.get(spec.run_id):
            tried = "" if times == 1 else f", {times} times"
            error = states[spec.run_id].error
            line = f"failed {cell.variant}/{cell.environment} seed {spec.seed}{tried}: {error}"
            lines.append(on_one_line(line, LONGEST))
    return lines


def _until_decided(declared: "Suite") -> list[str]:
    """That runs may be missing because they are not needed, where seeds are added look by look."""
    at = " and ".join(map(str, declared.looks))
    return (
        [f"looks at {at} seeds: training ends at the first that decides"] if len(declared.looks) > 1 else []
    )


def _progress(ages: Mapping[str, float]) -> list[str]:
    """When the runs that were begun last got on, in a line."""
    from matters.harness.terminal.display import duration

    if not ages:
        return []
    longest = f", the longest without is {duration(max(ages.values()))}" if len(ages) > 1 else ""
    return [f"last progress {duration(min(ages.values()))} ago{longest}"]


def _look(declared: "Suite", store: Path, before: "Mapping[str, Status]") -> "tuple[Runs, dict[str, Status]]":
    """The suite's runs, with those of a tuning and of what it chose so far, and how each stands.

    What was final `before` is not read again: a run that is done stays so.
    """
    from matters.results.schema import Status

    # A place that exists has to be a store; one that does not has no runs.
    opened = opened_if_there(store)
    if opened is not None and declared.tuning is not None:
        from matters.reports.study.own_best import resolved

        declared = resolved(opened, declared)
    runs = [(cell, spec) for cell in (*declared.cells(), *declared.tuning_cells()) for spec in cell.specs]
    final = {run_id: found for run_id, found in before.items() if found.state == "done"}
    missing = Status("missing", 0)
    return runs, {
        spec.run_id: final.get(spec.run_id) or (opened.status(spec.run_id) if opened else missing)
        for _, spec in runs
    }


def _rows(runs: Runs, states: "Mapping[str, Status]") -> list[tuple[str | int, ...]]:
    counts: dict[tuple[str, str], Counter[State]] = {}
    for cell, spec in runs:
        counts.setdefault((cell.variant, cell.environment), Counter())[states[spec.run_id].state] += 1
    return [(*cell, *(found[state] for state in STATES)) for cell, found in counts.items()]


def _total(runs: Runs, states: "Mapping[str, Status]") -> str:
    found = [(states[spec.run_id], spec) for _, spec in runs]
    paused = [100 * it.steps // spec.steps for it, spec in found if it.state == "paused"]
    shares = f" at {min(paused)} to {max(paused)} %" if paused else ""
    total = Counter(it.state for it, _ in found)
    return ", ".join(f"{total[s]} {s}{shares if s == 'paused' else ''}" for s in STATES)


@dataclass(frozen=True)
class Look:
    """What one look of --watch found: runs by cell, all in one line, and whether nothing more is to come."""

    rows: list[tuple[str | int, ...]]
    line: str
    over: bool


def looks(declared: "Suite", store: Path) -> Iterator[Look]:
    """One look after the other, without end; each says how far the runs are, and how fast they got there.

    The steps of an unfinished run are those of its last checkpoint.
    """
    first: tuple[float, int] | None = None
    states: dict[str, Status] = {}
    while True:
        runs, states = _look(declared, store, states)
        unique = {spec.run_id: spec.steps for _, spec in runs}
        taken = sum(_taken(states[run_id], steps) for run_id, steps in unique.items())
        total = sum(unique.values())
        line = f"{_total(runs, states)}; {100 * taken / max(total, 1):.1f} % of all steps"
        now = time.monotonic()
        if first is None:
            first = now, taken
        elif taken > first[1]:
            from matters.harness.terminal.display import duration

            rate = (taken - first[1]) / (now - first[0])
            line += f", {rate:.0f} steps/s, about {duration((total - taken) / rate)} left"
        over = all(states[run_id].state in ("done", "failed") for run_id in unique)
        yield Look(_rows(runs, states), line, over)


def _taken(found: "Status", steps: int) -> int:
    return steps if found.state in ("done", "failed") else min(found.steps, steps)


def _watch(declared: "Suite", store: Path) -> None:
    """Show one look after the other: a table that changes on a terminal, lines that change elsewhere."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from matters.harness.terminal.console import table

    columns = ("variant", "environment", *STATES)
    console = notes()
    said = ""
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            began = time.monotonic()
            for look in looks(declared, store):
                if console.is_terminal:
                    # The line first: of a table that is longer than the screen the end is cut off.
                    live.update(Group(Text(look.line), table(columns, look.rows)), refresh=True)
                elif look.line != said and not look.over:
                    typer.echo(look.line)
                said = look.line
                if look.over:
                    break
                time.sleep(max(LOOK_SECONDS, 9 * (time.monotonic() - began)))
                began = time.monotonic()
    except KeyboardInterrupt:
        pass  # it only looked on
    typer.echo(said)
