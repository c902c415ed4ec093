"""Mirror descent policy optimisation: a few steps on the surrogate, less a KL to the policy that acted.

Each update approximates the step of mirror descent whose Bregman divergence is the KL,

    π_{k+1} = argmax E[ ρ Â ] − (1 / t_k) E[ KL(π ‖ π_k) ],      ρ = π / π_k,

by m steps of gradient ascent from π_k on the whole batch; then V is fitted. t_k is constant, or falls
linearly to 0 over training, so that the penalty grows. The first of the m steps is the policy gradient's,
because the KL is flat at π_k. PPO's fixed penalty has the divergence the other way round, KL(π_k ‖ π), which
`forward_kl` is; to second order the two are one.

Tomar, Shani, Efroni and Ghavamzadeh 2020, "Mirror descent policy optimization", arXiv 2005.09814, section 4.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Bound, Metrics, Rollout, When
from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.kernels import exp
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.maths.surrogates import clipped_surrogate
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, OnPolicyConfig, descend, prepare
from matters.algorithms.parts.bounds import clip_bound
from matters.algorithms.parts.policies import sum_of
from matters.algorithms.parts.tricks import AdamTricks
from matters.algorithms.parts.value_fit import fit_value

KIND: Literal["on-policy"] = "on-policy"
VERSION = 1


def _bounds(config: Any) -> tuple[Bound, ...]:
    """That of the clipped ratio, where it is clipped: the penalty bounds nothing."""
    return () if config.tricks.ratio_clip is None else (clip_bound(config.tricks.ratio_clip),)


FACTS = replace(
    actor_critic.FACTS, bounds=_bounds, schedules=(*actor_critic.FACTS.schedules, "anneal_step_size")
)


class Tricks(AdamTricks):
    """The tricks of every on-policy algorithm, and these. `gradient_clip` bounds each network's gradient."""

    advantage_normalisation: bool = Field(
        False, description="standardise advantages over the batch (the authors' code)"
    )
    value_clip: PositiveFloat | None = Field(
        None, description="clip the change of the value to ± this in its fit and take the larger error [1]"
    )
    forward_kl: bool = Field(
        False, description="the divergence is KL(old ‖ new), as in PPO's penalty; off: KL(new ‖ old)"
    )
    ratio_clip: PositiveFloat | None = Field(
        None, description="ε of PPO's clipped surrogate in place of E[ρ Â], beside the divergence"
    )


class Config(OnPolicyConfig):
    """MDPO's hyperparameters; sizes and rates are those of the authors' code, all tricks off."""

    policy_steps: PositiveInt = Field(10, description="m, gradient steps on the whole batch in each update")
    learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size for the policy")
    step_size: PositiveFloat = Field(1.0, description="t, of the mirror step: the KL is weighted by 1/t")
    anneal_step_size: bool = Field(
        False, description="t falls linearly to 0 over training, as in the paper: t_k = t (1 − k/K)"
    )
    value_epochs: NonNegativeInt = Field(
        5, description="passes over the batch to fit V after each policy update"
    )
    value_minibatch_size: PositiveInt = Field(128, description="samples per step of that fit")
    value_learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size for V")
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the paper")


PRESETS: dict[str, Config] = {
    # With the tricks of published PPO, but for advantages that are standardised over the batch, which is the
    # minibatch here.
    "mdpo": Config(
        anneal_step_size=True,
        tricks=Tricks(
            value_clip=0.2,
            reward_scaling=True,
            orthogonal_init=True,
            anneal_lr=True,
            reward_clip=10.0,
            observation_normalisation=True,
            observation_clip=10.0,
            tanh_activations=True,
            gradient_clip=0.5,
            advantage_normalisation=True,
            adam_epsilon=1e-5,
            action_clip=True,
        ),
    ),
    "mdpo-m": Config(anneal_step_size=True),
}

_OF_THE_FIT = ("value_learning_rate", "value_minibatch_size", "tricks.value_clip")
_OF_THE_KL = ("step_size", "anneal_step_size", "tricks.forward_kl")
NO_EFFECT = (
    actor_critic.NO_EFFECT
    | dict.fromkeys(_OF_THE_FIT, When("value_epochs is 0", lambda config: not config.value_epochs))
    | dict.fromkeys(
        _OF_THE_KL,
        When(
            "policy_steps is 1 and lag is 0: the KL is flat where the only step begins",
            lambda config: config.policy_steps == 1 and not config.lag,
        ),
    )
)

init, observe, act = actor_critic.init, actor_critic.observe, actor_critic.act
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


@DIVERGING
@torch.inference_mode()
def update(
    state: ActorCritic,
    config: Config,
    rollout: Rollout,
    generators: Sequence[np.random.Generator],
    *,
    progress: float,
) -> Metrics:
    """Learn from one rollout, in place: m steps of the policy, then the fit of V."""
    batch = prepare(state, config, rollout)
    if config.tricks.advantage_normalisation:
        batch.advantage = standardised(batch.advantage)
    rate, step_size = config.learning_rate, config.step_size
    if config.tricks.anneal_lr:
        rate = linear_decay(rate, progress=progress)
    if config.anneal_step_size:
        step_size = linear_decay(step_size, progress=progress)

    objectives, norms = [], []
    for _ in range(config.policy_steps):
        objective, descent = differentiate(state, config, batch, penalty=1 / step_size)
        norms.append(descend(state.policy, descent, learning_rate=rate, tricks=config.tricks))
        objectives.append(objective)
    value_loss = fit_value(state, config, batch, generators, progress=progress)

    return actor_critic.diagnostics(state, batch) | {
        "policy_loss": -torch.stack(objectives, dim=1).mean(1),
        "value_loss": value_loss,
        "gradient_norm": torch.stack(norms, dim=1).mean(1),
        "learning_rate": torch.full_like(value_loss, rate),
        "kl_coefficient": torch.full_like(value_loss, 1 / step_size),
    }


def differentiate(
    state: ActorCritic, config: Config, batch: Batch, *, penalty: float
) -> tuple[Float[Tensor, " S"], Float[Tensor, "S P"]]:
    """E[ ρ Â ] − `penalty` · E[ KL ] of each seed, and the gradient of its negative: ∇ρ = ρ ∇log π.

    Tomar et al. 2020, section 4.1.
    """
    tricks, size = config.tricks, batch.advantage.shape[1]
    policy, forward = state.actor.forward(state.policy.arrays, batch.observation)
    ratio = exp(state.actor.log_prob(policy, batch.action) - batch.log_prob)
    if tricks.ratio_clip is None:
        surrogate, slope = ratio * batch.advantage, batch.advantage
    else:
        surrogate, slope = clipped_surrogate(ratio, batch.advantage, clip=tricks.ratio_clip)
    kl = state.actor.kl(*((batch.old, policy) if tricks.forward_kl else (policy, batch.old)))
    kl_gradient = state.actor.kl_gradient if tricks.forward_kl else state.actor.reverse_kl_gradient
    slopes = [
        state.actor.log_prob_gradient(policy, batch.action, slope * ratio * (-1 / size)),
        kl_gradient(batch.old, policy, torch.full_like(kl, penalty / size)),
    ]
    return surrogate.mean(1) - penalty * kl.mean(1), state.actor.gradient(forward, sum_of(slopes))
