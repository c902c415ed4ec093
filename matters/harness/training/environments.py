"""Environments of a population: S × N of them, stepped one after another, saved and restored exactly."""

import json
from dataclasses import dataclass, is_dataclass
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.interface import Problem
from matters.suites.tasks.environments import make

PLAIN = (bool, int, float, str, type(None), np.bool_, np.integer, np.floating)

SAVED = (*PLAIN, np.ndarray, np.random.Generator, mujoco.MjData)
"""What of an environment's attributes `saved` holds."""

CONSTANT = {
    "env",
    "spec",
    "metadata",
    "mujoco_renderer",
    "observation_structure",
    "_saved_kwargs",
    "_ezpickle_kwargs",
}
"""Attributes of other types that Gymnasium's wrappers and MuJoCo tasks have and never change."""


@dataclass
class Episode:
    """A finished training episode: raw return, steps, which of the N environments, how it ended."""

    environment: int
    episode_return: float
    length: int
    terminated: bool


@dataclass
class Transition:
    """What one step of all environments gave."""

    observation: Float[Tensor, "S N O"]
    """What to act on next: after an episode's end, the next one's first observation."""
    successor: Float[Tensor, "S N O"]
    reward: Float[Tensor, "S N"]
    terminated: Bool[Tensor, "S N"]
    truncated: Bool[Tensor, "S N"]
    episodes: list[tuple[int, Episode]]
    """The episodes that ended in this step, each with its seed's row."""


class Environments:
    """S × N environments of one kind. A row's environments know nothing of the other rows'."""

    def __init__(self, environment_id: str, streams: list[np.random.SeedSequence], count: int) -> None:
        """Make `count` environments for each seed stream, which seeds their first reset and no later one."""
        self.environments = [[make(environment_id) for _ in range(count)] for _ in streams]
        self.seeds = [stream.generate_state(count) for stream in streams]
        self.problem = problem(self.environments[0][0])
        self.returns = np.zeros((len(streams), count))
        self.lengths = np.zeros((len(streams), count), dtype=np.int64)

    def reset(self) -> Float[Tensor, "S N O"]:
        """Begin all episodes."""
        observation = self._empty()
        for s, row in enumerate(self.environments):
            for n, environment in enumerate(row):
                observation[s, n], _ = environment.reset(seed=int(self.seeds[s][n]))
        return torch.from_numpy(observation)

    def step(self, action: Float[Tensor, "S N A"]) -> Transition:
        """One step of each; where an episode ends, the next one begins at once."""
        observation = self._empty()
        reward = np.empty(self.returns.shape, dtype=np.float32)
        terminated = np.zeros(self.returns.shape, dtype=bool)
        truncated = np.zeros(self.returns.shape, dtype=bool)
        last: dict[tuple[int, int], np.ndarray] = {}
        episodes = []
        actions = action.numpy()
        for s, row in enumerate(self.environments):
            for n, environment in enumerate(row):
                seen, paid, dead, cut, _ = environment.step(actions[s, n])
                observation[s, n] = seen
                reward[s, n] = paid
                self.returns[s, n] += paid
                self.lengths[s, n] += 1
                if dead or cut:
                    terminated[s, n], truncated[s, n] = dead, cut and not dead
                    last[s, n] = observation[s, n].copy()
                    episodes.append(
                        (s, Episode(n, float(self.returns[s, n]), int(self.lengths[s, n]), bool(dead)))
                    )
                    self.returns[s, n], self.lengths[s, n] = 0.0, 0
                    observation[s, n], _ = environment.reset()
        successor = observation
        if last:
            successor = observation.copy()
            for place, seen in last.items():
                successor[place] = seen
        return Transition(
            torch.from_numpy(observation),
            torch.from_numpy(successor),
            torch.from_numpy(reward),
            torch.from_numpy(terminated),
            torch.from_numpy(truncated),
            episodes,
        )

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only."""
        self.environments = [self.environments[row] for row in rows]
        self.seeds = [self.seeds[row] for row in rows]
        self.returns, self.lengths = self.returns[rows], self.lengths[rows]

    def row(self, s: int) -> dict[str, np.ndarray]:
        """All that one seed's environments hold, as arrays by name."""
        arrays = {"returns": self.returns[s].copy(), "lengths": self.lengths[s].copy()}
        for n, environment in enumerate(self.environments[s]):
            arrays |= {f"{n}/{name}": value for name, value in saved(environment).items()}
        return arrays

    def put_row(self, s: int, arrays: dict[str, np.ndarray]) -> None:
        """Put one seed's environments where `row` found them."""
        self.returns[s], self.lengths[s] = arrays["returns"], arrays["lengths"]
        for n, environment in enumerate(self.environments[s]):
            mark = f"{n}/"
            restore(
                environment,
                {name[len(mark) :]: value for name, value in arrays.items() if name.startswith(mark)},
            )

    def _empty(self) -> np.ndarray:
        return np.empty((*self.returns.shape, self.problem.observation_size), dtype=np.float32)


def problem(environment: gymnasium.Env[Any, Any]) -> Problem:
    """What a learning rule may know of an environment."""
    observations, actions = environment.observation_space, environment.action_space
    assert isinstance(observations, gymnasium.spaces.Box)
    assert isinstance(actions, gymnasium.spaces.Box)
    return Problem(
        observation_size=observations.shape[0],
        action_size=actions.shape[0],
        action_low=tuple(actions.low.tolist()),
        action_high=tuple(actions.high.tolist()),
    )


def resumable(environment: gymnasium.Env[Any, Any]) -> bool:
    """Whether `saved` holds all that the environment's future depends on, as far as its attributes tell.

    An environment that keeps anything else in its attributes starts anew after an interruption.
    """
    return all(
        isinstance(value, SAVED)
        or name in CONSTANT
        or isinstance(value, gymnasium.Space | tuple | mujoco.MjModel)
        or (is_dataclass(value) and vars(type(value))["__dataclass_params__"].frozen)
        for layer in _layers(environment)
        for name, value in vars(layer).items()
    )


def saved(environment: gymnasium.Env[Any, Any]) -> dict[str, np.ndarray]:
    """An environment's numbers, generators and MuJoCo data, as arrays by name.

    `mj_getState` would not do: rewards of Ant and Humanoid read kinematics that are one substep old. MjData's
    own serialisation holds them. It is bytes, read back by MuJoCo; nothing here is unpickled.
    """
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    for depth, layer in enumerate(_layers(environment)):
        for name, value in vars(layer).items():
            key = f"{depth}.{name}"
            if isinstance(value, mujoco.MjData):
                arrays[key] = np.frombuffer(value.__getstate__(), dtype=np.uint8)
            elif isinstance(value, np.random.Generator):
                plain[key] = {"generator": value.bit_generator.state}
            elif isinstance(value, np.ndarray):
                arrays[key] = value.copy()
            elif isinstance(value, PLAIN):
                plain[key] = value.item() if isinstance(value, np.generic) else value
    arrays["plain"] = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    return arrays


def restore(environment: gymnasium.Env[Any, Any], arrays: dict[str, np.ndarray]) -> None:
    """Put an environment where `saved` found it."""
    environment.reset(seed=0)  # so that its generator and data exist
    plain = json.loads(arrays["plain"].tobytes())
    for depth, layer in enumerate(_layers(environment)):
        for name, value in list(vars(layer).items()):
            key = f"{depth}.{name}"
            if isinstance(value, mujoco.MjData):
                data = mujoco.MjData.__new__(mujoco.MjData)
                data.__setstate__(arrays[key].tobytes())
                mujoco.mj_copyData(value, layer.model, data)
            elif isinstance(value, np.random.Generator):
                value.bit_generator.state = plain[key]["generator"]
            elif key in plain:
                setattr(layer, name, plain[key])
            elif key in arrays:
                setattr(layer, name, arrays[key].copy())


def _layers(environment: gymnasium.Env[Any, Any]) -> list[Any]:
    """The wrappers from the outside in, then the environment itself."""
    layers: list[Any] = [environment]
    while layers[-1] is not environment.unwrapped:
        layers.append(layers[-1].env)
    return layers
