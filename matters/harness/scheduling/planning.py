"""What a suite still costs, before anything starts: runs, core-hours, memory, disk, and when it would end."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matters.harness.scheduling import memory
from matters.harness.scheduling.fill_store import facts_of, limits, starts, taken_over
from matters.harness.scheduling.packing import Task, makespan, plan, step_cost
from matters.harness.training.kept_policies import ACTING, next_kept
from matters.results.files import free_bytes
from matters.results.provenance import core_seconds_per_step
from matters.results.store import Store
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec, canonical_json
from matters.suites.variant import named

if TYPE_CHECKING:
    from matters.suites.spec import Cell

TABLES = 60_000
"""Bytes of a run's tables and notes: from 40 kB for a short run to 150 kB for one of a million steps."""


ENVIRONMENTS = 150_000
"""Bytes of a run's environments and record in its final state."""


@dataclass(frozen=True)
class Outlay:
    """What remains to be trained of some cells, and what that takes.

    Attributes:
        runs: those that the store lacks.
        done: those that it has.
        populations: how many trainings they make.
        core_hours: of all of them together.
        longest_hours: of the longest population: no number of workers finishes sooner.
        hours: until the last of `workers` workers is done.
        workers: how many work at a time.
        memory_bytes: the most that is needed at a time.
        disk_bytes: what the finished runs will take.
        scratch_bytes: the most that replays and checkpoints take beside that at a time, while runs train.
        measured: how many finished runs of the store the times are from; with 0 they are from one slow core.
    """

    runs: int
    done: int
    populations: int
    core_hours: float
    longest_hours: float
    hours: float
    workers: int
    memory_bytes: int
    disk_bytes: int
    scratch_bytes: int
    measured: int


def outlays(
    store: Store | None, parts: "Sequence[Sequence[Cell]]", workers: int, *, retry_failed: bool = False
) -> list[Outlay]:
    """What training each of these takes; they are trained one after the other.

    Failed runs are trained again only with `retry_failed`. Raises InputError if there is not enough memory
    for one of the runs.
    """
    speeds = _Speeds.of(store)
    return [
        _outlay(cells, _tasks(store, cells, workers, retry_failed=retry_failed), workers, speeds)
        for cells in parts
    ]


def total(parts: Sequence[Outlay]) -> Outlay:
    """What all of these take, if the next is begun when the last has ended. There is one at least."""
    return Outlay(
        runs=sum(part.runs for part in parts),
        done=sum(part.done for part in parts),
        populations=sum(part.populations for part in parts),
        core_hours=sum(part.core_hours for part in parts),
        longest_hours=max(part.longest_hours for part in parts),
        hours=sum(part.hours for part in parts),
        workers=parts[0].workers,
        memory_bytes=max(part.memory_bytes for part in parts),
        disk_bytes=sum(part.disk_bytes for part in parts),
        scratch_bytes=max(part.scratch_bytes for part in parts),
        measured=parts[0].measured,
    )


def _tasks(
    store: Store | None, cells: "Sequence[Cell]", workers: int, *, retry_failed: bool
) -> tuple[Task, ...]:
    """What is still to be trained of the cells, packed as `fill_store` packs it. Raises InputError."""
    pending = {spec.run_id: 0 for cell in cells for spec in cell.specs}
    if store is not None:
        wanted = ("missing", "paused", "running") + (("failed",) if retry_failed else ())
        pending = starts({run_id: store.status(run_id) for run_id in pending}, wanted)
        pending |= taken_over(store, cells, pending)
    return plan(cells, pending, workers, facts_of, limits(cells, pending, workers))


def _outlay(cells: "Sequence[Cell]", tasks: Sequence[Task], workers: int, speeds: "_Speeds") -> Outlay:
    runs = sum(len(task.specs) for task in tasks)
    seconds = [speeds.seconds(task) for task in tasks]
    # A task's runs differ by nothing but their seeds: one of them is measured.
    held = [memory.WORKER + len(task.specs) * memory.run_bytes(task.specs[0]) for task in tasks]
    disk, scratch = _disk_bytes(tasks, workers)
    return Outlay(
        runs=runs,
        done=len({spec.run_id for cell in cells for spec in cell.specs}) - runs,
        populations=len(tasks),
        core_hours=sum(seconds) / 3600,
        longest_hours=max(seconds, default=0.0) / 3600,
        hours=makespan(seconds, workers) / 3600,
        workers=workers,
        memory_bytes=sum(sorted(held, reverse=True)[:workers]),
        disk_bytes=disk,
        scratch_bytes=scratch,
        measured=speeds.runs,
    )


def _disk_bytes(tasks: Sequence[Task], workers: int) -> tuple[int, int]:
    """What the finished runs will take, and the most that the replays of `workers` tasks take beside that."""
    scratch = sorted((len(task.specs) * _scratch(task.specs[0]) for task in tasks), reverse=True)
    return sum(len(task.specs) * _disk(task.specs[0]) for task in tasks), sum(scratch[:workers])


@dataclass(frozen=True)
class _Speeds:
    """How much more processor time a step took than the table of costs says: medians, by what was trained.

    `known` has them by settings, environment and algorithm, by environment and algorithm, by algorithm, and
    over all: the nearest that is there counts.
    """

    runs: int
    known: dict[tuple[str, ...], float]

    @classmethod
    def of(cls, store: Store | None) -> "_Speeds":
        found: dict[tuple[str, ...], list[float]] = {}
        runs = 0
        done = [run_id for run_id in store.run_ids() if store.status(run_id).state == "done"] if store else []
        for run_id in done:
            assert store is not None
            try:
                spec, facts = store.spec(run_id), store.provenance(run_id)
                rule = named("algorithm", spec.algorithm)[1]
            except InputError:  # damaged, or of a module that is not here: neither says how fast it was
                continue
            seconds, together = core_seconds_per_step(facts), len(facts.get("population", ()))
            if seconds > 0 and together and "trained_as" not in facts:
                taken = 1e6 * together * seconds
                ratio = taken / step_cost(spec, together, rule.FACTS)
                runs += 1
                for key in _nearest_first(spec):
                    found.setdefault(key, []).append(ratio)
        return cls(runs, {key: statistics.median(ratios) for key, ratios in found.items()})

    def seconds(self, task: Task) -> float:
        ratios = (self.known[key] for key in _nearest_first(task.specs[0]) if key in self.known)
        return 1e-6 * task.cost * next(ratios, 1.0)


def _nearest_first(spec: RunSpec) -> tuple[tuple[str, ...], ...]:
    whole = (spec.algorithm, spec.environment, canonical_json(spec.departures))
    return whole, whole[:2], whole[:1], ()


def _disk(spec: RunSpec) -> int:
    """About how many bytes a finished run takes: its tables, its parameters, the policies that it kept."""
    algorithm, _, _, state = memory.begun(spec)
    if algorithm.KIND == "reference":
        return 2 * TABLES
    sizes = {name: tensor.nbytes for name, tensor in algorithm.parameters(state).items()}
    acting = sum(size for name, size in sizes.items() if name.startswith(ACTING))
    final = 0 if algorithm.FACTS.replay else ENVIRONMENTS + memory.tensor_bytes(state)
    kept, step = 1, 0
    while (step := next_kept(spec, step)) <= spec.steps:
        kept += 1
    return TABLES + sum(sizes.values()) + kept * acting + final


def _scratch(spec: RunSpec) -> int:
    """About how many bytes of replay a run has on disk while it trains."""
    facts = facts_of(spec.algorithm)
    return memory.state_bytes(spec) if facts.replay and not facts.alone else 0


def lack_of_room(store: Store, parts: "Sequence[Sequence[Cell]]", workers: int, *, retry_failed: bool) -> str:
    """What to say before training where the disk has less room than `outlays` says that the parts take."""
    try:
        tasks = [_tasks(store, cells, workers, retry_failed=retry_failed) for cells in parts]
    except InputError:  # for want of memory, which is refused where something is trained here
        return ""
    each = [_disk_bytes(part, workers) for part in tasks]
    needed = sum(disk for disk, _ in each) + max(scratch for _, scratch in each)
    free = free_bytes(store.path)
    if needed <= free:
        return ""
    return (
        f"the missing runs will take about {memory.shown(needed)} of disk, and {memory.shown(free)} are "
        "free: training will pause before it is full"
    )


__all__ = ["Outlay", "lack_of_room", "outlays", "total"]
