"""What DDPG and TD3 share: a deterministic policy, its exploration, and its gradient.

The policy is a = μ(s), a perceptron with tanh at its end. It climbs the slope of Q at its own actions:

    ∇J = E[ ∇ₐ Q(s, a) ∇ μ(s) ]  at a = μ(s)

Silver, Lever, Heess, Degris, Wierstra and Riedmiller 2014, "Deterministic policy gradient algorithms",
equation 9.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, PositiveFloat, field_validator
from torch import Tensor

from matters.algorithms.interface import Metrics, Problem, Transitions
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.parts import critics
from matters.algorithms.parts.critics import EPSILON, Critics, Fit, OffPolicyConfig, judged, slope_to_action
from matters.algorithms.parts.perceptron import Perceptron
from matters.algorithms.parts.theta import Target, Theta, adam_step
from matters.algorithms.parts.tricks import OffPolicyTricks


class DeterministicConfig(OffPolicyConfig):
    """The hyperparameters of both; exploration is in actions of ±1."""

    exploration: Literal["gaussian", "ornstein-uhlenbeck"] | None = Field(
        "gaussian", description="noise on the actions that are tried; off: none"
    )
    exploration_scale: PositiveFloat = Field(0.1, description="σ of that noise")
    ou_reversion: PositiveFloat = Field(0.15, description="θ of the Ornstein–Uhlenbeck process")
    ou_step: PositiveFloat = Field(
        1.0, description="dt of that process; OpenAI baselines: 0.01", validate_default=True
    )
    last_layer: PositiveFloat | None = Field(
        None, description="first parameters of the last layers are uniform in ± this; off: as in the others"
    )
    tricks: OffPolicyTricks = Field(OffPolicyTricks(), description="named switches, off as in the papers")

    @field_validator("ou_step")
    @classmethod
    def _returns(cls, ou_step: float, info: Any) -> float:
        reversion = info.data.get("ou_reversion", 0.0)
        if reversion * ou_step >= 2:
            raise ValueError(f"should be less than 2 / ou_reversion, {2 / reversion:g}: the noise would grow")
        return ou_step


INERT: dict[str, str] = critics.INERT | {
    "exploration_scale": "exploration is off",
    "ou_reversion": "exploration is not 'ornstein-uhlenbeck'",
    "ou_step": "exploration is not 'ornstein-uhlenbeck'",
}

IDLE: dict[str, Callable[[Any], bool]] = {
    "exploration_scale": lambda config: config.exploration is None,
    "ou_reversion": lambda config: config.exploration != "ornstein-uhlenbeck",
    "ou_step": lambda config: config.exploration != "ornstein-uhlenbeck",
}


@dataclass
class Deterministic:
    """Policy and critics, the targets of both, and what exploration remembers."""

    network: Perceptron
    policy: Theta
    target: Target
    critics: Critics
    exploration: Float[Tensor, "S N A"]
    """Where the Ornstein–Uhlenbeck process stands."""
    updates: Int[Tensor, " S"]
    """Gradient steps made."""


@dataclass
class Step:
    """What one gradient step computed, each term before anything moved."""

    target: Float[Tensor, "S B"]
    fit: Fit
    actor_loss: Float[Tensor, " S"] | None = None
    """Only where the policy moved."""

    @property
    def metrics(self) -> Metrics:
        """Diagnostics, each [S]; the losses of a seed's critics are added up."""
        found = {
            "q_mean": self.fit.value.mean(2).mean(1),
            "target_mean": self.target.mean(1),
            "critic_loss": self.fit.loss.sum(1),
        }
        return found if self.actor_loss is None else found | {"actor_loss": self.actor_loss}


def first(
    config: DeterministicConfig,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype,
    *,
    number: int,
) -> Deterministic:
    """A first state with that `number` of critics. The policy is drawn first; targets start at θ.

    Raises ValueError for unbounded actions.
    """
    critics.refuse_unbounded(problem)
    network = Perceptron((problem.observation_size, *config.hidden, problem.action_size))
    rows = [network.initial(own, last=config.last_layer) for own in generators]
    policy = Theta.of(rows, network.layout, dtype)
    seeds = len(generators)
    return Deterministic(
        network=network,
        policy=policy,
        target=Target.of(policy),
        critics=critics.first_critics(
            config, problem, generators, dtype, number=number, last=config.last_layer
        ),
        exploration=torch.zeros(seeds, 1, problem.action_size, dtype=dtype),
        updates=torch.zeros(seeds, dtype=torch.int64),
    )


def chosen(state: Deterministic, observation: Float[Tensor, "S B O"]) -> Float[Tensor, "S B A"]:
    """μ′(s), in ±1: what the target policy does."""
    return state.network(state.target.whole, observation).output.tanh()


@DIVERGING
def act(
    state: Deterministic,
    config: DeterministicConfig,
    observation: Float[Tensor, "S N O"],
    noise: Float[Tensor, "S N A"] | None,
) -> Float[Tensor, "S N A"]:
    """μ(s), and exploring a little off it with standard normal `noise`, in ±1.

        Gaussian:             a = μ + σ ε
        Ornstein–Uhlenbeck:   a = μ + x,    x ← x − θ dt x + σ √dt ε

    Uhlenbeck and Ornstein 1930, "On the theory of the Brownian motion", in steps of dt.
    """
    action = torch.from_numpy(np.tanh(state.network.applied(state.policy.arrays, observation.numpy())))
    if noise is None or config.exploration is None:
        return action
    if config.exploration == "gaussian":
        return (action + config.exploration_scale * noise).clamp(-1, 1)
    state.exploration.mul_(1 - config.ou_reversion * config.ou_step)
    state.exploration.add_(config.exploration_scale * config.ou_step**0.5 * noise)
    return (action + state.exploration).clamp(-1, 1)


def ended(state: Deterministic, config: DeterministicConfig, ended: Bool[Tensor, "S N"]) -> None:
    """Exploration that has a memory begins anew with each episode."""
    if config.exploration == "ornstein-uhlenbeck":
        state.exploration.masked_fill_(ended[..., None], 0.0)


def ascend(state: Deterministic, config: DeterministicConfig, batch: Transitions) -> Float[Tensor, " S"]:
    """One step of the policy up the first critic's slope; returns the loss −E[Q₁(s, μ(s))] before it."""
    run = state.network(state.policy.whole, batch.observation)
    action = run.output.tanh()
    own = state.critics.theta.layout.whole(state.critics.theta.matrix[:, 0])
    judgement = judged(state.critics, own, batch.observation, action)
    slope = torch.full_like(judgement.value, -1 / action.shape[1])
    slope = slope_to_action(judgement, slope, actions=action.shape[2])
    descent = state.network.gradient(run, slope * (1 - action * action))
    adam_step(state.policy, descent, learning_rate=config.learning_rate, epsilon=EPSILON)
    return -judgement.value.mean(2).sum(1)


def follow(state: Deterministic, config: DeterministicConfig) -> None:
    """Both targets move a little towards what they follow."""
    state.critics.target.follow(state.critics.theta, rate=config.target_rate)
    state.target.follow(state.policy, rate=config.target_rate)


def parameters(state: Deterministic) -> dict[str, Tensor]:
    """Policy and critic parameters by name."""
    return critics.kept(state.policy, state.critics)
