"""What ten thousand runs take to list, verify and report: `python -m testing.measure_scale [--runs N]`.

The store is made by the product: tiny runs of a suite of 200 variants on five small environments, trained by
workers as `matters run` has them. Then each command is typed, and its seconds, the seconds of a core and the
most memory that it took are said, beside what the same command takes with an empty store.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from matters.harness.scheduling.executors.local import Local
from matters.harness.scheduling.fill_store import fill_store
from matters.harness.terminal.console import notes
from matters.harness.terminal.display import progress
from matters.results.store import Store
from matters.suites.loading import load_suite

SEEDS, ENVIRONMENTS = 10, 5
HEADER = """
[suite]
name = "scale"
title = "Many runs"
environments = [{environments}]
seeds = {seeds}
steps = 64
questions = []

[suite.evaluation]
points = 2
episodes = 1
"""
ENVIRONMENT = '{{ id = "lecture/LQR-v0", name = "LQR-{steps}", max_episode_steps = {steps} }}'
VARIANT = """
[variants.vpg-{number:03d}]
algorithm = "vpg"
config = {{ horizon = 32, hidden = [4], value_steps = 1, learning_rate = {rate} }}
"""
LAUNCHER = """
import resource, subprocess, sys
quiet = subprocess.DEVNULL
status = subprocess.run(sys.argv[1:], stdout=quiet, stderr=quiet).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(status, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
# A small process of its own: what a child has taken begins with what its parent held.
COMMANDS = {
    "status": ("status", "SUITE"),
    "status --json": ("status", "SUITE", "--json"),
    "list runs": ("list", "runs"),
    "list runs --json": ("list", "runs", "--json"),
    "list failures": ("list", "failures"),
    "plan": ("plan", "SUITE"),
    "verify --sample 500": ("verify", "--sample", "500"),
    "verify": ("verify",),
    "report": ("report", "SUITE"),
}


def suite_of(runs: int) -> str:
    """A suite with about so many runs."""
    variants = max(runs // (SEEDS * ENVIRONMENTS), 1)
    places = ", ".join(ENVIRONMENT.format(steps=8 + number) for number in range(ENVIRONMENTS))
    rates = (VARIANT.format(number=number, rate=0.001 * (number + 1)) for number in range(variants))
    return HEADER.format(environments=places, seeds=SEEDS) + "".join(rates)


def typed(words: tuple[str, ...], suite: Path, store: Path) -> dict[str, float]:
    """Type the command; seconds, seconds of a core, and MB of the most memory that it took."""
    line = [str(suite) if word == "SUITE" else word for word in words]
    command = [sys.executable, "-m", "matters", *line, "--store", str(store)]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], capture_output=True, check=True)
    status, used, most = (float(word) for word in done.stdout.split())
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "of a core": round(used, 1),
        "MB": round(most / 1024),
        "exit": status,
    }


def main() -> None:
    """Make the store, type the commands, say what they took, one line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", default=",".join(COMMANDS), help="commands, with commas")
    parser.add_argument("--store", type=Path, help="where the store is made, or was; kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        suite = Path(name, "scale.toml")
        suite.write_text(suite_of(asked.runs))
        empty = Store.open(Path(name, "empty"), create=True)
        store = Store.open(asked.store or Path(name, "runs"), create=True)
        cells = load_suite(str(suite)).cells()
        began = time.perf_counter()
        made = fill_store(
            store,
            cells,
            asked.workers,
            executor=Local(),
            watch=lambda tasks: progress(tasks, notes()),
            say=notes().print,
        )
        runs = sum(len(cell.specs) for cell in cells)
        facts = {"runs": runs, "trained": made.trained, "seconds": round(time.perf_counter() - began)}
        sys.stdout.write(json.dumps(facts) + "\n")
        for command in asked.only.split(","):
            words = COMMANDS[command]
            found = {"command": command, "full": typed(words, suite, store.path)}
            if command != "report":
                found["empty"] = typed(words, suite, empty.path)
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
