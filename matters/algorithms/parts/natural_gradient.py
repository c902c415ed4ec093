"""What the natural-gradient family shares: settings, surrogate, Fisher information.

The family takes the step that gains most for a given change of the policy's distribution, not of its
parameters:

    maximise gᵀΔ  subject to  ½ ΔᵀFΔ ≤ δ      ⇒      Δ = √(2δ / gᵀF⁻¹g) F⁻¹g

g is the gradient of the surrogate E[ρ Â], F the Fisher information of the policy: the Hessian of E[KL(π_old
‖ π)]. `npg` solves F x = g to convergence, `tnpg` stops after k steps of conjugate gradient, `trpo` also
checks the step.

F stands for F + λI throughout, also in the length of the step: δ is met for F + λI, so the KL to second order
is δ less ½ λ ‖Δ‖². The true KL differs again; it is recorded for every update.

The advantages are computed before anything is fitted, and policy and value function have parameters and
optimisers of their own, so it does not matter which of the two learns first. Here the policy does.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Bound, When
from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.conjugate_gradient import Product
from matters.algorithms.maths.kernels import exp
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, OnPolicyConfig
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
    """Hyperparameters of the family; sizes are those of Engstrom et al.'s TRPO (tables 4 to 6).

    But for δ, which they tune for each task, and for F, which they estimate from a tenth of the batch.
    """

    kl: PositiveFloat = Field(0.01, description="δ, the KL of a step to second order, for F + λI")
    damping: NonNegativeFloat = Field(0.1, description="λ, added to the Fisher information's diagonal")
    fisher_fraction: float = Field(
        1.0, gt=0, le=1, description="share of the batch that the Fisher information is estimated from"
    )
    value_epochs: NonNegativeInt = Field(
        10, description="passes over the batch to fit V after each policy step"
    )
    value_minibatch_size: PositiveInt = Field(64, description="samples per step of that fit")
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

NO_EFFECT: dict[str, When] = actor_critic.NO_EFFECT | dict.fromkeys(
    _OF_THE_FIT, When("value_epochs is 0", lambda config: not config.value_epochs)
)


FACTS = replace(actor_critic.FACTS, schedules=(*actor_critic.FACTS.schedules, "tricks.kl_final"))
"""What every algorithm of the family is."""

SECOND_ORDER = "the step has it to second order; what it comes to is not checked"
CHECKED = "a step is taken only if it is within"


def bound(config: NaturalConfig, means: str) -> tuple[Bound, ...]:
    """δ, as the bound that the KL recorded of an update is compared with."""
    tricks = config.tricks
    return (Bound("mean_kl", "δ", config.kl, means, tricks.kl_final, tricks.kl_per_action),)


def step_kl(config: NaturalConfig, *, progress: float) -> float:
    """δ of this update."""
    if config.tricks.kl_final is None:
        return config.kl
    return config.kl + (config.tricks.kl_final - config.kl) * progress


def kl_scale(config: NaturalConfig, batch: Batch) -> float:
    """What the KL is multiplied by: 1, or 1/A where it is averaged over the action's dimensions."""
    return 1 / batch.action.shape[-1] if config.tricks.kl_per_action else 1.0


def standardise_if_asked(batch: Batch, config: NaturalConfig) -> Batch:
    """The batch with its advantages standardised, if that trick is on."""
    if config.tricks.advantage_normalisation:
        batch.advantage = standardised(batch.advantage)
    return batch


def surrogate_gradient(state: ActorCritic, batch: Batch) -> tuple[Float[Tensor, " S"], Float[Tensor, "S P"]]:
    """E[ρ Â] at the parameters as they are, ρ = π/π_old, and its gradient, E[Â ∇ρ] = E[ρ Â ∇log π].

    Schulman et al. 2015, "Trust region policy optimization", equation 14.
    """
    policy, forward = state.actor.forward(state.policy.arrays, batch.observation)
    gain = exp(state.actor.log_prob(policy, batch.action) - batch.log_prob) * batch.advantage
    slope = state.actor.log_prob_gradient(policy, batch.action, gain / gain.shape[1])
    return gain.mean(1), state.actor.gradient(forward, slope)


def fisher_product(
    state: ActorCritic, config: NaturalConfig, batch: Batch, generators: Sequence[np.random.Generator]
) -> Product:
    """v ↦ (F + λI) v at the policy as it now is, from the whole batch or a random share of it.

    F = E[ JᵀMJ ] with J the Jacobian of the distribution's parameters with respect to θ and M their Fisher
    information: forwards J v, times M, and backwards Jᵀ of that. It is the Hessian of the mean KL at θ, of
    either direction, without the network's second derivatives, whose factor is 0 there. The padding of θ
    stays 0.

    Schraudolph 2002, "Fast curvature matrix-vector products for second-order gradient descent", section 3;
    Schulman et al. 2015, appendix C.1.
    """
    observation = batch.observation
    if config.fisher_fraction < 1:
        size = observation.shape[1]
        kept = max(1, round(size * config.fisher_fraction))
        order = np.stack([generator.permutation(size)[:kept] for generator in generators])
        observation = batch.take(torch.from_numpy(order)).observation
    policy, forward = state.actor.forward(state.policy.arrays, observation)
    weight = kl_scale(config, batch) / observation.shape[1]

    def product(vector: Float[Tensor, "S P"]) -> Float[Tensor, "S P"]:
        change = state.actor.tangent(forward, vector)
        image = state.actor.gradient(forward, state.actor.fisher(policy, change, weight))
        return image + config.damping * vector

    return product
