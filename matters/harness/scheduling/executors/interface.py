"""What an executor is, and what drives it: jobs in, news out, wherever the work is done."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from matters.harness.scheduling.packing import Task
from matters.harness.training.job import Ended, Job, News, Progress

TRIES = 3
"""How many times a task is begun whose machine goes away."""


@dataclass(frozen=True)
class Lost:
    """A task that ended without a result of its own: its worker died, or raised what no run caused."""

    task: Task
    reason: str


class Executor(Protocol):
    """Where workers run. It moves jobs, which are data; each is worked on by the program `matters worker`."""

    queues: bool
    """Whether it has a queue of its own, to which everything may be given at once."""

    def cores(self) -> int | None:
        """How many cores workers can use at a time; None if it does not know."""
        ...

    def submit(self, job: Job) -> str:
        """Have a job worked on as soon as there is room; returns a name for it."""
        ...

    def poll(self) -> list[tuple[str, News]]:
        """The news since the last call, each with the name of its job; waits a while where there is none.

        The last news of a job is an Ended, whether its worker has said so or is gone.
        """
        ...

    def cancel(self) -> None:
        """End what is still running or waiting, after last checkpoints. More may be submitted later."""
        ...


def drive(
    executor: Executor, tasks: Sequence[Task], job: Callable[[Task], Job], workers: int
) -> "Generator[Progress | Lost]":
    """Have tasks worked on in their order, and yield what happens.

    A worker that dies loses only its task; a task whose machine goes away is begun again elsewhere. What is
    still running ends when the generator is closed.

    Args:
        executor: where they are worked on.
        tasks: what is to be trained.
        job: makes a task's job.
        workers: how many jobs to have worked on at a time, unless the executor queues them.
    """
    waiting = deque((task, 1) for task in tasks)
    working: dict[str, tuple[Task, int]] = {}
    try:
        while waiting or working:
            while waiting and (executor.queues or len(working) < workers):
                task, tries = waiting.popleft()
                working[executor.submit(job(task))] = task, tries
            for name, news in executor.poll():
                if name not in working:
                    continue  # news that came twice, or after the job's end
                if isinstance(news, Progress):
                    yield news
                    continue
                task, tries = working.pop(name)
                if news.error is not None and news.again and tries < TRIES:
                    waiting.appendleft((task, tries + 1))
                elif news.error is not None:
                    yield Lost(task, news.error)
    finally:
        executor.cancel()


__all__ = ["TRIES", "Ended", "Executor", "Job", "Lost", "News", "Progress", "drive"]
