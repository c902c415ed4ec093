"""Environments of a population: S × N of them, stepped together, saved and restored exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from matters.harness.training.native import Native
from matters.harness.training.simulators import Simulators
from matters.harness.training.through_gymnasium import ThroughGymnasium
from matters.suites.tasks.native import native


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


def simulators(environment_id: str, count: int, settings: Mapping[str, Any] | None = None) -> Simulators:
    """`count` simulations of an environment: native where that is possible, otherwise through Gymnasium.

    `settings` says how it differs from what its id alone makes; with any of them it is not native.
    """
    task = native(environment_id, settings)
    if task is None:
        return ThroughGymnasium(environment_id, count, settings)
    return Native(environment_id, task, count)


def taken(simulators: Simulators, seeds: int) -> NDArray[np.int64]:
    """The steps [S] in which each seed's simulations warned; they count from zero again."""
    warned: NDArray[np.int64] = simulators.warned.reshape(seeds, -1).sum(1)
    simulators.warned[:] = 0
    return warned


class Environments:
    """S × N environments of one kind. A row's environments know nothing of the other rows'."""

    def __init__(
        self,
        environment_id: str,
        streams: list[np.random.SeedSequence],
        count: int,
        settings: Mapping[str, Any] | None = None,
        group: int = 1,
    ) -> None:
        """Make `count` environments for each seed stream, which seeds their first reset and no later one.

        In groups of several, the k-th episodes since all were begun begin in one state: the members have one
        generator's numbers, and are given new ones together whenever all are begun anew.
        """
        self.shape, self.group = (len(streams), count), group
        self.simulators = simulators(environment_id, len(streams) * count, settings)
        self.seeds = [np.repeat(stream.generate_state(count // group), group) for stream in streams]
        self.begun_anew = np.zeros(len(streams), dtype=np.int64)
        self.problem = self.simulators.problem
        self.not_finite = np.zeros(len(streams), dtype=np.bool_)
        """Rows [S] whose policy asked for an action that is not a number: they are no longer stepped."""
        self.returns = np.zeros(self.shape)
        self.lengths = np.zeros(self.shape, dtype=np.int64)

    def reset(self) -> Float[Tensor, "S N O"]:
        """Begin all episodes."""
        seeds = np.concatenate(self.seeds).tolist()
        return self._tensor(self.simulators.reset(range(len(seeds)), seeds))

    def begin_anew(self) -> Float[Tensor, "S N O"]:
        """Begin all episodes again; those under way are thrown away, and the generators go on."""
        self.returns[:], self.lengths[:] = 0.0, 0
        seeds = None
        if self.group > 1:
            self.begun_anew += 1
            count = self.shape[1] // self.group
            entropies = zip((int(own[0]) for own in self.seeds), self.begun_anew.tolist(), strict=True)
            words = [np.random.SeedSequence(entropy).generate_state(count) for entropy in entropies]
            seeds = np.repeat(np.concatenate(words), self.group).tolist()
        return self._tensor(self.simulators.reset(range(self.returns.size), seeds))

    def step(self, action: Float[Tensor, "S N A"]) -> Transition:
        """One step of each; where an episode ends, the next one begins at once."""
        actions = action.numpy().reshape(self.returns.size, -1)
        which = None
        # On so few numbers, counting is a fifth of the work of `all` and `any`.
        if np.count_nonzero(np.isfinite(actions)) < actions.size or np.count_nonzero(self.not_finite):
            self.not_finite |= ~np.isfinite(actions.reshape(self.shape[0], -1)).all(1)
            which = np.flatnonzero(np.repeat(~self.not_finite, self.shape[1])).tolist()
        stepped = self.simulators.step(actions, which)
        reward = stepped.reward.reshape(self.shape)
        self.returns += reward
        self.lengths += 1
        observation = successor = self._tensor(stepped.observation)
        truncated, episodes = stepped.truncated, []
        over = stepped.terminated | stepped.truncated
        if which is not None or self.simulators.broken:
            # What was not stepped, or broke, ends no episode.
            stopped = np.repeat(self.not_finite, self.shape[1])
            stopped[list(self.simulators.broken)] = True
            over &= ~stopped
        if np.count_nonzero(over):
            truncated = truncated & ~stepped.terminated
            indices = np.flatnonzero(over).tolist()
            for index in indices:
                s, n = divmod(index, self.shape[1])
                score, length = float(self.returns[s, n]), int(self.lengths[s, n])
                episodes.append((s, Episode(n, score, length, bool(stepped.terminated[index]))))
                self.returns[s, n], self.lengths[s, n] = 0.0, 0
            observation = self._tensor(self.simulators.reset(indices))
        return Transition(
            observation,
            successor,
            torch.from_numpy(reward.astype(np.float32)),
            torch.from_numpy(stepped.terminated.reshape(self.shape)),
            torch.from_numpy(truncated.reshape(self.shape)),
            episodes,
        )

    @property
    def broken(self) -> dict[int, BaseException]:
        """What the environment of a seed raised, by its row. It is no longer stepped."""
        return {index // self.shape[1]: error for index, error in self.simulators.broken.items()}

    def take_warned(self) -> NDArray[np.int64]:
        """The steps [S] in which a seed's simulations warned since this was last asked."""
        return taken(self.simulators, self.shape[0])

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only."""
        self.not_finite = self.not_finite[rows]
        self.simulators.keep([row * self.shape[1] + n for row in rows for n in range(self.shape[1])])
        self.seeds = [self.seeds[row] for row in rows]
        self.shape = len(rows), self.shape[1]
        self.returns, self.lengths = self.returns[rows], self.lengths[rows]
        self.begun_anew = self.begun_anew[rows]

    def row(self, s: int) -> dict[str, np.ndarray]:
        """All that one seed's environments hold, as arrays by name."""
        arrays = {"returns": self.returns[s].copy(), "lengths": self.lengths[s].copy()}
        if self.group > 1:
            arrays["begun_anew"] = self.begun_anew[s : s + 1].copy()
        for n in range(self.shape[1]):
            saved = self.simulators.saved(s * self.shape[1] + n)
            arrays |= {f"{n}/{name}": value for name, value in saved.items()}
        return arrays

    def put_row(self, s: int, arrays: dict[str, np.ndarray]) -> None:
        """Put one seed's environments back where `row` found them."""
        self.returns[s], self.lengths[s] = arrays["returns"], arrays["lengths"]
        if self.group > 1:
            self.begun_anew[s] = arrays["begun_anew"][0]
        for n in range(self.shape[1]):
            mark = f"{n}/"
            self.simulators.restore(
                s * self.shape[1] + n,
                {name[len(mark) :]: value for name, value in arrays.items() if name.startswith(mark)},
            )

    def _tensor(self, numbers: NDArray[np.floating]) -> Float[Tensor, "S N ..."]:
        """A copy of [M, ...] in single precision."""
        return torch.from_numpy(numbers.astype(np.float32).reshape(self.shape + numbers.shape[1:]))
