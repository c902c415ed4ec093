"""One rollout of the reference and a state of ours that starts from the same parameters, for lockstep parity.

The reference acts, and trains on what it saw, with its own code. What it computes on the way is recorded
where it calls PyTorch; nothing of it is changed but where its random numbers come from.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import gymnasium
import numpy as np
import torch
from stable_baselines3.common import policies as sb3_policies
from torch import Tensor

from matters.algorithms.interface import Frozen, OnPolicy, ReplayBatch, Rollout
from matters.algorithms.parts import actor_critic
from matters.algorithms.reference import sb3_on_policy
from matters.harness.training.simulators import problem
from matters.suites.tasks.environments import make

ENVIRONMENT = "Hopper-v5"
EPISODE_LIMIT = 17  # So that a rollout holds both time limits and falls.


@dataclass
class Lockstep:
    """Theirs about to train on its rollout; ours with the same parameters and the same transitions."""

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


def paired_parameters(policy: Any, state: actor_critic.ActorCritic) -> dict[str, tuple[Tensor, Tensor]]:
    """Ours and theirs by name. Their weights are [O, I], ours [I, O]."""
    extractor = policy.mlp_extractor
    towers = {
        "policy": ([*extractor.policy_net[::2], policy.action_net], state.policy.views),
        "value": ([*extractor.value_net[::2], policy.value_net], state.value.views),
    }
    pairs = {
        f"{tower} {kind} {layer}": (views[2 * layer + offset][0], reference)
        for tower, (modules, views) in towers.items()
        for layer, module in enumerate(modules)
        for offset, (kind, reference) in enumerate(
            [("weight", module.weight.detach().T), ("bias", module.bias.detach()[None])]
        )
    }
    return pairs | {"policy log_std": (state.policy.views[-1][0], policy.log_std.detach()[None])}


def copy_parameters(policy: Any, state: actor_critic.ActorCritic) -> None:
    """Overwrite ours with theirs."""
    for ours, theirs in paired_parameters(policy, state).values():
        ours.copy_(theirs)


@dataclass
class Tape:
    """Every transition that the reference's environment gave, as it gave it."""

    successors: list[np.ndarray] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: list[bool] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)

    def rollout(self, buffer: Any, dtype: torch.dtype) -> Rollout:
        """What our update gets: their observations and actions, the raw rewards and ends."""

        def tensor(values: Any) -> Tensor:
            return torch.as_tensor(np.asarray(values)).to(dtype)

        # Rewards pass through single precision in their vector environment.
        reward = np.asarray(self.rewards, dtype=np.float32)
        return Rollout(
            observation=tensor(buffer.observations)[:, 0][None, :, None],
            successor=tensor(np.stack(self.successors))[None, :, None],
            action=tensor(buffer.actions)[:, 0][None, :, None],
            reward=tensor(reward)[None, :, None],
            terminated=torch.tensor(self.terminated)[None, :, None],
            truncated=torch.tensor(self.truncated)[None, :, None],
        )

    def transitions(self, buffer: Any, rows: np.ndarray, dtype: torch.dtype) -> ReplayBatch:
        """What our gradient step gets of these rows of their replay: raw rewards and ends, actions in ±1."""

        def tensor(values: Any) -> Tensor:
            return torch.as_tensor(np.asarray(values)[rows]).to(dtype)[None]

        return ReplayBatch(
            observation=tensor(buffer.observations[:, 0]),
            action=tensor(buffer.actions[:, 0]),
            reward=tensor(np.asarray(self.rewards, dtype=np.float32)),
            terminated=torch.tensor(self.terminated)[rows][None],
            truncated=torch.tensor(self.truncated)[rows][None],
            successor=tensor(np.stack(self.successors)),
        )


class Recorded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Cuts episodes after `limit` steps and writes every transition to a tape."""

    def __init__(self, environment: gymnasium.Env[Any, Any], tape: Tape, *, limit: int) -> None:
        super().__init__(gymnasium.wrappers.TimeLimit(environment, limit))
        self.tape = tape

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        self.tape.successors.append(np.asarray(observation))
        self.tape.rewards.append(float(reward))
        self.tape.terminated.append(bool(terminated))
        self.tape.truncated.append(bool(truncated) and not terminated)
        return observation, reward, terminated, truncated, info


@dataclass
class Watched:
    """What the reference computed on the way, one entry a minibatch."""

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


def in_precision(dtype: torch.dtype) -> Any:
    """Their preprocessing of observations, which casts to single precision, in another one."""

    def preprocess(observation: Tensor, *_: Any, **__: Any) -> Tensor:
        return observation.to(dtype)

    return preprocess


def _recompute_in_double(model: Any, rollout: Rollout) -> None:
    """Make the reference's parameters, and all that acting put into its buffer, double; same transitions."""
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
