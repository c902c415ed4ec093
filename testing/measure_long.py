"""What a long run takes beside its training: `python -m testing.measure_long [VARIANT] [--steps N]`.

Trains one run as a worker does and says how much memory the process had along the way, which part of the time
went into checkpoints, and how many bytes the unfinished and the finished run took.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from matters.harness.training import worker
from matters.harness.training.job import Progress
from matters.results.store import Store
from matters.suites.loading import loads

SUITE = """
[suite]
name = "long"
title = "A long run"
environments = ["{environment}"]
seeds = 1
steps = {steps}
questions = []

[variants.long]
algorithm = "{algorithm}"
preset = "{preset}"
"""
PARTS = 20
"""How many times memory is looked at."""


def resident() -> float:
    """MB of memory that this process has now."""
    fields = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in fields if line.startswith("VmRSS:"))


def size(directory: Path, pattern: str = "*") -> int:
    """Bytes of the files."""
    return sum(path.stat().st_size for path in directory.glob(pattern))


def main() -> None:
    """Train, and say it in one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("preset", nargs="?", default="ppo")
    parser.add_argument("--algorithm", help="[default: the preset's name]")
    parser.add_argument("--environment", default="Hopper-v5")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--checkpoint-seconds", type=float, default=30.0)
    asked = parser.parse_args()
    text = SUITE.format(
        environment=asked.environment,
        steps=asked.steps,
        preset=asked.preset,
        algorithm=asked.algorithm or asked.preset,
    )
    ((spec,),) = (cell.specs for cell in loads(text, "suite").cells())
    memory: list[tuple[int, float]] = []
    kept: list[int] = []
    taken = 0.0
    real = worker._save

    with tempfile.TemporaryDirectory() as name:
        store = Store.open(Path(name), create=True)
        directory = store.directory(spec.run_id)

        def noted(progress: Progress) -> None:
            if progress.state == "running" and progress.steps * PARTS >= len(memory) * asked.steps:
                memory.append((progress.steps, resident()))

        def timed(*arguments: object) -> str:
            nonlocal taken
            began = time.perf_counter()
            said = real(*arguments)  # type: ignore[arg-type]
            taken += time.perf_counter() - began
            kept.append(size(directory, "checkpoint.*"))
            return said

        began = time.perf_counter()
        with mock.patch.object(worker, "_save", timed):
            worker.train_population(store.path, [spec], noted, checkpoint_seconds=asked.checkpoint_seconds)
        seconds = time.perf_counter() - began
        half = memory[len(memory) // 2 :]
        growth = np.polyfit([step for step, _ in half], [held for _, held in half], 1)[0] * 1e6
        facts = {
            "preset": asked.preset,
            "environment": asked.environment,
            "steps": store.status(spec.run_id).steps,
            "state": store.status(spec.run_id).state,
            "seconds": round(seconds, 1),
            "MB along the way": [round(held) for _, held in memory],
            "MB per million steps in the second half": round(float(growth), 1),
            "checkpoints": len(kept),
            "percent of the time in them": round(100 * taken / seconds, 2),
            "bytes unfinished at most": max(kept, default=0),
            "bytes finished": {path.name: path.stat().st_size for path in sorted(directory.iterdir())},
            "bytes finished in all": size(directory),
        }
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
