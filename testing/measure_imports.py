"""How long it takes to import 700 monitors and to report 400 runs: `python -m testing.measure_imports`.

Makes 700 monitors of 1 000 episodes, one per run, and a table of 400 runs with 400 points each; imports both
through the command line and reports the second. The aim is a minute for each.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from matters.harness.cli import call

MONITORS, EPISODES = 700, 1_000
RUNS, POINTS = 400, 400
AIM_SECONDS = 60.0


def write_monitors(folder: Path, rng: np.random.Generator) -> None:
    """One monitor per run, in folders by variant and seed, as Stable-Baselines3 writes them."""
    for number in range(MONITORS):
        place = folder / f"ppo-{number % 7}" / f"Hopper-v5_s{number // 7}"
        place.mkdir(parents=True)
        lengths, ended = rng.integers(20, 1000, EPISODES), np.cumsum(rng.random(EPISODES))
        rows = zip(rng.normal(1000, 200, EPISODES), lengths, ended, strict=True)
        text = "".join(f"{value:.6f},{length},{time_:.6f}\n" for value, length, time_ in rows)
        header = '#{"t_start": 1700000000.0, "env_id": "Hopper-v5"}\nr,l,t\n'
        (place / "monitor.csv").write_text(header + text)


def write_table(path: Path, rng: np.random.Generator) -> None:
    """Runs of two variants on four environments, with a curve each."""
    names = ("Hopper-v5", "Walker2d-v5", "HalfCheetah-v5", "Ant-v5")
    lines = ["variant,environment,seed,step,return\n"]
    for number in range(RUNS):
        variant, environment, seed = ("a", "b")[number % 2], names[number // 2 % 4], number // 8
        curve = 3000 * np.linspace(0, 1, POINTS) * (1 + 0.1 * rng.normal()) + rng.normal(0, 50, POINTS)
        run = f"{variant},{environment},{seed}"
        lines += [f"{run},{step * 2500},{value:.4f}\n" for step, value in enumerate(curve, 1)]
    path.write_text("".join(lines))


def timed(work: Callable[[], int]) -> float:
    """Seconds of wall time. Raises SystemExit if the command fails."""
    start = time.perf_counter()
    if work():
        raise SystemExit(1)
    return time.perf_counter() - start


def main() -> int:
    """Measure, print, and say by the exit status whether both aims are met."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        write_monitors(root / "logs", rng)
        write_table(root / "table.csv", rng)
        store = ["--store", str(root / "runs")]
        pattern = str(root / "logs" / "{variant}" / "{environment}_s{seed}")
        seconds = {
            f"import {MONITORS} monitors": timed(
                lambda: call(["import", "--from", pattern, "--name", "monitors", *store])
            ),
            f"import {RUNS} x {POINTS}": timed(
                lambda: call(["import", str(root / "table.csv"), "--name", "table", *store])
            ),
            f"report {RUNS} x {POINTS}": timed(lambda: call(["report", "--imported", "table", *store])),
        }
    sys.stdout.write(json.dumps({name: round(value, 1) for name, value in seconds.items()}) + "\n")
    return int(max(seconds.values()) > AIM_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
