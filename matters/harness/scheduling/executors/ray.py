"""Jobs in a Ray cluster: each is one remote task of one core, which starts the worker program on its node.

Nodes share the store's folder. A node that goes away takes its workers with it; their jobs are begun again
elsewhere and go on from their last checkpoints.
"""

import itertools
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matters.harness.scheduling.executors.interface import Ended, Job, News
from matters.harness.scheduling.executors.local import PROGRAM, death, environment
from matters.harness.training.job import heard, spoken
from matters.suites.errors import InputError

POLL_SECONDS = 1.0


class Ray:
    """A cluster, joined once. Raises InputError where Ray is not installed, or nobody answers."""

    def __init__(self, address: str | None) -> None:
        try:
            import ray
        except ImportError:
            raise InputError("--executor ray: Ray is not installed; pip install 'matters[ray]'") from None
        self._ray: Any = ray
        if not ray.is_initialized():
            try:
                ray.init(
                    address=address or "auto",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    runtime_env={"env_vars": environment()},
                )
            except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
                where = f"--address {address}" if address else "--executor ray"
                line = " ".join(str(error).split())[:120]
                raise InputError(
                    f"{where}: no Ray cluster answers ({line}); start one: ray start --head"
                ) from None
        # A job that is lost with its node is begun again from its checkpoint by the driver, not by Ray.
        self._task = ray.remote(num_cpus=1, max_retries=0)(worked_on)
        self._names = map(str, itertools.count())
        self._working: dict[str, Any] = {}

    queues = True

    def cores(self) -> int:
        """The cores of the cluster."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def submit(self, job: Job) -> str:
        """Hand the job to the cluster, which starts it when a core is free."""
        name = next(self._names)
        self._working[name] = self._task.options(num_returns="streaming").remote(job.line(), str(job.store))
        return name

    def poll(self) -> list[tuple[str, News]]:
        """What workers have said; waits up to a second for the first word."""
        names = {stream: name for name, stream in self._working.items()}
        if not names:
            return []
        # First for any word at all, then for all that have one by now: a silent worker delays nobody's.
        for number, seconds in ((1, POLL_SECONDS), (len(names), 0.0)):
            ready, _ = self._ray.wait(list(names), num_returns=number, timeout=seconds, fetch_local=False)
        found: list[tuple[str, News]] = []
        for stream in ready:
            name = names[stream]
            try:
                news = heard(self._ray.get(next(stream)))
            except StopIteration:
                news = Ended("its worker ended without a word", again=True)
            except self._ray.exceptions.RayError as error:
                news = Ended(" ".join(str(error).split())[:200], again=True)
            found.append((name, news))
            if isinstance(news, Ended):
                del self._working[name]
        return found

    def cancel(self) -> None:
        """Have the workers take a last checkpoint and end."""
        for stream in self._working.values():
            self._ray.cancel(stream, force=False)
        self._working = {}


def worked_on(line: str, store: str) -> Iterator[str]:
    """On a node: start the worker program for one job, and pass on what it says, line by line."""
    if not Path(store, "store.json").exists():
        reason = f"node {os.uname().nodename}: does not see the store {store}; nodes have to share its folder"
        yield spoken(Ended(reason))
        return
    pipe = subprocess.PIPE
    # The environment is the driver's (runtime_env), so that the libraries' settings are there from the start.
    process = subprocess.Popen([sys.executable, *PROGRAM], stdin=pipe, stdout=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    ended = False
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        for said in process.stdout:
            yield said
            if isinstance(heard(said), Ended):
                ended = True
                break
    finally:
        if ended:
            process.stdin.close()
        else:
            process.terminate()
        code = process.wait()
    if not ended:
        yield spoken(Ended(death(code), again=True))
