"""How long the report of about a thousand runs takes: `python -m testing.measure_report [SUITE]`.

Makes a store with a finished run for all that the suite declares, of the size that real runs have, then reads
and reports it as `matters report` does. The aim is a minute for a thousand runs on two cores.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from matters.reports.report import write_report
from matters.results.schema import Record
from matters.results.snapshot import snapshot
from matters.results.store import Store
from matters.suites.loading import load_suite
from matters.suites.spec import RunSpec
from matters.suites.suite import Suite

SUITE = "mujoco-on-policy"
ONLY = "reinforce,vpg,npg,tnpg,trpo*,ppo*,sb3-trpo,sb3-ppo"  # 1190 runs
DIAGNOSTICS = (
    "mean_kl", "max_ratio", "clip_fraction", "entropy", "explained_variance", "value_loss", "gradient_norm",
)  # fmt: skip


def record(spec: RunSpec, updates: int, episodes: int) -> Record:
    """A run that learns a little, with noise of its own."""
    rng = np.random.default_rng(int(spec.run_id, 16))
    points, each = spec.evaluation.points, spec.evaluation.episodes
    rise = np.repeat(np.linspace(0.1, 1.0, points), each)
    point = np.repeat(np.arange(1, points + 1), each)
    end = np.sort(rng.integers(1, spec.steps + 1, episodes))
    return Record(
        episodes={
            "step": end,
            "environment": np.zeros(episodes, np.int64),
            "return": rng.normal(size=episodes),
            "length": np.full(episodes, 100),
            "terminated": rng.random(episodes) < 0.5,
        },
        evaluations={
            "point": point,
            "step": point * spec.steps // points,
            "episode": np.tile(np.arange(each), points),
            "return": 1000 * rise * (1 + 0.1 * rng.normal() + 0.05 * rng.normal(size=points * each)),
            "length": np.full(points * each, 100),
        },
        updates={
            "step": np.linspace(1, spec.steps, updates).astype(np.int64),
            **{name: rng.lognormal(-4, 0.3, updates) for name in DIAGNOSTICS},
        },
        policy={"theta": rng.normal(size=(1, 5000)).astype(np.float32)},
    )


def fill(store: Store, suite: Suite) -> int:
    """Put every declared run into the store and return how many there are."""
    specs = {spec.run_id: spec for cell in suite.cells() for spec in cell.specs}
    for spec in specs.values():
        lease = store.lease(spec)
        if lease is not None:
            with lease:
                lease.finish(record(spec, max(1, suite.steps // 2048), suite.steps // 300), {"threads": 1})
    return len(specs)


def main(name: str) -> None:
    """Fill a store, read it, report it, say how long that took."""
    suite = load_suite(name).restricted(only=ONLY if name == SUITE else None)
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory) / "store", create=True)
        runs = fill(store, suite)
        clocks = {"seconds": time.perf_counter, "of a core": time.process_time}
        begun = {name: clock() for name, clock in clocks.items()}
        taken = snapshot(store, suite)
        read = {name: clock() for name, clock in clocks.items()}
        write_report(suite, taken, Path(directory) / "report", command="matters report")
        written = {name: clock() for name, clock in clocks.items()}
    times = {
        "reading": {name: round(read[name] - begun[name], 1) for name in clocks},
        "report": {name: round(written[name] - read[name], 1) for name in clocks},
    }
    sys.stdout.write(json.dumps({"suite": suite.name, "runs": runs, **times}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else SUITE)
