"""One rollout of the reference and a state of ours that starts from the same parameters, for lockstep parity.

The reference acts, and trains on what it saw, with its own code. What it computes on the way is recorded
where it calls PyTorch; nothing in it is changed except where its random numbers come from.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from stable_baselines3.common import policies as sb3_policies
from torch import Tensor

from matters.algorithms.interface import Frozen, OnPolicy, Rollout
from matters.algorithms.parts import actor_critic
from matters.algorithms.reference import sb3_on_policy
from matters.harness.parity.tape import (
    ENVIRONMENT,
    EPISODE_LIMIT,
    Pairs,
    Recorded,
    Tape,
    Tower,
    in_precision,
    paired_parameters,
)
from matters.harness.training.simulators import problem
from matters.suites.tasks.environments import make


@dataclass
class Lockstep:
    """Their model, about to train on its rollout; our state with the same parameters; what both saw."""

    model: Any
    rollout: Rollout
    state: Any
    before: dict[str, Tensor]
    """Their values, log-probabilities, advantages and returns of the rollout, [B] each."""


def start(
    library: type[Any], their_config: Frozen, rule: OnPolicy, config: Any, dtype: torch.dtype, *, seed: int
) -> Lockstep:
    """Let the reference collect one rollout; give ours its parameters and what it saw."""
    tape = Tape()
    environment = Recorded(make(ENVIRONMENT), tape, limit=EPISODE_LIMIT)
    model = sb3_on_policy.build(library, their_config, environment, seed=seed)
    _, callback = model._setup_learn(config.horizon, None)
    model.collect_rollouts(model.get_env(), callback, model.rollout_buffer, config.horizon)
    rollout = tape.rollout(model.rollout_buffer, dtype)
    state = rule.init(config, problem(environment), [np.random.default_rng(seed)], dtype)  # type: ignore[call-arg]
    copy_parameters(model.policy, state)
    first, second = state.actor(state.policy.views, rollout.observation.flatten(1, 2))
    rollout.record = torch.cat([first, second.expand_as(first)], dim=-1)[:, :, None]
    if dtype == torch.float64:
        _recompute_in_double(model, rollout)
    names = ("values", "log_probs", "advantages", "returns")
    before = {name: torch.as_tensor(getattr(model.rollout_buffer, name)).flatten().clone() for name in names}
    return Lockstep(model, rollout, state, before)


@contextmanager
def shared_generators(dtype: torch.dtype, seed: int) -> Iterator[tuple["Watched", np.random.Generator]]:
    """Watch the reference train in the given precision, shuffling by a generator that ours gets a twin of."""
    order, twin = np.random.default_rng(seed), np.random.default_rng(seed)
    with (
        _watched() as watched,
        patch.object(sb3_policies, "preprocess_obs", in_precision(dtype)),
        patch.object(np.random, "permutation", twin.permutation),
    ):
        yield watched, order


def parameters(policy: Any, state: actor_critic.ActorCritic) -> Pairs:
    """Parameters by name, ours and theirs."""
    extractor = policy.mlp_extractor
    towers: dict[str, Tower] = {
        "policy": ([*extractor.policy_net[::2], policy.action_net], state.policy.views),
        "value": ([*extractor.value_net[::2], policy.value_net], state.value.views),
    }
    log_std = state.policy.views[-1][0], policy.log_std.detach()[None]
    return paired_parameters(towers) | {"policy log_std": log_std}


def copy_parameters(policy: Any, state: actor_critic.ActorCritic) -> None:
    """Overwrite ours with theirs."""
    for ours, theirs in parameters(policy, state).values():
        ours.copy_(theirs)


@dataclass
class Watched:
    """What the reference computed on the way, one entry per minibatch."""

    losses: list[Tensor] = field(default_factory=list)
    policy_losses: list[Tensor] = field(default_factory=list)
    value_losses: list[Tensor] = field(default_factory=list)
    entropy_losses: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)


@contextmanager
def _watched() -> Iterator[Watched]:
    """Record losses and gradient norms where the reference calls PyTorch; nothing is changed."""
    watched = Watched()
    backward, clip, mse = torch.Tensor.backward, torch.nn.utils.clip_grad_norm_, torch.nn.functional.mse_loss
    minimum, evaluate = torch.min, sb3_policies.ActorCriticPolicy.evaluate_actions

    def recorded_backward(loss: Tensor, *arguments: Any, **options: Any) -> None:
        watched.losses.append(loss.detach().clone())
        backward(loss, *arguments, **options)  # type: ignore[no-untyped-call]

    def recorded_clip(*arguments: Any, **options: Any) -> Tensor:
        norm = clip(*arguments, **options)
        watched.norms.append(norm.clone())
        return norm

    def recorded_mse(*arguments: Any, **options: Any) -> Tensor:
        loss = mse(*arguments, **options)
        watched.value_losses.append(loss.detach().clone())
        return loss

    def recorded_minimum(*arguments: Any, **options: Any) -> Any:
        surrogate = minimum(*arguments, **options)
        watched.policy_losses.append(-surrogate.detach().mean())
        return surrogate

    def recorded_evaluate(*arguments: Any, **options: Any) -> Any:
        values, log_prob, entropy = evaluate(*arguments, **options)
        assert entropy is not None
        watched.entropy_losses.append(-entropy.detach().mean())
        return values, log_prob, entropy

    with (
        patch.object(torch.Tensor, "backward", recorded_backward),
        patch.object(torch.nn.utils, "clip_grad_norm_", recorded_clip),
        patch.object(torch.nn.functional, "mse_loss", recorded_mse),
        patch.object(torch, "min", recorded_minimum),
        patch.object(sb3_policies.ActorCriticPolicy, "evaluate_actions", recorded_evaluate),
    ):
        yield watched


def _recompute_in_double(model: Any, rollout: Rollout) -> None:
    """Make the reference's parameters double, and compute again what acting put into its buffer."""
    model.policy.double()
    buffer = model.rollout_buffer
    observation, successor = rollout.observation[0, :, 0], rollout.successor[0, :, 0]
    with torch.no_grad(), patch.object(sb3_policies, "preprocess_obs", in_precision(torch.float64)):
        value, log_prob, _ = model.policy.evaluate_actions(observation, rollout.action[0, :, 0])
        value_next = model.policy.predict_values(successor)
    reward = rollout.reward[0] + model.gamma * rollout.truncated[0].double() * value_next
    buffer.observations = observation.numpy()[:, None]
    buffer.values, buffer.log_probs = value.numpy(), log_prob.numpy()[:, None]
    # Their γλ takes the precision of this array of zeros and ones.
    buffer.episode_starts = buffer.episode_starts.astype(np.float64)
    buffer.rewards, buffer.advantages = reward.numpy(), np.zeros(reward.shape)
    ended = (rollout.terminated | rollout.truncated)[0, -1].numpy()
    buffer.compute_returns_and_advantage(value_next[-1:], ended)
