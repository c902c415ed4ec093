"""IMPALA: one step after each short rollout that older parameters made, corrected by V-trace.

    minimise  −E[ log π(a|s) Â ] + c₁ E[ (V − v)² ] − c₂ E[ entropy ]

The actors have the parameters of `lag` updates ago, the policy μ. Â and the targets v of V weigh each step
with min(ρ̄, π/μ), and v passes on what follows it with c = λ min(c̄, π/μ): ρ̄ decides what V is learnt, c̄ how
fast. At lag 0 the ratio is 1 and this is `a2c`, both to rounding.

Espeholt et al. 2018, "IMPALA: scalable distributed deep-RL with importance weighted actor-learner
architectures", section 4; actors whose lag is declared in place of threads.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Metrics, Problem, Rollout, When
from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.kernels import exp
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.maths.v_trace import v_trace
from matters.algorithms.parts import actor_critic, one_step
from matters.algorithms.parts.actor_critic import (
    ActorCritic,
    Batch,
    OnPolicyConfig,
    assemble,
    diagnostics,
    scaled_reward,
    set_apart,
    values_before_and_after,
)
from matters.algorithms.parts.one_step import OneStepConfig, OneStepTricks, differentiate

KIND: Literal["on-policy"] = "on-policy"
VERSION = 1
FACTS = actor_critic.FACTS

Tricks = OneStepTricks


class Config(OneStepConfig, OnPolicyConfig):
    """IMPALA's hyperparameters: A2C's, a lag, and where the ratios are cut."""

    horizon: PositiveInt = Field(20, description="T, steps of each environment in a rollout")
    environments: PositiveInt = Field(8, description="N, environments of each seed, its actors")
    lag: NonNegativeInt = Field(
        1,
        description="ℓ: the parameters of ℓ updates ago act, as in asynchronous actors; 0: the current ones",
    )
    ratio_clip: PositiveFloat = Field(1.0, description="ρ̄, the largest weight of a step")
    trace_clip: PositiveFloat = Field(1.0, description="c̄, the largest share of what follows, times λ")
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the paper")


PRESETS: dict[str, Config] = {"impala": Config()}

NO_EFFECT = actor_critic.NO_EFFECT | {
    "trace_clip": When(
        "gae_lambda is 0 or horizon is 1: nothing follows",
        lambda config: config.gae_lambda == 0 or config.horizon == 1,
    ),
}

observe, act = actor_critic.observe, actor_critic.act
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> ActorCritic:
    """A first state, one row per generator."""
    return one_step.begin(actor_critic.init(config, problem, generators, dtype), config.tricks)


@DIVERGING
@torch.inference_mode()
def update(
    state: ActorCritic,
    config: Config,
    rollout: Rollout,
    generators: Sequence[np.random.Generator],  # noqa: ARG001 - the same call for every rule
    *,
    progress: float,
) -> Metrics:
    """Learn from one rollout, in place. Draws nothing from the generators."""
    batch, ratio = prepare(state, config, rollout)
    if config.tricks.advantage_normalisation:
        batch.advantage = standardised(batch.advantage)
    rate = config.learning_rate
    if config.tricks.anneal_lr:
        rate = linear_decay(rate, progress=progress)

    (policy_loss, value_loss, _), gradients = differentiate(state, config, batch)
    norm = one_step.step((state.policy, state.value), gradients, config, learning_rate=rate)
    return diagnostics(state, batch) | {
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "gradient_norm": norm,
        "learning_rate": torch.full_like(norm, rate),
        "ratio_before": ratio.mean(1),
    }


def prepare(state: ActorCritic, config: Config, rollout: Rollout) -> tuple[Batch, Float[Tensor, "S B"]]:
    """The rollout with V-trace's advantages and targets, and the ratios π/μ [S, B] before the update."""
    reward = scaled_reward(state, config, rollout)
    value, value_next = values_before_and_after(state, config, rollout)
    batch = assemble(state, config, rollout, advantage=torch.zeros_like(value), value=value)
    policy, _ = state.actor.forward(state.policy.arrays, batch.observation)
    ratio = exp(state.actor.log_prob(policy, batch.action) - batch.log_prob)
    ended = rollout.terminated | rollout.truncated
    advantage, error = v_trace(
        reward,
        value,
        value_next,
        ended if config.tricks.time_limit_terminal else rollout.terminated,
        ended,
        ratio.view_as(reward),
        discount=config.discount,
        trace_lambda=config.gae_lambda,
        ratio_clip=config.ratio_clip,
        trace_clip=config.trace_clip,
    )
    batch.advantage, batch.target = advantage.flatten(1), (error + value).flatten(1)
    return set_apart(batch, config), ratio
