"""Packing: which pending runs train together, and in which order the workers take them.

Nothing here changes a result (promise P1): a run's digest does not depend on its population. Only time does.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suites.spec import RunSpec

if TYPE_CHECKING:  # workers import this file too, and a suite knows algorithms, which load torch
    from suites.suite import Cell

# Time per step of a population of S runs, in units of what one more run adds: a fixed part (the network's
# calls, which all runs share) and one unit a run (its own simulator). A reference library shares nothing.
# Only the proportions matter; they decide no result, just who starts first.
SHARED = 2.0
OWN = 1.0
REFERENCE = 10.0


@dataclass(frozen=True)
class Task:
    """Runs of one cell that one worker trains together, all from the same step.

    Attributes:
        label: the cell, `variant/environment`.
        specs: the runs.
        start: the step of their checkpoints; 0 for runs that were never begun.
        cost: how long it will take, in arbitrary units.
    """

    label: str
    specs: tuple[RunSpec, ...]
    start: int
    cost: float


def plan(
    cells: "Iterable[Cell]",
    pending: Mapping[str, int],
    workers: int,
    is_reference: Callable[[str], bool],
) -> tuple[Task, ...]:
    """Pack pending runs into tasks, longest first.

    Runs of one cell whose checkpoints are at the same step form a group; a reference's runs go alone.
    Large populations cost less per run, small ones keep all workers busy: of all limits on a population's
    size, take the one whose tasks end soonest, and of equals the largest.

    Args:
        cells: the suite's cells. A run that two cells share is packed once.
        pending: run_id -> step of its checkpoint, for every run that is to be trained.
        workers: how many tasks are trained at a time.
        is_reference: whether an algorithm is a reference library, which trains one run at a time.
    """
    groups = _groups(cells, pending, is_reference)
    largest = max((len(group.specs) for group in groups), default=1)
    packings = ([part for group in groups for part in _split(group, size)] for size in range(largest, 0, -1))
    best = min(packings, key=lambda tasks: _makespan(tasks, workers))
    return tuple(sorted(best, key=lambda task: -task.cost))


def _groups(
    cells: "Iterable[Cell]", pending: Mapping[str, int], is_reference: Callable[[str], bool]
) -> list[Task]:
    seen: set[str] = set()
    groups: list[Task] = []
    for cell in cells:
        label = f"{cell.variant}/{cell.environment}"
        by_start: dict[int, list[RunSpec]] = {}
        for spec in cell.specs:
            run_id = spec.run_id
            if run_id not in pending or run_id in seen:
                continue
            seen.add(run_id)
            if is_reference(spec.algorithm):
                groups.append(Task(label, (spec,), 0, REFERENCE * spec.steps))
            else:
                by_start.setdefault(pending[run_id], []).append(spec)
        groups += [_population(label, tuple(specs), start) for start, specs in by_start.items()]
    return groups


def _population(label: str, specs: tuple[RunSpec, ...], start: int) -> Task:
    steps = max(spec.steps for spec in specs) - start
    return Task(label, specs, start, (SHARED + OWN * len(specs)) * max(steps, 1))


def _split(group: Task, size: int) -> list[Task]:
    """The group in as few parts as a limit of `size` runs allows, equal to within one run."""
    parts = -(-len(group.specs) // size)
    if parts == 1:
        return [group]
    return [_population(group.label, group.specs[part::parts], group.start) for part in range(parts)]


def _makespan(tasks: Iterable[Task], workers: int) -> float:
    """When the last worker ends if each takes the longest task left."""
    ends = [0.0] * workers
    for cost in sorted((task.cost for task in tasks), reverse=True):
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends)
