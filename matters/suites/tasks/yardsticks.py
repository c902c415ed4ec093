"""The constants that normalise returns: what random actions and a known agent reach on each task.

Scores are normalised as (R - random) / (reference - random). Both constants are frozen here, with their
source and standard error; they never come from the runs that are compared. A task without a reference
score can be run and shown, but not pooled with others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matters.suites.errors import InputError
from matters.suites.tasks import lectures, probes

RANDOM = "uniform random actions, python -m testing.measure_random (gymnasium 1.4.0, mujoco 4.0.0)"
REFERENCE = (
    "PPO with Stable-Baselines3's defaults (ppo-sb3) after 200,000 steps, primary endpoint of five seeds, "
    "matters run reference-scores --seeds 1000:1005"
)


@dataclass(frozen=True)
class Score:
    """A mean return over `n` episodes or runs, with its standard error and where it comes from.

    An exact score has n = 0 and standard error 0.
    """

    value: float
    standard_error: float
    n: int
    source: str


@dataclass(frozen=True)
class Environment:
    """What is known of an environment without making it. `horizon`: steps after which it is cut."""

    id: str
    horizon: int
    observation_size: int
    action_size: int
    random: Score | None = None
    reference: Score | None = None


MUJOCO: dict[str, Environment] = {
    environment.id: environment
    for environment in (
        Environment(
            "InvertedPendulum-v5", 1000, 4, 1, random=Score(4.945, 0.165, 400, RANDOM),
            reference=Score(1000.0, 0.0, 0, "the largest possible: reward 1 a step for 1000 steps"),
        ),
        Environment("InvertedDoublePendulum-v5", 1000, 9, 1, random=Score(46.3057, 0.841, 400, RANDOM)),
        Environment(
            "Reacher-v5", 50, 10, 2, random=Score(-42.7916, 0.201, 400, RANDOM),
            reference=Score(-6.65913, 0.617, 5, REFERENCE),
        ),
        Environment("Pusher-v5", 100, 23, 7, random=Score(-150.218, 0.38, 400, RANDOM)),
        Environment("Swimmer-v5", 1000, 8, 2, random=Score(0.909599, 0.526, 400, RANDOM)),
        Environment(
            "HalfCheetah-v5", 1000, 17, 6, random=Score(-288.492, 3.96, 400, RANDOM),
            reference=Score(663.406, 42.9, 5, REFERENCE),
        ),
        Environment(
            "Hopper-v5", 1000, 11, 3, random=Score(17.4782, 0.806, 400, RANDOM),
            reference=Score(1365.16, 375, 5, REFERENCE),
        ),
        Environment(
            "Walker2d-v5", 1000, 17, 6, random=Score(1.98322, 0.303, 400, RANDOM),
            reference=Score(423.035, 16.0, 5, REFERENCE),
        ),
        Environment("Ant-v5", 1000, 105, 8, random=Score(-51.5681, 4.25, 400, RANDOM)),
        Environment("Humanoid-v5", 1000, 348, 17, random=Score(115.197, 1.69, 400, RANDOM)),
        Environment("HumanoidStandup-v5", 1000, 348, 17, random=Score(33516.7, 117, 400, RANDOM)),
    )
}  # fmt: skip
"""The Gymnasium v5 MuJoCo tasks."""

PROBES: dict[str, Environment] = {
    f"probe/{name}-v0": Environment(f"probe/{name}-v0", task.steps or probes.ENDLESS_LIMIT, 1, 1)
    for name, task in probes.TASKS.items()
}

LECTURES: dict[str, Environment] = {
    environment.id: environment
    for environment in (
        Environment(
            "lecture/LQR-v0", lectures.HORIZON, 1, 1,
            random=Score(-69.3532, 0.0, 0, "exact: k = 0 and σ² = 1/3, as of uniform actions"),
            reference=Score(-1.04427, 0.0, 0, "exact: the largest possible, by the Riccati recursion"),
        ),
        Environment(
            "lecture/Chain-v0", lectures.HORIZON, 1, 1,
            random=Score(74.75, 0.0, 0, "exact: stay with probability 1/2"),
            reference=Score(198.0, 0.0, 0, "exact: go once, then stay"),
        ),
    )
}  # fmt: skip
"""Two lecture problems with exact answers, `matters.suites.tasks.lectures`."""

ENVIRONMENTS: dict[str, Environment] = MUJOCO | LECTURES | PROBES


def normalised(environment_id: str, returns: ArrayLike) -> NDArray[np.float64]:
    """(R - random) / (reference - random) of each return: 0 is random actions, 1 the reference score.

    Raises InputError for an environment without both constants.
    """
    environment = ENVIRONMENTS.get(environment_id)
    if environment is None or environment.random is None or environment.reference is None:
        raise InputError(f"environment = {environment_id!r}: it has no random and reference scores")
    low, high = environment.random.value, environment.reference.value
    return (np.asarray(returns, dtype=np.float64) - low) / (high - low)
