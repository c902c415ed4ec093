"""Run a suite on a Ray cluster and on a real SLURM of this machine, in trouble, and compare with a local run.

    python -m testing.clusters ray slurm

Ray: three nodes of one core, one of which is taken away in the middle. SLURM: `slurmctld` and two `slurmd`
on loopback, with `munge` (Debian's packages `slurmctld slurmd munge`; as root), a job cancelled and one
requeued in the middle. Each suite has to come to its end with the digests of the local run and the
bytes of its report. What is not installed is named.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import typer

from matters.results.store import Store
from matters.suites.suite import load_suite

SUITE = """
[suite]
name = "clustered"
title = "The same on each executor"
environments = ["InvertedPendulum-v5"]
seeds = 3
steps = {steps}
questions = ["reproduction"]

[suite.evaluation]
points = 3
episodes = 2

[variants.ppo]
algorithm = "ppo"
config = {{ horizon = 500 }}

[variants.sac]
algorithm = "sac"
config = {{ hidden = [16, 16], batch_size = 16, warmup = 500 }}

[variants.sb3-ppo]
algorithm = "sb3-ppo"
config = {{ n_steps = 500, batch_size = 100 }}
"""


def command(suite: Path, store: Path, *options: str) -> list[str]:
    """The command that is typed."""
    return [sys.executable, "-m", "matters", "run", str(suite), "--store", str(store), *options]


def digests(suite: Path, store: Path) -> dict[str, str | None]:
    """The digest of every run of the suite."""
    opened = Store.open(store)
    specs = [spec for cell in load_suite(str(suite)).cells() for spec in cell.specs]
    return {spec.run_id: opened.status(spec.run_id).digest for spec in specs}


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    """Wait for a condition. Exits with one line where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


def states(suite: Path, store: Path) -> list[str]:
    """How the runs stand now."""
    if not (store / "store.json").exists():
        return []
    opened = Store.open(store)
    return [opened.status(run_id).state for run_id in digests(suite, store)]


def on_ray(suite: Path, store: Path) -> str:
    """Run the suite on three nodes, and take one away while all three work. Returns what was done."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    try:
        running = subprocess.Popen(
            command(suite, store, "--executor", "ray", "--address", cluster.address, "--workers", "3")
        )
        wait_until(lambda: states(suite, store).count("running") >= 3, "three workers on Ray")
        time.sleep(5.0)
        cluster.remove_node(nodes[1], allow_graceful=False)
        if running.wait(900):
            raise SystemExit(f"ray: the command ended with {running.returncode}")
    finally:
        cluster.shutdown()
    return "3 nodes, one removed in the middle"


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
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=1 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[None]:
    """A SLURM of two nodes on loopback while the context is open."""
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
    daemons = [munge, ["slurmctld", "-D", "-i"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]]
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
                == "idle 2\n"
            ),
            "two idle nodes of SLURM",
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


def on_slurm(suite: Path, store: Path) -> str:
    """Run the suite as jobs; requeue one in the middle, cancel one, and run the command again."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, slurm_cluster(Path(name)):
        options = ("--executor", "slurm", "--partition", "main", "--workers", "4")
        running = subprocess.Popen(command(suite, store, *options))
        wait_until(lambda: len(queued("RUNNING")) == 2, "two jobs at work")
        wait_until(lambda: "running" in states(suite, store), "a run in training")
        time.sleep(5.0)
        first, second = queued("RUNNING")
        subprocess.run(["scontrol", "requeue", first], check=True)
        subprocess.run(["scancel", second], check=True)
        # The cancelled job's runs are missing, which is an error of the command; the rest is done.
        if running.wait(900) != 1:
            raise SystemExit(
                f"slurm: with a job cancelled the command ended with {running.returncode}, not 1"
            )
        if subprocess.run(command(suite, store, *options), timeout=900).returncode:
            raise SystemExit("slurm: the same command again did not complete the suite")
    return f"2 nodes, job {first} requeued, job {second} cancelled, the command given again"


def main() -> None:
    """Run what was asked for; exits with a line at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executors", nargs="*", default=["ray", "slurm"], choices=["ray", "slurm"])
    parser.add_argument("--steps", type=int, default=20_000)
    asked = parser.parse_args()
    lacking = {
        "ray": "" if find_spec("ray") else "Ray is not installed: pip install 'matters[ray]'",
        "slurm": ""
        if shutil.which("slurmctld") and shutil.which("munged") and os.geteuid() == 0
        else "SLURM is not installed (apt-get install slurmctld slurmd munge), or this is not root",
    }
    with tempfile.TemporaryDirectory(prefix="clusters-") as name:
        folder = Path(name)
        suite = folder / "clustered.toml"
        suite.write_text(SUITE.format(steps=asked.steps))
        if subprocess.run(command(suite, folder / "local", "--workers", "2")).returncode:
            raise SystemExit("local: the suite did not complete")
        expected = digests(suite, folder / "local")
        for executor in asked.executors:
            if lacking[executor]:
                typer.echo(f"{executor}: SKIPPED: {lacking[executor]}")
                continue
            began = time.monotonic()
            what = {"ray": on_ray, "slurm": on_slurm}[executor](suite, folder / executor)
            if digests(suite, folder / executor) != expected:
                raise SystemExit(f"{executor}: {digests(suite, folder / executor)} is not {expected}")
            page, other = (folder / name / "report" / "clustered" for name in ("local", executor))
            for path in sorted(page.rglob("*.*")):
                if path.is_file() and path.read_bytes() != (other / path.relative_to(page)).read_bytes():
                    raise SystemExit(f"{executor}: {path.relative_to(page)} of the report has other bytes")
            faults = Store.open(folder / executor).verify()
            if faults:
                raise SystemExit(f"{executor}: {faults}")
            seconds = time.monotonic() - began
            typer.echo(f"{executor}: {len(expected)} runs, local digests and report; {what}; {seconds:.0f} s")


if __name__ == "__main__":
    main()
