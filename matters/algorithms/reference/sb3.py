"""What all references of Stable-Baselines3 have in common: how one is built, trained and listened to."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from matters.algorithms.interface import ActFunction, NotFinite

RANDOM_NUMBERS = (
    "Random numbers: PyTorch's and NumPy's global generators there, one generator a purpose and a seed "
    "here, so that a trained run is another sample of the same algorithm."
)
"""A difference that every one of them has."""

DISTRIBUTION = "to satisfy the constraint"
"""What PyTorch says of a distribution whose mean or spread is nan, or whose spread is 0 or infinite."""


def model(library: type[Any], environment: Any, *, seed: int, **arguments: Any) -> Any:
    """A model of theirs with a multilayer perceptron, on the CPU, which logs nowhere."""
    model = library("MlpPolicy", environment, seed=seed, device="cpu", **arguments)
    model.set_logger(Logger(None, []))  # else each training leaves an empty folder among temporary files
    return model


def trained(model: Any, steps: int, listener: BaseCallback) -> dict[str, np.ndarray]:
    """Train it for `steps` environment steps, rounded up to its rollouts; the final parameters by name.

    Raises NotFinite once a parameter or an action is not finite. Some of the library's algorithms notice that
    themselves, by a ValueError of PyTorch's distributions, and some never do: one event has one name here.
    """
    try:
        model.learn(steps, callback=listener, log_interval=None)
        refuse_not_finite(model)
    except (ValueError, NotFinite) as error:
        noticed = isinstance(error, NotFinite) or DISTRIBUTION in str(error)
        if not noticed and _finite(model):
            raise
        what, parameters = str(error).partition(" (Tensor")[0], _parameters(model)
        raise NotFinite(what, step=model.num_timesteps, parameters=parameters) from error
    return _parameters(model)


def refuse_not_finite(model: Any) -> None:
    """Raise NotFinite where a parameter is not finite."""
    if not _finite(model):
        raise NotFinite("a parameter of a network is not finite")


def _finite(model: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in model.policy.state_dict().values())


def _parameters(model: Any) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in model.policy.state_dict().items()}


def greedy(model: Any) -> ActFunction:
    """The policy as it now is, without noise, as a function from observation to action."""
    return lambda observation: model.predict(observation, deterministic=True)[0]


class ReportPoints:
    """Steps at which a reference reports, in order."""

    def __init__(self, steps: Iterable[int]) -> None:
        self._steps = iter(steps)
        self._next: float = next(self._steps)

    def reached(self, step: int) -> bool:
        """Whether the next of them is at `step` or before."""
        return step >= self._next

    def leave(self, step: int) -> None:
        """Wait for the first of them after `step`."""
        while self.reached(step):
            self._next = next(self._steps, math.inf)
