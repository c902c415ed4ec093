"""Evaluation: own environments, seeds matched across variants, the deterministic policy, frozen
normalisers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matters.harness.training.environments import simulators
from matters.suites.spec import RunSpec

Policy = Callable[[Tensor], Tensor]
"""Raw observations [S, E, O] to actions [S, E, A] as the environment gets them."""


TOGETHER = 5
"""Episodes of a seed that are played side by side. Each takes an environment of its own, of about 1.2 MB."""


@dataclass
class Evaluated:
    """Returns and lengths [S, E] of E episodes a seed."""

    returns: np.ndarray
    lengths: np.ndarray


class Evaluator:
    """Own environments. Which episodes they play depends on the run's seed and the point alone."""

    def __init__(self, specs: list[RunSpec], streams: list[np.random.SeedSequence]) -> None:
        """For runs of one cell; `streams` are their evaluation streams."""
        episodes, points = specs[0].evaluation.episodes, specs[0].evaluation.points
        self.groups = [range(episodes)[first : first + TOGETHER] for first in range(0, episodes, TOGETHER)]
        self.simulators = {
            size: simulators(specs[0].environment, len(specs) * size, specs[0].environment_settings)
            for size in {len(group) for group in self.groups}
        }
        """For each number of episodes that is played side by side."""
        self.seeds = [
            stream.generate_state(points * episodes).reshape(points, episodes) for stream in streams
        ]

    def __call__(self, policy: Policy, point: int) -> Evaluated:
        """Play the episodes of evaluation point `point` (1 is the first)."""
        seeds = np.stack([points[point - 1] for points in self.seeds])
        played = [self._play(policy, seeds[:, group.start : group.stop]) for group in self.groups]
        return Evaluated(
            np.concatenate([part.returns for part in played], 1),
            np.concatenate([part.lengths for part in played], 1),
        )

    def _play(self, policy: Policy, seeds: np.ndarray) -> Evaluated:
        """An episode for each of `seeds` [S, E], side by side.

        One that is over leaves its last observation in the batch until all are, so that no seed's bits depend
        on how long the others take.
        """
        playground = self.simulators[seeds.shape[1]]
        playing = np.arange(seeds.size)
        returns, lengths = np.zeros(seeds.size), np.zeros(seeds.size, dtype=np.int64)
        observation = playground.reset(playing.tolist(), seeds.ravel().tolist())
        while len(playing):
            seen = observation.astype(np.float32).reshape(*seeds.shape, -1)
            action = policy(torch.from_numpy(seen)).numpy()
            stepped = playground.step(action.reshape(seeds.size, -1), playing.tolist())
            returns[playing] += stepped.reward[playing]
            lengths[playing] += 1
            observation = stepped.observation
            playing = playing[~(stepped.terminated | stepped.truncated)[playing]]
        return Evaluated(returns.reshape(seeds.shape), lengths.reshape(seeds.shape))

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only."""
        for size, row_major in self.simulators.items():
            row_major.keep([row * size + episode for row in rows for episode in range(size)])
        self.seeds = [self.seeds[row] for row in rows]


def due(spec: RunSpec, points_done: int, step: int) -> range:
    """The evaluation points (1 is the first) that `step` has reached and that are not done.

    Point k of K stands at step k · steps / K; a rollout may pass several.
    """
    total = spec.evaluation.points
    reached = min(total, step * total // spec.steps)
    return range(points_done + 1, reached + 1)
