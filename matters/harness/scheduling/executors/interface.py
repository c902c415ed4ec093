"""What an executor is, and what drives it: jobs in, news out, wherever the work is done."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from matters.harness.scheduling.packing import Task
from matters.harness.training.job import Ended, Job, News, Progress

TRIES = 3
"""How often a task is begun whose machine goes away."""


@dataclass(frozen=True)
class Lost:
    """A task that ended without a result of its own: its worker died, or raised what no run is blamed for."""

    task: Task
    reason: str


class Executor(Protocol):
    """Where workers are. It moves jobs, which are data; each is worked on by the program `matters worker`."""

    queues: bool
    """Whether it has a queue of its own, to which everything may be given at once."""

    def cores(self) -> int | None:
        """On how many cores workers can be at work at a time; None if it does not know."""
        ...

    def submit(self, job: Job) -> str:
        """Have a job worked on as soon as there is room; returns a name for it."""
        ...

    def poll(self) -> list[tuple[str, News]]:
        """What has been said since, by the names of the jobs; waits a while where there is nothing new.

        The last news of a job is an Ended, whether its worker has said so or is gone.
        """
        ...

    def cancel(self) -> None:
        """End what still works or waits, with last checkpoints. More may be submitted later."""
        ...

    def leave(self) -> bool:
        """Let what was submitted go on without this process, if that can be; returns whether it does."""
        ...


def drive(
    executor: Executor, tasks: Sequence[Task], job: Callable[[Task], Job], workers: int
) -> "Generator[Progress | Lost]":
    """Have tasks worked on, the first first, and yield what happens.

    A worker that dies loses its task only; one whose machine went away is begun again elsewhere. What still
    works ends when the generator is closed.

    Args:
        executor: where.
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
                    continue  # said twice, or after its end
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
