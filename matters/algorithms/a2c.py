"""Advantage actor-critic: short rollouts, one step of policy and value function together after each.

    minimise  −E[ log π(a|s) Â ] + c₁ E[ (V − V̂)² ] − c₂ E[ entropy ]

With n = `horizon` and λ = 1, Â is the n-step return minus V. The step is RMSProp's, on the gradient of all
parameters at once. PPO with one epoch, one minibatch and ratio 1 takes the same gradient.

Mnih et al. 2016, "Asynchronous methods for deep reinforcement learning", algorithm S3, run synchronously.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Metrics, Problem, Rollout, Twin
from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.actor_critic import (
    ActorCritic,
    Batch,
    OnPolicyConfig,
    diagnostics,
    prepare,
    value_gradient,
)
from matters.algorithms.parts.optimisers import clip_coefficient, global_norm, rmsprop_step
from matters.algorithms.parts.policies import sum_of
from matters.algorithms.parts.tricks import OnPolicyTricks

KIND: Literal["on-policy"] = "on-policy"
VERSION = 4
FACTS = replace(
    actor_critic.FACTS,
    twin=Twin(
        "sb3-a2c",
        "a2c-sb3",
        (
            ("learning_rate", "learning_rate"),
            ("horizon", "n_steps"),
            ("discount", "gamma"),
            ("gae_lambda", "gae_lambda"),
            ("entropy_coefficient", "ent_coef"),
            ("value_coefficient", "vf_coef"),
            ("rms_epsilon", "rms_prop_eps"),
            ("tricks.gradient_clip", "max_grad_norm"),
            ("tricks.advantage_normalisation", "normalize_advantage"),
        ),
    ),
)


class Tricks(OnPolicyTricks):
    """The tricks of every on-policy algorithm, and these."""

    advantage_normalisation: bool = Field(
        False, description="standardise advantages over the batch (an option of Stable-Baselines3, off there)"
    )
    rms_epsilon_inside: bool = Field(
        False,
        description="RMSProp's ε is added under the root (Mnih et al. 2016, equation S2; TensorFlow, "
        "baselines); off: to the root (PyTorch)",
    )
    rms_start: PositiveFloat | None = Field(
        None,
        description="where RMSProp's running mean square starts; off: 0 (PyTorch); TensorFlow, baselines: 1",
    )


class Config(OnPolicyConfig):
    """A2C's hyperparameters; the values are Stable-Baselines3's, all tricks off."""

    horizon: PositiveInt = Field(5, description="T, steps of each environment in a rollout")
    gae_lambda: float = Field(
        1.0, ge=0, le=1, description="λ of the advantage estimate; 1 is the n-step return"
    )
    learning_rate: PositiveFloat = Field(7e-4, description="RMSProp's step size")
    rms_decay: float = Field(
        0.99, ge=0, lt=1, description="α, how much RMSProp keeps of its running mean square"
    )
    rms_epsilon: PositiveFloat = Field(1e-5, description="RMSProp's ε")
    value_coefficient: PositiveFloat = Field(0.5, description="c₁, weight of the value loss")
    entropy_coefficient: NonNegativeFloat = Field(0.0, description="c₂, weight of the entropy bonus")
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the paper")


PRESETS: dict[str, Config] = {
    "a2c": Config(),
    "a2c-sb3": Config(
        tricks=Tricks(orthogonal_init=True, tanh_activations=True, gradient_clip=0.5, action_clip=True)
    ),
}

NO_EFFECT = actor_critic.NO_EFFECT

observe, act = actor_critic.observe, actor_critic.act
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> ActorCritic:
    """A first state, one row per generator."""
    state = actor_critic.init(config, problem, generators, dtype)
    if config.tricks.rms_start is not None:
        for theta in (state.policy, state.value):
            theta.second.fill_(config.tricks.rms_start)
    return state


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
    batch = prepare(state, config, rollout)
    if config.tricks.advantage_normalisation:
        batch.advantage = standardised(batch.advantage)
    rate = config.learning_rate
    if config.tricks.anneal_lr:
        rate = linear_decay(rate, progress=progress)

    (policy_loss, value_loss, _), gradients = differentiate(state, config, batch)
    norm = global_norm(*gradients)
    if config.tricks.gradient_clip is not None:
        coefficient = clip_coefficient(norm, limit=config.tricks.gradient_clip)
        gradients = [descent * coefficient for descent in gradients]
    for theta, descent in zip((state.policy, state.value), gradients, strict=True):
        rmsprop_step(
            theta,
            descent,
            learning_rate=rate,
            decay=config.rms_decay,
            epsilon=config.rms_epsilon,
            inside=config.tricks.rms_epsilon_inside,
        )

    return diagnostics(state, batch) | {
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "gradient_norm": norm,
        "learning_rate": torch.full_like(norm, rate),
    }


def differentiate(
    state: ActorCritic, config: Config, batch: Batch
) -> tuple[tuple[Tensor, Tensor, Tensor], list[Tensor]]:
    """−E[log π Â], E[(V − V̂)²] and the entropy, [S] each; and the loss's gradients for policy and value."""
    policy, forward = state.actor.forward(state.policy.arrays, batch.observation)
    policy_loss = -(state.actor.log_prob(policy, batch.action) * batch.advantage).mean(1)
    weight = batch.advantage * (-1 / batch.advantage.shape[1])
    slopes = [state.actor.log_prob_gradient(policy, batch.action, weight)]
    entropy = state.actor.entropy(policy)
    if config.entropy_coefficient:
        weight = torch.full_like(entropy, -config.entropy_coefficient / entropy.shape[1])
        slopes.append(state.actor.entropy_gradient(policy, weight))
    value_loss, value_descent = value_gradient(state, batch, coefficient=config.value_coefficient)
    gradients = [state.actor.gradient(forward, sum_of(slopes)), value_descent]
    return (policy_loss, value_loss, entropy.mean(1)), gradients
