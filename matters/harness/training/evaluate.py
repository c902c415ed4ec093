"""Evaluation: own environments, seeds matched across variants, the deterministic policy, frozen
normalisers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matters.suites.spec import RunSpec
from matters.suites.tasks.environments import make

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
        count = min(episodes, TOGETHER)
        self.environments = [[make(spec.environment) for _ in range(count)] for spec in specs]
        self.seeds = [
            stream.generate_state(points * episodes).reshape(points, episodes) for stream in streams
        ]

    def __call__(self, policy: Policy, point: int) -> Evaluated:
        """Play the episodes of evaluation point `point` (1 is the first)."""
        seeds = np.stack([points[point - 1] for points in self.seeds])
        played = [
            self._play(policy, seeds[:, first : first + TOGETHER])
            for first in range(0, seeds.shape[1], TOGETHER)
        ]
        return Evaluated(
            np.concatenate([part.returns for part in played], 1),
            np.concatenate([part.lengths for part in played], 1),
        )

    def _play(self, policy: Policy, seeds: np.ndarray) -> Evaluated:
        """An episode for each of `seeds` [S, E], side by side.

        One that is over leaves its last observation in the batch until all are, so that no seed's bits depend
        on how long the others take.
        """
        playing = [
            (s, e, self.environments[s][e]) for s in range(seeds.shape[0]) for e in range(seeds.shape[1])
        ]
        first = [environment.reset(seed=int(seeds[s, e]))[0] for s, e, environment in playing]
        observation = np.array(first, dtype=np.float32).reshape(*seeds.shape, -1)
        returns, lengths = np.zeros(seeds.shape), np.zeros(seeds.shape, dtype=np.int64)
        while playing:
            action = policy(torch.from_numpy(observation)).numpy()
            still = []
            for s, e, environment in playing:
                observation[s, e], reward, terminated, truncated, _ = environment.step(action[s, e])
                returns[s, e] += float(reward)
                lengths[s, e] += 1
                if not (terminated or truncated):
                    still.append((s, e, environment))
            playing = still
        return Evaluated(returns, lengths)

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only."""
        self.environments = [self.environments[row] for row in rows]
        self.seeds = [self.seeds[row] for row in rows]


def due(spec: RunSpec, points_done: int, step: int) -> range:
    """The evaluation points (1 is the first) that `step` has reached and that are not done.

    Point k of K stands at step k · steps / K; a rollout may pass several.
    """
    total = spec.evaluation.points
    reached = min(total, step * total // spec.steps)
    return range(points_done + 1, reached + 1)
