"""A pilot: some updates of an algorithm on seeds that no suite uses, and what they record of themselves."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.loading import suite
from matters.suites.spec import RunSpec

UPDATES, HORIZON = 25, 2048


def specs(algorithm: str, environment: str, seeds: Sequence[int], **config: Any) -> list[RunSpec]:
    """Runs of UPDATES updates."""
    declared = suite(
        {
            "suite": {
                "name": "pilot",
                "title": "Pilot",
                "environments": [environment],
                "seeds": list(seeds),
                "steps": UPDATES * HORIZON,
                "questions": [],
                "evaluation": {"points": 2, "episodes": 1},
            },
            "variants": {"pilot": {"algorithm": algorithm, "config": config}},
        }
    )
    return list(declared.cells()[0].specs)


def recorded(runs: list[RunSpec]) -> dict[str, np.ndarray]:
    """The diagnostics of every update of every run, after training them together."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "runs", create=True)
        train_population(store.path, runs, lambda _: None)
        updates = [store.record(spec.run_id).updates for spec in runs]
    return {name: np.concatenate([one[name] for one in updates]) for name in updates[0]}
