"""REINFORCE without a value function: one step along whole returns, with a baseline from other episodes.

    ∇J(θ) = E[ Σ_t ∇log π(a_t|s_t) (Ψ_t − b) ]

Ψ_t is the return R of the whole episode, as Williams has it; or γᵗ times the reward-to-go from t, which has
the same expectation, since no action acts on the past; or the reward-to-go alone, as in nearly all code,
which is no gradient of the discounted return. b is 0, the mean over the batch, or RLOO's: the mean return of
the *other* episodes of a group that began in the same state, which does not bias the gradient because it
knows nothing of the action.

Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
equation 11; Kool, van Hoof and Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; Ahmadian et
al. 2024, "Back to basics: revisiting REINFORCE style optimization", equation 8.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor

from matters.algorithms.interface import Metrics, Rollout, When
from matters.algorithms.maths.episodes import batch_advantage, leave_one_out
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.parts import episodic
from matters.algorithms.parts.actor_critic import Actor, Batch, descend, diagnostics
from matters.algorithms.parts.episodic import EpisodicConfig, EpisodicTricks, rewards_to_go, weighed_batch

KIND: Literal["on-policy"] = "on-policy"
VERSION = 1
FACTS = episodic.FACTS

Tricks = EpisodicTricks


class Config(EpisodicConfig):
    """Hyperparameters of REINFORCE with and without its leave-one-out baseline, all tricks off."""

    learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size")
    weighed_with: Literal["return", "reward-to-go"] = Field(
        "return", description="Ψ, what an action is weighed with: its whole episode's return, or what follows"
    )
    baseline: Literal["leave-one-out", "batch-mean"] | None = Field(
        "leave-one-out",
        description="b: the mean of a group's other episodes (RLOO), the mean of Ψ over the batch, or none",
    )
    discounted_gradient: bool = Field(
        False,
        description="rewards-to-go are weighed with γᵗ, as the gradient of the discounted return has it "
        "(Sutton and Barto 2018, section 13.3); off: as in nearly all code",
    )
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the papers")

    @model_validator(mode="after")
    def _others_can_be_compared(self) -> "Config":
        if self.baseline == "leave-one-out":
            if self.group_size == 1:
                raise ValueError("group_size = 1: leaves no other episode; should be 2 or more for RLOO")
            if self.weighed_with != "return":
                raise ValueError(
                    f"weighed_with = {self.weighed_with!r}: the leave-one-out baseline is of whole returns; "
                    "valid: return"
                )
        return self


PRESETS: dict[str, Config] = {
    "rloo": Config(),
    "reinforce-return": Config(baseline=None, group_size=1),
    "reinforce-to-go": Config(weighed_with="reward-to-go", baseline=None, group_size=1),
    "reinforce-discounted": Config(
        weighed_with="reward-to-go", baseline=None, group_size=1, discounted_gradient=True
    ),
    "reinforce-mean": Config(baseline="batch-mean", group_size=1),
}

NO_EFFECT = episodic.NO_EFFECT | {
    "discounted_gradient": When(
        "weighed_with is 'return', which has the factor in it, or discount is 1",
        lambda config: config.weighed_with == "return" or config.discount == 1.0,
    ),
}

init, observe, act = episodic.init, episodic.observe, episodic.act
sizes, to_environment, parameters = episodic.sizes, episodic.to_environment, episodic.parameters


@DIVERGING
@torch.inference_mode()
def update(
    state: Actor,
    config: Config,
    rollout: Rollout,
    generators: Sequence[np.random.Generator],  # noqa: ARG001 - the same call for every rule
    *,
    progress: float,
) -> Metrics:
    """Learn from one rollout, in place, by one step. Draws nothing from `generators`."""
    batch = prepare(state, config, rollout)
    rate = config.learning_rate
    if config.tricks.anneal_lr:
        rate = linear_decay(rate, progress=progress)

    objective, ascent = policy_gradient(state, batch)
    norm = descend(state.policy, -ascent, learning_rate=rate, tricks=config.tricks)
    return diagnostics(state, batch) | {
        "policy_loss": -objective,
        "gradient_norm": norm,
        "learning_rate": torch.full_like(norm, rate),
    }


def prepare(state: Actor, config: Config, rollout: Rollout) -> Batch:
    """Ψ − b of every step. Steps of episodes that the rollout's end cut short count for nothing."""
    to_go, found = rewards_to_go(config, rollout)
    whole = found.at_steps(found.whole.to(to_go.dtype))
    psi = found.at_steps(found.returned) if config.weighed_with == "return" else to_go
    if config.baseline == "leave-one-out":
        advantage = found.at_steps(leave_one_out(found.returned, found.whole, group=config.group_size))
    elif config.baseline == "batch-mean" and config.weighed_with == "return":
        advantage = found.at_steps(batch_advantage(found.returned, found.whole, spread=False))
    elif config.baseline == "batch-mean":
        flat, counted = psi.flatten(1), whole.flatten(1)
        mean = (flat * counted).sum(1) / counted.sum(1).clamp_min(1)
        advantage = psi - mean[:, None, None]
    else:
        advantage = psi
    batch = weighed_batch(state, rollout, returned=psi, advantage=advantage, weight=whole)
    if config.discounted_gradient and config.weighed_with == "reward-to-go":
        powers = np.cumprod(
            [1.0, *[config.discount] * (config.horizon - 1)]
        )  # a power's bits vary by machine
        batch.advantage = batch.advantage * torch.from_numpy(powers).to(psi.dtype)[found.age.flatten(1)]
    return batch


def policy_gradient(state: Actor, batch: Batch) -> tuple[Float[Tensor, " S"], Float[Tensor, "S P"]]:
    """E[ log π(a|s) (Ψ − b) ] of each seed over the steps of whole episodes, and its gradient.

    The mean is over steps, not a sum within each episode: a factor for the whole batch, which Adam undoes.
    """
    assert batch.weight is not None
    policy, forward = state.actor.forward(state.policy.arrays, batch.observation)
    weighed = batch.weight * batch.advantage
    objective = (state.actor.log_prob(policy, batch.action) * weighed).mean(1)
    slope = state.actor.log_prob_gradient(policy, batch.action, weighed / weighed.shape[1])
    return objective, state.actor.gradient(forward, slope)
