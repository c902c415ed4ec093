"""Packing: which pending runs train together, and in which order the workers take them.

Nothing here changes a result (promise P1): a run's digest does not depend on its population. Only time does.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from matters.suites.spec import RunSpec

if TYPE_CHECKING:  # workers import this file too, and a suite knows algorithms, which load torch
    from matters.algorithms.interface import Facts
    from matters.suites.spec import Cell

SIMULATOR = {
    "InvertedPendulum-v5": 44,
    "InvertedDoublePendulum-v5": 84,
    "Reacher-v5": 36,
    "Pusher-v5": 48,
    "Swimmer-v5": 61,
    "HalfCheetah-v5": 41,
    "Hopper-v5": 111,
    "Walker2d-v5": 118,
    "Ant-v5": 242,
    "Humanoid-v5": 281,
    "HumanoidStandup-v5": 494,
}
"""Microseconds per step of random actions; any other environment is taken to be like HalfCheetah."""


HALVINGS = 8
"""How often the time that a population may take is halved, in search of the soonest end."""


@dataclass(frozen=True)
class Task:
    """Runs of one cell that one worker trains together, all from the same step.

    Attributes:
        label: the cell, `variant/environment`.
        specs: the runs.
        start: the step of their checkpoints; 0 for runs that were never begun.
        cost: how long it may take, in microseconds.
    """

    label: str
    specs: tuple[RunSpec, ...]
    start: int
    cost: float


def plan(
    cells: "Iterable[Cell]",
    pending: Mapping[str, int],
    workers: int,
    facts: "Callable[[str], Facts]",
    limits: Mapping[str, int] = MappingProxyType({}),
) -> tuple[Task, ...]:
    """Pack pending runs into tasks, longest first.

    Runs of one cell whose checkpoints are at the same step form a group; a reference's runs go alone.
    Large populations cost less per run, small ones keep all workers busy: of all limits on a population's
    size, and on how long one may take, take the one whose tasks end soonest, and of equals the largest.

    Args:
        cells: the suite's cells. A run that two cells share is packed once.
        pending: run_id -> step of its checkpoint, for every run that is to be trained.
        workers: how many tasks are trained at a time.
        facts: what an algorithm is; a reference library trains one run at a time.
        limits: the most runs of a cell, by its label, that memory has room for in one worker.
    """
    groups = _groups(cells, pending, facts)
    largest = max((len(group.specs) for group in groups), default=1)

    def parted(sizes: Iterable[int]) -> list[Task]:
        within = (min(size, limits.get(group.label, size)) for group, size in zip(groups, sizes, strict=True))
        return [
            part for group, size in zip(groups, within, strict=True) for part in _split(group, size, facts)
        ]

    def end(tasks: list[Task]) -> float:
        return makespan((task.cost for task in tasks), workers)

    best = min((parted([size] * len(groups)) for size in range(largest, 0, -1)), key=end)
    # Few cells of a mixed suite decide when it ends: those are split, others stay large.
    low, high = sum(group.cost for group in groups) / workers, end(best)
    for _ in range(HALVINGS):
        longest = (low + high) / 2
        tasks = parted(_within(group, longest, facts) for group in groups)
        low, high = (low, longest) if end(tasks) <= longest else (longest, high)
        best = min(best, tasks, key=end)
    return tuple(sorted(best, key=lambda task: -task.cost))


def _groups(
    cells: "Iterable[Cell]", pending: Mapping[str, int], facts: "Callable[[str], Facts]"
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
            if facts(spec.algorithm).alone:
                groups.append(packed(label, (spec,), 0, facts))
            else:
                by_start.setdefault(pending[run_id], []).append(spec)
        groups += [packed(label, tuple(specs), start, facts) for start, specs in by_start.items()]
    return groups


def packed(label: str, specs: tuple[RunSpec, ...], start: int, facts: "Callable[[str], Facts]") -> Task:
    """These runs of a cell as one task."""
    steps = max(spec.steps for spec in specs) - start
    return Task(
        label, specs, start, step_cost(specs[0], len(specs), facts(specs[0].algorithm)) * max(steps, 1)
    )


def step_cost(spec: RunSpec, together: int, facts: "Facts") -> float:
    """Microseconds of one step of `together` runs like this one, trained together on one slow core."""
    own = facts.cost.own * (updating(spec.config) if facts.replay else 1.0)
    own += SIMULATOR.get(spec.environment, SIMULATOR["HalfCheetah-v5"])
    return facts.cost.shared + own * together


def updating(config: Mapping[str, Any]) -> float:
    """How much arithmetic an off-policy rule's step takes, as a part of what its costs were measured with.

    That is a gradient step of 256 transitions at every step, with two layers of 256. A small network costs
    little for each run and much for all together, so that its populations are large.
    """
    hidden, batch = config.get("hidden"), config.get("batch_size")
    if not hidden or not batch:
        return 1.0
    products = batch * sum(width * width for width in hidden) * config.get("gradient_steps", 1)
    return float(products / (256 * 2 * 256**2 * config.get("train_every", 1)))


def _within(group: Task, longest: float, facts: "Callable[[str], Facts]") -> int:
    """How many runs of the group may train together so that they take no longer than that; at least one."""
    size = len(group.specs)
    while size > 1 and packed(group.label, group.specs[:size], group.start, facts).cost > longest:
        size -= 1
    return size


def _split(group: Task, size: int, facts: "Callable[[str], Facts]") -> list[Task]:
    """The group in as few parts as a limit of `size` runs allows, equal to within one run."""
    parts = -(-len(group.specs) // size)
    if parts == 1:
        return [group]
    return [packed(group.label, group.specs[part::parts], group.start, facts) for part in range(parts)]


def makespan(costs: Iterable[float], workers: int) -> float:
    """When the last worker ends if each takes the longest task left."""
    ends = [0.0] * workers
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends)
