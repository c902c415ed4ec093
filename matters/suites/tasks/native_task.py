"""What a MuJoCo task is besides its model: how it starts, what is read, observed and rewarded.

Everything is a pure function of the numbers of M simulations at once. A reward is r(s, a, s'): of the numbers
before the step, the action, and the numbers after it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Action = NDArray[np.floating]
"""[M, A] in the precision in which it was given: the cost of a single-precision action is summed in single
precision."""

Seen = Mapping[str, Numbers]
"""What is read of the simulations by name, each [M, ...]: `qpos`, `qvel`, `state`, which is both in one row,
and what else the task names."""


@dataclass(frozen=True)
class Physics:
    """What rewards need of a model: the seconds of a step and of a substep, and the bodies' masses."""

    step_seconds: float
    substep_seconds: float
    mass: Numbers


Start = Callable[[np.random.Generator, Numbers, Numbers], tuple[Numbers, Numbers]]
"""Draws the positions and velocities of an episode's beginning, given those of the model at rest."""

Outcome = Callable[[Seen, Action, Seen, Physics], tuple[Numbers, Flags]]
"""Rewards [M], and which episodes are terminated [M]."""


def nothing_else(data: Any) -> dict[str, Numbers]:  # noqa: ARG001
    """Positions and velocities are all that is read."""
    return {}


@dataclass(frozen=True)
class Task:
    """One of Gymnasium's MuJoCo tasks, with the arguments that it has by default."""

    start: Start
    observe: Callable[[Seen], Numbers]
    """The observations [M, O], in double precision; they may be a view of what was read."""
    outcome: Outcome
    reads: Callable[[Any], dict[str, Numbers]] = nothing_else
    """By name, the views into an MjData that are read besides `qpos` and `qvel`."""
    contact_forces: bool = False
    """Whether `cfrc_ext` is read, which MuJoCo computes only when asked to (mj_rnePostConstraint)."""


def uniform_start(scale: float) -> Start:
    """Positions, then velocities, uniformly within `scale` of those at rest."""

    def start(generator: np.random.Generator, qpos: Numbers, qvel: Numbers) -> tuple[Numbers, Numbers]:
        return (
            qpos + generator.uniform(-scale, scale, qpos.size),
            qvel + generator.uniform(-scale, scale, qvel.size),
        )

    return start


def normal_start(scale: float) -> Start:
    """Positions uniformly within `scale` of those at rest, then velocities normal with that deviation."""

    def start(generator: np.random.Generator, qpos: Numbers, qvel: Numbers) -> tuple[Numbers, Numbers]:
        return (
            qpos + generator.uniform(-scale, scale, qpos.size),
            qvel + scale * generator.standard_normal(qvel.size),
        )

    return start


def never(seen: Seen) -> Flags:
    """No episode is terminated; the time limit ends them all."""
    return np.zeros(len(seen["qpos"]), dtype=np.bool_)


def squares(x: NDArray[Any]) -> NDArray[Any]:
    """The sum of squares of each row [M, n], in the precision of `x`."""
    total: NDArray[Any] = np.square(x).sum(1)
    return total


def length(vector: Numbers) -> Numbers:
    """The Euclidean norm of each row [M, n], by the product that `numpy.linalg.norm` uses for one vector."""
    norm: Numbers = np.sqrt(np.vecdot(vector, vector))
    return norm
