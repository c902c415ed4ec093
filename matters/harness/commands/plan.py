"""`matters plan`: what a suite still costs, before anything starts."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from matters.harness.commands.narrowing import Narrowing, narrowed
from matters.harness.commands.options import (
    DEFAULT_STORE,
    Json,
    StoreDirectory,
    SuiteName,
    Workers,
    crew_of,
    opened_if_there,
)
from matters.harness.terminal.console import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matters.harness.scheduling.planning import Outlay
    from matters.suites.suite import Suite


@narrowed
def plan(
    suite: SuiteName,
    narrowing: Narrowing,
    store: StoreDirectory = DEFAULT_STORE,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Say what a suite takes before anything starts.

    Training, memory and disk of what the store lacks, of each look where there are looks, of own bests where
    it tunes, and how many seeds its first question needs.
    """
    from matters.suites.loading import load_suite

    whole = load_suite(suite)
    show_plan(narrowing.of(whole), store, crew_of(workers), remarks=narrowing.more_seeds(whole), json=json)


def show_plan(
    declared: "Suite",
    store: "Path",
    workers: int,
    *,
    retry_failed: bool = False,
    remarks: "Sequence[str]" = (),
    json: bool,
) -> None:
    """Say what the suite still takes, and these remarks on it; nothing is written.

    Raises InputError where memory does not suffice, and for a suite that `matters run` would refuse.
    """
    from matters.harness.scheduling import train_suite
    from matters.harness.scheduling.planning import outlays, total
    from matters.reports.study import seeds_before
    from matters.results.files import free_bytes

    train_suite.check(declared)
    runs, cells = opened_if_there(store), train_suite.in_turn(declared)
    later, decided = train_suite.own_bests(runs, declared)
    *parts, best = outlays(runs, [*cells, later], workers, retry_failed=retry_failed)
    found = total(parts)
    looks = list(zip(declared.looks, parts, strict=True)) if declared.looks else []
    free = free_bytes(store)
    if json:
        seeds = {"seeds_needed": seeds_before.facts(declared)}
        each = [{"seeds": count, **asdict(part)} for count, part in looks]
        own_bests = {"at_most": not decided, **asdict(best)} if declared.tuning else None
        more = {**seeds, "looks": each, "own_bests": own_bests, "remarks": list(remarks)}
        print_json({"suite": declared.name, **asdict(found), "free_disk_bytes": free, **more})
        return
    own = [_own_bests(best, decided=decided)] if declared.tuning else []
    for line in (*_lines(found, free, looks=len(looks) > 1), *_looks(looks), *own):
        typer.echo(line)
    if remark := seeds_before.remark(declared) or seeds_before.unknown(declared):
        typer.echo(f"seeds         {remark}")
    for remark in remarks:
        typer.echo(f"note          {remark}")


def _looks(looks: "Sequence[tuple[int, Outlay]]") -> list[str]:
    """What each look adds to the one before."""
    return [
        f"look {number:<9}at {seeds} seeds{', unless it is decided' if number > 1 else ''}: "
        f"{found.runs} {'more ' if number > 1 else ''}to train, {found.core_hours:.2g} core-hours, "
        f"in {_time(found.hours)}"
        for number, (seeds, found) in enumerate(looks, start=1)
    ]


def _own_bests(found: "Outlay", *, decided: bool) -> str:
    """What the variants at their own best add, once the tuning has chosen."""
    where = "" if decided else ", where tuning chooses other settings than the declared"
    return (
        f"own bests     {'' if decided else 'up to '}{found.runs} more to train, {found.done} there, "
        f"{found.core_hours:.2g} core-hours, in {_time(found.hours)}{where}"
    )


def _lines(found: "Outlay", free: int, *, looks: bool) -> list[str]:
    from matters.harness.scheduling.memory import shown

    source = (
        f"from the speed of {found.measured} runs in this store"
        if found.measured
        else "from speeds measured once on one slow core; a few runs in the store make it this machine's"
    )
    needs = found.disk_bytes + found.scratch_bytes
    every = ", if every look is taken" if looks else ""
    return [
        f"runs          {found.runs} to train, {found.done} there{every}",
        f"populations   {found.populations}, the longest {_time(found.longest_hours)}",
        f"core-hours    {found.core_hours:.2g}, {source}",
        f"end           in {_time(found.hours)} with {found.workers} workers",
        f"memory        {shown(found.memory_bytes)} at most",
        f"disk          {shown(found.disk_bytes)}, and {shown(found.scratch_bytes)} at most in training; "
        f"{shown(free)} are free{'' if needs <= free else ': NOT ENOUGH'}",
    ]


def _time(hours: float) -> str:
    """A span of time as a person says it."""
    minutes = round(60 * hours)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{max(minutes, 1)} min"
