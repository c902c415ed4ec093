"""The worker program, `matters worker`: the same on this machine and on the nodes of a cluster.

It takes jobs, one line each, trains them one after another and says how they stand, one line each. It is
started with the settings that its bits depend on in its environment
(`matters.results.numerics.worker_environment`). Before it trains it compares itself with the driver: other
training code, or another C library, would give other bits under the same name.
"""

import itertools
import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from matters.harness.training import log
from matters.harness.training.job import Emit, Ended, Job, News, spoken
from matters.harness.training.room import NoRoom
from matters.harness.training.stopping import Stopped
from matters.results.files import told

Train = Callable[[Job, Emit], None]
GRACE_SECONDS = 4.0
"""For a last checkpoint when the driver is gone."""


NODE = "MATTERS_NODE"
"""The environment variable by which an executor names the node that a worker is on."""


def train_job(job: Job, emit: Emit) -> None:
    """Train the job's runs. Raises Stopped on SIGTERM, and OSError for a fault of the store."""
    from matters.harness.training.worker import train_population

    train_population(
        job.store,
        list(job.specs),
        emit,
        checkpoint_seconds=job.checkpoint_seconds,
        retry_failed=job.retry_failed,
        keep_state=job.keep_state,
    )


def repeated(job: Job, train: Train) -> dict[str, str]:
    """Train the job's runs in a store of their own; returns the digests of those that came to their end."""
    from matters.results.store import Store

    with TemporaryDirectory(prefix="matters-") as folder:
        store = Store.open(Path(folder, "runs"), create=True)
        train(replace(job, store=store.path, repeat=False), lambda _: None)
        found = {spec.run_id: store.status(spec.run_id).digest for spec in job.specs}
        return {run_id: digest for run_id, digest in found.items() if digest is not None}


def node() -> str:
    """The name of this machine, or of the part of it that an executor or SLURM takes for a node."""
    return os.environ.get(NODE) or os.environ.get("SLURMD_NODENAME") or platform.node()


def libc() -> str:
    """The C library, on whose version the bits of transcendental functions depend."""
    return " ".join(platform.libc_ver())


def unlike(job: Job) -> str:
    """How this worker differs from the driver that sent the job, in one line; empty if it does not."""
    from matters.harness.training.code import code_of

    if job.libc and job.libc != libc():
        return f"node {node()}: its C library is {libc()}, the driver's {job.libc}: it would give other bits"
    if job.training_code and job.training_code != (own := code_of(job.specs[0])):
        return (
            f"node {node()}: its training code is {own[:12]}, the driver's {job.training_code[:12]}: "
            "install the same version of Matters and its packages there"
        )
    return ""


def serve(jobs: Iterable[str], say: Callable[[News], None], train: Train = train_job) -> None:
    """Train jobs, one line each, until there are no more; what happens is logged in the store, too."""

    def said(news: News) -> None:
        say(replace(news, node=node()))

    for line in jobs:
        digests: dict[str, str] = {}
        run_ids: tuple[str, ...] = ()
        tell: Callable[[News], None] = said
        try:
            job = Job.of(line)
            run_ids = tuple(spec.run_id for spec in job.specs)
            log.log_into(job.store)
            tell = log.noting(said, run_ids)
            refusal = unlike(job)
            if not refusal and job.repeat:
                digests = repeated(job, train)
            elif not refusal:
                train(job, tell)
        except Stopped:
            # The checkpoints are taken: end as the signal would have ended it.
            os.kill(os.getpid(), signal.SIGTERM)
        except NoRoom as error:
            tell(Ended(str(error), paused=True))
        except OSError as error:
            log.trouble(error, run_ids)
            tell(Ended(told(error)))
        except Exception as error:
            log.trouble(error, run_ids)
            tell(Ended(one_line(error)))
        else:
            tell(Ended(refusal or None, digests=digests))


def work(train: Train = train_job) -> None:
    """Serve the jobs that come on standard input; what is said goes to standard output.

    Whatever else writes there, such as an environment, is sent to standard error. The end of the input ends
    an idle worker, and a busy one, too: its driver is gone. It takes a last checkpoint as on SIGTERM.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver decides
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)
        serve(_lines(sys.stdin), _teller(out), train)


def work_on(jobs: Path, index: int, news: Path, train: Train = train_job) -> None:
    """Serve one line of a file; what is said is appended to another file."""
    with jobs.open() as lines:
        line = next(itertools.islice(lines, index, None))
    with news.open("a", buffering=1) as out:
        serve([line], _teller(out), train)


def one_line(error: Exception) -> str:
    """An error and its place, for a screen."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}"


def _teller(out: TextIO) -> Callable[[News], None]:
    def say(news: News) -> None:
        out.write(spoken(news) + "\n")

    return say


def _lines(stream: TextIO) -> Iterator[str]:
    """The lines of a stream, read by a thread, which ends a process that is busy when they end."""
    waiting: queue.Queue[str | None] = queue.Queue()
    busy = threading.Event()

    def read() -> None:
        for line in stream:
            waiting.put(line)
        if busy.is_set() or not waiting.empty():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(GRACE_SECONDS)
            os._exit(1)
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := waiting.get()) is not None:
        busy.set()
        yield line
        busy.clear()
