"""What an executor is, and what drives it: jobs in, news out, wherever the work is done."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from matters.harness.scheduling.packing import Task
from matters.harness.training.job import Ended, Job, News, Progress

if TYPE_CHECKING:
    from matters.harness.scheduling.canary import Canary

TRIES = 3
"""How many times a task is begun whose machine goes away."""


@dataclass(frozen=True)
class Lost:
    """A task that ended without a result: its worker died, paused, or raised what no run caused."""

    task: Task
    reason: str
    paused: bool = False


@dataclass(frozen=True)
class Distrusted:
    """A node that was set aside, with the reason, and the tasks it had a hand in, which are trained again."""

    node: str
    reason: str
    tasks: tuple[Task, ...]


Event = Progress | Lost | Distrusted


class Nodes(Protocol):
    """The nodes that jobs may come to, as far as an executor lets its caller choose among them."""

    def beside(self, nodes: frozenset[str], /) -> bool:
        """Whether there is a node that is none of these."""
        ...

    def set_aside(self, node: str, /) -> None:
        """Give nothing more to a node, neither what comes nor what waits."""
        ...


class Unattended(Protocol):
    """The jobs of an executor that go on when the process that gave them out, their driver, is gone."""

    def left(self, store: Path, run_ids: Collection[str], /) -> list[tuple[str, Job]]:
        """The jobs that an earlier driver has left at work on any of these runs; their news now come here."""
        ...

    def outlives(self) -> str:
        """What goes on when this process ends, in a few words; empty where nothing does."""
        ...

    def leave(self) -> None:
        """Let what is at work go on without a driver: nothing more is heard of it, and nothing ends it."""
        ...


class Executor(Protocol):
    """Where workers run. It moves jobs, which are data; each is worked on by the program `matters worker`."""

    queues: bool
    """Whether it has a queue of its own, to which everything may be given at once."""

    @property
    def nodes(self) -> Nodes:
        """Where jobs come to; `one_node.OneNode` where that is one place."""
        ...

    @property
    def unattended(self) -> Unattended:
        """What becomes of jobs without a driver; `one_node.EndWithDriver` where they end with it."""
        ...

    def cores(self) -> int | None:
        """How many cores workers can use at a time; None if it does not know."""
        ...

    def submit(self, job: Job, avoid: frozenset[str] = frozenset(), /) -> str:
        """Have a job worked on as soon as there is room, on none of these nodes; returns a name for it."""
        ...

    def poll(self) -> list[tuple[str, News]]:
        """The news since the last call, each with the name of its job; waits a while where there is none.

        The last news of a job is an Ended, whether its worker has said so or is gone.
        """
        ...

    def cancel(self) -> None:
        """End what is still running or waiting, after last checkpoints. More may be submitted later."""
        ...


@dataclass(frozen=True)
class _Work:
    """A task that was given out, or is to be: how often it was begun, and whether it is a canary's."""

    task: Task
    tries: int = 1
    avoid: frozenset[str] = frozenset()
    repeat: bool = False


@dataclass
class _Hands:
    """Which nodes had a hand in which task, by its first run: a checkpoint is a node's work, too."""

    nodes: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    tasks: dict[str, Task] = field(default_factory=dict)

    def note(self, task: Task, node: str) -> None:
        self.nodes[_name(task)].add(node)
        self.tasks[_name(task)] = task

    def touched(self, nodes: set[str], task: Task) -> bool:
        return not self.nodes[_name(task)].isdisjoint(nodes)

    def take(self, nodes: set[str], but: set[str]) -> tuple[Task, ...]:
        """The tasks that these nodes touched, but for some by name: they are as if never begun."""
        names = [name for name, task in self.tasks.items() if name not in but and self.touched(nodes, task)]
        for name in names:
            del self.nodes[name]
        return tuple(self.tasks.pop(name) for name in names)


def _name(task: Task) -> str:
    return task.specs[0].run_id


def drive(
    executor: Executor,
    tasks: Sequence[Task],
    job: Callable[[Task], Job],
    workers: int,
    *,
    going: Mapping[str, Task] = MappingProxyType({}),
    canary: "Canary | None" = None,
) -> Generator[Event]:
    """Have tasks worked on in their order, and yield what happens.

    A worker that dies loses only its task; a task whose machine goes away is begun again elsewhere. What is
    still running ends when the generator is closed; on Ctrl-C the caller decides.

    Args:
        executor: where they are worked on.
        tasks: what is to be trained.
        job: makes a task's job.
        workers: how many jobs to have worked on at a time, unless the executor queues them.
        going: tasks that are worked on already, by the names of their jobs.
        canary: repeats some of the runs on another node.
    """
    waiting = deque(map(_Work, tasks))
    working = {name: _Work(task) for name, task in going.items()}
    aside: set[str] = set()
    hands = _Hands()
    interrupted = False

    def repeats(task: Task) -> Job:
        return replace(job(task), repeat=True)

    try:
        while waiting or working:
            if waiting and aside and not executor.nodes.beside(frozenset(aside)):
                yield Lost(waiting.popleft().task, "there is no node that was not set aside")
                continue
            while waiting and (executor.queues or len(working) < workers):
                work = waiting.popleft()
                if work.repeat and not executor.nodes.beside(work.avoid | aside):
                    continue  # since it was asked for, the other nodes were set aside
                made = repeats(work.task) if work.repeat else job(work.task)
                working[executor.submit(made, work.avoid | aside)] = work
            for name, news in executor.poll():
                if name not in working:
                    continue  # news that came twice, or after the job's end
                work = working[name]
                if not work.repeat:
                    hands.note(work.task, news.node)
                if isinstance(news, Progress):
                    yield news
                    continue
                del working[name]
                if news.error is not None and news.again and work.tries < TRIES:
                    waiting.appendleft(replace(work, tries=work.tries + 1))
                elif work.repeat:
                    for found in canary.heard(work.task, news, repeats) if canary else ():
                        aside.add(found.node)
                        executor.nodes.set_aside(found.node)
                        at_work = {_name(it.task) for it in (*working.values(), *waiting) if not it.repeat}
                        again = hands.take({found.node}, but=at_work)
                        yield Distrusted(found.node, found.reason, again)
                        waiting.extend(map(_Work, again))
                elif hands.touched(aside, work.task):
                    again = hands.take(aside, but=hands.tasks.keys() - {_name(work.task)})
                    yield Distrusted(news.node, "", again)
                    waiting.extend(map(_Work, again))
                elif news.error is not None:
                    if news.paused:
                        waiting.clear()  # they would pause before their first step
                    yield Lost(work.task, news.error, news.paused)
                elif (
                    canary
                    and not canary.spent
                    and executor.nodes.beside(frozenset({*aside, news.node}))
                    and (repeat := canary.due(work.task, news.node))
                ):
                    waiting.appendleft(_Work(repeat, avoid=frozenset({news.node}), repeat=True))
    except KeyboardInterrupt:
        interrupted = True
        raise
    finally:
        if not interrupted:
            executor.cancel()


__all__ = [
    "TRIES", "Distrusted", "Ended", "Event", "Executor", "Job", "Lost", "News", "Nodes", "Progress",
    "Unattended", "drive",
]  # fmt: skip
