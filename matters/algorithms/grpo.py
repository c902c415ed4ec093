"""Group relative policy optimisation: PPO's clipped surrogate, with a group of episodes in place of a critic.

G episodes begin in one state. Each action of episode i is weighed with how its return compares to the others,

    Â_i = (R_i − mean(R)) / std(R),

and each minibatch step ascends E_i[ 1/|i| Σ_t min(ρ Â_i, clip(ρ, 1 − ε, 1 + ε) Â_i) − β k₃ ], the mean over
steps within each episode first. k₃ = r − log r − 1 with r = π_ref/π at the actions taken, which is never
negative and whose expectation under π is KL(π ‖ π_ref).

Shao et al. 2024, "DeepSeekMath: pushing the limits of mathematical reasoning in open language models",
section 4.1, equations 3 and 4; k₃ is Schulman 2020, "Approximating KL divergence".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from matters.algorithms.interface import Metrics, Problem, Rollout, When
from matters.algorithms.maths.episodes import batch_advantage, group_advantage, leave_one_out
from matters.algorithms.maths.kernels import exp
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.maths.surrogates import clipped_surrogate, low_variance_kl
from matters.algorithms.parts import episodic
from matters.algorithms.parts.actor_critic import Actor, Batch, descend, diagnostics
from matters.algorithms.parts.bounds import clip_bound
from matters.algorithms.parts.episodic import EpisodicConfig, EpisodicTricks, rewards_to_go, weighed_batch

KIND: Literal["on-policy"] = "on-policy"
VERSION = 1
FACTS = replace(episodic.FACTS, bounds=lambda config: (clip_bound(config.clip),))


class Tricks(EpisodicTricks):
    """The tricks of rules without a value function, and these."""

    no_spread: bool = Field(
        False, description="Â = R − mean, not divided by the spread (Liu et al. 2025, “Dr. GRPO”)"
    )
    steps_alike: bool = Field(
        False,
        description="the mean is over all steps, so that long episodes count more (Liu et al. 2025; "
        "Yu et al. 2025, “DAPO”); off: over each episode first",
    )


class Config(EpisodicConfig):
    """GRPO's hyperparameters; passes, rate and ε are those of PPO for MuJoCo, all tricks off."""

    baseline: Literal["group", "leave-one-out", "batch"] = Field(
        "group",
        description="what an episode is compared with: its group, the others of it (as RLOO), or the batch",
    )
    epochs: PositiveInt = Field(10, description="passes over each rollout")
    minibatch_size: PositiveInt = Field(256, description="samples per gradient step")
    learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size")
    clip: PositiveFloat = Field(0.2, description="ε of the clipped objective")
    kl_coefficient: NonNegativeFloat = Field(
        0.0, description="β of the KL to the reference policy (DeepSeekMath: 0.04)"
    )
    reference_every: PositiveInt | None = Field(
        None,
        description="updates after which the present policy becomes the reference (DeepSeekMath, algorithm "
        "1: its outer loop); off: the first policy stays it",
    )
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the paper")

    @model_validator(mode="after")
    def _a_group_is_some(self) -> "Config":
        if self.group_size == 1 and self.baseline != "batch":
            raise ValueError("group_size = 1: one episode has no spread; should be 2 or more")
        return self


PRESETS: dict[str, Config] = {
    "grpo": Config(),
    "grpo-kl": Config(kl_coefficient=0.04, reference_every=10),
    "grpo-dr": Config(tricks=Tricks(no_spread=True, steps_alike=True)),
}

NO_EFFECT = episodic.NO_EFFECT | {
    "reference_every": When("kl_coefficient is 0", lambda config: not config.kl_coefficient),
    "tricks.no_spread": When(
        "baseline is 'leave-one-out', which divides by nothing",
        lambda config: config.baseline == "leave-one-out",
    ),
}

observe, act = episodic.observe, episodic.act
sizes, to_environment, parameters = episodic.sizes, episodic.to_environment, episodic.parameters


@dataclass
class State(Actor):
    """A policy, the one that the KL is to, and the number of updates made."""

    reference: Float[Tensor, "S P"]
    updates: Float[Tensor, " S"]


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> State:
    """A first state, one row per generator."""
    first = episodic.init(config, problem, generators, dtype)
    return State(**vars(first), reference=first.policy.matrix.clone(), updates=torch.zeros(len(generators)))


@DIVERGING
@torch.inference_mode()
def update(
    state: State,
    config: Config,
    rollout: Rollout,
    generators: Sequence[np.random.Generator],
    *,
    progress: float,
) -> Metrics:
    """Learn from one rollout, in place."""
    if config.reference_every is not None:
        due = (state.updates % config.reference_every == 0)[:, None]
        state.reference.copy_(torch.where(due, state.policy.matrix, state.reference))
    state.updates += 1
    batch = prepare(state, config, rollout)
    rate = config.learning_rate
    if config.tricks.anneal_lr:
        rate = linear_decay(rate, progress=progress)
    found: list[tuple[Tensor, ...]] = []
    for minibatch in minibatches(config, batch, generators):
        *terms, descent = differentiate(state, config, minibatch)
        found.append((*terms, descend(state.policy, descent, learning_rate=rate, tricks=config.tricks)))
    objective, kl, norm = (torch.stack(each, dim=1).mean(1) for each in zip(*found, strict=True))
    return diagnostics(state, batch, clip=config.clip) | {
        "policy_loss": -objective,
        "reference_kl": kl,
        "gradient_norm": norm,
        "learning_rate": torch.full_like(norm, rate),
    }


def prepare(state: State, config: Config, rollout: Rollout) -> Batch:
    """The advantage of every episode at each of its steps. Those that the rollout's end cut do not count."""
    to_go, found = rewards_to_go(config, rollout)
    spread: dict[str, Any] = {"spread": not config.tricks.no_spread}
    if config.baseline == "group":
        advantage = group_advantage(found.returned, found.whole, group=config.group_size, **spread)
    elif config.baseline == "leave-one-out":
        advantage = leave_one_out(found.returned, found.whole, group=config.group_size)
    else:
        advantage = batch_advantage(found.returned, found.whole, **spread)
    weight = found.whole.to(to_go.dtype)
    if not config.tricks.steps_alike:
        weight = weight / found.length.clamp_min(1)
    batch = weighed_batch(
        state,
        rollout,
        returned=found.at_steps(found.returned),
        advantage=found.at_steps(advantage),
        weight=found.at_steps(weight),
    )
    if config.kl_coefficient:
        arrays = state.policy.layout.arrays(state.reference)
        reference, _ = state.actor.forward(arrays, batch.observation)
        batch.reference_log_prob = state.actor.log_prob(reference, batch.action)
    return batch


def minibatches(config: Config, batch: Batch, generators: Sequence[np.random.Generator]) -> Iterator[Batch]:
    """Every minibatch of every epoch."""
    for _ in range(config.epochs):
        order = np.stack([generator.permutation(batch.advantage.shape[1]) for generator in generators])
        yield from batch.take(torch.from_numpy(order)).split(config.minibatch_size)


def differentiate(
    state: State, config: Config, batch: Batch
) -> tuple[Float[Tensor, " S"], Float[Tensor, " S"], Float[Tensor, "S P"]]:
    """E[ surrogate − β k₃ ] and E[ k₃ ] of a minibatch, and the gradient of the first's negative."""
    assert batch.weight is not None
    policy, forward = state.actor.forward(state.policy.arrays, batch.observation)
    log_prob = state.actor.log_prob(policy, batch.action)
    ratio = exp(log_prob - batch.log_prob)
    surrogate, slope = clipped_surrogate(ratio, batch.advantage, clip=config.clip)
    objective, slope, kl = surrogate, slope * ratio, torch.zeros_like(surrogate)
    if batch.reference_log_prob is not None:  # else a reference far away would make 0 · ∞ of β k₃
        beta, (kl, kl_slope) = config.kl_coefficient, low_variance_kl(log_prob, batch.reference_log_prob)
        objective, slope = objective - beta * kl, slope - beta * kl_slope
    weight = batch.weight * slope * (-1 / slope.shape[1])
    descent = state.actor.gradient(forward, state.actor.log_prob_gradient(policy, batch.action, weight))
    return (batch.weight * objective).mean(1), (batch.weight * kl).mean(1), descent
