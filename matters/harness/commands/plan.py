"""`matters plan`: what a suite still costs, before anything starts."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from matters.harness.commands.narrowing import Narrowing, choose
from matters.harness.commands.options import (
    DEFAULT_STORE,
    Json,
    Only,
    Seeds,
    Smoke,
    Steps,
    StoreDirectory,
    SuiteName,
    Workers,
    crew_of,
    opened_if_there,
)
from matters.harness.terminal.console import print_json

if TYPE_CHECKING:
    from pathlib import Path

    from matters.harness.scheduling.planning import Outlay
    from matters.suites.suite import Suite


def plan(
    suite: SuiteName,
    store: StoreDirectory = DEFAULT_STORE,
    seeds: Seeds = None,
    steps: Steps = None,
    only: Only = None,
    smoke: Smoke = False,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Say what a suite takes before anything starts.

    Training, memory and disk of what the store lacks, and how many seeds its first question needs.
    """
    show_plan(choose(suite, Narrowing(seeds, steps, only, smoke)), store, crew_of(workers), json=json)


def show_plan(declared: "Suite", store: "Path", workers: int, *, json: bool) -> None:
    """Say what the suite still takes; nothing is written. Raises InputError where memory does not suffice."""
    from matters.harness.scheduling.planning import free_bytes, outlay
    from matters.reports.study import seeds_before

    opened = opened_if_there(store)
    found = outlay(opened, (*declared.cells(), *declared.tuning_cells()), workers)
    free = free_bytes(store)
    if json:
        seeds = {"seeds_needed": seeds_before.facts(declared)}
        print_json({"suite": declared.name, **asdict(found), "free_disk_bytes": free, **seeds})
        return
    for line in _lines(found, free):
        typer.echo(line)
    if remark := seeds_before.remark(declared):
        typer.echo(f"seeds         {remark}")


def _lines(found: "Outlay", free: int) -> list[str]:
    from matters.harness.scheduling.memory import shown

    source = (
        f"from the speed of {found.measured} runs in this store"
        if found.measured
        else "from speeds measured once on one slow core; a few runs in the store make it this machine's"
    )
    needs = found.disk_bytes + found.scratch_bytes
    return [
        f"runs          {found.runs} to train, {found.done} there",
        f"populations   {found.populations}, the longest {_time(found.longest_hours)}",
        f"core-hours    {found.core_hours:.2g}, {source}",
        f"end           in {_time(found.hours)} with {found.workers} workers",
        f"memory        {shown(found.memory_bytes)} at most",
        f"disk          {shown(found.disk_bytes)}, and {shown(found.scratch_bytes)} at most in training; "
        f"{shown(free)} are free{'' if needs < free else ': NOT ENOUGH'}",
    ]


def _time(hours: float) -> str:
    """A span of time as a person says it."""
    minutes = round(60 * hours)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{max(minutes, 1)} min"
