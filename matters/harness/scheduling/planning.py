"""What a suite still costs, before anything starts: runs, core-hours, memory, disk, and when it would end."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matters.algorithms import load
from matters.algorithms.parts import population
from matters.harness.scheduling import memory
from matters.harness.scheduling.fill_store import taken_over
from matters.harness.scheduling.packing import Task, makespan, plan, step_cost
from matters.harness.training.kept_policies import ACTING, next_kept
from matters.harness.training.room import free_bytes
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


def outlay(store: Store | None, cells: "Sequence[Cell]", workers: int) -> Outlay:
    """What training the cells takes. Raises InputError if there is not enough memory for one of the runs."""
    (found,) = outlays(store, [cells], workers)
    return found


def outlays(store: Store | None, parts: "Sequence[Sequence[Cell]]", workers: int) -> list[Outlay]:
    """What training each of these takes; they are trained one after the other. Raises InputError."""
    speeds = _Speeds.of(store)
    return [_outlay(store, cells, workers, speeds) for cells in parts]


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


def _outlay(store: Store | None, cells: "Sequence[Cell]", workers: int, speeds: "_Speeds") -> Outlay:
    specs = {spec.run_id: spec for cell in cells for spec in cell.specs}
    states = {run_id: store.status(run_id) for run_id in specs} if store else {}
    done = {run_id for run_id, status in states.items() if status.state in ("done", "failed")}
    pending = {run_id: states[run_id].steps if store else 0 for run_id in specs if run_id not in done}
    if store is not None:
        pending |= taken_over(store, cells, pending)
    wanted = [cell for cell in cells if any(spec.run_id in pending for spec in cell.specs)]
    limits = memory.limits(wanted, min(workers, max(len(pending), 1)), memory.available_bytes())
    tasks = plan(cells, pending, workers, lambda name: load(name).FACTS, limits)
    seconds = [speeds.seconds(task) for task in tasks]
    # A state is made to be measured: once for each task, whose runs differ by nothing but their seeds.
    sizes = [(len(task.specs), task.specs[0]) for task in tasks]
    held = sorted((memory.WORKER + runs * memory.run_bytes(spec) for runs, spec in sizes), reverse=True)
    scratch = sorted((runs * _scratch(spec) for runs, spec in sizes), reverse=True)
    return Outlay(
        runs=len(pending),
        done=len(done),
        populations=len(tasks),
        core_hours=sum(seconds) / 3600,
        longest_hours=max(seconds, default=0.0) / 3600,
        hours=makespan(seconds, workers) / 3600,
        workers=workers,
        memory_bytes=sum(held[:workers]),
        disk_bytes=sum(runs * _disk(spec) for runs, spec in sizes),
        scratch_bytes=sum(scratch[:workers]),
        measured=speeds.runs,
    )


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
    algorithm = load(spec.algorithm)
    if algorithm.KIND == "reference":
        return 2 * TABLES
    config = algorithm.Config.model_validate(spec.config, strict=False)
    sizes = memory.problem_of(spec.environment, canonical_json(spec.environment_settings))
    state = algorithm.init(config, sizes, [np.random.default_rng(0)])
    sizes_of = {name: tensor.nbytes for name, tensor in algorithm.parameters(state).items()}
    acting = sum(size for name, size in sizes_of.items() if name.startswith(ACTING))
    tensors = sum(tensor.nbytes for _, tensor in population.tensors(state))
    final = 0 if algorithm.FACTS.replay else ENVIRONMENTS + tensors
    kept, step = 1, 0
    while (step := next_kept(spec, step)) <= spec.steps:
        kept += 1
    return TABLES + sum(sizes_of.values()) + kept * acting + final


def _scratch(spec: RunSpec) -> int:
    """About how many bytes of replay a run has on disk while it trains."""
    facts = load(spec.algorithm).FACTS
    return memory.state_bytes(spec) if facts.replay and not facts.alone else 0


def lack_of_room(store: Store, cells: "Sequence[Cell]") -> str:
    """What to say before training where the disk has less room than the missing runs will take."""
    needed = 0
    for cell in cells:
        pending = [spec for spec in cell.specs if store.status(spec.run_id).state != "done"]
        needed += len(pending) * (_disk(cell.specs[0]) + _scratch(cell.specs[0])) if pending else 0
    free = free_bytes(store.path)
    if needed <= free:
        return ""
    return (
        f"the missing runs will take about {memory.shown(needed)} of disk, and {memory.shown(free)} are "
        "free: training will pause before it is full"
    )


__all__ = ["Outlay", "free_bytes", "lack_of_room", "outlay", "outlays", "total"]
