"""Probe environments: tiny tasks whose right answer is a number.

Each isolates one ability, so that a failure names its cause: fit a constant, see the observation,
discount, follow the reward's gradient, couple action to observation, bootstrap at time limits.
The idea is in rejax's `tests/environments.py` and Stable-Baselines3's `tests/test_gae.py`
(`test_infinite_horizon`); the tasks here have continuous actions.

Observations and actions are vectors of one number in [-1, 1]. Importing `tasks.environments` registers
the probes with Gymnasium as `probe/<Task>-v0`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

Observation = NDArray[np.float64]
Action = NDArray[np.float32]

ENDLESS_LIMIT = 5
"""Steps after which the time limit cuts Endless."""


@dataclass(frozen=True)
class Task:
    """A probe: its rule and its known answer, in terms of o (observation), a (action) and γ (discount)."""

    asks: str
    steps: int | None
    """Steps until it terminates; None for never."""
    observes: Literal["nothing", "a draw", "the step"]
    """0; uniform in [-1, 1]; the number of steps made in the episode."""
    reward: Callable[[float, float], float]
    """Of (o, a)."""
    value: Callable[[float, float], float]
    """Of (o, γ): the best policy's expected discounted return from o."""
    best_action: Callable[[float], float] | None = None
    """Of o; None where all actions are equal."""


TASKS: dict[str, Task] = {
    "Constant": Task(
        asks="can the value function fit a constant? One step, reward 1: V = 1",
        steps=1,
        observes="nothing",
        reward=lambda _o, _a: 1.0,
        value=lambda _o, _γ: 1.0,
    ),
    "Observation": Task(
        asks="does the value function see the observation? One step, reward o: V(o) = o",
        steps=1,
        observes="a draw",
        reward=lambda o, _a: o,
        value=lambda o, _γ: o,
    ),
    "Delay": Task(
        asks="is the future discounted? Two steps, rewards 0 and 1: V(0) = γ, V(1) = 1",
        steps=2,
        observes="the step",
        reward=lambda o, _a: o,
        value=lambda o, γ: γ ** (1.0 - o),
    ),
    "Action": Task(
        asks="does the policy follow the reward? One step, reward -(a - 1/2)²: a = 1/2, V = 0",
        steps=1,
        observes="nothing",
        reward=lambda _o, a: -((a - 0.5) ** 2),
        value=lambda _o, _γ: 0.0,
        best_action=lambda _o: 0.5,
    ),
    "Copy": Task(
        asks="does the policy use the observation? One step, reward -(a - o)²: a = o, V = 0",
        steps=1,
        observes="a draw",
        reward=lambda o, a: -((a - o) ** 2),
        value=lambda _o, _γ: 0.0,
        best_action=lambda o: o,
    ),
    "Endless": Task(
        asks=f"is a time limit no end? Reward 1 for ever, cut every {ENDLESS_LIMIT} steps: V = 1/(1 - γ)",
        steps=None,
        observes="nothing",
        reward=lambda _o, _a: 1.0,
        value=lambda _o, γ: 1.0 / (1.0 - γ),
    ),
}


def endless_value_if_terminal(discount: float) -> float:
    """The negative control of Endless: the value of one-step bootstrapping if time limits were terminal.

    One step in k ends without a bootstrap, and the observation does not say which, so that
    V = 1 + γ (1 - 1/k) V.
    """
    return 1.0 / (1.0 - discount * (1.0 - 1.0 / ENDLESS_LIMIT))


class Probe(gymnasium.Env[Observation, Action]):
    """A task of TASKS as an environment. Its whole state is `t`, `observation` and `np_random`."""

    def __init__(self, task: str) -> None:
        self.task = TASKS[task]
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.t = 0
        self.observation = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.t = 0
        return self._observe(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        reward = self.task.reward(self.observation, float(action[0]))
        self.t += 1
        terminated = self.t == self.task.steps
        # Nobody acts on a terminal observation: so it is the last one again, within the space, and nothing is
        # drawn.
        observation = np.array([self.observation]) if terminated else self._observe()
        return observation, reward, terminated, False, {}

    def _observe(self) -> Observation:
        match self.task.observes:
            case "a draw":
                self.observation = self.np_random.uniform(-1.0, 1.0)
            case "the step":
                self.observation = float(self.t)
            case "nothing":
                self.observation = 0.0
        return np.array([self.observation])


def register() -> None:
    """Put the probes into Gymnasium's registry as `probe/<Task>-v0`."""
    for name, task in TASKS.items():
        if f"probe/{name}-v0" in gymnasium.registry:
            continue
        gymnasium.register(
            id=f"probe/{name}-v0",
            entry_point=f"{__name__}:Probe",
            kwargs={"task": name},
            max_episode_steps=ENDLESS_LIMIT if task.steps is None else None,
        )
