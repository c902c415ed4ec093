"""Train what a store lacks, until nothing is missing, whoever else works on the same store."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from matters.harness.scheduling.executors.local import Lost, Train, execute
from matters.harness.scheduling.packing import Kind, plan
from matters.harness.terminal import display

if TYPE_CHECKING:
    from matters.results.store import Store
    from matters.suites.suite import Cell

POLL_SECONDS = 1.0
"""How often to ask whether another process has finished the runs that it holds."""


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        trained: how many runs were trained here, failed ones included.
        lost: the tasks that ended without a result, with the reason.
    """

    trained: int
    lost: tuple[Lost, ...]


def complete(
    store: "Store",
    directory: Path,
    cells: "Sequence[Cell]",
    workers: int,
    console: Console,
    *,
    retry_failed: bool = False,
    trainer: Callable[[Path, bool], Train] | None = None,
) -> Outcome:
    """Train every run of the cells that is missing, or failed if that is asked for.

    Runs that another process is training are waited for, and taken over should it die. So on return each
    run is done or failed, except those of the tasks that were lost here.

    Args:
        store: the store that runs are looked up in.
        directory: where that store is; workers open it themselves.
        cells: what is to be there.
        workers: processes at a time.
        console: where progress is shown.
        retry_failed: train failed runs once more.
        trainer: makes the function that workers call, from the directory and `retry_failed`.

    Raises:
        InputError: there is not enough memory for one of the runs; nothing is trained.
    """
    make = _population_trainer if trainer is None else trainer
    lost: list[Lost] = []
    tried: set[str] = set()
    trained = 0
    said_so = False
    while True:
        states = {spec.run_id: store.status(spec.run_id) for cell in cells for spec in cell.specs}
        wanted = ("missing", "failed") if retry_failed else ("missing",)
        pending = {
            run_id: status.steps
            for run_id, status in states.items()
            if status.state in wanted and run_id not in tried
        }
        if pending:
            tasks = plan(cells, pending, workers, _kind, _limits(cells, pending, workers))
            events = execute(tasks, make(directory, retry_failed), workers)
            tried |= pending.keys()
            with display.progress(tasks, console) as show, closing(events):
                for event in events:
                    show(event)
                    if isinstance(event, Lost):
                        lost.append(event)
                    elif event.state == "skipped":
                        # Somebody else's now; ours again if that process dies.
                        tried -= set(event.run_ids)
                    elif event.state in ("done", "failed"):
                        trained += len(event.run_ids)
        elif held := sum(status.state == "running" for status in states.values()):
            if not said_so:
                console.print(f"waiting for what another process is training: {held} of {len(states)} runs")
                said_so = True
            time.sleep(POLL_SECONDS)
        else:
            return Outcome(trained, tuple(lost))


def check_memory(cells: "Sequence[Cell]", workers: int) -> None:
    """Refuse cells of which not even one run would fit into a worker's memory.

    Raises:
        InputError: in one line, with what the run needs and what would help.
    """
    _limits(cells, {spec.run_id: 0 for cell in cells for spec in cell.specs}, workers)


def _limits(cells: "Sequence[Cell]", pending: Mapping[str, int], workers: int) -> dict[str, int]:
    from matters.harness.scheduling import (
        memory,  # torch: the parent has it by now, this file's other importers may not need it
    )

    wanted = [cell for cell in cells if any(spec.run_id in pending for spec in cell.specs)]
    return memory.limits(wanted, min(workers, len(pending)), memory.available_bytes())


def _kind(algorithm: str) -> Kind:
    from matters import algorithms  # torch, as above

    found = algorithms.load(algorithm)
    if found.KIND != "reference":
        return found.KIND
    return "off-policy reference" if "buffer_size" in found.Config.model_fields else "reference"


def _population_trainer(directory: Path, retry_failed: bool) -> Train:
    from matters.harness.training.worker import train_population

    return partial(train_population, directory, retry_failed=retry_failed)
