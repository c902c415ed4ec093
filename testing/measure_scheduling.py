"""What scheduling costs, and how near its makespan comes to what no schedule can beat.

    python -m testing.measure_scheduling

A thousand populations are driven through an executor that does nothing; a mixed suite, each of our rules and
references on three tasks, is packed for several numbers of workers.
"""

import importlib
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import typer

from matters.algorithms import ALGORITHMS, load
from matters.harness.scheduling.executors.interface import Ended, Job, News, Progress, drive
from matters.harness.scheduling.executors.one_node import EndWithDriver, OneNode
from matters.harness.scheduling.packing import Task, makespan, plan, step_cost
from matters.harness.training.job import spoken
from matters.suites.loading import load_suite
from matters.suites.spec import Cell, RunSpec


class Nothing:
    """An executor whose workers are done immediately."""

    queues = True
    nodes = OneNode()
    unattended = EndWithDriver()

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Job]] = []
        self._count = 0

    def cores(self) -> int:
        """One."""
        return 1

    def submit(self, job: Job, _avoid: frozenset[str] = frozenset()) -> str:
        """Take it."""
        self._count += 1
        self._waiting.append((str(self._count), job))
        return str(self._count)

    def poll(self) -> list[tuple[str, News]]:
        """Say of each that it is done."""
        found: list[tuple[str, News]] = []
        for name, job in self._waiting:
            ids = tuple(spec.run_id for spec in job.specs)
            found += [(name, Progress(ids, "done", 1, 1)), (name, Ended())]
        self._waiting = []
        return found

    def cancel(self) -> None:
        """Nothing is at work."""


def specs(algorithm: str, environment: str, seeds: range, steps: int) -> tuple[RunSpec, ...]:
    """Runs of an algorithm's first preset."""
    (cell,) = load_suite("nine").cells()[:1]
    return tuple(
        cell.specs[0].model_copy(
            update={"algorithm": algorithm, "environment": environment, "seed": seed, "steps": steps}
        )
        for seed in seeds
    )


def main() -> None:
    """Measure both, and print them."""
    began = time.process_time()
    cells = [
        Cell(
            f"variant{number}",
            "Hopper-v5",
            specs("ppo", "Hopper-v5", range(10 * number, 10 * number + 10), 1000),
        )
        for number in range(1000)
    ]
    pending = {spec.run_id: 0 for cell in cells for spec in cell.specs}
    made = time.process_time()
    tasks = plan(cells, pending, 64, lambda name: load(name).FACTS)
    packed = time.process_time()
    news = sum(1 for _ in drive(Nothing(), tasks, lambda task: Job(Path("runs"), task.specs), 64))
    driven = time.process_time()
    typer.echo(
        f"{len(tasks)} populations of {len(pending)} runs: naming them {made - began:.1f} s, packing "
        f"{packed - made:.1f} s, driving {driven - packed:.1f} s ({news} news): "
        f"{1e3 * (driven - began) / len(tasks):.1f} ms of the driver's time for each"
    )
    typer.echo(ten_thousand())
    mixed = [
        Cell(name, environment, specs(name, environment, range(10), 1_000_000))
        for name in ALGORITHMS
        for environment in ("HalfCheetah-v5", "Hopper-v5", "Humanoid-v5")
    ]
    pending = {spec.run_id: 0 for cell in mixed for spec in cell.specs}
    for workers in (2, 8, 32, 64, 128, 256):
        tasks = plan(mixed, pending, workers, lambda name: load(name).FACTS)
        costs = [task.cost for task in tasks]
        bound = max(sum(costs) / workers, max(costs))
        whole = max(bound, unbeatable(mixed, workers, bound, makespan(costs, workers)))
        end = makespan(costs, workers)
        typer.echo(
            f"mixed suite, {workers} workers: {len(tasks)} populations, makespan "
            f"{100 * (end / bound - 1):.1f} % above work and longest population, "
            f"{100 * (end / whole - 1):.1f} % above what references, which cannot be split, leave possible"
        )


class Queue:
    """A SLURM that is simulated: fifty elements work at a time, each until the next question but one.

    It stands in for the commands that the executor runs, and counts them.
    """

    def __init__(self, at_once: int = 50) -> None:
        self.at_once, self.asked = at_once, Counter[str]()
        self.began: dict[tuple[str, int], Path] = {}
        self.states: dict[tuple[str, int], str] = {}

    def run(self, command: list[str], **_: Any) -> Any:
        """`sbatch`: take an array."""
        self.asked[command[0]] += 1
        job_id, folder = str(self.asked["sbatch"]), Path(command[-1]).parent
        for index in range(len((folder / "jobs.jsonl").read_text().splitlines())):
            self.began[job_id, index], self.states[job_id, index] = folder, "PENDING"
        return SimpleNamespace(returncode=0, stdout=job_id)

    def answer(self, *command: str) -> list[str]:
        """`squeue`: what worked comes to its end, and the next elements begin."""
        self.asked[command[0]] += 1
        if command[0] == "scontrol":
            return ["MaxArraySize = 1001"]
        if command[0] != "squeue":
            return []
        for key in [key for key, state in self.states.items() if state == "RUNNING"]:
            del self.states[key]
            (self.began[key] / f"news-{key[1]}.jsonl").write_text(spoken(Ended()) + "\n")
        for key in list(self.states)[: self.at_once]:
            self.states[key] = "RUNNING"
        return [f"{job_id} {index} {state}" for (job_id, index), state in self.states.items()]


def ten_thousand() -> str:
    """Drive 10 000 jobs through SLURM's executor and a simulated queue. Returns what that took."""
    queue, slurm = Queue(), importlib.import_module("matters.harness.scheduling.executors.slurm")
    (cell,) = load_suite("nine").cells()[:1]
    tasks = [Task("nine", (spec,), 0, 1.0) for spec in cell.specs[:1] * 10_000]
    with (
        TemporaryDirectory(prefix="matters-") as folder,
        patch.object(slurm, "_asked", queue.answer),
        patch.object(slurm.subprocess, "run", queue.run),
        patch.object(slurm.shutil, "which", lambda name: name),
        patch.multiple(slurm, POLL_SECONDS=0.0, ASK_SECONDS=0.0),
    ):
        began = time.process_time()
        events = drive(
            slurm.Slurm(None, None, None, 50), tasks, lambda task: Job(Path(folder), task.specs), 50
        )
        lost = len(list(events))
        seconds = time.process_time() - began
        files = list(Path(folder).rglob("*"))
        size = sum(path.stat().st_size for path in files if path.is_file())
    return (
        f"{len(tasks)} jobs, 50 at a time, {lost} lost: {queue.asked['sbatch']} arrays, "
        f"{queue.asked['squeue']} questions to the queue, {len(files)} files of {size / 1e6:.0f} MB, "
        f"{1e3 * seconds / len(tasks):.1f} ms of the driver's time for each"
    )


def unbeatable(cells: list[Cell], workers: int, low: float, high: float) -> float:
    """A time between these by which no order and no populations bring all runs to their end.

    Until then a long reference leaves no room on its worker for a second one, nor for another long run; and
    a worker without one has room for so many of these. Where there are not enough workers for both, it is
    too soon.
    """

    def cost(spec: RunSpec, together: int) -> float:
        return step_cost(spec, together, load(spec.algorithm).FACTS) * spec.steps

    runs = [spec for cell in cells for spec in cell.specs]
    alone = {spec.run_id: load(spec.algorithm).FACTS.alone for spec in runs}
    references = [cost(spec, 1) for spec in runs if alone[spec.run_id]]
    own = [cost(spec, 2) - cost(spec, 1) for spec in runs if not alone[spec.run_id]]
    for _ in range(30):
        end = (low + high) / 2
        long = [one for one in references if one > end / 2]
        beside = [one for one in own if one > end - min(long, default=end)]
        fits = int(end / min(beside)) if beside else 1
        too_soon = len(long) + -(-len(beside) // max(fits, 1)) > workers
        low, high = (end, high) if too_soon else (low, end)
    return low


if __name__ == "__main__":
    main()
