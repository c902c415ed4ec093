"""What the on-policy algorithms share: policy, value function, and a rollout made a batch to learn from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from algorithms.interface import Frozen, Metrics, Problem, Rollout
from algorithms.maths.advantages import explained_variance, generalised_advantage
from algorithms.maths.distributions import gaussian_entropy, gaussian_kl, gaussian_log_prob
from algorithms.maths.moments import Moments, start
from algorithms.maths.surrogates import clipped_squared_error, squared_error
from algorithms.networks import Mlp
from algorithms.policies import GaussianPolicy
from algorithms.preprocess import paid, seen
from algorithms.theta import Theta, adam_step, clip_coefficient, global_norm, gradient
from algorithms.tricks import AdamTricks


class OnPolicyConfig(Frozen):
    """The settings that every on-policy algorithm has."""

    horizon: PositiveInt = Field(2048, description="T, steps of each environment in a rollout")
    environments: PositiveInt = Field(1, description="N, environments of each seed")
    discount: float = Field(0.99, ge=0, le=1, description="γ")
    gae_lambda: float = Field(
        0.95, ge=0, le=1, description="λ of the advantage estimate; 1 is the reward-to-go"
    )
    hidden: tuple[PositiveInt, ...] = Field((64, 64), description="widths of the hidden layers", strict=False)


@dataclass
class ActorCritic:
    """θ of policy and value function, and the running moments of observations and returns."""

    actor: GaussianPolicy
    critic: Mlp
    policy: Theta
    value: Theta
    observation_moments: Moments
    return_moments: Moments
    running_return: Float[Tensor, "S N"]


@dataclass
class Batch:
    """A rollout ready to learn from: B = T · N samples a seed, with the old policy's view of them."""

    observation: Float[Tensor, "S B O"]
    action: Float[Tensor, "S B A"]
    advantage: Float[Tensor, "S B"]
    target: Float[Tensor, "S B"]
    """Advantage + value: what the value function is fitted to."""
    value: Float[Tensor, "S B"]
    mean: Float[Tensor, "S B A"]
    log_prob: Float[Tensor, "S B"]

    def take(self, index: Tensor) -> "Batch":
        """The samples `index` [S, B'] of each seed."""
        seeds, size = self.advantage.shape
        flat = (index + torch.arange(seeds)[:, None] * size).flatten()
        return Batch(
            **{
                field.name: tensor.flatten(0, 1).index_select(0, flat).view(*index.shape, *tensor.shape[2:])
                for field in fields(self)
                for tensor in (getattr(self, field.name),)
            }
        )

    def split(self, size: int) -> Iterator["Batch"]:
        """Consecutive minibatches of `size` samples; the last one may be smaller."""
        parts = [getattr(self, field.name).split(size, dim=1) for field in fields(self)]
        return (Batch(*part) for part in zip(*parts, strict=True))


def init(
    config: Any,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> ActorCritic:
    """First parameters, one row a generator: the policy's are drawn first, then the value function's."""
    tricks = config.tricks
    actor = GaussianPolicy(
        Mlp((problem.observation_size, *config.hidden, problem.action_size), tricks.tanh_activations)
    )
    critic = Mlp((problem.observation_size, *config.hidden, 1), tricks.tanh_activations)
    log_std = 0.0 if tricks.log_std_init is None else tricks.log_std_init
    policies, values = [], []
    for generator in generators:
        policies.append(actor.initial(generator, orthogonal=tricks.orthogonal_init, log_std=log_std))
        weights = critic.initial(generator, orthogonal=tricks.orthogonal_init, last_gain=1.0)
        values.append(critic.layout.row(weights))
    seeds = len(generators)
    return ActorCritic(
        actor=actor,
        critic=critic,
        policy=Theta.of(policies, actor.layout, dtype),
        value=Theta.of(values, critic.layout, dtype),
        observation_moments=start(seeds, problem.observation_size),
        return_moments=start(seeds, 1),
        running_return=torch.zeros(seeds, config.environments, dtype=torch.float64),
    )


def observe(
    state: ActorCritic, config: Any, observation: Float[Tensor, "S N O"], *, learn: bool
) -> Float[Tensor, "S N O"]:
    """What the policy sees of a raw observation; with `learn`, running moments take it in first."""
    return seen(state.observation_moments, observation, config.tricks, learn=learn)


def act(
    state: ActorCritic,
    config: Any,  # noqa: ARG001 - other rules may need it to act
    observation: Float[Tensor, "S N O"],
    noise: Float[Tensor, "S N A"] | None,
) -> Float[Tensor, "S N A"]:
    """An action for each observation: sampled with standard normal `noise`, the mean without."""
    with torch.inference_mode():
        return state.actor.sample(state.policy, observation, noise)


def executed(config: Any, problem: Problem, action: Float[Tensor, "S N A"]) -> Float[Tensor, "S N A"]:
    """What of an action is sent to the environment: all of it, or clipped to the bounds."""
    if not config.tricks.action_clip:
        return action
    low, high = _bounds(problem)
    return action.clamp(low, high)


@cache
def _bounds(problem: Problem) -> tuple[Float[Tensor, " A"], Float[Tensor, " A"]]:
    """The action bounds as tensors; made once, since every step asks."""
    return torch.tensor(problem.action_low), torch.tensor(problem.action_high)


def parameters(state: ActorCritic) -> dict[str, Tensor]:
    """Policy and value parameters by name, and the moments that observations are standardised with."""
    named = {
        f"{part}/{name}": view
        for part, theta in (("policy", state.policy), ("value", state.value))
        for name, view in zip(theta.layout.names, theta.frozen, strict=True)
    }
    moments = state.observation_moments
    return named | {"observation/mean": moments.mean, "observation/variance": moments.variance}


def values(state: ActorCritic, observation: Float[Tensor, "S B O"]) -> Float[Tensor, "S B"]:
    """V(s), with gradients to the value function's θ."""
    return state.critic(state.value.leaves, observation).flatten(1)


@torch.no_grad()
def prepare(state: ActorCritic, config: Any, rollout: Rollout, *, baseline: bool = True) -> Batch:
    """Rewards scaled and clipped, values, advantages and targets; the running moments are carried on.

    Without `baseline`, V is 0 in the advantage: with λ = 1 that is the reward-to-go.
    """
    tricks = config.tricks
    ended = rollout.terminated | rollout.truncated
    reward = paid(
        state.return_moments, state.running_return, rollout.reward, ended, tricks, discount=config.discount
    )
    observation = rollout.observation.flatten(1, 2)
    value = values(state, observation).view_as(reward)
    value_next = values(state, rollout.successor.flatten(1, 2)).view_as(reward)
    if not baseline:
        value, value_next = torch.zeros_like(value), torch.zeros_like(value)
    advantage = generalised_advantage(
        reward,
        value,
        value_next,
        ended if tricks.time_limit_terminal else rollout.terminated,
        ended,
        discount=config.discount,
        gae_lambda=config.gae_lambda,
    )
    action = rollout.action.flatten(1, 2)
    mean, log_std = state.actor(state.policy.frozen, observation)
    return Batch(
        observation=observation,
        action=action,
        advantage=advantage.flatten(1),
        target=(advantage + value).flatten(1),
        value=value.flatten(1),
        mean=mean,
        log_prob=gaussian_log_prob(action, mean, log_std),
    )


def fit_value(
    state: ActorCritic,
    batch: Batch,
    generators: Sequence[np.random.Generator],
    *,
    epochs: int,
    minibatch_size: int,
    learning_rate: float,
    tricks: AdamTricks,
    clip: float | None = None,
) -> Float[Tensor, " S"]:
    """Fit V to the batch's targets by minibatch steps of Adam; returns the mean loss of the last pass.

    With `clip` the change of the value is clipped (Engstrom et al. 2020, item 1).
    """
    size = batch.advantage.shape[1]
    losses = [torch.zeros(len(generators), dtype=batch.value.dtype)]
    for _ in range(epochs):
        order = torch.from_numpy(np.stack([generator.permutation(size) for generator in generators]))
        losses = []
        for minibatch in batch.take(order).split(minibatch_size):
            value = values(state, minibatch.observation)
            if clip is None:
                errors = squared_error(value, minibatch.target)
            else:
                errors = clipped_squared_error(value, minibatch.value, minibatch.target, clip=clip)
            loss = errors.mean(1)
            (descent,) = gradient(loss, state.value)
            descend(state.value, descent, learning_rate=learning_rate, tricks=tricks)
            losses.append(loss.detach())
    return torch.stack(losses, dim=1).mean(1)


def descend(
    theta: Theta, descent: Float[Tensor, "S P"], *, learning_rate: float, tricks: AdamTricks
) -> Float[Tensor, " S"]:
    """One step of Adam down the gradient, clipped if that trick is on; returns its norm before clipping."""
    norm = global_norm(descent)
    if tricks.gradient_clip is not None:
        descent = descent * clip_coefficient(norm, limit=tricks.gradient_clip)
    adam_step(theta, descent, learning_rate=learning_rate, epsilon=tricks.adam_epsilon or 1e-8)
    return norm


@torch.no_grad()
def diagnostics(
    state: ActorCritic, batch: Batch, log_std_old: Float[Tensor, "S 1 A"], *, clip: float
) -> Metrics:
    """How far the update moved the policy, over the whole rollout.

    KL(old ‖ new), the largest ratio, the fraction of ratios outside 1 ± `clip`, the entropy; and how much of
    the targets' variance the values before the update explain.
    """
    mean, log_std = state.actor(state.policy.frozen, batch.observation)
    ratio = (gaussian_log_prob(batch.action, mean, log_std) - batch.log_prob).exp()
    return {
        "mean_kl": gaussian_kl(batch.mean, log_std_old, mean, log_std).mean(1),
        "max_ratio": ratio.max(1).values,
        "clip_fraction": ((ratio - 1).abs() > clip).to(ratio.dtype).mean(1),
        "entropy": gaussian_entropy(log_std).mean(1),
        "explained_variance": explained_variance(batch.value, batch.target),
    }
