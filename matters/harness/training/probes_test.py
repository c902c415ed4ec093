"""What the algorithms learn on tasks with known answers, and what they do not learn with a switch set
wrong.
"""

import numpy as np
import pytest
import torch

from matters.algorithms import load
from matters.algorithms.parts.actor_critic import values
from matters.algorithms.parts.critics import q_values
from matters.harness.training.loop import train
from matters.harness.training.population import begin
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.probes import TASKS, endless_value_if_terminal

PPO = {"horizon": 128, "minibatch_size": 32, "learning_rate": 3e-3, "discount": 0.9, "hidden": (16,)}
VPG = {"horizon": 128, "learning_rate": 1e-2, "value_learning_rate": 1e-2, "discount": 0.9, "hidden": (16,)}

OFF_POLICY = {
    "batch_size": 32, "warmup": 100, "learning_rate": 3e-3, "critic_learning_rate": 1e-2, "target_rate": 0.05,
    "discount": 0.9, "hidden": (16,),
}  # fmt: skip
# SAC is paid nothing for its entropy, so that values are those of the reward.
PRESETS = {"ddpg": ("ddpg-tuned", {}), "td3": ("td3", {}), "sac": ("sac-fixed", {"temperature": 0.0})}


def trained(algorithm, probe, *, updates=40, tricks=None, **changes):
    """Three seeds; PPO from its parity preset, VPG with tanh and standardised advantages."""
    rule = load(algorithm)
    base = rule.PRESETS["ppo-sb3" if algorithm == "ppo" else "vpg"].model_dump()
    base |= (PPO if algorithm == "ppo" else VPG) | changes
    if algorithm == "vpg":
        base["tricks"] |= {"tanh_activations": True, "advantage_normalisation": True}
    base["tricks"] |= tricks or {}
    config = rule.Config.model_validate(base, strict=False)
    return carried_out(algorithm, config, probe, steps=updates * config.horizon * config.environments)


def trained_off_policy(algorithm, probe, *, steps=1500, tricks=None):
    """Three seeds, in small."""
    rule = load(algorithm)
    preset, changes = PRESETS[algorithm]
    base = rule.PRESETS[preset].model_dump() | OFF_POLICY | changes
    base["tricks"] |= tricks or {}
    return carried_out(algorithm, rule.Config.model_validate(base, strict=False), probe, steps=steps)


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
    return q_values(
        critics, critics.theta.stored_views, torch.full_like(action, observation), action
    ).value.numpy()


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


@pytest.mark.parametrize("algorithm", ["ppo", "vpg"])
def test_the_value_function_fits_a_constant(algorithm):
    assert value_at(trained(algorithm, "Constant"), 0.0) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("algorithm", ["ppo", "vpg"])
def test_the_value_function_sees_the_observation(algorithm):
    training = trained(algorithm, "Observation")
    for observation in (-0.8, 0.0, 0.8):
        assert value_at(training, observation) == pytest.approx(observation, abs=0.1)


@pytest.mark.parametrize("algorithm", ["ppo", "vpg"])
def test_the_future_is_discounted(algorithm):
    training = trained(algorithm, "Delay")
    found = value_at(training, 0.0, 1.0)
    assert found[:, 0] == pytest.approx(0.9, abs=0.05)
    assert found[:, 1] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("algorithm", ["ppo", "vpg"])
def test_the_policy_finds_the_action_that_pays(algorithm):
    assert mode_at(trained(algorithm, "Action", updates=80), 0.0) == pytest.approx(0.5, abs=0.1)


def test_the_policy_couples_its_action_to_the_observation():
    training = trained("ppo", "Copy", updates=120)
    for observation in (-0.7, 0.0, 0.7):
        assert mode_at(training, observation) == pytest.approx(observation, abs=0.15)


def test_a_beta_policy_finds_the_action_that_pays():
    training = trained("ppo", "Action", updates=80, policy="beta")
    assert mode_at(training, 0.0) == pytest.approx(0.5, abs=0.1)


def test_a_beta_policy_couples_its_action_to_the_observation():
    training = trained("ppo", "Copy", updates=120, policy="beta")
    for observation in (-0.7, 0.0, 0.7):
        assert mode_at(training, observation) == pytest.approx(observation, abs=0.15)


@pytest.mark.parametrize("algorithm", ["ppo", "vpg"])
def test_the_value_of_an_endless_reward_of_one_is_one_over_one_minus_discount(algorithm):
    training = trained(algorithm, "Endless", updates=80)
    assert value_at(training, 0.0) == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize("algorithm", ["ppo", "vpg"])
def test_control_it_is_not_when_time_limits_are_terminal(algorithm):
    training = trained(algorithm, "Endless", updates=80, tricks={"time_limit_terminal": True})
    # Five steps at most: from the middle of an episode (1 − 0.9⁵) / 0.1 = 4.1 would be the most.
    assert value_at(training, 0.0).max() < 4.2


@pytest.mark.parametrize("algorithm", ["ddpg", "td3", "sac"])
def test_off_policy_the_future_is_discounted(algorithm):
    training = trained_off_policy(algorithm, "Delay", steps=800)
    assert q_at(training, 0.0) == pytest.approx(0.9, abs=0.05)
    assert q_at(training, 1.0) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("algorithm", ["ddpg", "td3", "sac"])
def test_off_policy_the_value_of_an_endless_reward_of_one_is_one_over_one_minus_discount(algorithm):
    assert q_at(trained_off_policy(algorithm, "Endless"), 0.0) == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize("algorithm", ["ddpg", "td3", "sac"])
def test_control_off_policy_it_is_not_when_time_limits_are_terminal(algorithm):
    training = trained_off_policy(algorithm, "Endless", steps=800, tricks={"time_limit_terminal": True})
    # 3.6, and as uncertain as which ends a batch has.
    assert q_at(training, 0.0) == pytest.approx(endless_value_if_terminal(0.9), abs=1.5)


@pytest.mark.parametrize("algorithm", ["ddpg", "td3", "sac"])
def test_off_policy_the_policy_couples_its_action_to_the_observation(algorithm):
    training = trained_off_policy(algorithm, "Copy")
    for observation in (-0.7, 0.0, 0.7):
        assert mode_at(training, observation) == pytest.approx(observation, abs=0.25)


def test_control_without_a_gradient_nothing_is_learnt():
    training = trained("ppo", "Action", updates=40, learning_rate=1e-12)
    assert np.abs(mode_at(training, 0.0) - 0.5).min() > 0.4


def test_every_probe_is_used_here():
    assert set(TASKS) == {"Constant", "Observation", "Delay", "Action", "Copy", "Endless"}
