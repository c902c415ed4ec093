"""Learning on real environments: minutes long, run by `nox -s learning`."""

import pytest

from matters.algorithms import ALGORITHMS, load
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.yardsticks import ENVIRONMENTS

pytestmark = pytest.mark.learning


def scores(path, algorithm, preset, environment, *, seeds=5, steps, **changes):
    """Each seed's primary endpoint."""
    rule = load(algorithm)
    specs = [
        RunSpec(
            algorithm=algorithm,
            algorithm_version=rule.VERSION,
            environment=environment,
            config=rule.PRESETS[preset].model_dump(mode="json") | changes,
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


RULES = [name for name in ALGORITHMS if load(name).KIND != "reference"]
RANDOM = ENVIRONMENTS["InvertedPendulum-v5"].random.value


@pytest.mark.parametrize("algorithm", RULES)
def test_every_rule_of_the_table_balances_five_times_as_long_as_random_actions(algorithm, tmp_path):
    steps, changes = 100_000, {}
    if load(algorithm).KIND == "off-policy":  # a step of theirs is worth, and costs, many of the others'
        steps, changes = 5_000, {"warmup": 1_000}
    found = scores(tmp_path, algorithm, algorithm, "InvertedPendulum-v5", steps=steps, **changes)
    assert sum(score >= 5 * RANDOM for score in found) >= 4, found
