"""Kill `matters run` again and again, in any way and at any moment, and hold the outcome against a calm run.

    python -m testing.kills --kills 200

A small suite with an on-policy rule, an off-policy one and a reference is trained calmly once. Then the same
command is killed at random times, by SIGKILL, SIGTERM or SIGINT, the whole group, the command alone or one of
its workers, until it has come to its end; then from an empty store again. Each time the store has to verify;
in the end every digest has to be the calm one, and nothing half written may stay.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import typer

from matters.results import files
from matters.results.store import Store
from matters.suites.loading import load_suite
from testing.small_suite import digests, small_suite

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("group", "command", "worker")


def start(suite: Path, store: Path) -> subprocess.Popen[bytes]:
    """The command, in a process group of its own, in which Ctrl-C is heard."""
    command = [sys.executable, "-m", "matters", "run", str(suite), "--store", str(store), "--workers", "2"]
    quiet = subprocess.DEVNULL
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)


def workers(command: subprocess.Popen[bytes]) -> list[int]:
    """The processes that the command has started."""
    try:
        children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in children.split()]


def kill(command: subprocess.Popen[bytes], how: signal.Signals, victim: str, chance: random.Random) -> bool:
    """Send the signal; False if there was nobody to send it to."""
    crew = workers(command)
    try:
        if victim == "group":
            os.killpg(command.pid, how)
        elif victim == "command":
            command.send_signal(how)
        elif crew:
            os.kill(chance.choice(crew), how)
        else:
            return False
    except ProcessLookupError:
        return False
    return True


def alive(pids: list[int]) -> bool:
    """Whether any of these processes still runs; a zombie does not."""
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return True
        except OSError:
            continue
    return False


def outcome(suite: Path, store: Path) -> dict[str, str | None]:
    """What has to come out: each run's digest, and that there is a page, whose bytes depend on times."""
    if not (store / "report" / "killed" / "index.html").exists():
        raise SystemExit("the command ended without a page")
    return digests(load_suite(str(suite)), store)


def main() -> None:
    """Kill as often as asked, and say what was done; exits with a line at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=30.0, help="seconds that an end may take")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    kills: collections.Counter[str] = collections.Counter()
    ends = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        suite, calm, store = Path(folder, "killed.toml"), Path(folder, "calm"), Path(folder, "runs")
        suite.write_text(small_suite("killed", seeds=2, steps=6000))
        began = time.monotonic()
        if start(suite, calm).wait():
            raise SystemExit("the calm run failed")
        length = time.monotonic() - began
        expected = outcome(suite, calm)
        while kills.total() < asked.kills:
            command = start(suite, store)
            # At any moment of a whole run; the first seconds, in which libraries load, are no rarer.
            try:
                command.wait(chance.uniform(0.2, length * chance.random() + 0.5))
            except subprocess.TimeoutExpired:
                how, victim = chance.choice(SIGNALS), chance.choice(VICTIMS)
                crew = workers(command)
                sent = time.monotonic()
                if kill(command, how, victim, chance):
                    kills[f"{how.name} to {victim}"] += 1
                    if victim == "worker":
                        command.wait()
                    else:
                        command.wait(asked.patience)
                        slowest = max(slowest, time.monotonic() - sent)
                    while alive(crew) and victim != "worker":
                        if time.monotonic() - sent > asked.patience:
                            raise SystemExit(f"{how.name} to {victim}: a worker outlives it") from None
                        time.sleep(0.05)
                else:
                    command.wait()
            if (store / "store.json").exists() and (faults := Store.open(store).verify()):
                raise SystemExit(f"after {kills.total()} kills: {faults}")
            if command.returncode == 0:
                found = outcome(suite, store)
                if found != expected:
                    raise SystemExit(f"after {kills.total()} kills: {found} is not {expected}")
                left = [
                    *store.rglob(files.TEMPORARY),
                    *store.rglob("checkpoint.*"),
                    *store.rglob("holder.json"),
                ]
                if left:
                    raise SystemExit(f"after {kills.total()} kills there is left {left}")
                ends += 1
                typer.echo(
                    f"{kills.total()} kills, {ends} ends, each as the calm one; slowest end {slowest:.1f} s"
                )
                shutil.rmtree(store)
    for what, number in sorted(kills.items()):
        typer.echo(f"{what}: {number}")
    typer.echo(
        f"{kills.total()} kills in {ends} whole runs of {length:.0f} s; the slowest end took {slowest:.1f} s"
    )


if __name__ == "__main__":
    main()
