"""What the rules share that take one step of RMSProp after each short rollout: A2C and its kin."""

from typing import Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Frozen
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, value_gradient
from matters.algorithms.parts.optimisers import clip_coefficient, global_norm, rmsprop_step
from matters.algorithms.parts.policies import sum_of
from matters.algorithms.parts.theta import Theta
from matters.algorithms.parts.tricks import OnPolicyTricks


class OneStepTricks(OnPolicyTricks):
    """The tricks of every on-policy algorithm, and these.

    All off, it is RMSProp as PyTorch has it, at a constant rate; Mnih et al. have ε under the root, and a
    rate that falls to 0.
    """

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


class OneStepConfig(Frozen):
    """The settings of that step, and of the losses whose gradient it follows."""

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


def begin(state: ActorCritic, tricks: OneStepTricks) -> ActorCritic:
    """The first state, with RMSProp's running mean squares where they are to start."""
    if tricks.rms_start is not None:
        for theta in (state.policy, state.value):
            theta.second.fill_(tricks.rms_start)
    return state


def differentiate(
    state: ActorCritic, config: Any, batch: Batch
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


def step(
    thetas: tuple[Theta, Theta], gradients: list[Tensor], config: Any, *, learning_rate: float
) -> Tensor:
    """One step of RMSProp down the gradients of policy and V, whose norm as one vector is bounded if that
    trick is on; returns the norm [S] before that.
    """
    norm = global_norm(*gradients)
    if config.tricks.gradient_clip is not None:
        coefficient = clip_coefficient(norm, limit=config.tricks.gradient_clip)
        gradients = [descent * coefficient for descent in gradients]
    for theta, descent in zip(thetas, gradients, strict=True):
        rmsprop_step(
            theta,
            descent,
            learning_rate=learning_rate,
            decay=config.rms_decay,
            epsilon=config.rms_epsilon,
            inside=config.tricks.rms_epsilon_inside,
        )
    return norm
