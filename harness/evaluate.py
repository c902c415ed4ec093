"""Evaluation: own environments, seeds matched across variants, the deterministic policy, frozen
normalisers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from suites.environments import make
from suites.spec import RunSpec

Policy = Callable[[Tensor], Tensor]
"""Raw observations [S, 1, O] to actions [S, 1, A] as the environment gets them."""


@dataclass
class Evaluated:
    """Returns and lengths [S, E] of E episodes a seed."""

    returns: np.ndarray
    lengths: np.ndarray


class Evaluator:
    """One environment a seed. Which episodes it plays depends on the run's seed and the point alone."""

    def __init__(self, specs: list[RunSpec], streams: list[np.random.SeedSequence]) -> None:
        """For runs of one cell; `streams` are their evaluation streams."""
        self.episodes = specs[0].evaluation.episodes
        points = specs[0].evaluation.points
        self.environments = [make(spec.environment) for spec in specs]
        self.seeds = [stream.generate_state(points * self.episodes).reshape(points, -1) for stream in streams]

    def __call__(self, policy: Policy, point: int) -> Evaluated:
        """Play the episodes of evaluation point `point` (1 is the first).

        All seeds step together until each has played its episodes; one that is done waits, its last
        observation still in the batch, so that no seed's bits depend on how long the others take.
        """
        seeds = len(self.environments)
        returns, lengths = np.zeros((seeds, self.episodes)), np.zeros((seeds, self.episodes), dtype=np.int64)
        episode = [0] * seeds
        first = [
            environment.reset(seed=int(self.seeds[s][point - 1][0]))[0]
            for s, environment in enumerate(self.environments)
        ]
        observation = np.stack(first)[:, None].astype(np.float32)
        while min(episode) < self.episodes:
            action = policy(torch.from_numpy(observation)).numpy()
            for s, environment in enumerate(self.environments):
                if episode[s] == self.episodes:
                    continue
                seen, reward, terminated, truncated, _ = environment.step(action[s, 0])
                returns[s, episode[s]] += float(reward)
                lengths[s, episode[s]] += 1
                if terminated or truncated:
                    episode[s] += 1
                    if episode[s] < self.episodes:
                        seen, _ = environment.reset(seed=int(self.seeds[s][point - 1][episode[s]]))
                observation[s, 0] = seen
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
