"""Jobs in a Ray cluster: each is one remote task of one core, which starts the worker program on its node.

Where all nodes see the store's folder, workers write into it. Where one does not, every worker trains in a
folder of its own, and what it makes comes back through Ray's object store: see `executors.carried`. A node
that goes away takes its workers with it; their jobs are begun again elsewhere and go on from their last
checkpoints.
"""

import itertools
import logging
import os
import platform
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from matters.harness.scheduling.executors import carried
from matters.harness.scheduling.executors.interface import Ended, Job, News
from matters.harness.scheduling.executors.one_node import EndWithDriver
from matters.harness.scheduling.worker_program import environment
from matters.harness.training.job import heard, spoken
from matters.harness.training.program import NODE
from matters.suites.errors import InputError

POLL_SECONDS = 1.0
PROBE_SECONDS = 60.0
"""How long a node may take to say whether it sees the store."""


class Ray:
    """A cluster, joined once. Raises InputError where Ray is not installed, or nobody answers."""

    def __init__(self, address: str | None, say: Callable[[str], object]) -> None:
        try:
            import ray
        except ImportError:
            raise InputError("--executor ray: Ray is not installed; pip install 'matters[ray]'") from None
        self._ray: Any = ray
        self._say = say
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
        self._working: dict[str, tuple[Any, Job]] = {}
        self._said: list[tuple[str, News]] = []
        self.nodes = _Nodes(ray)
        self._home = carried.Home()
        self._token: Path | None = None
        """A file that was put into the store for the nodes to see."""
        self._apart: bool | None = None
        """Whether some node does not see the store."""

    queues = False
    unattended = EndWithDriver()  # Ray ends the tasks of a driver that is gone

    def cores(self) -> int:
        """The cores of the cluster."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def submit(self, job: Job, avoid: frozenset[str] = frozenset()) -> str:
        """Hand the job to the cluster, which starts it when a core is free."""
        name = next(self._names)
        self._look(job.store)
        pieces: list[carried.Piece] = []
        if self._apart:
            sent, pieces, skipped = self._home.sent(job)
            self._said += [(name, news) for news in skipped]
            if sent is None:
                self._said.append((name, Ended()))
                return name
            job = sent
        options: dict[str, Any] = {"num_returns": "streaming"}
        if ids := [self.nodes.id_of(node) for node in avoid | self.nodes.aside]:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(ids)})"}
        token = None if self._apart else str(self._token)
        self._working[name] = self._task.options(**options).remote(job.line(), token, pieces), job
        return name

    def poll(self) -> list[tuple[str, News]]:
        """What workers have said; waits up to a second for the first word."""
        found, self._said = self._said, []
        names = {stream: name for name, (stream, _) in self._working.items()}
        if found or not names:
            return found
        # First for any word at all, then for all that have one by now: a silent worker delays nobody's.
        for number, seconds in ((1, POLL_SECONDS), (len(names), 0.0)):
            ready, _ = self._ray.wait(list(names), num_returns=number, timeout=seconds, fetch_local=False)
        for stream in ready:
            name = names[stream]
            news = self._word(stream)
            found.append((name, news))
            if isinstance(news, Ended):
                _, job = self._working.pop(name)
                if not job.repeat:  # which holds nothing
                    self._home.release({spec.run_id for spec in job.specs})
        return found

    def _word(self, stream: Any) -> News:
        """The next word of a worker; what came with it is in the store by then."""
        try:
            said, pieces = self._ray.get(next(stream))
            self._home.received(pieces)
            return heard(said)
        except StopIteration:
            return Ended("its worker ended without a word", again=True)
        except self._ray.exceptions.RayError as error:
            return Ended(" ".join(str(error).split())[:200], again=True)
        except OSError as error:  # of the store, which this process writes
            self._ray.cancel(stream, force=False)
            return Ended(f"{type(error).__name__}: {error}")

    def cancel(self) -> None:
        """Have the workers take a last checkpoint and end."""
        for stream, _ in self._working.values():
            self._ray.cancel(stream, force=False)
        self._working, self._said = {}, []
        self._home.release_all()
        if self._token is not None:
            self._token.unlink(missing_ok=True)
        self._token = self._apart = None

    def _look(self, store: Path) -> None:
        """Ask every node once whether it sees a file that is put into the store."""
        if self._token is not None:
            return
        self._token = store / f".nodes-{secrets.token_hex(8)}.tmp"
        self._token.write_text("for the nodes of a cluster to see whether they share this folder\n")
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        probe = self._ray.remote(num_cpus=0, max_retries=0)(sees)
        asked = {
            node["NodeID"]: probe.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(str(self._token))
            for node in self.nodes.alive()
        }
        blind = []
        for node, answer in asked.items():
            try:
                if not self._ray.get(answer, timeout=PROBE_SECONDS):
                    blind.append(_name(node))
            except self._ray.exceptions.RayError:
                continue  # gone again, or slow: a job that comes there says what it sees
        self._apart = bool(blind)
        if blind:
            some = ", ".join(sorted(blind)[:3])
            self._say(
                f"{len(blind)} of {len(asked)} nodes do not see {store} ({some}): runs and checkpoints come "
                "back through Ray, and this command alone writes"
            )


class _Nodes:
    """The nodes of the cluster that have a core, by name; those in `aside` get no job from now on."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self.aside: frozenset[str] = frozenset()

    def beside(self, nodes: frozenset[str]) -> bool:
        """Whether there is one that is none of these."""
        return any(_name(node["NodeID"]) not in nodes for node in self.alive())

    def set_aside(self, node: str) -> None:
        """Give it no job from now on."""
        self.aside |= {node}

    def alive(self) -> list[dict[str, Any]]:
        """Those that are there now, as Ray describes them."""
        nodes: list[dict[str, Any]] = self._ray.nodes()
        return [node for node in nodes if node["Alive"] and node["Resources"].get("CPU")]

    def id_of(self, name: str) -> str:
        """Ray's id of the node of that name; the name itself where there is none."""
        return next((node["NodeID"] for node in self._ray.nodes() if _name(node["NodeID"]) == name), name)


def _name(node_id: str) -> str:
    """What a node is called: the first digits of its id, since several may be on one machine."""
    return node_id[:12]


def sees(path: str) -> bool:
    """On a node: whether the file is there."""
    return Path(path).exists()


def worked_on(
    line: str, token: str | None, pieces: Sequence[carried.Piece]
) -> Iterator[tuple[str, Sequence[carried.Piece]]]:
    """On a node: start the worker program for one job, and pass on what it says, line by line.

    With the path of a token the store is there; else the runs come as pieces, and go back as such.
    """
    import ray

    name = _name(ray.get_runtime_context().get_node_id())
    job = Job.of(line)
    # The environment is the driver's (runtime_env), so that the libraries' settings are there from the start.
    os.environ[NODE] = name
    if token is None:
        yield from carried.worked_on(job, pieces)
        return
    if not sees(token):
        host = platform.node()
        reason = f"node {name} ({host}): does not see the store {job.store}; nodes have to share its folder"
        yield spoken(Ended(reason, again=True, node=name)), ()
        return
    for said in carried.spoken_by_worker(job):
        yield said, ()
