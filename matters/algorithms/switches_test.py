"""What each switch does, by a number or an identity; that each does something is in the tests of knobs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from matters.algorithms import a2c, ddpg, load, ppo, td3
from matters.algorithms.conftest import PROBLEM, bits, changed, collect, generators, practised, trained
from matters.algorithms.interface import Problem, ReplayBatch
from matters.algorithms.maths.moments import include, restore, standardise, start
from matters.algorithms.parts.actor_critic import estimate, prepare, value_gradient, values
from matters.algorithms.parts.optimisers import rmsprop_step
from matters.algorithms.parts.theta import Layout, Theta
from matters.algorithms.ppo_test import SMALL, begun

SEEDS = (0, 1, 2)


def test_normalised_targets_have_mean_0_and_deviation_1_and_values_are_back_in_returns() -> None:
    config = changed(SMALL, tricks__value_normalisation=True)
    state, rollout = begun(config)
    rollout.reward = 1000 + 50 * rollout.reward
    before = prepare(state, config, rollout)
    include(state.value_moments, before.target.unsqueeze(2).numpy())
    target = before.target.clone()
    batch = ppo.in_units(state, config, before)
    assert batch.target.mean(1).abs().max() < 1e-2
    torch.testing.assert_close(batch.target.std(1), torch.ones(3), rtol=2e-2, atol=0)
    seen = rollout.observation.flatten(1, 2)
    plain = replace(state, value_moments=None)
    expected = values(plain, seen) * target.std(1, keepdim=True) + target.mean(1, keepdim=True)
    torch.testing.assert_close(values(state, seen), expected, rtol=3e-2, atol=100.0)


def test_restoring_undoes_standardising() -> None:
    moments, x = start(2, 1), np.random.default_rng(0).normal(7, 3, (2, 50, 1)).astype(np.float32)
    include(moments, x)
    back = restore(moments, torch.from_numpy(standardise(moments, x)).squeeze(2))
    np.testing.assert_allclose(back.numpy(), x[..., 0], rtol=1e-5)


def test_a_value_clip_in_spreads_clips_the_same_samples_whatever_the_size_of_rewards() -> None:
    found = []
    for size in (1.0, 100.0):
        config = changed(SMALL, tricks__value_clip=True, tricks__value_clip_in_spreads=True)
        state, rollout = begun(config, dtype=torch.float64)
        batch = prepare(state, config, rollout)
        batch.target, batch.value = size * batch.target, size * batch.value
        batch = ppo.in_units(state, config, batch)
        for parameter in state.value.views[-2:]:  # the network's outputs are as large
            parameter.mul_(size)
        state.value.views[-1].add_(0.5 * size)
        found.append(value_gradient(state, batch, clip=0.2)[0] / size**2)
    torch.testing.assert_close(*found)


def test_advantages_computed_anew_are_those_of_the_value_function_as_it_then_is() -> None:
    config = changed(SMALL, tricks__recompute_advantages=True, tricks__reward_clip=0.5)
    state, rollout = begun(config)
    batch = ppo.in_units(state, config, prepare(state, config, rollout, keep_reward=True))
    steps = ppo.minibatch_steps(state, config, batch, generators(SEEDS, 1), 1e-3, 1e-2, rollout)
    for _ in range(3):  # an epoch
        next(steps)
    anew = ppo.estimated_anew(state, config, batch, rollout)
    advantage, value = estimate(state, config, rollout, rollout.reward.clamp(-0.5, 0.5))
    torch.testing.assert_close(anew.advantage, advantage.flatten(1))
    torch.testing.assert_close(anew.target, (advantage + value).flatten(1))
    torch.testing.assert_close(anew.value, batch.value)
    assert (anew.advantage - batch.advantage).abs().max() > 1e-3


def test_one_epoch_of_anew_is_one_of_the_old_advantages_bit_for_bit() -> None:
    once = changed(SMALL, epochs=1)
    anew = changed(once, tricks__recompute_advantages=True)
    found = []
    for config in (once, anew):
        state, rollout = begun(config)
        ppo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
        found.append(state.policy.matrix)
    assert torch.equal(*found)


def test_squashed_actions_reach_the_environment_within_its_bounds_and_probabilities_are_of_those_before() -> (
    None
):
    narrow = Problem(PROBLEM.observation_size, PROBLEM.action_size, (-0.5, 1.0, -3.0), (0.5, 2.0, 3.0))
    config = changed(SMALL, tricks__action_squash=True)
    action = torch.tensor([[[0.0, 1.0, -50.0]]])
    found = ppo.to_environment(config, narrow, action)[0, 0].tolist()
    assert found == pytest.approx([0.0, 1.5 + 0.5 * math.tanh(1.0), -3.0])
    endless = Problem(5, 1, (-math.inf,), (math.inf,))
    with pytest.raises(ValueError, match="action_squash: needs bounded actions"):
        ppo.init(config, endless, generators([0]))


def theta(size: int) -> Theta:
    layout = Layout(("x",), ((1, size),))
    return Theta.of([layout.row([np.zeros((1, size))])], layout)


@pytest.mark.parametrize(
    ("inside", "first", "steps"),
    # Of g = 1e-4, 1e-3, 1e-2 with α 0.99 and ε 1e-5: the first step in learning rates.
    [(False, 0.0, (5.0, 9.1, 9.9)), (True, 0.0, (0.032, 0.32, 3.0)), (True, 1.0, (1e-4, 1e-3, 1e-2))],
)
def test_where_rmsprops_epsilon_stands_and_where_it_starts_decide_the_first_steps(
    inside: bool, first: float, steps: tuple[float, ...]
) -> None:
    own = theta(3)
    own.second.fill_(first)
    gradient = torch.zeros_like(own.matrix)
    gradient[0, :3] = torch.tensor([1e-4, 1e-3, 1e-2])
    rmsprop_step(own, gradient, learning_rate=1.0, decay=0.99, epsilon=1e-5, inside=inside)
    assert (-own.matrix[0, :3]).tolist() == pytest.approx(steps, rel=0.06)


def test_a2cs_running_square_starts_where_it_is_told() -> None:
    config = a2c.Config(hidden=(8,), tricks=a2c.Tricks(rms_start=1.0))
    state = a2c.init(config, PROBLEM, generators([0]))
    assert state.policy.second.unique().tolist() == state.value.second.unique().tolist() == [1.0]


def replayed(rows: int = 16) -> ReplayBatch:
    rng = torch.Generator().manual_seed(3)
    size, actions = PROBLEM.observation_size, PROBLEM.action_size
    return ReplayBatch(
        observation=torch.randn(2, rows, size, generator=rng),
        action=torch.rand(2, rows, actions, generator=rng) - 0.5,
        reward=torch.randn(2, rows, generator=rng),
        terminated=torch.zeros(2, rows, dtype=torch.bool),
        truncated=torch.zeros(2, rows, dtype=torch.bool),
        successor=torch.randn(2, rows, size, generator=rng),
        record=torch.zeros(2, rows, 0),
    )


def test_shared_smoothing_noise_moves_all_dimensions_of_an_action_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(td3, "smoothed", lambda action, noise, **_: seen.append(noise) or action)
    for shared in (True, False):
        config = td3.Config(hidden=(8,), tricks=td3.PARTS.model_copy(update={"shared_target_noise": shared}))
        state = td3.init(config, PROBLEM, generators([0, 1]))
        td3.update(state, config, replayed(), generators([0, 1], 1))
    assert seen[0].shape == (2, 16, 1)
    assert seen[1].shape == (2, 16, PROBLEM.action_size)


@pytest.mark.parametrize("name", ["ddpg", "td3", "sac"])
def test_a_wide_hubers_error_is_the_square_and_a_narrow_one_bounds_the_gradient(name: str) -> None:
    rule: Any = load(name)
    after = {}
    for huber in (None, 1e6, 1e-4):
        config = rule.Config(
            hidden=(8,), tricks=rule.Config().tricks.model_copy(update={"critic_huber": huber})
        )
        state = rule.init(config, PROBLEM, generators([0, 1]))
        metrics = rule.update(state, config, replayed(), generators([0, 1], 1))
        after[huber] = state.critics.theta.matrix.clone(), metrics["critic_loss"]
    torch.testing.assert_close(after[None][0], after[1e6][0])
    torch.testing.assert_close(after[None][1], after[1e6][1])
    assert (after[1e-4][1] < 1e-2 * after[None][1]).all()


def test_scaled_rewards_are_in_targets_as_if_the_environment_had_paid_them() -> None:
    config = ddpg.Config(hidden=(8,), tricks=ddpg.Tricks(reward_scale=5.0))
    batch = replayed()
    state = ddpg.init(config, PROBLEM, generators([0, 1]))
    step = ddpg.gradient_step(state, config, batch)
    plain = ddpg.init(ddpg.Config(hidden=(8,)), PROBLEM, generators([0, 1]))
    batch.reward = 5.0 * batch.reward
    torch.testing.assert_close(step.target, ddpg.gradient_step(plain, ddpg.Config(hidden=(8,)), batch).target)


def test_on_policy_rewards_are_scaled_before_they_are_clipped() -> None:
    config = changed(SMALL, tricks__reward_scale=10.0, tricks__reward_clip=1.0)
    state, rollout = begun(config)
    rollout.reward = torch.full_like(rollout.reward, 0.5)
    batch = prepare(state, config, rollout, keep_reward=True)
    assert batch.reward is not None
    assert batch.reward.unique().tolist() == [1.0]


def test_a_policy_whose_sigma_sees_learns_in_every_rule_that_can_have_one() -> None:
    for name in ("vpg", "a2c", "npg", "tnpg", "trpo", "ppo", "mdpo", "rloo", "grpo", "a3c", "impala"):
        rule: Any = load(name)
        config = rule.Config(horizon=24, hidden=(8,))
        tricks = {"state_dependent_std": True, "softplus_std": True, "log_std_init": -0.5}
        config = config.model_copy(update={"tricks": config.tricks.model_copy(update=tricks)})
        state = rule.init(config, PROBLEM, generators([0, 1]))
        before = state.policy.matrix.clone()
        rule.update(state, config, collect(rule, state, config, (0, 1)), generators([0, 1], 1), progress=0.0)
        assert torch.isfinite(state.policy.matrix).all()
        assert (state.policy.matrix != before).any(1).all(), name


def test_an_n_step_target_bootstraps_with_the_discount_of_its_steps() -> None:
    config, batch = ddpg.Config(hidden=(8,), n_step=3), replayed()
    state = ddpg.init(config, PROBLEM, generators([0, 1]))
    batch.discount = torch.full((2, 16), 0.0)
    torch.testing.assert_close(ddpg.gradient_step(state, config, batch).target, batch.reward)


@pytest.mark.parametrize("name", ["vpg", "a2c", "npg", "tnpg", "trpo", "ppo"])
def test_nothing_is_learnt_from_what_is_held_out_and_kl_and_ratio_are_recorded_on_it(name: str) -> None:
    rule: Any = load(name)
    config = rule.Config(horizon=24, hidden=(8,), held_out=0.5)
    ends, found = [], []
    for spoilt in (False, True):
        state = rule.init(config, PROBLEM, generators([0, 1]))
        rollout = collect(rule, state, config, (0, 1))
        if spoilt:  # λ-returns of the first half reach into the second: only the action is none of theirs
            rollout.action[:, 12:] += 0.5
        ends.append(rollout)
        metrics = rule.update(state, config, rollout, generators([0, 1], 1), progress=0.0)
        found.append((state.policy.matrix.clone(), metrics))
    (calm, first), (spoilt_too, second) = found
    assert torch.equal(calm, spoilt_too)
    assert torch.equal(first["max_ratio"], second["max_ratio"])
    assert not torch.equal(first["max_ratio_held_out"], second["max_ratio_held_out"])
    assert (first["mean_kl_held_out"] > 0).all()


def test_held_out_kl_and_ratio_are_those_of_the_last_steps() -> None:
    config = changed(SMALL, held_out=0.25)
    state, rollout = begun(config)
    batch = prepare(state, config, rollout)
    size = rollout.action.flatten(1, 2).shape[1]
    assert batch.held_out is not None
    assert batch.held_out.advantage.shape[1] == size // 4
    assert torch.equal(batch.held_out.action, rollout.action.flatten(1, 2)[:, -(size // 4) :])
    assert batch.advantage.shape[1] == size - size // 4
    old = state.policy.matrix.clone()
    metrics = ppo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    before, after = (
        state.actor.forward(state.policy.layout.arrays(theta), batch.held_out.observation)[0]
        for theta in (old, state.policy.matrix)
    )
    torch.testing.assert_close(metrics["mean_kl_held_out"], state.actor.kl(before, after).mean(1))


def test_advantages_computed_anew_leave_out_what_is_held_out() -> None:
    config = changed(SMALL, held_out=0.25, tricks__recompute_advantages=True)
    state, rollout = begun(config)
    metrics = ppo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    assert torch.isfinite(metrics["value_loss"]).all()


AT_ENDS = td3.Config(
    hidden=(8,), batch_size=4, buffer_size=60, warmup=10, tricks=td3.Tricks(episode_end_updates=True)
)


def test_gradient_steps_at_an_episodes_end_are_as_many_as_it_had_steps() -> None:
    seen: list[tuple[int, int]] = []
    rule: Any = load("td3")
    config = rule.Config(
        hidden=(8,), batch_size=4, buffer_size=60, warmup=10, tricks=td3.Tricks(episode_end_updates=True)
    )
    state = practised(
        rule, config, [0, 1, 2], steps=40, disturb=lambda batch: seen.append(tuple(batch.reward.shape))
    )
    assert set(seen) == {(1, 4)}, "each seed learns alone"
    assert all(0 < steps <= 40 for steps in state.updates.tolist())
    assert sum(state.updates.tolist()) == len(seen)


def test_between_episodes_ends_nothing_is_learnt() -> None:
    rule: Any = load("td3")
    config = rule.Config(
        hidden=(8,), batch_size=4, buffer_size=60, warmup=1, tricks=td3.Tricks(episode_end_updates=True)
    )
    state = practised(rule, config, [0], steps=1)
    first = rule.init(config, PROBLEM, generators([0]))
    assert torch.equal(state.policy.matrix, first.policy.matrix)


ALONE: list[tuple[str, dict[str, Any]]] = [
    ("ppo", {"tricks__value_normalisation": True, "tricks__recompute_advantages": True}),
    ("ppo", {"tricks__value_clip": True, "tricks__value_clip_in_spreads": True, "tricks__value_huber": 0.5}),
    ("ppo", {"tricks__state_dependent_std": True, "tricks__softplus_std": True, "value_hidden": (12,)}),
    ("ppo", {"tricks__softplus_std": True, "tricks__reward_scale": 3.0}),
    ("ppo", {"objective": "kl-fixed", "tricks__reverse_kl": True}),
    ("ppo", {"objective": "kl-fixed", "tricks__reverse_kl": True, "policy": "beta"}),
    ("trpo", {"tricks__state_dependent_std": True, "tricks__softplus_std": True}),
    ("mdpo", {"tricks__forward_kl": True, "tricks__ratio_clip": 0.05, "tricks__value_clip": 0.1}),
    ("a2c", {"tricks__rms_epsilon_inside": True, "tricks__rms_start": 1.0}),
    ("ppo", {"policy": "discretised", "atoms": 7, "held_out": 0.25, "entropy_coefficient": 0.1}),
    ("ppo", {"policy": "discretised", "objective": "kl-fixed", "tricks__reverse_kl": True}),
    ("trpo", {"policy": "discretised", "held_out": 0.5}),
    ("ppo", {"tricks__decoupled": 2.0, "lag": 1}),
    ("a3c", {"tricks__synchronous": True, "tricks__advantage_normalisation": True}),
    ("impala", {"lag": 2, "ratio_clip": 0.9, "trace_clip": 0.8, "policy": "beta"}),
    ("rloo", {"baseline": "batch-mean", "weighed_with": "reward-to-go", "discounted_gradient": True}),
    ("grpo", {"baseline": "batch", "kl_coefficient": 0.5, "reference_every": 1, "tricks__steps_alike": True}),
    ("grpo", {"baseline": "leave-one-out", "group_size": 8, "policy": "beta"}),
]


@pytest.mark.parametrize(("name", "values_"), ALONE)
def test_a_seed_alone_has_the_bits_that_it_has_among_three(name: str, values_: dict[str, Any]) -> None:
    rule: Any = load(name)
    config = changed(rule.Config(horizon=24, hidden=(8,)), **values_)
    alone = trained(rule, config, [1], updates=2)
    three = trained(rule, config, [0, 1, 2], updates=2)
    assert bits(alone, 0) == bits(three, 1)


@pytest.mark.parametrize("name", ["ddpg", "td3", "sac"])
def test_off_policy_a_seed_alone_has_the_bits_that_it_has_among_three(name: str) -> None:
    rule: Any = load(name)
    config = rule.Config(batch_size=8, buffer_size=100, warmup=8, hidden=(8,), n_step=3)
    config = changed(config, tricks__critic_huber=0.5, tricks__reward_scale=2.0)
    alone = practised(rule, config, [1], steps=14)
    three = practised(rule, config, [0, 1, 2], steps=14)
    assert bits(alone, 0) == bits(three, 1)
    at_ends = changed(config, tricks__episode_end_updates=True, n_step=1)
    alone, three = (practised(rule, at_ends, seeds, steps=40) for seeds in ([1], [0, 1, 2]))
    assert bits(alone, 0) == bits(three, 1)
