"""How the one worker program is started, wherever it runs, and how it ended."""

import os
import signal
import sys

from matters.results.numerics import worker_environment

PROGRAM = ("-m", "matters", "worker")
"""What follows the interpreter."""


def environment() -> dict[str, str]:
    """A worker's environment: the settings that its bits depend on, and where this process finds modules."""
    path = [os.getcwd() if place == "" else place for place in sys.path]
    return {**worker_environment(os.environ), "PYTHONPATH": os.pathsep.join(path)}


def death(code: int) -> str:
    """How a worker ended, from its exit status."""
    if code >= 0:
        return f"its worker ended with status {code}"
    cause = " (out of memory, or killed by hand)" if -code == signal.SIGKILL else ""
    names = {one.value: one.name for one in signal.Signals}  # most real-time ones have none
    return f"its worker was ended by {names.get(-code, f'signal {-code}')}{cause}"
