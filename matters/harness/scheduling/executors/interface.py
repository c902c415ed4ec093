"""What an executor is: tasks in, news out, wherever the work is done."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from matters.harness.scheduling.packing import Task
from matters.suites.spec import RunSpec

if TYPE_CHECKING:
    from matters.harness.training.worker import Progress

Train = Callable[[list[RunSpec], Callable[["Progress"], None]], None]
"""Trains runs together and tells how they stand; what a worker calls for each task."""


@dataclass(frozen=True)
class Lost:
    """A task that ended without a result of its own: its worker died, or raised what no run is blamed for."""

    task: Task
    reason: str


class Execute(Protocol):
    """Has tasks trained, the first first, `workers` at a time, and yields the news of all of them.

    A worker that dies loses its task only. What still works ends when the generator is closed.
    """

    def __call__(
        self, tasks: Sequence[Task], train: Train, workers: int, /
    ) -> "Generator[Progress | Lost]": ...
