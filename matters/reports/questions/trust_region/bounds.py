"""What keeps each variant's policy near the old one, as its settings say it.

Recorded are the mean KL(old ‖ new) of the rollout, summed over the action's dimensions, and the largest ratio
π_new/π_old. A bound is turned into these units before it is held against them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
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


def _natural(config: Any, means: str) -> list[Bound]:
    tricks = config.tricks
    rollout = config.horizon * config.environments
    return [Bound("mean_kl", "δ", config.kl, means, rollout, tricks.kl_final, tricks.kl_per_action)]


def _ppo(config: Any) -> list[Bound]:
    rollout = config.horizon * config.environments
    found = []
    if config.objective == "clip":
        found.append(_clip(config.clip, rollout))
    if config.objective == "kl-adaptive":
        found.append(
            Bound("mean_kl", "target", config.kl_target, "the penalty doubles above 1.5 times it", rollout)
        )
    if config.tricks.kl_stop is not None:
        found.append(_stop(config.tricks.kl_stop, rollout))
    return found


def _clip(epsilon: float, rollout: int) -> Bound:
    return Bound("max_ratio", "1 + ε", 1 + epsilon, "beyond it the objective gains nothing", rollout)


def _stop(target: float, rollout: int) -> Bound:
    return Bound("mean_kl", "target", target, "the update ends at an estimate of 1.5 times it", rollout)


def _sb3_ppo(config: Any) -> list[Bound]:
    stop = [] if config.target_kl is None else [_stop(config.target_kl, config.n_steps)]
    return [_clip(config.clip_range, config.n_steps), *stop]


def _sb3_trpo(config: Any) -> list[Bound]:
    means = "a step is taken only if KL(new ‖ old) is below it"
    return [Bound("mean_kl", "δ", config.target_kl, means, config.n_steps, per_action=True)]


SECOND_ORDER = "the step has it to second order; what it comes to is not checked"
CHECKED = "a step is taken only if it is within"
BOUNDS: dict[str, Callable[[Any], list[Bound]]] = {
    "npg": lambda config: _natural(config, SECOND_ORDER),
    "tnpg": lambda config: _natural(config, SECOND_ORDER),
    "trpo": lambda config: _natural(config, CHECKED if config.line_search_steps else SECOND_ORDER),
    "ppo": _ppo,
    "sb3-trpo": _sb3_trpo,
    "sb3-ppo": _sb3_ppo,
}
"""What bounds the updates of each algorithm; one that is not here has no bound."""


def bounds(variant: Any) -> list[Bound]:
    """The bounds of a variant of the suite; none where its settings are not known."""
    config = getattr(variant, "config", None)
    return [] if config is None or variant.algorithm not in BOUNDS else BOUNDS[variant.algorithm](config)


def actions(environment: str) -> int | None:
    """How many dimensions the environment's actions have, where that is known without making it."""
    from matters.suites.tasks.yardsticks import ENVIRONMENTS

    known = ENVIRONMENTS.get(environment)
    return None if known is None else known.action_size
