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
from pydantic import Field

from matters.algorithms.interface import Metrics, Problem, Rollout, Twin
from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.parts import actor_critic, one_step
from matters.algorithms.parts.actor_critic import ActorCritic, OnPolicyConfig, diagnostics, prepare
from matters.algorithms.parts.one_step import OneStepConfig, OneStepTricks, differentiate

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


Tricks = OneStepTricks


class Config(OneStepConfig, OnPolicyConfig):
    """A2C's hyperparameters; the values are Stable-Baselines3's, all tricks off."""

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
    batch = prepare(state, config, rollout)
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
    }
