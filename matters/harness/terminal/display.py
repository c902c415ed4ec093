"""What a person sees of long work: a live picture on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from matters.harness.scheduling.executors.interface import Lost
from matters.harness.scheduling.packing import Task
from matters.harness.terminal.console import LONGEST
from matters.suites.errors import on_one_line

if TYPE_CHECKING:
    from matters.harness.training.job import Progress

PLAIN_SECONDS = 10.0
"""Seconds between two plain lines of progress; what went wrong is said at once."""

State = Literal["waiting", "running", "done", "failed", "skipped", "lost"]


@dataclass
class _Run:
    label: str
    seed: int
    start: int
    total: int
    cost: float
    state: State = "waiting"
    steps: int = 0


@dataclass
class Tally:
    """How far the tasks are, by what their workers reported.

    Attributes:
        tasks: what was given out.
        clock: seconds, from any origin.
    """

    tasks: Sequence[Task]
    clock: Callable[[], float] = time.monotonic
    runs: dict[str, _Run] = field(init=False)
    _begun: float | None = None
    _latest: float = 0.0

    def __post_init__(self) -> None:
        self.runs = {
            spec.run_id: _Run(
                task.label, spec.seed, task.start, spec.steps, task.cost / len(task.specs), steps=task.start
            )
            for task in self.tasks
            for spec in task.specs
        }

    def update(self, event: "Progress | Lost") -> str | None:
        """Take in an event. Returns the line to print about it, if any."""
        self._latest = self.clock()
        if self._begun is None:
            self._begun = self._latest
        if isinstance(event, Lost):
            return self._lose(event)
        for run_id in event.run_ids:
            run = self.runs[run_id]
            run.state = event.state
            if event.state != "skipped":
                run.steps = event.steps
        if event.state == "failed" or event.message:
            first = self.runs[event.run_ids[0]]
            seeds = ", ".join(str(self.runs[run_id].seed) for run_id in event.run_ids)
            message = on_one_line(event.message, LONGEST) or "no reason given"
            return f"{event.state} {first.label} seed {seeds}: {message}"
        return None

    def _lose(self, event: Lost) -> str | None:
        ended = ("done", "failed", "skipped")
        left = [run for spec in event.task.specs if (run := self.runs[spec.run_id]).state not in ended]
        for run in left:
            run.state = "lost"
        if not left:
            return None
        seeds = ", ".join(str(run.seed) for run in left)
        how = "left" if event.paused else "lost"
        reason = on_one_line(event.reason, LONGEST)
        return f"{how} {event.task.label} seed {seeds}: {reason}; the same command goes on with it"

    @property
    def counts(self) -> dict[str, int]:
        """Runs in each state; states without a run are 0."""
        found = Counter(run.state for run in self.runs.values())
        return {state: found[state] for state in ("done", "running", "failed", "waiting", "skipped", "lost")}

    @property
    def unfinished(self) -> int:
        """Runs that are still to end."""
        return self.counts["running"] + self.counts["waiting"]

    @property
    def steps_per_second(self) -> float:
        """Environment steps per second over all runs, since the first event."""
        seconds = self._seconds()
        trained = sum(max(run.steps - run.start, 0) for run in self.runs.values() if run.state != "skipped")
        return trained / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the tasks' costs, since some runs step more slowly; None before there is a rate."""
        spent = left = 0.0
        for run in self.runs.values():
            if run.state in ("skipped", "lost"):
                continue
            ahead = run.total - run.start  # a last rollout may pass the total
            share = (run.steps - run.start) / ahead if ahead > 0 else 1.0
            share = 1.0 if run.state in ("done", "failed") else min(max(share, 0.0), 1.0)
            spent += run.cost * share
            left += run.cost * (1.0 - share)
        seconds = self._seconds()
        return seconds * left / spent if spent > 0 and seconds > 0 else None

    def _seconds(self) -> float:
        """From the first event to the latest: neither loading libraries nor shutting down is training."""
        return self._latest - self._begun if self._begun is not None else 0.0

    def cells(self) -> dict[str, list[_Run]]:
        """The runs by cell, in the order of the tasks."""
        found: dict[str, list[_Run]] = {}
        for run in self.runs.values():
            found.setdefault(run.label, []).append(run)
        return found

    def line(self) -> str:
        """The whole tally in one line."""
        counts = self.counts
        parts = [f"{counts['done']}/{len(self.runs)} done", f"{counts['running']} running"]
        parts.append(f"{counts['failed']} failed")
        if counts["lost"]:
            parts.append(f"{counts['lost']} lost")
        if counts["skipped"]:
            parts.append(f"{counts['skipped']} trained elsewhere")
        parts.append(f"{self.steps_per_second:,.0f} steps/s".replace(",", " "))
        if self.seconds_left is not None and self.unfinished:
            parts.append(f"{duration(self.seconds_left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as a person says them: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def progress(tasks: Sequence[Task], console: Console) -> "Iterator[Callable[[Progress | Lost], None]]":
    """Show the progress of tasks while the context is open, by a function that takes each event."""
    tally = Tally(tasks)
    with _live(tally, console) if console.is_terminal else _plain(tally, console) as show:
        yield show
    console.print(Text(tally.line()), soft_wrap=True)


@contextmanager
def _live(tally: Tally, console: Console) -> "Iterator[Callable[[Progress | Lost], None]]":
    with Live(
        console=console, get_renderable=lambda: _picture(tally, console), refresh_per_second=4, transient=True
    ):

        def show(event: "Progress | Lost") -> None:
            line = tally.update(event)
            if line:
                console.print(Text(line))

        yield show


@contextmanager
def _plain(tally: Tally, console: Console) -> "Iterator[Callable[[Progress | Lost], None]]":
    said = tally.clock()

    def show(event: "Progress | Lost") -> None:
        nonlocal said
        line = tally.update(event)
        if line:
            console.print(Text(line), soft_wrap=True)
        # The last line is printed on leaving.
        if tally.clock() - said >= PLAIN_SECONDS and tally.unfinished:
            said = tally.clock()
            console.print(Text(tally.line()), soft_wrap=True)

    yield show


def _picture(tally: Tally, console: Console) -> Group:
    """The line of counts over a bar for each cell; on a small terminal the cells that move come first."""
    rows = list(tally.cells().items())
    room = max(console.height - 3, 1)
    hidden = 0
    if len(rows) > room:
        moving = {"running": 0, "waiting": 1}
        rows.sort(key=lambda row: min(moving.get(run.state, 2) for run in row[1]))
        hidden = len(rows) - room
        rows = rows[:room]
    table = Table.grid(padding=(0, 2))
    for label, runs in rows:
        bar = ProgressBar(
            total=sum(run.total for run in runs), completed=sum(run.steps for run in runs), width=30
        )
        done = sum(run.state == "done" for run in runs)
        wrong = sum(run.state in ("failed", "lost") for run in runs)
        table.add_row(Text(label), bar, Text(f"{done}/{len(runs)}" + (f"  {wrong} failed" if wrong else "")))
    parts: list[RenderableType] = [Text(tally.line(), style="bold"), table]
    if hidden:
        parts.append(Text(f"… and {hidden} more cells", style="dim"))
    return Group(*parts)
