"""Train what a store lacks, until nothing is missing, whoever else works on the same store."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matters.harness.scheduling.canary import Canary
from matters.harness.scheduling.executors.interface import Distrusted, Executor, Lost, drive
from matters.harness.scheduling.packing import Task, packed, plan
from matters.harness.training.job import Job, Progress
from matters.harness.training.program import libc
from matters.suites.errors import counted

if TYPE_CHECKING:
    from matters.algorithms.interface import Facts
    from matters.results.schema import Status
    from matters.results.store import Store
    from matters.suites.spec import Cell

Watch = Callable[[Sequence[Task]], AbstractContextManager[Callable[[Progress | Lost], None]]]
"""Shows tasks while they are trained; the context takes each piece of news as it comes."""

POLL_SECONDS = 1.0
"""How often to ask whether another process has finished the runs that it holds."""


@dataclass(frozen=True)
class Outcome:
    """What came of filling a store."""

    trained: int
    """How many runs were trained here, failed ones included."""
    lost: tuple[Lost, ...]
    """The tasks that ended without a result, each with the reason."""


def fill_store(
    store: "Store",
    cells: "Sequence[Cell]",
    workers: int,
    *,
    executor: Executor,
    watch: Watch,
    say: Callable[[str], object],
    retry_failed: bool = False,
    keep_state: bool = False,
    checkpoint_seconds: float = 30.0,
    canary: float | None = None,
    leave: Callable[[str], bool] = lambda _: False,
) -> Outcome:
    """Train every run of the cells that is missing, or failed if that is asked for.

    Runs that another process is training are waited for, and taken over if it dies. So on return each
    run is done or failed, except those of the tasks that were lost here. `workers` of the executor's workers
    are at work at a time. With `keep_state`, off-policy runs keep their final states. `watch` shows the news
    of some tasks while they are trained, and `say` a line. With `canary`, that part of the runs is repeated
    on another node; one that computes other bits is set aside, and its runs are trained again. On Ctrl-C
    `leave` is asked, with what would go on, whether it shall. Raises InputError if there is not enough memory
    for one of the runs; then nothing is trained.
    """

    def job(task: Task) -> Job:
        return Job(
            store.path.absolute(),
            task.specs,
            retry_failed=retry_failed,
            keep_state=keep_state,
            checkpoint_seconds=checkpoint_seconds,
            training_code=_code(task),
            libc=libc(),
        )

    def digest(run_id: str) -> str | None:
        """Where a node of another kind may give another one, there is nothing to compare."""
        status = store.status(run_id)
        portable = status.state == "done" and store.provenance(run_id).get("bits") == "portable"
        return status.digest if portable else None

    lost: list[Lost] = []
    tried: set[str] = set()
    trained: set[str] = set()
    said_so = False
    untidy = True
    going = _left(executor, store, cells, say)
    while True:
        tried |= {spec.run_id for task in going.values() for spec in task.specs}
        states = {spec.run_id: store.status(spec.run_id) for cell in cells for spec in cell.specs}
        if untidy:
            for run_id in [run_id for run_id, status in states.items() if status.state == "done"]:
                store.tidy(run_id)
            untidy = False
        wanted = ("missing", "paused", "failed") if retry_failed else ("missing", "paused")
        pending = starts({run_id: one for run_id, one in states.items() if run_id not in tried}, wanted)
        if pending or going:
            pending |= taken_over(store, cells, pending, None if tried else say)
            if keep_state and not tried:
                _say_size(cells, pending, say)
            tasks = plan(cells, pending, workers, facts_of, limits(cells, pending, workers))
            tried |= pending.keys()
            bird = Canary(canary, len(pending), digest) if canary else None
            events = drive(executor, tasks, job, workers, going=going, canary=bird)
            try:
                with watch((*tasks, *going.values())) as show:
                    for event in events:
                        if isinstance(event, Distrusted):
                            _train_again(store, event, say)
                            continue
                        show(event)
                        if isinstance(event, Lost):
                            lost.append(event)
                        elif event.state == "skipped":
                            # Somebody else's now; ours again if that process dies.
                            tried -= set(event.run_ids)
                        elif event.state in ("done", "failed"):
                            trained |= set(event.run_ids)  # which a network may have delivered twice
            except KeyboardInterrupt:
                if (what := executor.unattended.outlives()) and leave(what):
                    executor.unattended.leave()
                raise
            finally:
                events.close()
                executor.cancel()
            going = {}
            if bird is not None:
                say(bird.summary())
        elif held := sum(status.state == "running" for status in states.values()):
            if not said_so:
                say(f"waiting for what another process is training: {held} of {len(states)} runs")
                said_so = True
            time.sleep(POLL_SECONDS)
        else:
            return Outcome(len(trained), tuple(lost))


def _left(
    executor: Executor, store: "Store", cells: "Sequence[Cell]", say: Callable[[str], object]
) -> dict[str, Task]:
    """What an earlier driver has left at work on the cells' runs, by the names of its jobs."""
    labels = {spec.run_id: f"{cell.variant}/{cell.environment}" for cell in cells for spec in cell.specs}
    going = {}
    for name, job in executor.unattended.left(store.path.absolute(), labels.keys()):
        label = next(labels[spec.run_id] for spec in job.specs if spec.run_id in labels)
        start = min(store.status(spec.run_id).steps for spec in job.specs)
        going[name] = packed(label, job.specs, start, facts_of)
    if going:
        runs = sum(len(task.specs) for task in going.values())
        say(f"jobs of an earlier command go on: {len(going)}, with {runs} runs")
    return going


def _train_again(store: "Store", event: Distrusted, say: Callable[[str], object]) -> None:
    """Let the runs that a distrusted node had a hand in begin anew; what they were is kept as a failure."""
    from matters.results.retraining import distrust

    runs = [spec.run_id for task in event.tasks for spec in task.specs]
    for run_id in runs:
        distrust(store, run_id, f"node {event.node} had a hand in it, which was set aside: {event.reason}")
    again = f"{len(runs)} runs that it had a hand in are trained again"
    say(f"node {event.node} is set aside: {event.reason or 'see above'}; {again}")


def check_memory(cells: "Sequence[Cell]", workers: int) -> None:
    """Raise InputError if some cell's runs would not even fit one at a time into a worker's memory."""
    limits(cells, {spec.run_id: 0 for cell in cells for spec in cell.specs}, workers)


def starts(states: "Mapping[str, Status]", wanted: Collection[str]) -> dict[str, int]:
    """The runs in one of the wanted states, each with the step that it goes on from.

    A failed run has no checkpoint: it begins anew, together with those that were never begun.
    """
    return {
        run_id: 0 if status.state == "failed" else status.steps
        for run_id, status in states.items()
        if status.state in wanted
    }


def limits(cells: "Sequence[Cell]", pending: Mapping[str, int], workers: int) -> dict[str, int]:
    """How many runs of each cell with pending ones memory has room for in one worker, by the cell's label.

    Raises InputError where not even one of them fits.
    """
    # It loads torch: the parent has it by now, this file's other importers may not need it.
    from matters.harness.scheduling import memory

    wanted = [cell for cell in cells if any(spec.run_id in pending for spec in cell.specs)]
    return memory.limits(wanted, min(workers, max(len(pending), 1)), memory.available_bytes())


def facts_of(algorithm: str) -> "Facts":
    """What an algorithm is."""
    from matters import algorithms  # torch, as above

    return algorithms.load(algorithm).FACTS


def taken_over(
    store: "Store",
    cells: "Sequence[Cell]",
    pending: Mapping[str, int],
    say: Callable[[str], object] | None = None,
) -> dict[str, int]:
    """The steps that pending runs without a checkpoint need not take: the store has them from another run.

    With `say`, says for each cell what its runs are taken over from, or why they are not.
    """
    from matters.harness.training import earlier  # torch, as above

    fresh = [
        (cell, spec)
        for cell in cells
        for spec in cell.specs
        if spec.run_id in pending and not pending[spec.run_id]
    ]
    found = earlier.trainings(store, [spec for _, spec in fresh])
    steps: dict[str, int] = {}
    lines: dict[str, int] = {}
    for cell, spec in fresh:
        choice = earlier.choose(store, spec, found)
        label = f"{cell.variant}/{cell.environment}"
        if choice.source is None:
            line = f"{label}: trained from the beginning: {choice.reason}" if choice.reason else ""
        elif choice.source.spec.steps == spec.steps:
            line = f"{label}: already trained, evaluated again"
        else:
            line = f"{label}: goes on from step {choice.source.steps}"
        if choice.source is not None:
            steps[spec.run_id] = choice.source.steps
        if line:
            lines[line] = lines.get(line, 0) + 1
    if say is not None:
        for line, runs in lines.items():
            say(f"{line} ({counted(runs, 'run')})")
    return steps


def _say_size(cells: "Sequence[Cell]", pending: Mapping[str, int], say: Callable[[str], object]) -> None:
    """Say how much room the final states of off-policy runs will take."""
    from matters.harness.scheduling import memory  # torch, as above

    sizes = []
    for cell in cells:
        known, runs = facts_of(cell.specs[0].algorithm), sum(spec.run_id in pending for spec in cell.specs)
        if runs and known.replay and not known.alone:
            sizes += [memory.state_bytes(cell.specs[0])] * runs
    if sizes:
        say(f"--keep-state: {counted(len(sizes), 'final state')} will take {memory.shown(sum(sizes))}")


def _code(task: Task) -> str:
    from matters.harness.training.code import code_of  # it knows algorithms, which load torch, as above

    return code_of(task.specs[0])
