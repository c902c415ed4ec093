"""Learning on real environments: minutes long, run by `nox -s learning`."""

import pytest

from matters.algorithms import load
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

pytestmark = pytest.mark.learning


def scores(path, algorithm, preset, environment, *, seeds=5, steps):
    """Each seed's primary endpoint."""
    rule = load(algorithm)
    specs = [
        RunSpec(
            algorithm=algorithm,
            algorithm_version=rule.VERSION,
            environment=environment,
            config=rule.PRESETS[preset].model_dump(mode="json"),
            seed=seed,
            steps=steps,
            evaluation=Evaluation(points=10, episodes=5),
        )
        for seed in range(seeds)
    ]
    Store.open(path, create=True)
    train_population(path, specs, lambda progress: None)
    store = Store.open(path)
    found = [store.status(spec.run_id).score for spec in specs]
    print(f"{preset} on {environment}, {steps} steps:", found)  # the figures are the point of the session
    return found


def test_ppo_sb3_balances_the_pendulum_on_four_of_five_seeds(tmp_path):
    found = scores(tmp_path, "ppo", "ppo-sb3", "InvertedPendulum-v5", steps=100_000)
    assert sum(score >= 900 for score in found) >= 4, found
