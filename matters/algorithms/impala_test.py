"""IMPALA: what it is without a lag, and what it looks at with one."""

from typing import Any

import torch

from matters.algorithms import a2c, impala
from matters.algorithms.conftest import PROBLEM, collect, generators, trained
from matters.algorithms.interface import Rollout
from matters.algorithms.parts.actor_critic import prepare
from matters.algorithms.parts.lag import Lag

SEEDS = (0, 1, 2)
ONE_STEP: dict[str, Any] = {"horizon": 12, "hidden": (8,), "learning_rate": 1e-2}


def test_without_a_lag_impala_is_a2c_to_rounding_and_with_one_it_is_not() -> None:
    for lag in (0, 2):
        ours = trained(impala, impala.Config(**ONE_STEP, environments=2, lag=lag), SEEDS, updates=3)
        theirs = trained(a2c, a2c.Config(**ONE_STEP, environments=2, lag=lag), SEEDS, updates=3)
        gap = (ours.policy.matrix - theirs.policy.matrix).abs().max()
        assert (gap < 1e-4) == (lag == 0), "to rounding: what acted was computed sample by sample"


def lagging(rule: Any, config: Any, updates: int = 4) -> tuple[Any, Rollout]:
    """A state after some updates, and the rollout that its older parameters made next."""
    state = rule.init(config, PROBLEM, generators(SEEDS))
    lag = Lag.of(state, config.lag)
    for update in range(updates):
        rollout = collect(rule, state, config, SEEDS, update, lag=lag)
        rule.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    return state, collect(rule, state, config, SEEDS, updates, lag=lag)


def test_the_ratios_of_a_lag_are_to_the_policy_that_acted() -> None:
    config = impala.Config(**ONE_STEP, environments=2, lag=2)
    state, rollout = lagging(impala, config)
    batch, ratio = impala.prepare(state, config, rollout)
    now = state.actor(state.policy.views, batch.observation)
    expected = (state.actor.log_prob(now, batch.action) - batch.log_prob).exp()
    torch.testing.assert_close(ratio, expected)
    assert (ratio - 1).abs().max() > 0.05
    assert prepare(state, config, rollout).advantage.sub(batch.advantage).abs().max() > 1e-2
