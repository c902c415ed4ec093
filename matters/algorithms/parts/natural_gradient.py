"""What the natural-gradient family shares: settings, surrogate, Fisher information, the fit of V.

The family takes the step that gains most for a given change of the policy's distribution, not of its
parameters:

    maximise gᵀΔ  subject to  ½ ΔᵀFΔ ≤ δ      ⇒      Δ = √(2δ / gᵀF⁻¹g) F⁻¹g

g is the gradient of the surrogate E[ρ Â], F the Fisher information of the policy: the Hessian of E[KL(π_old
‖ π)]. `npg` solves F x = g to convergence, `tnpg` stops after k steps of conjugate gradient, `trpo` also
checks the step.

The advantages are computed before anything is fitted, and policy and value function have parameters and
optimisers of their own, so it does not matter which of the two learns first. Here the policy does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.conjugate_gradient import Product
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.parts.actor_critic import IDLE as SHARED_IDLE
from matters.algorithms.parts.actor_critic import INERT as SHARED_INERT
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, OnPolicyConfig, fit_value
from matters.algorithms.parts.theta import gradient
from matters.algorithms.parts.tricks import AdamTricks


class NaturalTricks(AdamTricks):
    """The tricks of every on-policy algorithm, and these. Gradient clipping acts on the fit of V alone."""

    advantage_normalisation: bool = Field(
        False, description="standardise advantages over the batch (Engstrom's code, sb3-contrib, Spinning Up)"
    )
    value_clip: PositiveFloat | None = Field(
        None, description="clip the change of the value to ± this in its fit and take the larger error [1]"
    )
    kl_per_action: bool = Field(
        False,
        description="average the KL over the action's dimensions instead of summing it (sb3-contrib)",
    )
    kl_final: PositiveFloat | None = Field(
        None, description="δ moves linearly to this over training (Engstrom's TRPO+)"
    )


class NaturalConfig(OnPolicyConfig):
    """Hyperparameters of the family; sizes are those of Engstrom et al.'s TRPO (tables 4 to 6)."""

    kl: PositiveFloat = Field(0.01, description="δ, the KL of a step to second order")
    damping: NonNegativeFloat = Field(0.1, description="λ, added to the Fisher information's diagonal")
    fisher_fraction: float = Field(
        1.0, gt=0, le=1, description="share of the batch the Fisher information is from"
    )
    value_epochs: NonNegativeInt = Field(
        10, description="passes over the batch to fit V after each policy step"
    )
    value_minibatch_size: PositiveInt = Field(64, description="samples a step of that fit")
    value_learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size for V")
    tricks: NaturalTricks = Field(NaturalTricks(), description="named switches, off as in the papers")


_OF_THE_FIT = (
    "value_learning_rate",
    "value_minibatch_size",
    "tricks.adam_epsilon",
    "tricks.gradient_clip",
    "tricks.value_clip",
    "tricks.anneal_lr",
)

INERT: dict[str, str] = SHARED_INERT | dict.fromkeys(_OF_THE_FIT, "value_epochs is 0")

IDLE: dict[str, Callable[[Any], bool]] = SHARED_IDLE | dict.fromkeys(
    _OF_THE_FIT, lambda config: not config.value_epochs
)


def step_kl(config: NaturalConfig, *, progress: float) -> float:
    """δ of this update."""
    if config.tricks.kl_final is None:
        return config.kl
    return config.kl + (config.tricks.kl_final - config.kl) * progress


def kl_scale(config: NaturalConfig, batch: Batch) -> float:
    """What the KL is multiplied with: 1, or 1/A where it is averaged over the action's dimensions."""
    return 1 / batch.action.shape[-1] if config.tricks.kl_per_action else 1.0


def standardise_if_asked(batch: Batch, config: NaturalConfig) -> Batch:
    """The batch with its advantages standardised, if that trick is on."""
    if config.tricks.advantage_normalisation:
        batch.advantage = standardised(batch.advantage)
    return batch


def surrogate(state: ActorCritic, batch: Batch) -> Float[Tensor, " S"]:
    """E[ρ Â] at the parameters as they are, ρ = π/π_old (Schulman et al. 2015, equation 14)."""
    policy = state.actor(state.policy.leaves, batch.observation)
    ratio = (state.actor.log_prob(policy, batch.action) - batch.log_prob).exp()
    return (ratio * batch.advantage).mean(1)


def fisher_product(
    state: ActorCritic, config: NaturalConfig, batch: Batch, generators: Sequence[np.random.Generator]
) -> Product:
    """v ↦ (F + λI) v at the policy as it now is, from the whole batch or a random share of it.

    Two differentiations of the mean KL: first with its graph, then of its product with v. Both directions of
    the KL have this Hessian. The padding of θ stays 0.

    Pearlmutter 1994, "Fast exact multiplication by the Hessian"; Schulman et al. 2015, appendix C.1.
    """
    observation = batch.observation
    if config.fisher_fraction < 1:
        size = observation.shape[1]
        kept = max(1, round(size * config.fisher_fraction))
        order = np.stack([generator.permutation(size)[:kept] for generator in generators])
        observation = batch.take(torch.from_numpy(order)).observation
    policy = state.actor(state.policy.leaves, observation)
    here = policy[0].detach(), policy[1].detach()
    kl = state.actor.kl(here, policy).mean(1) * kl_scale(config, batch)
    (slope,) = gradient(kl, state.policy, create_graph=True)

    def product(vector: Float[Tensor, "S P"]) -> Float[Tensor, "S P"]:
        (image,) = gradient((slope * vector).sum(1), state.policy, retain_graph=True)
        return image + config.damping * vector

    return product


def fit(
    state: ActorCritic,
    config: NaturalConfig,
    batch: Batch,
    generators: Sequence[np.random.Generator],
    *,
    progress: float,
) -> Float[Tensor, " S"]:
    """Fit V to the batch's targets; returns the mean loss of the last pass."""
    rate = config.value_learning_rate
    return fit_value(
        state,
        batch,
        generators,
        epochs=config.value_epochs,
        minibatch_size=config.value_minibatch_size,
        learning_rate=linear_decay(rate, progress=progress) if config.tricks.anneal_lr else rate,
        tricks=config.tricks,
        clip=config.tricks.value_clip,
    )
