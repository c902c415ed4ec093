"""`matters worker`: the program that trains, wherever an executor starts it. Not for people."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from matters.suites.errors import InputError


def worker(
    jobs: Annotated[
        Path | None, typer.Argument(help="A file of jobs; without it they come on input.")
    ] = None,
    index: Annotated[int, typer.Option(min=0, help="Which line of the file.")] = 0,
    news: Annotated[
        Path | None, typer.Option(help="Where to say how it stands, for a job of a file.")
    ] = None,
) -> None:
    """Train the runs of jobs, one line of JSON each, and say how they stand, one line of JSON each."""
    # Before and after a training it ends as SIGTERM ends a process, without a word: its driver has one.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from matters.harness.training import program

    if jobs is None:
        program.work()
        return
    if news is None:
        raise InputError("--news: is needed with a file of jobs")
    program.work_on(jobs, index, news)
