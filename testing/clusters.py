"""Run suites on a Ray cluster and on a real SLURM of this machine, in trouble, and compare with local runs.

    python -m testing.clusters ray slurm

Ray: three nodes of one core, one of which is taken away in the middle; then nodes that do not see the store,
one of which is killed. SLURM: `slurmctld` and three `slurmd` on loopback, with `munge` (Debian's packages
`slurmctld slurmd munge`; as root), a job cancelled, one requeued, the command itself killed and given again;
a node that does not see the store has to be named. Each suite, and the smoke version of
implementation-matters, has to end with the digests of the local run and the bytes of its report. What is not
installed is named.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from matters.results.store import Store
from matters.suites.loading import load_suite
from matters.suites.suite import Suite
from testing.small_suite import digests, small_suite


@dataclass(frozen=True)
class Study:
    """A suite, and the words after `matters run` that stand for it."""

    words: tuple[str, ...]
    suite: Suite

    def command(self, store: Path, *options: str) -> list[str]:
        """What is typed."""
        return [sys.executable, "-m", "matters", "run", *self.words, "--store", str(store), *options]

    def states(self, store: Path) -> list[str]:
        """How the runs stand now."""
        if not (store / "store.json").exists():
            return []
        opened = Store.open(store)
        return [opened.status(run_id).state for run_id in digests(self.suite, store)]

    def run(self, store: Path, *options: str) -> None:
        """Run it to its end. Exits with one line where it does not get there."""
        if code := subprocess.run(self.command(store, *options), timeout=900).returncode:
            raise SystemExit(f"{' '.join((*self.words, *options))}: ended with {code}")

    def compare(self, local: Path, other: Path) -> str:
        """Exits unless runs and report, to the byte, are those of the local store. Returns what they are."""
        expected = digests(self.suite, local)
        if (found := digests(self.suite, other)) != expected:
            raise SystemExit(f"{other.name}: {found} is not {expected}")
        page, copy = (store / "report" / self.suite.name for store in (local, other))
        for path in sorted(page.rglob("*.*")):
            if path.is_file() and path.read_bytes() != (copy / path.relative_to(page)).read_bytes():
                raise SystemExit(f"{other.name}: {path.relative_to(page)} of the report has other bytes")
        if faults := Store.open(other).verify():
            raise SystemExit(f"{other.name}: {faults}")
        return f"{len(expected)} runs with the local digests and report"


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    """Wait for a condition. Exits with one line where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


def blind(place: Path, *of: str) -> list[str]:
    """A command in whose eyes a folder is empty, as on a machine that does not share it."""
    return ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {place} && exec "$@"', "sh", *of]


@contextmanager
def ray_cluster(cores: int) -> Iterator[Any]:
    """A Ray cluster of this machine while the context is open: its head has so many cores."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def on_ray(trouble: Study, smoke: Study, folder: Path) -> Iterator[str]:
    """Three nodes, of which one goes away."""
    with ray_cluster(1) as cluster:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        ray = ("--executor", "ray", "--address", cluster.address)
        smoke.run(folder / "ray-smoke", *ray)
        yield f"implementation-matters --smoke: {smoke.compare(folder / 'local-smoke', folder / 'ray-smoke')}"
        store = folder / "ray"
        running = subprocess.Popen(trouble.command(store, *ray, "--workers", "3", "--canary", "10%"))
        wait_until(lambda: trouble.states(store).count("running") >= 3, "three workers on Ray")
        time.sleep(5.0)
        cluster.remove_node(nodes[1], allow_graceful=False)
        if running.wait(900):
            raise SystemExit(f"ray: the command ended with {running.returncode}")
    yield f"3 nodes, one removed in the middle: {trouble.compare(folder / 'local', store)}"
    yield from apart_on_ray(trouble, folder)


def apart_on_ray(trouble: Study, folder: Path) -> Iterator[str]:
    """Two nodes that do not see the store, of which one goes away."""
    store = folder / "hidden" / "ray-apart"
    with ray_cluster(0) as cluster:
        words = [
            "-m",
            "ray.scripts.scripts",
            "start",
            f"--address={cluster.address}",
            "--num-cpus=1",
            "--block",
        ]
        start = blind(store.parent, sys.executable, *words)
        quiet = subprocess.DEVNULL
        started: list[subprocess.Popen[bytes]] = []
        try:
            # One after the other: of two that begin in the same moment Ray may refuse one.
            for nodes in (1, 2):
                started.append(subprocess.Popen(start, stdout=quiet, stderr=quiet))
                joined = partial(_has_cores, cluster.address, nodes)
                wait_until(joined, f"node {nodes} of those that do not see the store")
            running = subprocess.Popen(
                trouble.command(store, "--executor", "ray", "--address", cluster.address, "--workers", "2")
            )
            wait_until(lambda: trouble.states(store).count("done") >= 3, "three runs that came back")
            kill(started[1])
            if running.wait(900):
                raise SystemExit(f"ray, apart: the command ended with {running.returncode}")
        finally:
            for node in started:
                kill(node)
    compared = trouble.compare(folder / "local", store)
    yield f"2 nodes that do not see the store, one killed in the middle: {compared}"


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process with all that it has started, as when a machine is switched off."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "ppid=,pid="], capture_output=True, text=True, check=True
    ).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    ahead, found = [process.pid], []
    while ahead:
        found.append(ahead.pop())
        ahead += [child for parent, child in parents if parent == found[-1]]
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    process.wait()


def _has_cores(address: str, cores: int) -> bool:
    return cores_of(address) == cores


def cores_of(address: str) -> int:
    """How many cores the Ray cluster has now."""
    program = f"import ray; ray.init({address!r}); print(int(ray.cluster_resources().get('CPU', 0)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return int(done.stdout or 0)


CONFIGURATION = """
ClusterName=matters
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
KillWait=10
SlurmUser=root
SlurmctldPort=16817
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
ReturnToService=2
SchedulerParameters=sched_interval=2
NodeName=n[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-17003] CPUs=1 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
PartitionName=blind Nodes=n3 MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm_cluster(folder: Path, hidden: Path) -> Iterator[None]:
    """A SLURM of three nodes on loopback while the context is open; the third does not see a folder."""
    (folder / "state").mkdir()
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=os.uname().nodename, folder=folder))
    os.environ["SLURM_CONF"] = str(configuration)
    started: list[subprocess.Popen[bytes]] = []
    munge = [
        "munged",
        "--force",
        "--foreground",
        f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log",
    ]
    nodes = [["slurmd", "-D", "-N", name] for name in ("n1", "n2", "n3")]
    daemons = [munge, ["slurmctld", "-D", "-i"], *nodes[:2], blind(hidden, *nodes[2])]
    if Path("/run/munge/munge.socket.2").exists():
        daemons = daemons[1:]
    try:
        Path("/run/munge").mkdir(exist_ok=True)
        for daemon in daemons:
            quiet = subprocess.DEVNULL
            started.append(subprocess.Popen(daemon, stdin=quiet, stdout=quiet, stderr=quiet))
            time.sleep(1.0)
        wait_until(
            lambda: (
                subprocess.run(["sinfo", "-h", "-o", "%T %D"], capture_output=True, text=True).stdout
                == "idle 3\n"
            ),
            "three idle nodes of SLURM",
            60.0,
        )
        yield
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            process.wait(20)


def queued(state: str) -> list[str]:
    """The elements of our arrays that are in this state, as `squeue` names them."""
    done = subprocess.run(
        ["squeue", "-h", "--array", "-o", "%i", f"--states={state}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def on_slurm(trouble: Study, smoke: Study, folder: Path) -> Iterator[str]:
    """Two nodes, a job requeued and one cancelled, the command killed and given again; a blind node."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, slurm_cluster(Path(name), folder / "hidden"):
        slurm = ("--executor", "slurm", "--partition", "main")
        smoke.run(folder / "slurm-smoke", *slurm, "--workers", "2")
        compared = smoke.compare(folder / "local-smoke", folder / "slurm-smoke")
        yield f"implementation-matters --smoke: {compared}"

        store, said = folder / "slurm", folder / "said.txt"
        typed = trouble.command(store, *slurm, "--workers", "4", "--canary", "10%")
        with said.open("w") as out:
            running = subprocess.Popen(typed, stderr=out)
        wait_until(lambda: len(queued("RUNNING")) == 2, "two jobs at work")
        wait_until(lambda: "running" in trouble.states(store), "a run in training")
        time.sleep(5.0)
        first, second = queued("RUNNING")
        subprocess.run(["scontrol", "requeue", first], check=True)
        subprocess.run(["scancel", second], check=True)
        wait_until(lambda: "ended as CANCELLED" in said.read_text(), "a job that is said to be cancelled")
        running.kill()
        running.wait()
        again = subprocess.run(typed, timeout=900, stderr=subprocess.PIPE, text=True)
        sys.stderr.write(again.stderr)
        if again.returncode:
            raise SystemExit(f"slurm: the same command again ended with {again.returncode}")
        if "jobs of an earlier command go on" not in again.stderr:
            raise SystemExit("slurm: the same command did not take up the jobs of the first")
        compared = trouble.compare(folder / "local", store)
        yield (
            f"2 nodes, job {first} requeued, job {second} cancelled, the command killed and given again: "
            f"{compared}"
        )

        typed = trouble.command(
            folder / "hidden" / "slurm", "--executor", "slurm", "--partition", "blind", "--workers", "1"
        )
        done = subprocess.run(typed, timeout=300, capture_output=True, text=True)
        lines = [line for line in done.stderr.splitlines() if "nodes have to share the store" in line]
        if done.returncode != 1 or not lines or "Traceback" in done.stderr:
            raise SystemExit(f"slurm: a node without the store, {done.returncode}: {done.stderr}")
        yield f"a node without the store: {lines[0].replace(str(folder), '')}"


def lacking(executor: str) -> str:
    """What to install where an executor cannot be tried."""
    if executor == "ray":
        return "" if find_spec("ray") else "Ray is not installed: pip install 'matters[ray]'"
    if shutil.which("slurmctld") and shutil.which("munged") and os.geteuid() == 0:
        return ""
    return "SLURM is not installed (apt-get install slurmctld slurmd munge), or this is not root"


def main() -> None:
    """Run what was asked for; exits with a line at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executors", nargs="*", default=["ray", "slurm"], choices=["ray", "slurm"])
    parser.add_argument("--steps", type=int, default=20_000)
    asked = parser.parse_args()
    began = time.monotonic()

    def say(line: str) -> None:
        typer.echo(f"{time.monotonic() - began:4.0f} s  {line}")

    with tempfile.TemporaryDirectory(prefix="clusters-") as name:
        folder = Path(name)
        (folder / "hidden").mkdir()
        path = folder / "clustered.toml"
        path.write_text(small_suite("clustered", seeds=3, steps=asked.steps))
        trouble = Study((str(path),), load_suite(str(path)))
        smoke = Study(("implementation-matters", "--smoke"), load_suite("implementation-matters").smoke())
        trouble.run(folder / "local", "--workers", "2")
        smoke.run(folder / "local-smoke", "--workers", "2")
        say("local: both suites")
        for executor in asked.executors:
            if reason := lacking(executor):
                say(f"{executor}: SKIPPED: {reason}")
                continue
            for line in {"ray": on_ray, "slurm": on_slurm}[executor](trouble, smoke, folder):
                say(f"{executor}: {line}")


if __name__ == "__main__":
    main()
