"""The canary: some runs are trained once more on another node, so that one that computes other bits is found.

A processor that fails now and then, or a library that a node picks differently, gives results that nothing
shows to be wrong. Where the two digests of a run differ, this machine trains it as well, and a node that is
not of its opinion is set aside: nothing more is given to it, and what it had a hand in is trained again.
"""

import math
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from matters.harness.scheduling.packing import Task
from matters.harness.scheduling.worker_program import PROGRAM, environment
from matters.harness.training.job import Ended, Job, heard


def judged_here(job: Job) -> str | None:
    """The digest of the job's run, trained on this machine by a worker of its own; None if it fails."""
    asked = [sys.executable, *PROGRAM]
    done = subprocess.run(
        asked, input=job.line() + "\n", capture_output=True, text=True, env=environment(), check=False
    )
    last = done.stdout.splitlines()[-1:]
    news = heard(last[0]) if done.returncode == 0 and last else None
    return news.digests.get(job.specs[0].run_id) if isinstance(news, Ended) else None


@dataclass(frozen=True)
class Aside:
    """A node whose digest of a run is not that of another node and of this machine."""

    node: str
    reason: str


@dataclass
class Canary:
    """Which runs are repeated, and what came of it.

    Attributes:
        share: the part of the runs that is repeated.
        runs: how many are trained in all.
        digest: the digest of a finished run in the store, where its bits do not depend on the processor; None
            for any other, which is not repeated.
        judge: the digest of a run that this machine trains.
        asked: how many repeats were asked for.
        agreed: how many of them gave the same digest.
        nodes: those whose bits were, or are being, compared with another's.
    """

    share: float
    runs: int
    digest: Callable[[str], str | None]
    judge: Callable[[Job], str | None] = judged_here
    asked: int = 0
    agreed: int = 0
    nodes: set[str] = field(default_factory=set)
    _finished: int = 0
    _first: dict[str, str] = field(default_factory=dict)
    """By run id, the node on which a run that is repeated was trained."""

    @property
    def most(self) -> int:
        """How many runs are repeated at most."""
        return math.ceil(self.share * self.runs)

    @property
    def spent(self) -> bool:
        """Whether no more are to be repeated."""
        return self.asked >= self.most

    def due(self, task: Task, node: str) -> Task | None:
        """The run of a task that is to be repeated on another node than this one, where the task ended.

        A node that no other was compared with comes first; beyond that, as many as the share asks for.
        """
        self._finished += len(task.specs)
        if self.spent or not (node not in self.nodes or self.asked < self.share * self._finished):
            return None
        spec = next((spec for spec in task.specs if self.digest(spec.run_id) is not None), None)
        if spec is None or not node:
            return None
        self.asked += 1
        self.nodes.add(node)
        self._first[spec.run_id] = node
        return Task(task.label, (spec,), 0, task.cost / len(task.specs))

    def heard(self, task: Task, news: Ended, job: Callable[[Task], Job]) -> "Iterable[Aside]":
        """What follows from the last word on a repeated run: the nodes that are to be set aside."""
        (spec,) = task.specs
        first, second = self._first.pop(spec.run_id), news.node
        ours, theirs = self.digest(spec.run_id), news.digests.get(spec.run_id)
        if theirs is None or ours is None:
            return
        self.nodes.add(second)
        if ours == theirs:
            self.agreed += 1
            return
        here = self.judge(job(task))
        for node, digest in ((first, ours), (second, theirs)):
            if digest != here:
                found = "nothing" if here is None else here[:12]
                yield Aside(
                    node,
                    f"{task.label} seed {spec.seed} has digest {ours[:12]} on {first}, {theirs[:12]} on "
                    f"{second}, {found} here",
                )

    def summary(self) -> str:
        """What it did, in a line."""
        nodes = ", ".join(sorted(filter(None, self.nodes))) or "none"
        found = f"{self.asked} runs repeated on another node, {self.agreed} alike"
        return f"canary: {found}; nodes compared: {nodes}"
