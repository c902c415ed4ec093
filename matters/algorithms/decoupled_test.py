"""PPO's decoupled objective: what it weighs, and what it is where nothing lags."""

from typing import Any

import pytest
import torch

from matters.algorithms import ppo
from matters.algorithms.conftest import PROBLEM, changed, collect, generators, trained
from matters.algorithms.interface import Rollout
from matters.algorithms.parts.actor_critic import prepare
from matters.algorithms.parts.lag import Lag

SEEDS = (0, 1, 2)
SIZES: dict[str, Any] = {"horizon": 24, "environments": 2, "hidden": (8,), "minibatch_size": 16}
DECOUPLED = ppo.Config(**SIZES, epochs=2, learning_rate=1e-2)


def lagging(rule: Any, config: Any, updates: int = 4) -> tuple[Any, Rollout]:
    """A state after some updates, and the rollout that its older parameters made next."""
    state = rule.init(config, PROBLEM, generators(SEEDS))
    lag = Lag.of(state, config.lag)
    for update in range(updates):
        rollout = collect(rule, state, config, SEEDS, update, lag=lag)
        rule.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    return state, collect(rule, state, config, SEEDS, updates, lag=lag)


def test_the_decoupled_objective_weighs_the_clipped_one_to_the_present_policy() -> None:
    config = changed(DECOUPLED, lag=2, tricks__decoupled=100.0)
    state, rollout = lagging(ppo, config)
    plain = prepare(state, config, rollout)
    batch = ppo.decoupled(state, plain, limit=100.0)
    assert batch.weight is not None
    now = state.actor(state.policy.views, plain.observation)
    log_now = state.actor.log_prob(now, plain.action)
    torch.testing.assert_close(batch.weight, (log_now - plain.log_prob).exp())
    assert (batch.weight - 1).abs().max() > 0.05
    state.policy.matrix += 0.02
    leaves = [view.detach().clone().requires_grad_() for view in state.policy.views]
    new = state.actor.log_prob(state.actor(leaves, plain.observation), plain.action)
    ratio = (new - log_now.detach()).exp()
    own = torch.minimum(ratio * plain.advantage, ratio.clamp(0.8, 1.2) * plain.advantage)
    expected = torch.autograd.grad(-(batch.weight * own).mean(1).sum(), leaves)
    _, (descent, _) = ppo.differentiate(state, config, batch)
    found = descent[:, : state.policy.layout.parameters]
    torch.testing.assert_close(
        found, torch.cat([one.flatten(1) for one in expected], 1), rtol=1e-4, atol=1e-5
    )


def test_the_weights_are_limited() -> None:
    config = changed(DECOUPLED, lag=2)
    state, rollout = lagging(ppo, config)
    batch = ppo.decoupled(state, prepare(state, config, rollout), limit=1.05)
    assert batch.weight is not None
    assert batch.weight.max() == pytest.approx(1.05)


def test_without_a_lag_the_decoupled_objective_is_ppos_to_rounding_and_with_one_it_is_not() -> None:
    for lag in (0, 2):
        found = [
            trained(ppo, changed(DECOUPLED, lag=lag, tricks__decoupled=limit), SEEDS, updates=4)
            for limit in (None, 100.0)
        ]
        gap = (found[0].policy.matrix - found[1].policy.matrix).abs().max()
        assert (gap < 1e-3) == (lag == 0)


def test_ppo_maximises_its_objective() -> None:
    # A teaching text has “min over θ”: then an action with a positive advantage would become less likely.
    state, rollout = lagging(ppo, DECOUPLED, updates=0)
    batch = prepare(state, DECOUPLED, rollout)
    (step, (descent, _)) = ppo.differentiate(state, DECOUPLED, batch)
    state.policy.matrix -= 1e-3 * descent
    after, _ = ppo.differentiate(state, DECOUPLED, batch)
    assert (after.policy_loss < step.policy_loss).all()
    now = state.actor(state.policy.views, batch.observation)
    gained = (state.actor.log_prob(now, batch.action) - batch.log_prob) * batch.advantage
    assert (gained.mean(1) > 0).all()
