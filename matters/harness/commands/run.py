"""`matters run`: train what the store lacks, then report."""

import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matters.harness.commands.narrowing import Narrowing, narrowed
from matters.harness.commands.options import (
    DEFAULT_STORE,
    AllowMissing,
    Json,
    Out,
    StoreDirectory,
    SuiteName,
    Workers,
    crew_of,
    noted,
    report_directory,
)
from matters.harness.scheduling import executors, train_suite
from matters.harness.scheduling.executors import Place
from matters.harness.scheduling.executors.interface import Executor
from matters.harness.terminal.console import notes, print_json, warn
from matters.suites.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matters.harness.scheduling.fill_store import Outcome
    from matters.results.store import Store
    from matters.suites.spec import Cell
    from matters.suites.suite import Suite

ExecutorName = Annotated[
    str,
    typer.Option(metavar="NAME", help="Where runs are trained: local, ray or slurm; see docs/cluster.md."),
]
Address = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Ray: the cluster's head.")]
Partition = Annotated[str | None, typer.Option(metavar="NAME", help="SLURM: the partition.")]
Time = Annotated[str | None, typer.Option(metavar="TIME", help="SLURM: a job's limit, as sbatch takes it.")]
Cpus = Annotated[int | None, typer.Option(metavar="N", min=1, help="SLURM: cores of a job.  [default: 1]")]
Array = Annotated[int | None, typer.Option(metavar="N", min=1, help="SLURM: jobs that run at a time.")]
Canary = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Ray, SLURM: repeat that part of the runs, as 2%, on another node and compare digests.",
    ),
]
KeepState = Annotated[
    bool,
    typer.Option(
        "--keep-state",
        help="Keep the final states of off-policy runs, replays included, so that they can go on.",
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Train failed runs once more.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it takes, as matters plan, and stop.")]
Repair = Annotated[
    bool, typer.Option("--repair", help="Rehash the suite's finished runs; train damaged ones again.")
]


@narrowed
def run(
    suite: SuiteName,
    narrowing: Narrowing,
    store: StoreDirectory = DEFAULT_STORE,
    workers: Workers = None,
    executor: ExecutorName = "local",
    address: Address = None,
    partition: Partition = None,
    time: Time = None,
    cpus: Cpus = None,
    array: Array = None,
    canary: Canary = None,
    out: Out = None,
    allow_missing: AllowMissing = False,
    retry_failed: RetryFailed = False,
    keep_state: KeepState = False,
    repair: Repair = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Train what the store lacks, then report."""
    from matters.suites.loading import load_suite

    whole = load_suite(suite)
    declared = narrowing.of(whole)
    said = narrowing.more_seeds(whole)
    if dry_run:
        from matters.harness.commands.plan import show_plan

        show_plan(declared, store, crew_of(workers), retry_failed=retry_failed, remarks=said, json=json)
        return
    run_suite(
        declared,
        store=store,
        workers=workers,
        where=Place(executor, address, partition, time, cpus, array, canary),
        out=out,
        allow_missing=allow_missing,
        retry_failed=retry_failed,
        keep_state=keep_state,
        repair=repair,
        json=json,
        command=narrowing.command(suite),
        notices=narrowing.notices(whole),
        remarks=said,
    )


def run_suite(
    declared: "Suite",
    *,
    store: Path,
    workers: int | None,
    where: Place,
    out: Path | None,
    allow_missing: bool,
    retry_failed: bool,
    keep_state: bool = False,
    repair: bool = False,
    json: bool,
    command: str,
    notices: "Sequence[str]" = (),
    remarks: "Sequence[str]" = (),
) -> None:
    """Train what the store lacks of a suite, write its report, and say what came of it.

    A suite with looks is trained look by look, until the headline of its first question is decided.
    `command` is what to type to do the same again, `notices` is what the page opens with, `remarks` what is
    said before anything is trained. Exits with 1 if runs failed or are missing. Raises InputError for an
    option that cannot be used, before anything is written.
    """
    executor = executors.load(where, notes().print)  # refused, if at all, before anything is written
    crew = crew_of(workers, executor)
    train_suite.check(declared)
    place = report_directory(out, store, declared.name)

    from matters.harness.scheduling.fill_store import check_memory

    cells = (*declared.cells(), *declared.tuning_cells())
    if not store.exists():
        # Else only what the store lacks has to fit; nothing is written to it before that is known.
        check_memory(cells, crew)
    opened = _opened(store, cells)
    if repair:
        begin_damaged_anew(opened, _known_cells(opened, declared))
    if not _complete(opened, cells):
        from matters.harness.scheduling.planning import lack_of_room
        from matters.reports.study import seeds_before

        room = lack_of_room(opened, train_suite.in_turn(declared), crew, retry_failed=retry_failed)
        told = (*remarks, *declared.remarks(), seeds_before.remark(declared), room)
        for remark in filter(None, told):
            notes().print(remark)
    train = partial(
        train_missing,
        executor=executor,
        retry_failed=retry_failed,
        keep_state=keep_state,
        canary=None if where.canary is None else executors.share(where.canary),
    )
    with _saying_what_is_kept(opened, declared):
        declared, outcome = train_suite.train_suite(
            opened, declared, crew, train=train, say=notes().print, allow_missing=allow_missing
        )

    if outcome.trained:
        notes().print("writing the report")
    import pandas as pd

    from matters.harness.terminal.progress_bar import stages
    from matters.reports.report import write_report
    from matters.results.snapshot import snapshot

    with _saying_what_is_kept(opened, declared), stages(notes()) as tell:
        taken = snapshot(opened, declared, partial(tell, "reading runs"))
        page = write_report(
            declared,
            taken,
            place,
            allow_missing=allow_missing,
            command=command,
            remarks=(*notices, *noted(store, declared, taken.runs)),
            progress=tell,
        )
    runs = taken.runs[taken.runs["seed"].isin(train_suite.reached(declared, taken.runs))]
    states = pd.concat([runs["state"], taken.tuning["state"]]).value_counts()
    counts = {state: int(states.get(state, 0)) for state in ("done", "failed", "missing")}
    if counts["failed"]:
        warn(f"{counts['failed']} runs failed: `matters show RUN_ID` says why, --retry-failed tries again")
    if any(lost.paused for lost in outcome.lost):
        warn(f"{counts['missing']} runs are not finished for want of room: the same command goes on")
    elif outcome.lost:
        warn(f"{counts['missing']} runs are missing, their workers were lost: the same command goes on")
    if json:
        facts = {"suite": declared.name, "store": str(store), "trained": outcome.trained}
        looks_of = {"looks": list(declared.looks), "seeds": int(runs["seed"].nunique())}
        print_json({**facts, **counts, **(looks_of if declared.looks else {}), "report": str(page)})
    else:
        typer.echo(page)
    if counts["failed"] or counts["missing"]:
        raise typer.Exit(1)


def _opened(store: Path, cells: "Sequence[Cell]") -> "Store":
    """The store, made if need be; one that may not be written to will do if the cells are complete in it."""
    from matters.results.store import Store

    try:
        return Store.open(store, create=True)
    except InputError:
        if not (store / "store.json").exists():
            raise
        found = Store.open(store)
        if not _complete(found, cells):
            raise
        return found


def _complete(store: "Store", cells: "Sequence[Cell]") -> bool:
    """Whether every run of the cells is done."""
    return all(store.status(spec.run_id).state == "done" for cell in cells for spec in cell.specs)


def _known_cells(store: "Store", suite: "Suite") -> tuple["Cell", ...]:
    """The suite's cells, those of its tuning, and those of own bests as far as the tuning tells."""
    from matters.reports.study.own_best import resolved

    return (*resolved(store, suite).cells(), *suite.tuning_cells())


@contextmanager
def _saying_what_is_kept(store: "Store", suite: "Suite") -> "Iterator[None]":
    """On Ctrl-C end with status 1 and a line on what the same command goes on from."""
    try:
        yield
    except KeyboardInterrupt:
        kept = _what_is_kept(store, _known_cells(store, suite))
        warn(f"stopped; the same command goes on from the last checkpoints: {kept}")
        raise typer.Exit(1) from None


def _what_is_kept(store: "Store", cells: "Sequence[Cell]") -> str:
    """What the next command can go on from, in a few words."""
    found = {spec.run_id: (store.status(spec.run_id), spec.steps) for cell in cells for spec in cell.specs}
    done = sum(status.state == "done" for status, _ in found.values())
    paused = [100 * status.steps // steps for status, steps in found.values() if status.state == "paused"]
    between = f" at {min(paused)} to {max(paused)} %" if paused else ""
    return f"{done} of {len(found)} runs done, {len(paused)} paused{between}"


def begin_damaged_anew(store: "Store", cells: "Sequence[Cell]") -> None:
    """Rehash the final runs of the cells; damaged ones then count as missing, and a line says so for each."""
    from matters.results.retraining import begin_anew

    for run_id in sorted({spec.run_id for cell in cells for spec in cell.specs}):
        if store.status(run_id).state in ("done", "failed") and (wrong := begin_anew(store, run_id)):
            notes().print(f"{run_id} is trained again: {wrong}")


def train_missing(
    store: "Store",
    cells: "Sequence[Cell]",
    workers: int,
    *,
    executor: Executor,
    retry_failed: bool = False,
    keep_state: bool = False,
    canary: float | None = None,
) -> "Outcome":
    """Train what the store lacks of the cells, with progress on standard error. Raises InputError."""
    from matters.harness.scheduling.fill_store import fill_store
    from matters.harness.terminal import display

    return fill_store(
        store,
        cells,
        workers,
        executor=executor,
        watch=partial(display.progress, console=notes()),
        say=notes().print,
        retry_failed=retry_failed,
        keep_state=keep_state,
        canary=canary,
        leave=_left,
    )


def _left(what: str) -> bool:
    """Whether the person who stops the command wants what is at work elsewhere to go on."""
    if not sys.stdin.isatty():
        return False
    try:
        left = typer.confirm(f"Let {what} go on without this command?", default=True, err=True)
    except (KeyboardInterrupt, typer.Abort):
        left = False
    warn(f"{what} {'go on, and the same command comes back to them' if left else 'are cancelled'}")
    return left
