"""A log for each worker process, in the store: `logs/<when>-<host>-<pid>.log`, a line for all that happens.

    2026-11-30T08:00:00Z INFO 5c7a25b39631d2f0 running 2048 of 100000
    2026-11-30T08:00:09Z ERROR 5c7a25b39631d2f0 failed 4096 of 100000 RuntimeError: the simulator is broken

Each line names the runs that it is about. What a screen shows in one line is here with its traceback.
"""

import logging
import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from matters.harness.training.job import Ended, News

FOLDER = "logs"
SECONDS = 60.0
"""How often mere progress is noted."""

logger = logging.getLogger("matters.worker")


class _Handler(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A log that cannot be written ends no training."""


def log_into(store: Path) -> None:
    """From now on write this process's log into the store, if that is possible."""
    if logger.handlers:
        return
    logger.setLevel(logging.INFO)
    logger.propagate = False
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{platform.node()}-{os.getpid()}.log"
    handler: logging.Handler
    try:
        (store / FOLDER).mkdir(exist_ok=True)
        handler = _Handler(store / FOLDER / name, encoding="utf-8")
    except OSError:
        handler = logging.NullHandler()
    form = logging.Formatter("%(asctime)s %(levelname)s %(runs)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    handler.setFormatter(form)
    logger.addHandler(handler)


def noting(say: Callable[[News], None], run_ids: Iterable[str]) -> Callable[[News], None]:
    """A function that logs the news of a job of these runs, and says it; mere progress once a minute."""
    everyone = ",".join(run_ids)
    noted = -SECONDS

    def told(news: News) -> None:
        nonlocal noted
        if isinstance(news, Ended):
            level = logging.INFO if news.error is None else logging.ERROR
            logger.log(level, "ended %s", news.error or "", extra={"runs": everyone})
        elif news.state != "running" or news.message or time.monotonic() - noted >= SECONDS:
            noted = time.monotonic()
            level = logging.ERROR if news.state == "failed" else logging.INFO
            words = news.state, news.steps, news.total, news.message
            logger.log(level, "%s %d of %d %s", *words, extra={"runs": ",".join(news.run_ids)})
        say(news)

    return told


def trouble(error: BaseException, run_ids: Iterable[str]) -> None:
    """Log an error with its traceback."""
    logger.error("%s", error, exc_info=error, extra={"runs": ",".join(run_ids)})
