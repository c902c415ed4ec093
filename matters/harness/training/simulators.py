"""What the M simulations of one environment can do, whether they are native or go through Gymnasium."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from matters.algorithms.interface import Problem


class Stepped(NamedTuple):
    """What one step gave: observations [M, O], rewards [M] in double precision, and what it ended [M].

    An episode may be terminated and truncated at once. A simulation that was not stepped shows its last
    observation, and the rest means nothing.
    """

    observation: NDArray[np.floating]
    """In the simulator's precision or in single precision; valid until the next step or reset."""
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class Broken(Exception):
    """What an environment raised, as its cause: an error of the system there is no trouble of the store."""


@contextmanager
def blamed() -> Iterator[None]:
    """What an environment raises, even to leave the program, is its own: raises Broken."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


def as_reward(given: Any) -> float:
    """The reward as a number. Raises ValueError for what NumPy would silently make one of."""
    if given is None or isinstance(given, np.ndarray | list | tuple):
        raise ValueError(f"reward = {given!r}: should be a number")
    return float(given)


def refuse_other_shape(observation: Any, expected: tuple[int, ...] | None) -> None:
    """Raise ValueError for an observation of another shape: a single number would be spread over a row."""
    found = np.shape(observation)
    if found != expected:
        raise ValueError(f"observation of shape {found}: its space says {expected}")


class Simulators(Protocol):
    """M simulations of one environment in a row, none of which knows of the others."""

    native: bool
    """Whether they are stepped without Gymnasium. The numbers are the same; what `saved` gives is not."""
    problem: Problem
    broken: dict[int, BaseException]
    """What one of them raised, by its index. It is not stepped again, and what it shows means nothing."""
    warned: NDArray[np.int64]
    """Steps and resets [M] in which MuJoCo warned, as of an unstable simulation; who reads may clear it."""

    @property
    def resumable(self) -> bool:
        """Whether `saved` holds all that their future depends on."""
        ...

    def reset(self, which: Sequence[int], seeds: Sequence[int] | None = None) -> NDArray[np.floating]:
        """Begin episodes in some of them, and with seeds new generators; returns all observations [M, O]."""
        ...

    def step(self, action: NDArray[np.float32], which: Sequence[int] | None = None) -> Stepped:
        """One step of some of them, or of all, by their rows of `action` [M, A]. Nothing is reset."""
        ...

    def keep(self, which: Sequence[int]) -> None:
        """Go on with some of them only."""
        ...

    def saved(self, index: int) -> dict[str, np.ndarray]:
        """All that one of them holds, as arrays by name."""
        ...

    def restore(self, index: int, arrays: dict[str, np.ndarray]) -> None:
        """Put one of them back where `saved` found it."""
        ...


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
