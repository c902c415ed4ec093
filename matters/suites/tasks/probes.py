"""Probe environments: tiny tasks whose right answer is a number.

Each isolates one ability, so that a failure names its cause: fit a constant, see the observation,
discount, follow the reward's gradient, couple action to observation, bootstrap at time limits.
The idea is in rejax's `tests/environments.py` and Stable-Baselines3's `tests/test_gae.py`
(`test_infinite_horizon`); the tasks here have continuous actions.

Beside them stand a few on which a usual PPO may fail. Observations are a number in [-1, 1], actions one in
[-1, 1] or in bounds of the task's own. Importing `tasks.environments` registers
the probes with Gymnasium as `probe/<Task>-v0`.
"""

import math
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
    bound: float = 1.0
    """Actions are in ± this."""
    uniform: float | None = None
    """What uniform random actions earn, where a score is to be relative to it."""


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


ARMS = 100
"""Actions of ManyActions that earn different rewards."""


def _arms() -> NDArray[np.float64]:
    """The reward of each arm: half of them about 0.5, the others about 0, and 1 for the first."""
    found = 0.1 * np.random.default_rng(2020).standard_normal(ARMS)
    found[: ARMS // 2] += 0.5
    found[0] = 1.0
    return found


REWARDS_OF_ARMS = _arms()


def _arm(a: float) -> float:
    """The reward of the arm that is nearest to an action."""
    return float(REWARDS_OF_ARMS[round((min(max(a, -1.0), 1.0) + 1) / 2 * (ARMS - 1))])


def _peaks(a: float) -> float:
    return 1.1 * math.exp(-1.2 * (a + 2) ** 2) + 0.9 * math.exp(-0.9 * (a - 1) ** 2)


FAILURES: dict[str, Task] = {
    "SinglePeak": Task(
        asks="is a reward found that only few actions earn? One step, reward 1 for -1 < a < -0.8, else 0",
        steps=1,
        observes="nothing",
        reward=lambda _o, a: float(-1.0 < a < -0.8),
        value=lambda _o, _γ: 1.0,
        best_action=lambda _o: -0.9,
        bound=1.5,
        uniform=0.2 / 3,
    ),
    "TwoPeaks": Task(
        asks="is the lower peak left, which is nearer to the first policy? One step, 1.1 at -2, 0.9 at 1",
        steps=1,
        observes="nothing",
        reward=lambda _o, a: _peaks(a),
        value=lambda _o, _γ: _peaks(-2.0),
        best_action=lambda _o: -2.0,
        bound=5.0,
        uniform=(1.1 * math.sqrt(math.pi / 1.2) + 0.9 * math.sqrt(math.pi / 0.9)) / 10,
    ),
    "ManyActions": Task(
        asks=f"is the best of {ARMS} actions found, when half of the others are fairly good? One step, a in "
        f"{ARMS} equal parts",
        steps=1,
        observes="nothing",
        reward=lambda _o, a: _arm(a),
        value=lambda _o, _γ: 1.0,
        best_action=lambda _o: -1.0,
        uniform=float((REWARDS_OF_ARMS.sum() - (REWARDS_OF_ARMS[0] + REWARDS_OF_ARMS[-1]) / 2) / (ARMS - 1)),
    ),
}
"""Tasks on which a PPO in its usual form may fail: those of Hsu, Mendler-Dünner and Hardt 2020, "Revisiting
design choices in proximal policy optimization", as their code has them (github.com/chloechsu/revisiting-ppo,
commit 118fce4), without the noise that it adds to rewards; their third has discrete actions, of which ours
are the atoms of a discretised policy."""


def endless_value_if_terminal(discount: float) -> float:
    """The negative control of Endless: the value of one-step bootstrapping if time limits were terminal.

    One step in k ends without a bootstrap, and the observation does not say which, so that
    V = 1 + γ (1 - 1/k) V.
    """
    return 1.0 / (1.0 - discount * (1.0 - 1.0 / ENDLESS_LIMIT))


class Probe(gymnasium.Env[Observation, Action]):
    """A task of TASKS as an environment. Its whole state is `t`, `observation` and `np_random`."""

    def __init__(self, task: str) -> None:
        self.task = (TASKS | FAILURES)[task]
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float64)
        self.action_space = gymnasium.spaces.Box(-self.task.bound, self.task.bound, (1,), np.float32)
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
    for name, task in (TASKS | FAILURES).items():
        if f"probe/{name}-v0" in gymnasium.registry:
            continue
        gymnasium.register(
            id=f"probe/{name}-v0",
            entry_point=f"{__name__}:Probe",
            kwargs={"task": name},
            max_episode_steps=ENDLESS_LIMIT if task.steps is None else None,
        )
