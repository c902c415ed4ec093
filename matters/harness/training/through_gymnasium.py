"""Simulations through Gymnasium, one environment for each: whatever it holds, with its wrappers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

from matters.harness.training.native import mjdata
from matters.harness.training.simulator_warnings import clear, heard, listen
from matters.harness.training.simulators import (
    Stepped,
    as_reward,
    blamed,
    problem,
    refuse_other_shape,
)
from matters.suites.tasks.environments import make

PLAIN = (bool, int, float, str, type(None), np.bool_, np.integer, np.floating)

SAVED = (*PLAIN, np.ndarray, np.random.Generator, mujoco.MjData)
"""The types of an environment's attributes that `saved` holds."""

CONSTANT = {
    "env",
    "spec",
    "metadata",
    "mujoco_renderer",
    "observation_structure",
    "_saved_kwargs",
    "_ezpickle_args",
    "_ezpickle_kwargs",
}
"""Attributes of other types that Gymnasium's wrappers and MuJoCo tasks have and never change."""


TRIED_STEPS = 40
"""Steps before, and steps after, the point at which an environment is restored to see if it goes on alike."""


class ThroughGymnasium:
    """M environments, stepped one after another."""

    native = False

    def __init__(self, environment_id: str, count: int, settings: Mapping[str, Any] | None = None) -> None:
        with blamed():
            self.environments = [make(environment_id, settings) for _ in range(count)]
        listen()  # after they were made: one may bring a handler of its own
        self.problem = problem(self.environments[0])
        self._what = environment_id, settings
        self.observation = np.zeros((count, self.problem.observation_size), dtype=np.float32)
        self.broken: dict[int, BaseException] = {}
        self.warned = np.zeros(count, dtype=np.int64)

    @cached_property
    def resumable(self) -> bool:
        """Whether it was shown that one restored from what `saved` holds goes on as the first does."""
        return resumable(self.environments[0]) and goes_on_the_same(*self._what)

    def reset(self, which: Sequence[int], seeds: Sequence[int] | None = None) -> NDArray[np.floating]:
        """Begin episodes in some of them."""
        for place, index in enumerate(which):
            seed = None if seeds is None else int(seeds[place])
            with self._held_against(index):
                observation, _ = self.environments[index].reset(seed=seed)
                self._see(index, observation)
        return self.observation

    def step(self, action: NDArray[np.float32], which: Sequence[int] | None = None) -> Stepped:
        """One step of some of them, or of all."""
        count = len(self.environments)
        reward = np.zeros(count)
        terminated, truncated = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        for index in range(count) if which is None else which:
            if index in self.broken:
                continue
            with self._held_against(index):
                observation, given, terminated[index], truncated[index], _ = self._step(index, action[index])
                reward[index] = as_reward(given)
                self._see(index, observation)
        return Stepped(self.observation, reward, terminated, truncated)

    @contextmanager
    def _held_against(self, index: int) -> Iterator[None]:
        """What an environment raises, even to leave the program, concerns that one alone; so do warnings."""
        before = heard()
        try:
            yield
        except (Exception, SystemExit) as error:
            self.broken[index] = error
        if heard() != before:
            self.warned[index] += 1
            hear_anew(self.environments[index])

    def _step(self, index: int, action: NDArray[np.float32]) -> Any:
        try:
            return self.environments[index].step(action)
        except Exception as error:
            if not self._allows(action):
                error.add_note(
                    "its action was out of bounds, within which the trick action_clip keeps actions"
                )
            raise

    def _allows(self, action: NDArray[np.float32]) -> bool:
        low, high = np.array(self.problem.action_low), np.array(self.problem.action_high)
        return bool(((low <= action) & (action <= high)).all())

    def _see(self, index: int, observation: Any) -> None:
        refuse_other_shape(observation, self.observation.shape[1:])
        self.observation[index] = observation

    def keep(self, which: Sequence[int]) -> None:
        """Go on with some of them only."""
        self.broken = {place: self.broken[index] for place, index in enumerate(which) if index in self.broken}
        self.environments = [self.environments[index] for index in which]
        self.warned = self.warned[list(which)]
        self.observation = self.observation[list(which)]

    def saved(self, index: int) -> dict[str, np.ndarray]:
        """See `saved`."""
        return saved(self.environments[index])

    def restore(self, index: int, arrays: dict[str, np.ndarray]) -> None:
        """See `restore`."""
        restore(self.environments[index], arrays)


def resumable(environment: gymnasium.Env[Any, Any]) -> bool:
    """Whether `saved` holds all that the environment's future depends on, as far as its attributes tell.

    An environment that keeps anything else in its attributes, or one array under two names, starts anew after
    an interruption. Attributes do not tell all: its module may remember something. See `goes_on_the_same`.
    """
    attributes = [(name, value) for layer in _layers(environment) for name, value in vars(layer).items()]
    return not _overlap([value for _, value in attributes if isinstance(value, np.ndarray)]) and all(
        isinstance(value, SAVED)
        or name in CONSTANT
        or isinstance(value, gymnasium.Space | mujoco.MjModel)
        or _never_changes(value)
        or (is_dataclass(value) and vars(type(value))["__dataclass_params__"].frozen)
        for name, value in attributes
    )


def _never_changes(value: Any) -> bool:
    """Whether it is a plain value, or a tuple of such; a tuple with a list in it may change."""
    return isinstance(value, PLAIN) or (isinstance(value, tuple) and all(map(_never_changes, value)))


def _overlap(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether what is written to one of them may be read from another; `restore` would part them."""
    return any(np.may_share_memory(one, other) for one, other in combinations(arrays, 2))


def goes_on_the_same(environment_id: str, settings: Mapping[str, Any] | None) -> bool:
    """Try whether a second new environment, restored to where the first has come, goes on as the first does.

    Nor may an episode that begins from a seed depend on those before: environments of evaluations are not
    saved, and after an interruption they are new. Both take the same random actions, new episodes included;
    each number has to be equal to the bit.
    """
    try:
        first, second, new = (make(environment_id, settings) for _ in range(3))
        actions = first.action_space
        actions.seed(0)
        first.reset(seed=1)
        _stretch(first, [actions.sample() for _ in range(TRIED_STEPS)])
        restore(second, saved(first))
        further = [actions.sample() for _ in range(TRIED_STEPS)]
        if _stretch(first, further) != _stretch(second, further):
            return False
        first.reset(seed=2)
        new.reset(seed=2)
        return _stretch(first, further) == _stretch(new, further)
    except (Exception, SystemExit):
        # What is wrong with it will be said when it is trained.
        return False


def _stretch(environment: gymnasium.Env[Any, Any], actions: Sequence[Any]) -> list[tuple[bytes, ...]]:
    """What the environment gives for these actions, as bytes; in the middle of them an episode begins."""
    given = []
    for number, action in enumerate(actions):
        observation, reward, terminated, truncated, _ = environment.step(action)
        if terminated or truncated or number == len(actions) // 2:
            observation, _ = environment.reset()
        given.append(
            tuple(np.asarray(part).tobytes() for part in (observation, reward, terminated, truncated))
        )
    return given


def saved(environment: gymnasium.Env[Any, Any]) -> dict[str, np.ndarray]:
    """An environment's numbers, generators and MuJoCo data, as arrays by name.

    `mj_getState` would not do: rewards of Ant and Humanoid read kinematics that are one substep old. MjData's
    own serialisation holds them. It is bytes, read back by MuJoCo; nothing here is unpickled.
    """
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    for depth, layer in enumerate(_layers(environment)):
        for name, value in vars(layer).items():
            key = f"{depth}.{name}"
            if isinstance(value, mujoco.MjData):
                arrays[key] = np.frombuffer(value.__getstate__(), dtype=np.uint8)
            elif isinstance(value, np.random.Generator):
                plain[key] = {"generator": value.bit_generator.state}
            elif isinstance(value, np.ndarray):
                arrays[key] = value.copy()
            elif isinstance(value, PLAIN):
                plain[key] = value.item() if isinstance(value, np.generic) else value
    arrays["plain"] = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    return arrays


def restore(environment: gymnasium.Env[Any, Any], arrays: dict[str, np.ndarray]) -> None:
    """Put an environment back where `saved` found it."""
    environment.reset(seed=0)  # so that its generator and data exist
    plain = json.loads(arrays["plain"].tobytes())
    for depth, layer in enumerate(_layers(environment)):
        for name, value in list(vars(layer).items()):
            key = f"{depth}.{name}"
            if isinstance(value, mujoco.MjData):
                mujoco.mj_copyData(value, layer.model, mjdata(arrays[key]))
            elif isinstance(value, np.random.Generator):
                value.bit_generator.state = plain[key]["generator"]
            elif key in plain:
                setattr(layer, name, plain[key])
            elif key in arrays:
                setattr(layer, name, arrays[key].copy())


def hear_anew(environment: gymnasium.Env[Any, Any]) -> None:
    """Have MuJoCo, if it is below an environment, warn again of what it has warned of."""
    data = getattr(environment.unwrapped, "data", None)
    if isinstance(data, mujoco.MjData):
        clear(data)


def _layers(environment: gymnasium.Env[Any, Any]) -> list[Any]:
    """The wrappers from the outside in, then the environment itself."""
    layers: list[Any] = [environment]
    while layers[-1] is not environment.unwrapped:
        layers.append(layers[-1].env)
    return layers
