"""Jobs of SLURM: one `sbatch --array` for each look at the store, an element for each of our jobs.

Everything lies in a folder of the store, `slurm/TIME-PID/`: the jobs, the script, what each worker says, what
it printed. SLURM says how an element stands (`squeue`, and `scontrol` for its end), the store how its runs
stand. The accounting database is not asked: where there is none, it answers UNKNOWN for ever.

The driver may go away: jobs go on, and the same command waits for what they hold. An element that is
requeued, for its node or by preemption, goes on from the last checkpoints.
"""

import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from matters.harness.scheduling.executors.interface import Ended, Job, News
from matters.harness.scheduling.executors.local import PROGRAM, environment
from matters.harness.training.job import heard
from matters.suites.errors import InputError

POLL_SECONDS = 1.0
ASK_SECONDS = 5.0
"""Seconds between two questions to SLURM, which many drivers may ask."""
GONE_SECONDS = 20.0
"""How long a worker's last word may take to be seen on a shared folder after its job has ended."""
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
        self._most = "" if array is None else f"%{array}"
        self._waiting: list[tuple[str, Job]] = []
        self._number = 0
        self._arrays: dict[str, _Array] = {}

    queues = True

    def cores(self) -> None:
        """The queue does not say how many of its cores will be ours."""
        return

    def submit(self, job: Job) -> str:
        """Take the job; it is submitted with all others that come before the next poll."""
        name = str(self._number)
        self._number += 1
        self._waiting.append((name, job))
        return name

    def poll(self) -> list[tuple[str, News]]:
        """What workers have said since, and whose job is gone."""
        if self._waiting:
            array = _Array.submitted(self._waiting, self._options, self._most)
            self._arrays[array.job_id] = array
            self._waiting = []
        time.sleep(POLL_SECONDS)
        found = [news for array in self._arrays.values() for news in array.news()]
        self._arrays = {job_id: array for job_id, array in self._arrays.items() if array.names}
        return found

    def cancel(self) -> None:
        """Cancel what is queued or runs; workers have SLURM's grace for a last checkpoint."""
        for job_id in self._arrays:
            subprocess.run(["scancel", job_id], capture_output=True, check=False)
        self._arrays = {}
        self._waiting = []


class _Array:
    """One array job: its folder; of each element still open, its name and how much of its news was read."""

    def __init__(self, folder: Path, job_id: str, names: dict[int, str]) -> None:
        self.folder, self.job_id, self.names = folder, job_id, names
        self._read = dict.fromkeys(names, 0)
        self._asked = 0.0
        self._gone: dict[int, float] = {}

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
        script = [
            "#!/bin/bash",
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
            f"--output={folder}/out-%a.txt",
            "--open-mode=append",
            *options,
            str(folder / "job.sh"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"--executor slurm: sbatch refuses: {' '.join(done.stderr.split())[:200]}")
        names = {index: name for index, (name, _) in enumerate(jobs)}
        return cls(folder, done.stdout.strip().partition(";")[0], names)

    def news(self) -> list[tuple[str, News]]:
        found: list[tuple[str, News]] = []
        for index in list(self.names):
            found += self._said(index)
        if time.monotonic() - self._asked > ASK_SECONDS and self.names:
            self._asked = time.monotonic()
            found += self._ended_without_a_word()
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

    def _ended_without_a_word(self) -> list[tuple[str, News]]:
        """The elements that SLURM no longer knows, or knows as ended, and that have not reported an end."""
        rows = _asked("squeue", "--noheader", "--array", "--format=%K %T", f"--job={self.job_id}")
        alive = {
            int(index) for index, state in map(str.split, rows or ()) if state in ALIVE and index.isdigit()
        }
        now = time.monotonic()
        found: list[tuple[str, News]] = []
        for index in list(self.names):
            if index in alive:
                self._gone.pop(index, None)
            elif now - self._gone.setdefault(index, now) > GONE_SECONDS:
                name = self.names.pop(index)
                found.append((name, Ended(f"job {self.job_id}_{index} of SLURM {self._state(index)}")))
        return found

    def _state(self, index: int) -> str:
        rows = _asked("scontrol", "--oneliner", "show", "job", f"{self.job_id}_{index}")
        state = re.search(r"JobState=(\w+)", rows[0]) if rows else None
        return f"ended as {state[1]}" if state else "is gone"


def _asked(*command: str) -> list[str] | None:
    """The lines of a command's answer, None where it fails; SLURM soon forgets an ended job."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else None
