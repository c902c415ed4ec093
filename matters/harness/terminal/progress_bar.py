"""What a person sees of work in parts: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

QUIET_SECONDS = 3.0
"""Seconds before the first line where there is no terminal, and between two lines."""

Tell = Callable[[str, int, int], None]
"""What comes next, and how many of how many parts are done."""


@contextmanager
def stages(
    console: Console, clock: Callable[[], float] = time.monotonic, work: str = "report"
) -> Iterator[Tell]:
    """Show the progress of work while the context is open. Short work prints nothing to a pipe or a file."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
        return
    said = clock()

    def tell(what: str, done: int, total: int) -> None:
        nonlocal said
        if clock() - said >= QUIET_SECONDS:
            said = clock()
            console.print(Text(f"{work}: {what} ({done} of {total})"), soft_wrap=True)

    yield tell
