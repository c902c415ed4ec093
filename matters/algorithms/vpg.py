"""Vanilla policy gradient: one step along the gradient of the expected return, estimated from a rollout.

    ∇J(θ) = E[ ∇ log π(a|s) Â(s, a) ]

Â is the reward-to-go (REINFORCE), the reward-to-go minus a fitted V(s) (a baseline, λ = 1), or the
generalised advantage estimate (λ < 1). The policy takes its step first, then V is fitted to Â + V by
full-batch steps; both steps are Adam's, as in every implementation in use.

Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning";
Sutton, McAllester, Singh and Mansour 2000, "Policy gradient methods for reinforcement learning with function
approximation"; Schulman et al. 2016, "High-dimensional continuous control using generalized advantage
estimation".
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Metrics, Rollout, When
from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.actor_critic import (
    ActorCritic,
    Batch,
    OnPolicyConfig,
    descend,
    prepare,
    value_gradient,
)
from matters.algorithms.parts.tricks import AdamTricks

KIND: Literal["on-policy"] = "on-policy"
VERSION = 4
FACTS = actor_critic.FACTS


class Tricks(AdamTricks):
    """The tricks of every on-policy algorithm, and these."""

    advantage_normalisation: bool = Field(
        False, description="standardise advantages over the batch (Spinning Up, garage)"
    )


class Config(OnPolicyConfig):
    """Hyperparameters of the vanilla policy gradient; sizes and steps are Spinning Up's, all tricks off."""

    horizon: PositiveInt = Field(4000, description="T, steps of each environment in a rollout")
    learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size for the policy")
    baseline: bool = Field(
        True, description="subtract a fitted V(s), and bootstrap with it where a rollout is cut"
    )
    gae_lambda: float = Field(
        0.97, ge=0, le=1, description="λ of the advantage estimate; 1 is the reward-to-go"
    )
    value_learning_rate: PositiveFloat = Field(1e-3, description="Adam's step size for V")
    value_steps: NonNegativeInt = Field(80, description="full-batch steps on V after each policy step")
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the papers")


PRESETS: dict[str, Config] = {
    "vpg": Config(),
    "reinforce": Config(baseline=False, gae_lambda=1.0, value_steps=0),
}

NO_EFFECT = actor_critic.NO_EFFECT | {
    "value_learning_rate": When(
        "baseline is off or value_steps is 0", lambda config: not (config.baseline and config.value_steps)
    ),
    "value_steps": When("baseline is off", lambda config: not config.baseline),
    "tricks.time_limit_terminal": When(
        "baseline is off, or no episode of the rollout ended by a time limit",
        lambda config: not config.baseline,
    ),
}

init, observe, act = actor_critic.init, actor_critic.observe, actor_critic.act
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


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
    """Learn from one rollout, in place: a policy step, then the fit of V. Draws nothing from `generators`."""
    batch = prepare(state, config, rollout, baseline=config.baseline)
    if config.tricks.advantage_normalisation:
        batch.advantage = standardised(batch.advantage)
    shrink = linear_decay(1.0, progress=progress) if config.tricks.anneal_lr else 1.0

    objective, ascent = policy_gradient(state, batch)
    gradient_norm = descend(
        state.policy, -ascent, learning_rate=config.learning_rate * shrink, tricks=config.tricks
    )

    value_loss = torch.zeros_like(objective)
    if config.baseline:
        for _ in range(config.value_steps):
            value_loss, descent = value_gradient(state, batch)
            descend(
                state.value,
                descent,
                learning_rate=config.value_learning_rate * shrink,
                tricks=config.tricks,
            )

    metrics = actor_critic.diagnostics(state, batch)
    return metrics | {
        "policy_loss": -objective,
        "value_loss": value_loss,
        "gradient_norm": gradient_norm,
        "learning_rate": torch.full_like(gradient_norm, config.learning_rate * shrink),
    }


def policy_gradient(state: ActorCritic, batch: Batch) -> tuple[Float[Tensor, " S"], Float[Tensor, "S P"]]:
    """E[ log π(a|s) Â ] per seed and its gradient, which is that of the expected return."""
    policy, forward = state.actor.forward(state.policy.arrays, batch.observation)
    objective = (state.actor.log_prob(policy, batch.action) * batch.advantage).mean(1)
    slope = state.actor.log_prob_gradient(policy, batch.action, batch.advantage / batch.advantage.shape[1])
    return objective, state.actor.gradient(forward, slope)
