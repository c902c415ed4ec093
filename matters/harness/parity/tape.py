"""What every lockstep has: its task, a tape of what the reference saw, parameters side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from matters.algorithms.interface import ReplayBatch, Rollout

ENVIRONMENT = "Hopper-v5"
EPISODE_LIMIT = 17  # So that a rollout holds both time limits and falls.


Pairs = dict[str, tuple[Tensor, Tensor]]
"""Ours and theirs by name; ours are views, so that both can be copied and compared."""

Tower = tuple[Sequence[nn.Linear], Sequence[Tensor]]
"""The layers of a network of theirs, and the views of ours."""


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
            record=torch.empty(1, len(self.rewards), 1, 0),
        )

    def transitions(self, buffer: Any, rows: np.ndarray, dtype: torch.dtype) -> ReplayBatch:
        """What our gradient step gets from these rows of theirs: raw rewards and ends, actions in ±1."""

        def tensor(values: Any) -> Tensor:
            return torch.as_tensor(np.asarray(values)[rows]).to(dtype)[None]

        return ReplayBatch(
            observation=tensor(buffer.observations[:, 0]),
            action=tensor(buffer.actions[:, 0]),
            reward=tensor(np.asarray(self.rewards, dtype=np.float32)),
            terminated=torch.tensor(self.terminated)[rows][None],
            truncated=torch.tensor(self.truncated)[rows][None],
            successor=tensor(np.stack(self.successors)),
            record=torch.empty(1, len(rows), 0),
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


def in_precision(dtype: torch.dtype) -> Any:
    """Their preprocessing of observations, which casts to single precision, in another precision."""

    def preprocess(observation: Tensor, *_: Any, **__: Any) -> Tensor:
        return observation.to(dtype)

    return preprocess


def paired_parameters(towers: Mapping[str, Tower]) -> Pairs:
    """Weights and biases of every layer. Their weights are [O, I], ours [I, O]."""
    return {
        f"{name} {kind} {layer}": (views[2 * layer + offset][0], reference)
        for name, (modules, views) in towers.items()
        for layer, module in enumerate(modules)
        for offset, (kind, reference) in enumerate(
            [("weight", module.weight.detach().T), ("bias", module.bias.detach()[None])]
        )
    }
