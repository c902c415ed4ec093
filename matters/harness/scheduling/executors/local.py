"""Tasks on this machine: one process per worker, one thread per process, the loops that portable bits need.

Workers are spawned, never forked, so that each has its own torch, and they die with their parent, even
when it is killed with no chance to say goodbye. What a dead worker leaves behind is sound: the kernel
gives its locks back and the runs go on from their checkpoints when they are next asked for.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from matters.harness.scheduling.executors.interface import Lost, Train
from matters.harness.scheduling.packing import Task
from matters.harness.training.stopping import Stopped
from matters.results.numerics import worker_environment

if TYPE_CHECKING:
    from matters.harness.training.worker import Progress


GRACE_SECONDS = 4.0
"""For the last checkpoints of workers that are told to stop."""


@dataclass(frozen=True)
class _Ended:
    """A worker's last word on a task."""

    error: str | None


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    task: Task


def execute(tasks: Sequence[Task], train: Train, workers: int) -> "Generator[Progress | Lost]":
    """Train tasks in the order given, `workers` at a time, and yield what happens.

    A worker that dies is replaced while tasks are left; its own task is yielded as `Lost` and not tried
    again. Closing the generator, or an exception in it, ends the workers.

    Args:
        tasks: what is to be trained.
        train: called as `train(specs, emit)` in a worker. It is pickled, so it must be importable.
        workers: the largest number of processes at a time.
    """
    waiting = deque(tasks)
    crew: list[_Worker] = []
    try:
        while waiting or crew:
            while waiting and len(crew) < workers:
                crew.append(_hire(waiting.popleft(), train))
            ready = wait([worker.connection for worker in crew])
            for worker in [worker for worker in crew if worker.connection in ready]:
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    crew.remove(worker)
                    yield Lost(worker.task, _death(worker.process))
                    continue
                if not isinstance(message, _Ended):
                    yield message
                    continue
                if message.error is not None:
                    yield Lost(worker.task, message.error)
                if waiting:
                    worker.task = waiting.popleft()
                    _assign(worker, train)
                else:
                    crew.remove(worker)
                    worker.connection.close()
                    worker.process.join()
    finally:
        _dismiss(crew)


def _hire(task: Task, train: Train) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    with _environment(worker_environment(os.environ)):
        process.start()
    # Our copy would keep the pipe open after the worker's death, and its end is how we learn of that.
    theirs.close()
    worker = _Worker(process, ours, task)
    _assign(worker, train)
    return worker


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """What a process that is started meanwhile takes for its environment."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _dismiss(crew: Sequence[_Worker]) -> None:
    """Ask the workers to take a last checkpoint and end, and end those that are busy for too long."""
    for worker in crew:
        worker.process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for worker in crew:
        worker.process.join(max(deadline - time.monotonic(), 0.0))
        worker.process.kill()
        worker.process.join()
        worker.connection.close()


def _assign(worker: _Worker, train: Train) -> None:
    try:
        worker.connection.send((train, list(worker.task.specs)))
    except OSError:
        pass  # It is dead already; the next receive says so.


def _death(process: SpawnProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return f"its worker ended with status {code}"
    cause = " (out of memory, or killed by hand)" if -code == signal.SIGKILL else ""
    return f"its worker was ended by {signal.Signals(-code).name}{cause}"


def _work(connection: Connection) -> None:
    """The life of a worker: take a task, train it, say so, until there is no more."""
    # Ctrl-C reaches the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        try:
            train, specs = connection.recv()
        except EOFError:
            return
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        try:
            train(specs, connection.send)
        except Stopped:
            # With the checkpoints taken, end as the signal would have had it.
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception as error:
            connection.send(_Ended(_one_line(error)))
        else:
            connection.send(_Ended(None))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only called in a worker"
    wait([parent.sentinel])
    os._exit(1)


def _one_line(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}"
