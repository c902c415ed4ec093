"""Asynchronous advantage actor-critic: N actor-learners, each with a copy of θ that is old when it learns.

A worker copies θ, acts for T steps with its copy θ′, and differentiates A2C's loss at θ′:

    −E[ log π(a|s; θ′) Â ] + c₁ E[ (V(s; θ′) − V̂)² ] − c₂ E[ entropy ]

Its gradient is then a step for the shared θ, which the others have moved in the meantime, and it copies θ
anew. Here no threads race: after each rollout the workers take their turns in an order that the seed draws,
so that between a worker's copy and its step lie N − 1 steps of the others on average, as with threads of one
speed. RMSProp's running mean square g is shared, too. With N = 1 this is `a2c`, bit for bit.

Mnih et al. 2016, "Asynchronous methods for deep reinforcement learning", algorithm S3 and section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Acted, Metrics, Problem, Rollout, When
from matters.algorithms.maths.advantages import standardised
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.parts import actor_critic, one_step
from matters.algorithms.parts.actor_critic import (
    ActorCritic,
    Batch,
    CriticConfig,
    assemble,
    diagnostics,
    estimate,
    scaled_reward,
)
from matters.algorithms.parts.one_step import OneStepConfig, OneStepTricks, differentiate
from matters.algorithms.parts.theta import Theta

KIND: Literal["on-policy"] = "on-policy"
VERSION = 1
FACTS = replace(actor_critic.FACTS, lag=None, scratch=lambda config, state: 0)  # noqa: ARG005


class Tricks(OneStepTricks):
    """A2C's tricks, and this."""

    synchronous: bool = Field(
        False, description="the workers' gradients are averaged and applied once, to one θ, as A2C's are"
    )


class Config(OneStepConfig, CriticConfig):
    """A3C's hyperparameters: A2C's, for more environments, each of which is a worker's."""

    environments: PositiveInt = Field(16, description="N, workers, each with one environment (the paper: 16)")
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the paper")


PRESETS: dict[str, Config] = {"a3c": Config()}

NO_EFFECT = actor_critic.NO_EFFECT | {
    "tricks.synchronous": When("environments is 1", lambda config: config.environments == 1),
}

observe = actor_critic.observe
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


@dataclass
class State(ActorCritic):
    """The shared actor-critic, and each worker's copy of its parameters."""

    policies: Float[Tensor, "S N P"]
    values: Float[Tensor, "S N P2"]


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> State:
    """A first state, one row per generator: all workers begin with the first parameters."""
    shared = one_step.begin(actor_critic.init(config, problem, generators, dtype), config.tricks)
    policies, values = (
        theta.matrix[:, None].repeat(1, config.environments, 1) for theta in (shared.policy, shared.value)
    )
    return State(**vars(shared), policies=policies, values=values)


def act(
    state: State,
    config: Config,
    observation: Float[Tensor, "S N O"],
    noise: Float[Tensor, "S N E"] | None,
    memory: Float[Tensor, "S N M"],
) -> Acted:
    """An action for each observation, that of each worker's environment by its copy.

    The mode, and actions for another number of observations than there are workers, are the shared policy's.
    """
    seeds, count = observation.shape[:2]
    if noise is None or count != config.environments:
        return actor_critic.act(state, config, observation, noise, memory)
    alone = _theta(state.policy, state.policies.flatten(0, 1))
    each = (part.reshape(seeds * count, 1, -1) for part in (observation, noise))
    action, record = (part.view(seeds, count, -1) for part in state.actor.sample(alone, *each))
    return Acted(action, memory, record)


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
    """Learn from one rollout, in place: the workers' steps one after another, in an order drawn anew."""
    seeds, count = rollout.reward.shape[0], rollout.reward.shape[2]
    rate = config.learning_rate
    if config.tricks.anneal_lr:
        rate = linear_decay(rate, progress=progress)
    rollout = replace(rollout, reward=scaled_reward(state, config, rollout))
    order = torch.from_numpy(np.stack([generator.permutation(count) for generator in generators]))
    row, thetas = torch.arange(seeds), (state.policy, state.value)
    advantage, value = (torch.empty_like(rollout.reward) for _ in range(2))
    total: list[Tensor] = []
    found: list[tuple[Tensor, ...]] = []
    for worker in order.unbind(1):
        own = _of_worker(rollout, worker)
        copies = (state.policies[row, worker], state.values[row, worker])
        policy, critic = (_theta(theta, copy) for theta, copy in zip(thetas, copies, strict=True))
        there = replace(state, policy=policy, value=critic)
        estimated = estimate(there, config, own, own.reward)
        for whole, part in zip((advantage, value), estimated, strict=True):
            whole[row, :, worker] = part[..., 0]
        batch = _normalised(assemble(there, config, own, advantage=estimated[0], value=estimated[1]), config)
        (policy_loss, value_loss, _), gradients = differentiate(there, config, batch)
        if config.tricks.synchronous:
            total = gradients if not total else [x + y for x, y in zip(total, gradients, strict=True)]
            found.append((policy_loss, value_loss))
            continue
        norm = one_step.step(thetas, gradients, config, learning_rate=rate)
        state.policies[row, worker], state.values[row, worker] = state.policy.matrix, state.value.matrix
        found.append((policy_loss, value_loss, norm))
    if config.tricks.synchronous:
        norm = one_step.step(thetas, [x / count for x in total], config, learning_rate=rate)
        state.policies[:], state.values[:] = state.policy.matrix[:, None], state.value.matrix[:, None]
        found = [(*one, norm) for one in found]

    policy_loss, value_loss, norm = (torch.stack(terms, dim=1).mean(1) for terms in zip(*found, strict=True))
    batch = assemble(state, config, rollout, advantage=advantage, value=value)
    return diagnostics(state, batch) | {
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "gradient_norm": norm,
        "learning_rate": torch.full_like(norm, rate),
    }


def _normalised(batch: Batch, config: Config) -> Batch:
    if config.tricks.advantage_normalisation:
        batch.advantage = standardised(batch.advantage)
    return batch


def _of_worker(rollout: Rollout, worker: Tensor) -> Rollout:
    """What each seed's worker saw, as a rollout of one environment."""
    row, parts = torch.arange(len(worker)), vars(rollout).items()
    return Rollout(**{name: part[row, :, worker][:, :, None].contiguous() for name, part in parts})


def _theta(shared: Theta, matrix: Tensor) -> Theta:
    """Other parameters in the same layout, to act or differentiate with; the optimiser's state is shared."""
    return Theta(matrix, shared.layout, shared.first, shared.second, shared.steps)
