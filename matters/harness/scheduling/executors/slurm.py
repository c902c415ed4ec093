"""Jobs of SLURM: one `sbatch --array` for each look at the store, an element for each of our jobs.

Everything lies in a folder of the store, `slurm/TIME-NUMBER/`: the jobs, the script, the array's number, what
each worker says, what it printed. SLURM says how an element stands (`squeue`, and `scontrol` for its end),
the store how its runs stand. The accounting database is not asked: where there is none, it answers UNKNOWN
for ever.

The driver may go away: jobs go on, and the next one takes them up again from these folders. An element that
is requeued, for its node or by preemption, goes on from the last checkpoints.
"""

import itertools
import math
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from matters.harness.scheduling.executors.interface import Ended, Job, News
from matters.harness.scheduling.worker_program import PROGRAM, environment
from matters.harness.training.job import heard
from matters.results import files
from matters.suites.errors import InputError

POLL_SECONDS = 1.0
ASK_SECONDS = 5.0
"""Seconds between two questions to SLURM, which many drivers may ask."""
GONE_SECONDS = 20.0
"""How long a worker's last word may take to be seen on a shared folder after its job has ended."""
UNSEEN = 97
"""The exit status of a job on a node that does not see the store."""
SETTINGS = re.compile(r"(OMP|MKL|OPENBLAS|NUMEXPR|ATEN|NPY|PYTHONPATH)")
ALIVE = {
    "PENDING",
    "RUNNING",
    "SUSPENDED",
    "COMPLETING",
    "CONFIGURING",
    "REQUEUED",
    "RESIZING",
    "REQUEUE_HOLD",
}


class Slurm:
    """The queue of a cluster. Raises InputError where there is none, or no such partition."""

    def __init__(self, partition: str | None, limit: str | None, cpus: int | None, array: int | None) -> None:
        for command in ("sbatch", "squeue", "scancel", "scontrol"):
            if shutil.which(command) is None:
                raise InputError(f"--executor slurm: no {command} here; log in to a node of the cluster")
        found = _asked("sinfo", "--noheader", "--format=%R")
        if found is None:
            raise InputError("--executor slurm: slurmctld does not answer (sinfo fails)")
        if partition is not None and partition not in found:
            raise InputError(
                f"--partition {partition}: no such partition; valid: {', '.join(sorted(set(found)))}"
            )
        options = {"partition": partition, "time": limit, "cpus-per-task": cpus or 1}
        self._options = [f"--{name}={value}" for name, value in options.items() if value is not None]
        self._partition = partition
        self._most = "" if array is None else f"%{array}"
        self._names = map(str, itertools.count())
        self._waiting: dict[frozenset[str], list[tuple[str, Job]]] = {}
        """By the nodes to be avoided, the jobs that go into the next array."""
        self._arrays: dict[str, _Array] = {}
        self._asked = 0.0
        self._aside: set[str] = set()
        # Both are asked of the same queue: which nodes it has, and which of its jobs a driver has left.
        self.nodes = self.unattended = self

    queues = True

    def cores(self) -> None:
        """The queue does not say how many of its cores will be ours."""
        return

    def submit(self, job: Job, avoid: frozenset[str] = frozenset()) -> str:
        """Take the job; it is submitted with all others that come before the next poll."""
        name = next(self._names)
        self._waiting.setdefault(avoid, []).append((name, job))
        return name

    def poll(self) -> list[tuple[str, News]]:
        """What workers have said since, and whose job is gone."""
        for avoid, jobs in self._waiting.items():
            self._submit(jobs, [f"--exclude={','.join(sorted(avoid))}"] if avoid else [])
        self._waiting = {}
        time.sleep(POLL_SECONDS)
        if time.monotonic() - self._asked > ASK_SECONDS:
            self._asked = time.monotonic()
            alive = _alive()
            if alive is not None:  # else slurmctld does not answer just now, which says nothing of our jobs
                for job_id, array in self._arrays.items():
                    array.states(alive.get(job_id, {}))
        found = [news for array in self._arrays.values() for news in array.news()]
        self._arrays = {job_id: array for job_id, array in self._arrays.items() if array.names}
        return found

    def _submit(self, jobs: list[tuple[str, Job]], options: list[str]) -> None:
        """As few arrays as SLURM allows; where the jobs at a time are limited, one array after the other."""
        largest, before = _largest_array(), ""
        for first in range(0, len(jobs), largest):
            after = [f"--dependency=afterany:{before}"] if before and self._most else []
            array = _Array.submitted(
                jobs[first : first + largest], [*self._options, *options, *after], self._most
            )
            self._arrays[array.job_id], before = array, array.job_id

    def beside(self, nodes: frozenset[str]) -> bool:
        """Whether the partition has a node, up or on its way, that is none of these."""
        partition = [] if self._partition is None else [f"--partition={self._partition}"]
        found = _asked("sinfo", "--noheader", "--Node", "--responding", "--format=%N", *partition)
        return not nodes.issuperset(found or ())

    def set_aside(self, node: str) -> None:
        """Keep what is still queued off a node; what runs there comes to its end."""
        self._aside.add(node)
        for job_id in self._arrays:
            _asked("scontrol", "update", f"JobId={job_id}", f"ExcNodeList={','.join(sorted(self._aside))}")

    def left(self, store: Path, run_ids: Collection[str]) -> list[tuple[str, Job]]:
        """The jobs of these runs that an earlier driver has left, in the queue or at work."""
        folders = {path.read_text(): path.parent for path in store.glob("slurm/*/job_id")}
        new = folders.keys() - self._arrays.keys()
        alive = (_alive() or {}) if new else {}
        found: list[tuple[str, Job]] = []
        for job_id in sorted(new & alive.keys()):
            lines = (folders[job_id] / "jobs.jsonl").read_text().splitlines()
            names: dict[int, str] = {}
            for index in sorted(alive[job_id]):
                job = Job.of(lines[index])
                # A run that is repeated was asked for by a driver that is gone: nobody compares it.
                if not job.repeat and any(spec.run_id in run_ids for spec in job.specs):
                    names[index] = next(self._names)
                    found.append((names[index], job))
            if names:
                self._arrays[job_id] = _Array(folders[job_id], job_id, names)
        return found

    def outlives(self) -> str:
        """The arrays in the queue, with what ends them."""
        numbers = " ".join(self._arrays)
        return f"SLURM's jobs {numbers} (scancel {numbers} ends them)" if numbers else ""

    def leave(self) -> None:
        """Forget the arrays."""
        self._arrays = {}
        self._waiting = {}

    def cancel(self) -> None:
        """Cancel what is queued or runs; workers have SLURM's grace for a last checkpoint."""
        for job_id, array in self._arrays.items():
            _asked("scancel", f"{job_id}_[{','.join(map(str, sorted(array.names)))}]")
        self.leave()


class _Array:
    """One array job: its folder; of each element still open, its name and how much of its news was read."""

    def __init__(self, folder: Path, job_id: str, names: dict[int, str]) -> None:
        self.folder, self.job_id, self.names = folder, job_id, names
        self._read = dict.fromkeys(names, 0)
        self._gone: dict[int, float] = {}
        self._waiting: set[int] = set()

    @classmethod
    def submitted(cls, jobs: list[tuple[str, Job]], options: list[str], most: str) -> "_Array":
        store = jobs[0][1].store
        folder = store / "slurm" / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns() % 10**9}"
        folder.mkdir(parents=True)
        (folder / "jobs.jsonl").write_text("".join(job.line() + "\n" for _, job in jobs))
        exports = [
            f"export {name}={shlex.quote(value)}"
            for name, value in environment().items()
            if SETTINGS.match(name)
        ]
        # `exec`: SLURM's signals reach the worker itself, which takes a last checkpoint.
        worker = [sys.executable, *PROGRAM, str(folder / "jobs.jsonl")]
        output = shlex.quote(f"{folder}/out-")
        script = [
            "#!/bin/bash",
            f"[ -r {shlex.quote(str(folder))}/jobs.jsonl ] || exit {UNSEEN}",
            f"exec >> {output}$SLURM_ARRAY_TASK_ID.txt 2>&1",
            *exports,
            f"exec {shlex.join(worker)} --index $SLURM_ARRAY_TASK_ID "
            f"--news {shlex.quote(str(folder))}/news-$SLURM_ARRAY_TASK_ID.jsonl",
        ]
        (folder / "job.sh").write_text("\n".join(script) + "\n")
        command = [
            "sbatch",
            "--parsable",
            f"--array=0-{len(jobs) - 1}{most}",
            "--job-name=matters",
            "--requeue",
            "--output=/dev/null",  # the script's own: SLURM does not say why it cannot write one
            *options,
            str(folder / "job.sh"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"--executor slurm: sbatch refuses: {' '.join(done.stderr.split())[:200]}")
        job_id = done.stdout.strip().partition(";")[0]
        files.write(folder / "job_id", job_id.encode())
        return cls(folder, job_id, {index: name for index, (name, _) in enumerate(jobs)})

    def states(self, alive: Mapping[int, str]) -> None:
        """Take in how the elements stand that SLURM still knows."""
        self._waiting = {index for index, state in alive.items() if state == "PENDING"}
        now = time.monotonic()
        self._gone = {index: self._gone.get(index, now) for index in self.names if index not in alive}

    def news(self) -> list[tuple[str, News]]:
        """What elements have said that are at work or gone; nobody looks for the news of one that waits."""
        found: list[tuple[str, News]] = []
        for index in list(self.names.keys() - self._waiting):
            found += self._said(index)
            # SLURM has no such element any more, and it has not reported an end.
            if index in self.names and time.monotonic() - self._gone.get(index, math.inf) > GONE_SECONDS:
                name = self.names.pop(index)
                found.append((name, Ended(f"job {self.job_id}_{index} of SLURM {self._state(index)}")))
        return found

    def _said(self, index: int) -> list[tuple[str, News]]:
        """The whole lines that an element has written since."""
        name, found = self.names[index], []
        try:
            with (self.folder / f"news-{index}.jsonl").open("rb") as file:
                file.seek(self._read[index])
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read[index] += len(whole)
        for line in whole.splitlines():
            news = heard(line.decode())
            found.append((name, news))
            if isinstance(news, Ended):
                del self.names[index]
                break
        return found

    def _state(self, index: int) -> str:
        rows = _asked("scontrol", "--oneliner", "show", "job", f"{self.job_id}_{index}")
        facts = dict(re.findall(r"(\w+)=(\S*)", rows[0])) if rows else {}
        if facts.get("ExitCode") == f"{UNSEEN}:0":
            return f"did not see {self.folder} on node {facts['NodeList']}: nodes have to share the store"
        return f"ended as {facts['JobState']}" if "JobState" in facts else "is gone"


def _alive() -> dict[str, dict[int, str]] | None:
    """By array of the user, the states of its elements that may still change; None without an answer."""
    rows = _asked("squeue", "--me", "--noheader", "--array", "--format=%F %K %T")
    if rows is None:
        return None
    found: dict[str, dict[int, str]] = {}
    for job_id, index, state in map(str.split, rows):
        if state in ALIVE and index.isdigit():
            found.setdefault(job_id, {})[int(index)] = state
    return found


def _largest_array() -> int:
    """How many elements an array may have (MaxArraySize)."""
    stated = re.search(r"MaxArraySize\s*=\s*(\d+)", "\n".join(_asked("scontrol", "show", "config") or ()))
    return int(stated[1]) if stated else 1001  # SLURM's own default


def _asked(*command: str) -> list[str] | None:
    """The lines of a command's answer, None where it fails; SLURM soon forgets an ended job."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else None
