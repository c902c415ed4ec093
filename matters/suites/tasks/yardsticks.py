"""The constants that normalise returns: what random actions and known agents reach on each task.

Scores are normalised as (R - random) / (yardstick - random). There are two yardsticks: what PPO reaches after
a million steps, and what the best off-policy algorithm does; a suite says which it uses. Both constants are
frozen here, with their source and standard error; they never come from the runs that are compared. A task
without a yardstick can be run and shown, but not pooled with others.
"""

from dataclasses import dataclass
from typing import Literal

from matters.suites.tasks import lectures, probes

Yardstick = Literal["on-policy-1M", "off-policy-1M"]
BUDGET_OF_YARDSTICKS = 1_000_000  # environment steps

RANDOM = "uniform random actions, python -m testing.measure_random (gymnasium 1.4.0, mujoco 4.0.0)"
XUANCE = (
    "XuanCe v1.4.0 benchmarks (agi-brain/xuance-benchmarks, commit adec00d), mean of the last tenth of the "
    "test "
    "returns over 1M steps, seeds 1 to 5"
)
PPO = f"PPO: {XUANCE}"
POOLED = (
    "PPO: XuanCe v1.4.0 benchmarks (5 seeds) and Gymnasium's validation of v5 (Stable-Baselines3, 10 seeds), "
    "pooled and rounded"
)
MAXIMUM = "the largest possible"
BUDGET = (
    "PPO with Stable-Baselines3's defaults (ppo-sb3) after so many steps, primary endpoint of n seeds from "
    "1000 "
    "on, matters run reference-scores --seeds 1000:1005 (200,000 steps), --seeds 1000:1010 --steps 50000 and "
    "--steps 30720"
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
    """What is known of an environment without making it. `horizon`: steps after which it is cut.

    `ceiling` is the largest possible return, where there is one; such a task has an absolute `margin` of
    equivalence in return, since all competent runs lie in the last few per cent below the ceiling. `budgets`
    is what a reference reached after fewer steps than a yardstick's million. Raises ValueError for a
    yardstick that is not above `random`: differences would change their sign.
    """

    id: str
    horizon: int
    observation_size: int
    action_size: int
    random: Score | None = None
    on_policy: Score | None = None
    off_policy: Score | None = None
    ceiling: float | None = None
    margin: float | None = None
    budgets: tuple[tuple[int, Score], ...] = ()

    def __post_init__(self) -> None:
        for yardstick in (self.on_policy, self.off_policy):
            if self.random is not None and yardstick is not None and yardstick.value <= self.random.value:
                raise ValueError(
                    f"{self.id}: yardstick = {yardstick.value}: should be above {self.random.value}"
                )

    def yardstick(self, which: str) -> Score | None:
        """The yardstick of that name."""
        return self.on_policy if which == "on-policy-1M" else self.off_policy


MUJOCO: dict[str, Environment] = {
    environment.id: environment
    for environment in (
        Environment(
            "InvertedPendulum-v5", 1000, 4, 1, random=Score(4.945, 0.165, 400, RANDOM),
            on_policy=Score(1000.0, 0.0, 0, MAXIMUM), off_policy=Score(1000.0, 0.0, 0, MAXIMUM),
            ceiling=1000.0, margin=25.0, budgets=((50_000, Score(1000.0, 0.0, 10, BUDGET)),),
        ),
        Environment(
            "InvertedDoublePendulum-v5", 1000, 9, 1, random=Score(46.3057, 0.841, 400, RANDOM),
            on_policy=Score(9360.0, 0.0, 0, MAXIMUM), off_policy=Score(9360.0, 0.0, 0, MAXIMUM),
            ceiling=9360.0, margin=250.0,
        ),
        Environment(
            "Reacher-v5", 50, 10, 2, random=Score(-42.7916, 0.201, 400, RANDOM),
            on_policy=Score(-4.7, 0.07, 5, PPO), off_policy=Score(-3.4, 0.09, 5, f"TD3: {XUANCE}"),
            ceiling=0.0, margin=0.5, budgets=((200_000, Score(-6.65913, 0.617, 5, BUDGET)),),
        ),
        Environment(
            "Pusher-v5", 100, 23, 7, random=Score(-150.218, 0.38, 400, RANDOM),
            on_policy=Score(-37.0, 1.9, 5, PPO), off_policy=Score(-28.0, 0.3, 5, f"TD3: {XUANCE}"),
            ceiling=0.0, margin=2.0,
        ),
        Environment(
            "Swimmer-v5", 1000, 8, 2, random=Score(0.909599, 0.526, 400, RANDOM),
            on_policy=Score(79.0, 20.0, 5, PPO), off_policy=Score(130.0, 5.4, 5, f"DDPG: {XUANCE}"),
            budgets=((30_720, Score(39.6043, 0.720, 10, BUDGET)),),
        ),
        Environment(
            "HalfCheetah-v5", 1000, 17, 6, random=Score(-288.492, 3.96, 400, RANDOM),
            on_policy=Score(4940.0, 342.0, 5, PPO), off_policy=Score(9970.0, 400.0, 5, f"SAC: {XUANCE}"),
            budgets=(
                (30_720, Score(211.779, 61.4, 10, BUDGET)), (50_000, Score(177.465, 47.3, 10, BUDGET)),
                (200_000, Score(663.406, 42.9, 5, BUDGET)),
            ),
        ),
        Environment(
            "Hopper-v5", 1000, 11, 3, random=Score(17.4782, 0.806, 400, RANDOM),
            on_policy=Score(2500.0, 182.0, 15, POOLED),
            off_policy=Score(2500.0, 182.0, 15, f"{POOLED}; TD3 and SAC reach about the same"),
            budgets=((50_000, Score(386.794, 26.2, 10, BUDGET)), (200_000, Score(1365.16, 375, 5, BUDGET)),),
        ),
        Environment(
            "Walker2d-v5", 1000, 17, 6, random=Score(1.98322, 0.303, 400, RANDOM),
            on_policy=Score(3640.0, 242.0, 5, PPO), off_policy=Score(4140.0, 211.0, 5, f"SAC: {XUANCE}"),
            budgets=((50_000, Score(268.529, 3.06, 10, BUDGET)), (200_000, Score(423.035, 16.0, 5, BUDGET)),),
        ),
        Environment(
            "Ant-v5", 1000, 105, 8, random=Score(-51.5681, 4.25, 400, RANDOM),
            on_policy=Score(1350.0, 98.0, 15, POOLED),
            off_policy=Score(
                4390.0, 258.0, 10, "SAC: Gymnasium's validation of v5 (Stable-Baselines3, 10 seeds, about 1M)"
            ),
        ),
        Environment(
            "Humanoid-v5", 1000, 348, 17, random=Score(115.197, 1.69, 400, RANDOM),
            on_policy=Score(620.0, 18.0, 5, PPO), off_policy=Score(4050.0, 135.0, 5, f"SAC: {XUANCE}"),
        ),
        Environment(
            "HumanoidStandup-v5", 1000, 348, 17, random=Score(33516.7, 117, 400, RANDOM),
            on_policy=Score(91500.0, 12740.0, 5, PPO),
            off_policy=Score(134000.0, 8461.0, 5, f"SAC: {XUANCE}"),
        ),
    )
}  # fmt: skip
"""The Gymnasium v5 MuJoCo tasks."""

PROBES: dict[str, Environment] = {
    f"probe/{name}-v0": Environment(f"probe/{name}-v0", task.steps or probes.ENDLESS_LIMIT, 1, 1)
    for name, task in probes.TASKS.items()
} | {
    f"probe/{name}-v0": Environment(
        f"probe/{name}-v0", 1, 1, 1,
        random=Score(task.uniform, 0.0, 0, "exact: uniform actions"),
        on_policy=Score(task.value(0.0, 1.0), 0.0, 0, MAXIMUM),
        off_policy=Score(task.value(0.0, 1.0), 0.0, 0, MAXIMUM),
    )
    for name, task in probes.FAILURES.items()
    if task.uniform is not None
}  # fmt: skip

LECTURES: dict[str, Environment] = {
    environment.id: environment
    for environment in (
        Environment(
            "lecture/LQR-v0", lectures.HORIZON, 1, 1,
            random=Score(-69.3532, 0.0, 0, "exact: k = 0 and σ² = 1/3, as of uniform actions"),
            on_policy=Score(-1.04427, 0.0, 0, "exact: the largest possible, by the Riccati recursion"),
            off_policy=Score(-1.04427, 0.0, 0, "exact: the largest possible, by the Riccati recursion"),
        ),
        Environment(
            "lecture/Chain-v0", lectures.HORIZON, 1, 1,
            random=Score(74.75, 0.0, 0, "exact: stay with probability 1/2"),
            on_policy=Score(198.0, 0.0, 0, "exact: go once, then stay"),
            off_policy=Score(198.0, 0.0, 0, "exact: go once, then stay"),
        ),
    )
}  # fmt: skip
"""Two lecture problems with exact answers, `matters.suites.tasks.lectures`."""

ENVIRONMENTS: dict[str, Environment] = MUJOCO | LECTURES | PROBES
