"""What the algorithms learn on tasks with known answers, and what they do not learn with a switch set
wrong.
"""

import numpy as np
import pytest
import torch

from matters.algorithms import ALGORITHMS, load
from matters.algorithms.parts.actor_critic import values
from matters.algorithms.parts.critics import q_values
from matters.harness.training.loop import train
from matters.harness.training.population import begin
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.probes import TASKS, endless_value_if_terminal

ON_POLICY = [name for name in ALGORITHMS if load(name).KIND == "on-policy"]
WITH_V = [name for name in ON_POLICY if "gae_lambda" in load(name).Config.model_fields]
OFF_POLICY = [name for name in ALGORITHMS if load(name).KIND == "off-policy"]

SETTINGS = {
    "horizon": 16, "environments": 8, "discount": 0.9, "hidden": (16,), "learning_rate": 3e-3,
    "epochs": 10, "minibatch_size": 32, "value_learning_rate": 1e-2, "value_steps": 40, "value_epochs": 5,
    "value_minibatch_size": 32, "damping": 0.1,
    "batch_size": 32, "warmup": 100, "critic_learning_rate": 1e-2, "critic_weight_decay": 0.0,
    "target_rate": 0.05, "exploration": "gaussian", "learn_temperature": False, "temperature": 0.0,
}  # fmt: skip
"""Small, fast, and without a reward for entropy, so that values are those of the reward. Of these a rule
takes what it has."""
TRICKS = {
    "tanh_activations": True, "observation_normalisation": False, "observation_clip": None,
    "reward_scaling": False, "reward_clip": None, "anneal_lr": False,
}  # fmt: skip
OWN = {
    "vpg": {"learning_rate": 1e-2},  # it takes one step an update
    "a2c": {"learning_rate": 1e-2, "value_coefficient": 1.0},
    "a3c": {"value_coefficient": 1.0},
    "impala": {"learning_rate": 6e-3, "value_coefficient": 1.0},
    "rloo": {"learning_rate": 1e-2},
    "grpo": {"epochs": 3},  # more of them fit the noise of a small group, whose spread is always 1
}
"""What a rule needs beside."""


def settled(algorithm, *, tricks=None, **changes):
    """A rule's preset of its own name with those settings."""
    rule = load(algorithm)
    base = rule.PRESETS[algorithm].model_dump()
    for own, chosen in (
        (base, SETTINGS | OWN.get(algorithm, {}) | changes),
        (base["tricks"], TRICKS | (tricks or {})),
    ):
        own |= {name: value for name, value in chosen.items() if name in own}
    if not base["tricks"].get("advantage_normalisation", True):
        base["tricks"]["advantage_normalisation"] = True
    return rule.Config.model_validate(base, strict=False)


def trained(algorithm, probe, *, updates=40, **changes):
    """Three seeds of an on-policy rule."""
    config = settled(algorithm, **changes)
    return carried_out(algorithm, config, probe, steps=updates * config.horizon * config.environments)


def trained_off_policy(algorithm, probe, *, steps, **changes):
    """Three seeds of an off-policy rule."""
    return carried_out(algorithm, settled(algorithm, **changes), probe, steps=steps)


def carried_out(algorithm, config, probe, *, steps):
    specs = [
        RunSpec(
            algorithm=algorithm,
            algorithm_version=load(algorithm).VERSION,
            environment=f"probe/{probe}-v0",
            config=config.model_dump(mode="json"),
            seed=seed,
            steps=steps,
            evaluation=Evaluation(),
        )
        for seed in range(3)
    ]
    training = begin(specs)
    for _event in train(training):
        pass
    return training


def q_at(training, observation):
    """Q(s, a) of every critic at an observation, for five actions: [seed, critic, action]."""
    critics = training.state.critics
    action = torch.linspace(-0.8, 0.8, 5)[None, :, None].expand(3, -1, -1)
    return q_values(critics, critics.theta.arrays, torch.full_like(action, observation), action).value.numpy()


def value_at(training, *observations):
    """V of each observation, [seed, observation]."""
    points = torch.tensor(observations, dtype=torch.float32)[None, :, None].expand(3, -1, 1)
    with torch.no_grad():
        return values(training.state, points).numpy()


def mode_at(training, *observations):
    return np.stack(
        [
            training.policy()(torch.full((3, 1, 1), observation)).numpy()[:, 0, 0]
            for observation in observations
        ],
        1,
    )


@pytest.mark.parametrize("algorithm", WITH_V)
def test_the_value_function_sees_the_observation(algorithm):
    found = value_at(trained(algorithm, "Observation"), -0.8, 0.0, 0.8)
    assert found == pytest.approx(np.tile([-0.8, 0.0, 0.8], (3, 1)), abs=0.1)


@pytest.mark.parametrize("algorithm", WITH_V)
def test_the_future_is_discounted(algorithm):
    found = value_at(trained(algorithm, "Delay", updates=30), 0.0, 1.0)
    assert found == pytest.approx(np.tile([0.9, 1.0], (3, 1)), abs=0.05)


@pytest.mark.parametrize("algorithm", ON_POLICY)
def test_the_policy_finds_the_action_that_pays(algorithm):
    assert mode_at(trained(algorithm, "Action"), 0.0) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("algorithm", ON_POLICY)
def test_the_policy_couples_its_action_to_the_observation(algorithm):
    found = mode_at(trained(algorithm, "Copy", updates=60), -0.7, 0.0, 0.7)
    assert found == pytest.approx(np.tile([-0.7, 0.0, 0.7], (3, 1)), abs=0.2)


@pytest.mark.parametrize("algorithm", WITH_V)
def test_the_value_of_an_endless_reward_of_one_is_one_over_one_minus_discount(algorithm):
    assert value_at(trained(algorithm, "Endless", updates=60), 0.0) == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize("algorithm", WITH_V)
def test_control_it_is_not_when_time_limits_are_terminal(algorithm):
    training = trained(algorithm, "Endless", tricks={"time_limit_terminal": True})
    # Five steps at most: from the middle of an episode (1 − 0.9⁵) / 0.1 = 4.1 would be the most.
    assert 2.0 < value_at(training, 0.0).min() <= value_at(training, 0.0).max() < 4.2


def test_the_value_function_fits_a_constant():
    assert value_at(trained("ppo", "Constant"), 0.0) == pytest.approx(1.0, abs=0.05)


def test_a_beta_policy_finds_the_action_that_pays():
    training = trained("ppo", "Action", policy="beta")
    assert mode_at(training, 0.0) == pytest.approx(0.5, abs=0.1)


def test_a_beta_policy_couples_its_action_to_the_observation():
    found = mode_at(trained("ppo", "Copy", updates=60, policy="beta"), -0.7, 0.0, 0.7)
    assert found == pytest.approx(np.tile([-0.7, 0.0, 0.7], (3, 1)), abs=0.2)


def test_control_without_a_gradient_nothing_is_learnt():
    training = trained("ppo", "Action", learning_rate=1e-12, value_learning_rate=None)
    assert np.abs(mode_at(training, 0.0) - 0.5).min() > 0.4


@pytest.mark.parametrize("algorithm", OFF_POLICY)
def test_off_policy_the_future_is_discounted(algorithm):
    training = trained_off_policy(algorithm, "Delay", steps=700)
    assert q_at(training, 0.0) == pytest.approx(0.9, abs=0.05)
    assert q_at(training, 1.0) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("algorithm", OFF_POLICY)
def test_off_policy_the_value_of_an_endless_reward_of_one_is_one_over_one_minus_discount(algorithm):
    assert q_at(trained_off_policy(algorithm, "Endless", steps=1500), 0.0) == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize("algorithm", OFF_POLICY)
def test_control_off_policy_it_is_not_when_time_limits_are_terminal(algorithm):
    training = trained_off_policy(algorithm, "Endless", steps=800, tricks={"time_limit_terminal": True})
    # 3.6, and as uncertain as which ends a batch has.
    assert q_at(training, 0.0) == pytest.approx(endless_value_if_terminal(0.9), abs=1.5)


@pytest.mark.parametrize("algorithm", OFF_POLICY)
def test_off_policy_the_policy_couples_its_action_to_the_observation(algorithm):
    found = mode_at(trained_off_policy(algorithm, "Copy", steps=1000), -0.7, 0.0, 0.7)
    assert found == pytest.approx(np.tile([-0.7, 0.0, 0.7], (3, 1)), abs=0.25)


def test_every_probe_is_used_here():
    assert set(TASKS) == {"Constant", "Observation", "Delay", "Action", "Copy", "Endless"}
