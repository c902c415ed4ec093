"""What DDPG and TD3 share: a deterministic policy, its exploration, and its gradient.

The policy is a = μ(s), a perceptron with tanh at its end. It climbs the slope of Q at its own actions:

    ∇J = E[ ∇ₐ Q(s, a) ∇ μ(s) ]  at a = μ(s)

Silver, Lever, Heess, Degris, Wierstra and Riedmiller 2014, "Deterministic policy gradient algorithms",
equation 9.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveFloat, field_validator
from torch import Tensor

from matters.algorithms.interface import Acted, Metrics, Problem, ReplayBatch, Sizes, When
from matters.algorithms.maths.kernels import tanh, tensor
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.parts import critics
from matters.algorithms.parts.critics import (
    EPSILON,
    Critics,
    CriticStep,
    OffPolicyConfig,
    gradient_to_action,
    q_values,
)
from matters.algorithms.parts.mlp import Mlp, uniform
from matters.algorithms.parts.normalised_mlp import Network, NormalisedMlp, follow_moments, forward_to_learn
from matters.algorithms.parts.optimisers import adam_step
from matters.algorithms.parts.theta import Target, Theta
from matters.algorithms.parts.tricks import DeterministicTricks


class DeterministicConfig(OffPolicyConfig):
    """The hyperparameters of both; exploration noise is added to actions in ±1."""

    exploration: Literal["gaussian", "ornstein-uhlenbeck"] | None = Field(
        "gaussian", description="noise added to actions to explore; off: none"
    )
    exploration_scale: PositiveFloat = Field(0.1, description="σ of that noise")
    ou_reversion: PositiveFloat = Field(0.15, description="θ of the Ornstein–Uhlenbeck process")
    ou_step: PositiveFloat = Field(
        1.0, description="dt of that process; OpenAI baselines: 0.01", validate_default=True
    )
    last_layer: PositiveFloat | None = Field(
        None,
        description="first parameters of the last layers are uniform in ± this; off: as in the other layers",
    )
    tricks: DeterministicTricks = Field(
        DeterministicTricks(), description="named switches; off is DDPG without what its tricks name"
    )

    @field_validator("ou_step")
    @classmethod
    def _returns(cls, ou_step: float, info: Any) -> float:
        reversion = info.data.get("ou_reversion", 0.0)
        if reversion * ou_step >= 2:
            raise ValueError(f"should be less than 2 / ou_reversion, {2 / reversion:g}: the noise would grow")
        return ou_step


_NOT_OU = When(
    "exploration is not 'ornstein-uhlenbeck'", lambda config: config.exploration != "ornstein-uhlenbeck"
)
NO_EFFECT: dict[str, When] = critics.NO_EFFECT | {
    "exploration_scale": When("exploration is off", lambda config: config.exploration is None),
    "ou_reversion": _NOT_OU,
    "ou_step": _NOT_OU,
}


@dataclass
class Deterministic:
    """Policy and critics, and the targets of both."""

    network: Network
    policy: Theta
    target: Target
    critics: Critics
    updates: Int[Tensor, " S"]
    """Gradient steps made."""


@dataclass
class DeterministicStep:
    """What one gradient step computed, each term before anything moved."""

    target: Float[Tensor, "S B"]
    fit: CriticStep
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


def init_state(
    config: DeterministicConfig,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype,
    *,
    number: int,
) -> Deterministic:
    """A first state with `number` critics per seed. The policy is drawn first; targets start at θ.

    Raises ValueError for unbounded actions.
    """
    critics.refuse_unbounded(problem)
    network, critic = networks(config, problem)
    rows = [network.layout.row(network.initial(own, uniform(config.last_layer))) for own in generators]
    policy = Theta.of(rows, network.layout, dtype)
    seeds = len(generators)
    return Deterministic(
        network=network,
        policy=policy,
        target=Target.of(policy),
        critics=critics.init_critics(
            config,
            problem,
            generators,
            dtype,
            number=number,
            last=config.last_layer,
            network=critic,
        ),
        updates=torch.zeros(seeds, dtype=torch.int64),
    )


def networks(config: DeterministicConfig, problem: Problem) -> tuple[Network, Network]:
    """The policy's network and Q's, with normalised layers and late actions where those tricks are on."""
    tricks, actions = config.tricks, problem.action_size
    policy = (problem.observation_size, *config.hidden, actions)
    critic = (problem.observation_size + actions, *config.hidden, 1)
    before = (1 + tricks.late_actions) * tricks.batch_norm  # places of Q before the action
    return (
        NormalisedMlp(policy, normalised=1 + len(config.hidden)) if tricks.batch_norm else Mlp(policy),
        NormalisedMlp(critic, normalised=before, beside=actions, late=tricks.late_actions)
        if tricks.batch_norm or tricks.late_actions
        else Mlp(critic),
    )


def target_action(state: Deterministic, observation: Float[Tensor, "S B O"]) -> Float[Tensor, "S B A"]:
    """μ′(s), in ±1: what the target policy does."""
    return tanh(state.network.forward(state.target.arrays, observation).output)


def sizes(config: DeterministicConfig, problem: Problem) -> Sizes:
    """Noise for each dimension of the action, and as much memory where the noise has one."""
    remembers = config.exploration == "ornstein-uhlenbeck"
    return Sizes(noise=problem.action_size, memory=problem.action_size * remembers)


@DIVERGING
def act(
    state: Deterministic,
    config: DeterministicConfig,
    observation: Float[Tensor, "S N O"],
    noise: Float[Tensor, "S N A"] | None,
    memory: Float[Tensor, "S N M"],
) -> Acted:
    """μ(s), or with standard normal `noise` an exploring action a little off it, in ±1.

        Gaussian:             a = μ + σ ε
        Ornstein–Uhlenbeck:   x ← x − θ dt x + σ √dt ε,    a = μ + x

    where x is the memory. Actions are kept in ±1.

    Uhlenbeck and Ornstein 1930, "On the theory of the Brownian motion", in steps of dt.
    """
    action = tanh(tensor(state.network.one_by_one(state.policy.arrays, observation)))
    record = action[..., :0]
    if noise is None or config.exploration is None:
        return Acted(action, memory, record)
    if config.exploration == "gaussian":
        return Acted((action + config.exploration_scale * noise).clamp(-1, 1), memory, record)
    kept = memory * (1 - config.ou_reversion * config.ou_step)
    memory = kept.add_(config.exploration_scale * config.ou_step**0.5 * noise)
    return Acted((action + memory).clamp(-1, 1), memory, record)


def policy_step(state: Deterministic, config: DeterministicConfig, batch: ReplayBatch) -> Float[Tensor, " S"]:
    """One step of the policy up the first critic's slope; returns the loss −E[Q₁(s, μ(s))] before it."""
    forward = forward_to_learn(state.network, state.policy.arrays, batch.observation)
    action = tanh(forward.output)
    own = state.critics.theta.layout.arrays(state.critics.theta.matrix[:, 0])
    q = q_values(state.critics, own, batch.observation, action)
    to_value = torch.full_like(q.value, -1 / action.shape[1])
    to_action = gradient_to_action(state.critics, q, to_value, actions=action.shape[2])
    gradient = state.network.gradient(forward, to_action * (1 - action * action))
    adam_step(state.policy, gradient, learning_rate=config.learning_rate, epsilon=EPSILON)
    follow_moments(state.network, forward)
    return -q.value.mean(2).sum(1)


def follow_targets(state: Deterministic, config: DeterministicConfig) -> None:
    """Both targets move a little towards what they follow."""
    state.critics.target.follow(state.critics.theta, rate=config.target_rate)
    state.target.follow(state.policy, rate=config.target_rate)


def parameters(state: Deterministic) -> dict[str, Tensor]:
    """Policy and critic parameters by name."""
    return critics.named_parameters(state.policy, state.critics)
