"""Jobs on this machine: one process per worker, one thread per process, the loops that portable bits need.

Workers die with their parent, even when it is killed with no chance to say goodbye: the end of their input
tells them. What a dead worker leaves behind is sound: the kernel releases its locks and the runs go on from
their checkpoints when they are next asked for.
"""

import itertools
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from matters.harness.scheduling.executors.interface import Ended, Job, News
from matters.harness.scheduling.executors.one_node import EndWithDriver, OneNode
from matters.harness.scheduling.worker_program import PROGRAM, death, environment
from matters.harness.training.job import heard

GRACE_SECONDS = 4.0
"""How long workers that are asked to stop may take for their last checkpoints."""
POLL_SECONDS = 1.0


@dataclass
class _Worker:
    process: "subprocess.Popen[bytes]"
    name: str | None = None
    """The job that it works on."""
    heard: bytes = b""
    """The beginning of a line whose end has not come yet."""


class Local:
    """Workers on this machine, as many as there are jobs at a time; an idle one takes the next job."""

    def __init__(self, program: Sequence[str] = PROGRAM) -> None:
        self._program = program
        self._crew: list[_Worker] = []
        self._names = map(str, itertools.count())

    queues = False
    nodes = OneNode()
    unattended = EndWithDriver()

    def cores(self) -> int:
        """The cores that this process may use."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def submit(self, job: Job, _avoid: frozenset[str] = frozenset()) -> str:
        """Hand the job to an idle worker, or to a new one; no node can be avoided, since there is one."""
        worker = next((worker for worker in self._crew if worker.name is None), None) or self._hire()
        worker.name = next(self._names)
        assert worker.process.stdin is not None
        with suppress(OSError):  # it has died already; the next poll says so
            worker.process.stdin.write(job.line().encode() + b"\n")
            worker.process.stdin.flush()
        return worker.name

    def poll(self) -> list[tuple[str, News]]:
        """What workers have said; waits up to a second for the first word."""
        found: list[tuple[str, News]] = []
        with selectors.DefaultSelector() as selector:
            for worker in self._crew:
                assert worker.process.stdout is not None
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
            for key, _ in selector.select(POLL_SECONDS):
                found += self._read(key.data)
        return found

    def cancel(self) -> None:
        """Ask the workers to take a last checkpoint and end, and end those that are busy for too long."""
        for worker in self._crew:
            worker.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self._crew:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(deadline - time.monotonic(), 0.0))
            worker.process.kill()
            self._dismiss(worker)
        self._crew = []

    def _hire(self) -> _Worker:
        pipe = subprocess.PIPE
        worker = _Worker(
            subprocess.Popen(
                [sys.executable, *self._program], stdin=pipe, stdout=pipe, env=environment(), bufsize=-1
            )
        )
        self._crew.append(worker)
        return worker

    def _read(self, worker: _Worker) -> list[tuple[str, News]]:
        assert worker.process.stdout is not None
        data = os.read(worker.process.stdout.fileno(), 1 << 16)
        name = worker.name
        if not data:
            self._crew.remove(worker)
            self._dismiss(worker)
            return [] if name is None else [(name, Ended(death(worker.process.returncode)))]
        *lines, worker.heard = (worker.heard + data).split(b"\n")
        found: list[tuple[str, News]] = []
        for line in lines:
            news = heard(line.decode())
            assert name is not None, "a worker speaks of its job only"
            found.append((name, news))
            if isinstance(news, Ended):
                worker.name = None
        return found

    @staticmethod
    def _dismiss(worker: _Worker) -> None:
        worker.process.wait()
        assert worker.process.stdin is not None
        assert worker.process.stdout is not None
        with suppress(OSError):
            worker.process.stdin.close()
        worker.process.stdout.close()
