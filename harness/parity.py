"""Lockstep parity: from the same parameters and the same rollout, one update of ours and one of the
reference.

The reference collects a rollout and trains on it with its own code, while what it computes on the way is
recorded. Ours gets the same parameters, transitions and minibatch order. What remains is rounding, so the
comparison is made twice: in single precision, as both train, and in double, where rounding cannot hide a
difference in method.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common import policies as sb3_policies
from torch import Tensor

from algorithms import actor_critic, ppo
from algorithms.interface import Rollout
from algorithms.reference import sb3
from harness.environments import problem
from suites.environments import make

ENVIRONMENT = "Hopper-v5"
EPISODE_LIMIT = 17  # So that a rollout holds both time limits and falls.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}


@dataclass(frozen=True)
class Row:
    """One quantity: max |ours − theirs| / max |theirs|, over the whole tensor or over all minibatches."""

    quantity: str
    largest_relative_difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance; NaN is not."""
        return self.largest_relative_difference <= self.tolerance


@dataclass(frozen=True)
class Parity:
    """The table of one lockstep update, and the differences that are known and meant."""

    name: str
    rows: list[Row]
    known_differences: list[str]

    @property
    def passed(self) -> bool:
        """Whether every quantity agrees."""
        return all(row.passed for row in self.rows)


def parity(name: str) -> Parity:
    """Compare one update of `name` with the reference's. Raises KeyError for a name that is not in NAMES."""
    compare, known = _COMPARISONS[name]
    rows = [row for dtype in (torch.float32, torch.float64) for row in compare(dtype)]
    return Parity(name, rows, list(known))


def ppo_parity(dtype: torch.dtype, *, seed: int = 0, **changes: Any) -> list[Row]:
    """`ppo-sb3` against Stable-Baselines3's PPO, all minibatches of all epochs.

    `changes` are fields of our config. The same change is made on both sides for `horizon`,
    `minibatch_size` and `epochs`; any other is made on ours alone, which is how the tests show that a
    difference would be seen.
    """
    config = ppo.PRESETS["ppo-sb3"].model_copy(update=changes)
    tape = Tape()
    environment = Recorded(make(ENVIRONMENT), tape, limit=EPISODE_LIMIT)
    model = sb3.build(
        PPO,
        sb3.PpoConfig(n_steps=config.horizon, batch_size=config.minibatch_size, n_epochs=config.epochs),
        environment,
        seed=seed,
    )
    _, callback = model._setup_learn(config.horizon, None)
    vector = model.get_env()
    assert vector is not None
    model.collect_rollouts(vector, callback, model.rollout_buffer, config.horizon)
    rollout = tape.rollout(model.rollout_buffer, dtype)
    state = ppo.init(config, problem(environment), [np.random.default_rng(seed)], dtype)
    copy_parameters(model.policy, state)
    double = dtype == torch.float64
    if double:
        _recompute_in_double(model, rollout)

    buffer = model.rollout_buffer
    theirs = {
        name: torch.as_tensor(getattr(buffer, name)).flatten().clone()
        for name in ("values", "log_probs", "advantages", "returns")
    }
    # Theirs shuffles with NumPy's global generator: lend it one that ours has a twin of.
    order, twin = np.random.default_rng(seed), np.random.default_rng(seed)
    with (
        _watched() as watched,
        patch.object(sb3_policies, "preprocess_obs", _in(dtype)),
        patch.object(np.random, "permutation", twin.permutation),
    ):
        model.train()

    batch = actor_critic.prepare(state, config, rollout)
    log_std_old = state.policy.frozen[-1].clone()
    ours = {
        "values": batch.value,
        "log_probs": batch.log_prob,
        "advantages": batch.advantage,
        "returns": batch.target,
    }
    steps = list(ppo.minibatch_steps(state, config, batch, log_std_old, [order], config.learning_rate))

    label = "float64" if double else "float32"
    tolerance = TOLERANCE[dtype]
    rows = [Row(f"{name} ({label})", difference(ours[name][0], theirs[name]), tolerance) for name in theirs]
    terms = {
        "loss": (steps_of(steps, "loss"), watched.losses),
        "value loss": (steps_of(steps, "value_loss"), watched.value_losses),
        "policy loss": (steps_of(steps, "policy_loss"), watched.policy_losses),
        "entropy": (steps_of(steps, "entropy"), [-loss for loss in watched.entropy_losses]),
        "gradient norm": (steps_of(steps, "gradient_norm"), watched.norms),
    }
    for name, (mine, recorded) in terms.items():
        found = difference(mine, torch.stack(recorded))
        rows.append(Row(f"{name}, each minibatch ({label})", found, tolerance))
    for name, (mine, reference) in paired_parameters(model.policy, state).items():
        rows.append(Row(f"{name} after the update ({label})", difference(mine, reference), tolerance))
    return rows


def difference(ours: Tensor, theirs: Tensor) -> float:
    """max |ours − theirs| / max |theirs|; infinite where the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    scale = theirs.abs().max().double()
    return float((ours.double() - theirs.double()).abs().max() / scale.clamp_min(1e-30))


def steps_of(steps: list[ppo.Step], name: str) -> Tensor:
    """One term of every minibatch step of the only seed."""
    return torch.stack([getattr(step, name)[0] for step in steps])


def paired_parameters(policy: Any, state: actor_critic.ActorCritic) -> dict[str, tuple[Tensor, Tensor]]:
    """Ours and theirs by name. Their weights are [O, I], ours [I, O]."""
    extractor = policy.mlp_extractor
    towers = {
        "policy": ([*extractor.policy_net[::2], policy.action_net], state.policy.frozen),
        "value": ([*extractor.value_net[::2], policy.value_net], state.value.frozen),
    }
    pairs = {
        f"{tower} {kind} {layer}": (views[2 * layer + offset][0], reference)
        for tower, (modules, views) in towers.items()
        for layer, module in enumerate(modules)
        for offset, (kind, reference) in enumerate(
            [("weight", module.weight.detach().T), ("bias", module.bias.detach()[None])]
        )
    }
    return pairs | {"policy log_std": (state.policy.frozen[-1][0], policy.log_std.detach()[None])}


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


def _in(dtype: torch.dtype) -> Any:
    """Their preprocessing of observations, which casts to single precision, in another one."""

    def preprocess(observation: Tensor, *_: Any, **__: Any) -> Tensor:
        return observation.to(dtype)

    return preprocess


def _recompute_in_double(model: Any, rollout: Rollout) -> None:
    """Make the reference's parameters, and all that acting put into its buffer, double; same transitions."""
    model.policy.double()
    buffer = model.rollout_buffer
    observation, successor = rollout.observation[0, :, 0], rollout.successor[0, :, 0]
    with torch.no_grad(), patch.object(sb3_policies, "preprocess_obs", _in(torch.float64)):
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


_COMPARISONS = {"ppo": (ppo_parity, sb3.ppo.KNOWN_DIFFERENCES)}

NAMES: tuple[str, ...] = tuple(_COMPARISONS)
