"""Evaluation: own environments, seeds matched across variants, the deterministic policy, frozen
normalisers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matters.harness.training.environments import simulators, taken
from matters.suites.spec import RunSpec

Policy = Callable[[Tensor], Tensor]
"""Raw observations [S, E, O] to actions [S, E, A] as the environment gets them."""


TOGETHER = 5
"""Episodes of a seed that are played side by side. Each needs an environment of its own, of about 1.2 MB."""


SLOW_SECONDS = 60.0
"""After which it is said that an evaluation takes long, and how often."""


@dataclass
class Evaluated:
    """Returns and lengths [S, E] of E episodes per seed."""

    returns: np.ndarray
    lengths: np.ndarray
    not_finite: np.ndarray
    """Seeds [S] whose policy asked for an action that is not a number: their episodes ended there."""
    broken: dict[int, BaseException]
    """What an environment of a seed raised, by its row: its episodes ended there."""


class Evaluator:
    """Own environments. An episode depends on the run's seed, the point's step and the episode's number
    alone, so that more episodes, more points and longer runs leave those that were played as they are.
    """

    def __init__(self, specs: list[RunSpec], streams: list[np.random.SeedSequence]) -> None:
        """For runs of one cell; `streams` are their evaluation streams."""
        self.spec, self.streams = specs[0], streams
        self.tell: Callable[[str], None] = lambda _: None
        """Is told, now and then, that an evaluation takes long."""
        episodes = self.spec.evaluation.episodes
        self.groups = [range(episodes)[first : first + TOGETHER] for first in range(0, episodes, TOGETHER)]
        self.simulators = {
            size: simulators(self.spec.environment, len(specs) * size, self.spec.environment_settings)
            for size in {len(group) for group in self.groups}
        }
        """Simulations for each number of episodes that are played side by side."""

    def __call__(self, policy: Policy, point: int) -> Evaluated:
        """Play the episodes of evaluation point `point` (0 is the untrained policy's)."""
        step, episodes = nominal_step(self.spec, point), self.spec.evaluation.episodes
        seeds = np.array(
            [[_episode_seed(own, step, episode) for episode in range(episodes)] for own in self.streams]
        )
        played = [self._play(policy, seeds[:, group.start : group.stop]) for group in self.groups]
        returns, lengths, not_finite = zip(*played, strict=True)
        return Evaluated(
            np.concatenate(returns, 1),
            np.concatenate(lengths, 1),
            np.logical_or.reduce(not_finite),
            self.broken,
        )

    @property
    def broken(self) -> dict[int, BaseException]:
        """What an environment of a seed raised, by its row. It is no longer stepped."""
        return {
            index // size: error
            for size, together in self.simulators.items()
            for index, error in together.broken.items()
        }

    def take_warned(self) -> np.ndarray:
        """The steps [S] in which a seed's simulations warned since this was last asked."""
        counts = [taken(together, len(self.streams)) for together in self.simulators.values()]
        return np.asarray(counts).sum(0)  # type: ignore[no-any-return]

    def _play(self, policy: Policy, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Play one episode per seed [S, E], side by side: returns, lengths and not_finite of `Evaluated`.

        The policy is always shown as many observations as can be played together, and an episode that is
        over leaves its last one in the batch, so that an episode's bits depend neither on how many others
        there are nor on how long they take.
        """
        episodes = seeds.shape[1]
        playground = self.simulators[episodes]
        playing = np.arange(seeds.size)
        begun = said = time.monotonic()
        returns, lengths = np.zeros(seeds.size), np.zeros(seeds.size, dtype=np.int64)
        not_finite = np.zeros(len(seeds), dtype=np.bool_)
        observation = playground.reset(playing.tolist(), seeds.ravel().tolist())
        shown = np.zeros((len(seeds), TOGETHER, observation.shape[1]), dtype=np.float32)
        while len(playing):
            if (now := time.monotonic()) - said >= SLOW_SECONDS:
                said = now
                self.tell(
                    f"an evaluation takes long: {lengths.max()} steps in {now - begun:.0f} s, and "
                    f"{len(playing)} episodes go on"
                )
            shown[:, :episodes] = observation.reshape(*seeds.shape, -1)
            action = policy(torch.from_numpy(shown)).numpy()[:, :episodes].reshape(seeds.size, -1)
            if not np.isfinite(action[playing]).all():
                bad = np.unique(playing[~np.isfinite(action[playing]).all(1)] // episodes)
                not_finite[bad] = True
                playing = playing[~not_finite[playing // episodes]]
            stepped = playground.step(action, playing.tolist())
            returns[playing] += stepped.reward[playing]
            lengths[playing] += 1
            observation = stepped.observation
            playing = playing[~(stepped.terminated | stepped.truncated)[playing]]
            if playground.broken:
                playing = playing[~np.isin(playing, list(playground.broken))]
        return returns.reshape(seeds.shape), lengths.reshape(seeds.shape), not_finite

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only."""
        for size, row_major in self.simulators.items():
            row_major.keep([row * size + episode for row in rows for episode in range(size)])
        self.streams = [self.streams[row] for row in rows]


def nominal_step(spec: RunSpec, point: int) -> int:
    """Where evaluation point `point` of K stands: point · steps / K, rounded up."""
    return -(-point * spec.steps // spec.evaluation.points)


def due(spec: RunSpec, first: int, step: int) -> range:
    """The evaluation points, from `first` on, that `step` has reached; a rollout may pass several."""
    total = spec.evaluation.points
    reached = min(total, step * total // spec.steps)
    return range(first, reached + 1)


def _episode_seed(stream: np.random.SeedSequence, step: int, episode: int) -> int:
    """The seed that an evaluation episode's environment is reset with."""
    own = np.random.SeedSequence(stream.entropy, spawn_key=(*stream.spawn_key, step, episode))
    return int(own.generate_state(1)[0])
