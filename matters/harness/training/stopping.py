"""The request to stop: a scheduler's SIGTERM, or Ctrl-C by way of the parent process."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Stopping = Callable[[], bool]
"""Whether the request has come."""


class Stopped(BaseException):
    """Raised between two updates once the request has come. It is no error of a run."""


@contextmanager
def sigterm_noted() -> Iterator[Stopping]:
    """While the context is open, SIGTERM is noted instead of ending the process; only in the main thread."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
