from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms import ppo
from matters.algorithms.conftest import PROBLEM, changed, collect, generators
from matters.algorithms.interface import Problem, Rollout
from matters.algorithms.maths.distributions import gaussian_log_prob
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.actor_critic import (
    ActorCritic,
    Batch,
    diagnostics,
    init,
    prepare,
    to_environment,
    value_gradient,
    values,
)
from matters.algorithms.parts.mlp import glorot

SMALL = ppo.Config(horizon=24, environments=2, hidden=(8,))
SEEDS = (0, 1, 2)


def begun(config: Any = SMALL) -> tuple[ActorCritic, Rollout]:
    """A first state and a rollout of it."""
    state = init(config, PROBLEM, generators(SEEDS))
    return state, collect(ppo, state, config, SEEDS)


def test_the_policy_is_drawn_first_and_then_the_value_function_from_each_seeds_generator() -> None:
    state = init(SMALL, PROBLEM, generators(SEEDS))
    for row, generator in enumerate(generators(SEEDS)):
        policy = state.actor.initial(generator, glorot)
        value = state.critic.layout.row(state.critic.initial(generator, glorot))
        np.testing.assert_array_equal(state.policy.matrix[row], policy.astype(np.float32))
        np.testing.assert_array_equal(state.value.matrix[row], value.astype(np.float32))


def test_orthogonal_initialisation_scales_policy_output_by_a_hundredth_and_value_output_by_one() -> None:
    state = init(changed(SMALL, tricks__orthogonal_init=True), PROBLEM, generators(SEEDS))
    for row in range(3):
        policy, value = state.policy.views[2][row], state.value.views[2][row]
        np.testing.assert_allclose(np.linalg.svd(policy, compute_uv=False), 0.01, rtol=1e-5)
        np.testing.assert_allclose(np.linalg.svd(value, compute_uv=False), 1, rtol=1e-5)


@pytest.mark.parametrize(("asked", "start"), [(None, 0.0), (-0.5, -0.5), (0.0, 0.0)])
def test_log_sigma_starts_at_0_or_where_it_is_asked_to(asked: float | None, start: float) -> None:
    state = init(changed(SMALL, tricks__log_std_init=asked), PROBLEM, generators(SEEDS))
    assert torch.equal(state.policy.views[-1], torch.full((3, 1, 3), start))


def test_a_batch_is_the_rollout_flattened_with_the_old_policys_view() -> None:
    state, rollout = begun()
    batch = prepare(state, SMALL, rollout)
    for s, t, n in ((0, 0, 0), (1, 5, 1), (2, 23, 0)):
        sample = t * 2 + n
        assert torch.equal(batch.observation[s, sample], rollout.observation[s, t, n])
        assert torch.equal(batch.action[s, sample], rollout.action[s, t, n])
    mean, log_std = state.actor(state.policy.views, batch.observation)
    torch.testing.assert_close(batch.old[0], mean)
    assert torch.equal(batch.old[1], log_std.expand_as(mean))
    torch.testing.assert_close(batch.log_prob, gaussian_log_prob(batch.action, mean, log_std))
    assert torch.equal(batch.value, values(state, batch.observation).detach())
    torch.testing.assert_close(batch.target, batch.advantage + batch.value)
    own = [getattr(batch, field.name) for field in fields(Batch) if field.name != "old"]
    assert not any(tensor.requires_grad for tensor in (*own, *batch.old) if tensor is not None)


def numbered() -> Batch:
    """3 seeds of 10 samples that say which they are: 100 · seed + sample."""
    number = (100 * torch.arange(3)[:, None] + torch.arange(10)).float()
    wide = number[..., None].expand(-1, -1, 2).clone()
    same = 100 * torch.arange(3)[:, None, None].expand(3, 1, 2) + 0.5
    own = (wide, wide + 0.5, number, number, number, number)
    spread = 1.0 + torch.arange(3)[:, None]
    return Batch(
        *own,
        old=(wide, same),
        fitted=number % 3 == 0,
        reward=number,
        target_spread=spread,
        weight=number,
        reference_log_prob=number,
    )


def varying(batch: Batch) -> dict[str, Tensor]:
    """What has a row a sample and tells which, by name."""
    others = ("old", "fitted", "target_spread", "held_out")
    found = {field.name: getattr(batch, field.name) for field in fields(Batch) if field.name not in others}
    assert all(part is not None for part in found.values())
    return found | {"old": batch.old[0]}


def test_take_gives_each_seed_its_own_samples_of_every_field() -> None:
    index = torch.tensor([[3, 1], [0, 9], [5, 5]])
    taken = numbered().take(index)
    expected = 100 * torch.arange(3)[:, None] + index
    for name, tensor in varying(taken).items():
        found = tensor if tensor.ndim == 2 else tensor[..., 1].floor()
        assert torch.equal(found, expected.float()), name
    assert torch.equal(taken.old[1], numbered().old[1])
    assert torch.equal(taken.target_spread, numbered().target_spread)
    assert taken.fitted is not None
    assert torch.equal(taken.fitted, expected % 3 == 0)


def test_split_gives_every_sample_once_and_the_rest_last() -> None:
    parts = list(numbered().split(4))
    assert [part.advantage.shape[1] for part in parts] == [4, 4, 2]
    for name, tensor in varying(numbered()).items():
        assert torch.equal(torch.cat([varying(part)[name] for part in parts], dim=1), tensor), name
    assert all(torch.equal(part.old[1], numbered().old[1]) for part in parts)
    fitted = [part.fitted for part in parts if part.fitted is not None]
    assert torch.equal(torch.cat(fitted, dim=1), numbered().advantage % 3 == 0)


def test_time_limits_as_terminals_change_targets_at_truncations_only() -> None:
    without_trace = changed(SMALL, gae_lambda=0.0)
    state, rollout = begun(without_trace)
    limits = rollout.truncated.flatten(1)
    off = prepare(state, without_trace, rollout).target
    on = prepare(state, changed(without_trace, tricks__time_limit_terminal=True), rollout).target
    assert limits.any()
    assert torch.equal(off != on, limits)
    # A truncated step's target is then its reward alone.
    torch.testing.assert_close(on[limits], rollout.reward.flatten(1)[limits], atol=1e-6, rtol=1e-5)


def test_time_limits_as_terminals_reach_back_along_the_trace_of_their_own_episodes_only() -> None:
    state, rollout = begun()
    off = prepare(state, SMALL, rollout).target.view(3, 24, 2)
    on = prepare(state, changed(SMALL, tricks__time_limit_terminal=True), rollout).target.view(3, 24, 2)
    expected = torch.zeros(3, 24, 2, dtype=torch.bool)
    ends_so = torch.zeros(3, 2, dtype=torch.bool)
    for t in reversed(range(24)):
        ends_so = torch.where(rollout.truncated[:, t], True, ends_so & ~rollout.terminated[:, t])
        expected[:, t] = ends_so
    assert not (off != on)[~expected].any()
    assert (off != on)[expected].float().mean() > 0.9


def test_the_end_of_a_rollout_bootstraps_from_its_last_successor() -> None:
    state, rollout = begun(changed(SMALL, gae_lambda=1.0))
    for ends in (rollout.terminated, rollout.truncated):
        ends[:] = False
    before = prepare(state, SMALL, rollout).advantage
    rollout.successor[:, -1] += 1
    after = prepare(state, SMALL, rollout).advantage
    assert (before != after).all()


def test_without_a_baseline_targets_and_advantages_do_not_see_the_value_function() -> None:
    state, rollout = begun()
    before = prepare(state, SMALL, rollout, baseline=False)
    state.value.matrix += 1
    after = prepare(state, SMALL, rollout, baseline=False)
    assert torch.equal(before.advantage, after.advantage)
    assert torch.equal(before.target, before.advantage)


def test_diagnostics_before_any_step_say_that_nothing_moved() -> None:
    state, rollout = begun()
    batch = prepare(state, SMALL, rollout)
    found = diagnostics(state, batch, clip=0.2)
    assert found["mean_kl"].abs().max() < 1e-6
    assert torch.equal(found["max_ratio"], torch.ones(3))
    assert torch.equal(found["clip_fraction"], torch.zeros(3))


def test_diagnostics_are_those_of_pytorchs_distributions() -> None:
    state, rollout = begun()
    batch = prepare(state, SMALL, rollout)
    old_policy = torch.distributions.Normal(batch.old[0], batch.old[1].exp().expand_as(batch.old[0]))
    state.policy.matrix[:, : state.policy.layout.parameters] += 0.05
    mean, log_std = state.actor(state.policy.views, batch.observation)
    policy = torch.distributions.Normal(mean, log_std.exp().expand_as(mean))
    ratio = (policy.log_prob(batch.action) - old_policy.log_prob(batch.action)).sum(-1).exp()
    found = diagnostics(state, batch, clip=0.1)
    kl = torch.distributions.kl_divergence(old_policy, policy).sum(-1)
    torch.testing.assert_close(found["mean_kl"], kl.mean(1))
    torch.testing.assert_close(found["max_ratio"], ratio.max(1).values)
    torch.testing.assert_close(found["clip_fraction"], ((ratio - 1).abs() > 0.1).float().mean(1))
    torch.testing.assert_close(found["entropy"], policy.entropy().sum(-1).mean(1))
    assert 0 < found["clip_fraction"].min() < 1
    residual = (batch.target - batch.value).var(1, unbiased=False) / batch.target.var(1, unbiased=False)
    torch.testing.assert_close(found["explained_variance"], 1 - residual)


def test_actions_are_executed_as_drawn_or_clipped_to_each_axis_bounds() -> None:
    problem = Problem(5, 2, (-1.0, -0.2), (1.0, 0.1))
    action = torch.tensor([[[3.0, -3.0]], [[-0.5, 0.05]]])
    assert to_environment(SMALL, problem, action) is action
    clipped = to_environment(changed(SMALL, tricks__action_clip=True), problem, action)
    assert torch.equal(clipped, torch.tensor([[[1.0, -0.2]], [[-0.5, 0.05]]]))


def test_parameters_name_every_number_that_the_policy_in_use_depends_on() -> None:
    state, _ = begun()
    shapes = {name: tuple(tensor.shape) for name, tensor in actor_critic.parameters(state).items()}
    assert shapes == {
        "policy/weight_0": (3, 5, 8),
        "policy/bias_0": (3, 1, 8),
        "policy/weight_1": (3, 8, 3),
        "policy/bias_1": (3, 1, 3),
        "policy/log_std": (3, 1, 3),
        "value/weight_0": (3, 5, 8),
        "value/bias_0": (3, 1, 8),
        "value/weight_1": (3, 8, 1),
        "value/bias_1": (3, 1, 1),
        "observation/mean": (3, 5),
        "observation/variance": (3, 5),
    }


def test_the_value_loss_without_ends_is_that_of_the_other_samples_alone() -> None:
    state, rollout = begun()
    config = changed(SMALL, tricks__value_loss_excludes_ends=True)
    batch, whole = prepare(state, config, rollout), prepare(state, SMALL, rollout)
    ended = (rollout.terminated | rollout.truncated).flatten(1)
    assert batch.fitted is not None
    assert torch.equal(batch.fitted, ~ended)
    loss, gradient = value_gradient(state, batch)
    for s in range(len(loss)):
        index = (~ended[s]).nonzero().flatten().expand(len(loss), -1)
        expected_loss, expected = value_gradient(state, whole.take(index))
        torch.testing.assert_close(loss[s], expected_loss[s])
        torch.testing.assert_close(gradient[s], expected[s])


def test_a_last_step_may_bootstrap_with_the_value_of_its_own_state() -> None:
    state, rollout = begun()
    own = prepare(state, changed(SMALL, tricks__last_step_bootstraps_itself=True), rollout)
    usual = prepare(state, SMALL, rollout)
    value = values(state, rollout.observation[:, -1])
    after = values(state, rollout.successor[:, -1])
    moved = SMALL.discount * (value - after) * ~rollout.terminated[:, -1]
    change = (own.advantage - usual.advantage).view(rollout.reward.shape)[:, -1]
    torch.testing.assert_close(change, moved, rtol=1e-4, atol=1e-6)


def test_the_last_layers_gain_scales_its_first_weights_alone() -> None:
    for orthogonal, factor in ((False, 0.5), (True, 50.0)):
        base, other = (
            init(changed(SMALL, tricks__orthogonal_init=orthogonal, **own), PROBLEM, generators([0]))
            for own in ({}, {"tricks__last_policy_gain": 0.5})
        )
        for name, before, after in zip(
            base.policy.layout.names, base.policy.views, other.policy.views, strict=True
        ):
            last = name == base.policy.layout.names[-3]
            torch.testing.assert_close(after, before * (factor if last else 1.0))
        assert torch.equal(base.value.matrix, other.value.matrix)
