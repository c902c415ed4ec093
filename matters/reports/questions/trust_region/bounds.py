"""What keeps each variant's policy near the old one, according to its settings.

Updates are recorded by the mean KL(old ‖ new) of the rollout, summed over the action's dimensions, and by the
largest ratio π_new/π_old. A bound is turned into these units before it is held against them.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from matters.reports.statistics.intervals import Array

Quantity = Literal["mean_kl", "max_ratio"]


@dataclass(frozen=True)
class Bound:
    """A bound on one quantity of an update. It may move: `start` at the first update, `end` after the last.

    `means` says what the algorithm does about it. A bound `per_action` is on the KL averaged over the
    action's dimensions; `rollout` is the number of steps between updates.
    """

    quantity: Quantity
    symbol: str
    start: float
    means: str
    rollout: int
    end: float | None = None
    per_action: bool = False

    @property
    def text(self) -> str:
        """`δ = 0.01`."""
        moves = "" if self.end is None else f" to {self.end:g}"
        return f"{self.symbol} = {self.start:g}{moves}{' an action' if self.per_action else ''}"

    def at(self, steps: Array, total: int, size: int) -> Array:
        """The bound at updates made at `steps` of `total`, in the units of what is recorded.

        An algorithm's progress is the fraction of its updates that it has already made; `size` is the number
        of the action's dimensions.
        """
        progress = (steps / self.rollout - 1) / -(-total // self.rollout)
        value = self.start if self.end is None else self.start + (self.end - self.start) * progress
        return np.broadcast_to(np.asarray(value * (size if self.per_action else 1), float), steps.shape)


def bounds(variant: Any) -> list[Bound]:
    """The bounds of a variant of the suite; none where its settings are not known."""
    config = getattr(variant, "config", None)
    if config is None:
        return []
    from matters import algorithms

    facts = algorithms.load(variant.algorithm).FACTS
    rollout = facts.rollout_steps(config)
    return [Bound(**vars(found), rollout=rollout) for found in facts.bounds(config)]


def actions(environment: str) -> int | None:
    """How many dimensions the environment's actions have, where that is known without making it."""
    from matters.suites.tasks.yardsticks import ENVIRONMENTS

    known = ENVIRONMENTS.get(environment)
    return None if known is None else known.action_size
