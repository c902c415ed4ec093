"""Training speed beside the reference's and beside the machine's own limit, measured in turn in one process.

Machines drift, so the contestants alternate, round by round, and ratios are taken within a round. One round
is some environment steps with the learning that belongs to them; for the environment alone, its steps
through Gymnasium; for the limit, MuJoCo's steps and one product of matrices. Seconds are processor time of
this process, so that those spent on other programs do not count.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matters.algorithms import ALGORITHMS, load
from matters.harness.speed.limit import matrix_rate, mujoco_alone, products, record
from matters.harness.speed.parts import parts
from matters.harness.training.allocator import keep_freed_memory
from matters.harness.training.environments import Environments
from matters.harness.training.loop import train
from matters.harness.training.population import Population, Updated, begin
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.environments import make
from matters.suites.tasks.native import native

ENVIRONMENT = "HalfCheetah-v5"
ROUNDS = 5

ON_POLICY_STEPS = 2048
"""Environment steps of a round: one rollout of PPO and of TRPO, many of A2C."""

OFF_POLICY_STEPS = 200
"""The same, with as many gradient steps, each of which costs as much as hundreds of environment steps."""

BARE_STEPS = 200
"""Steps of each simulation in a round of MuJoCo alone."""

SEEDS = 10
NUMBERS = {10: "ten"}

RUN_STEPS = 200_000
"""Length of the run whose start is measured: more steps than any measurement, and a replay that fits."""

NAMES: tuple[str, ...] = tuple(name for name in ALGORITHMS if load(name).FACTS.twin is not None)
"""The algorithms that have a reference to be measured beside."""


@dataclass(frozen=True)
class Measured:
    """Median steps/s of a contestant, and the median and range over rounds of its ratio to the reference.

    The range of five rounds holds the true median with probability 94 %: it misses it only if all five lie
    on one side, which has probability 2 / 2⁵.
    """

    contestant: str
    steps_per_second: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Limit:
    """Steps/s if only MuJoCo and the products of matrices in updates took time, and our share of that.

    `share` is the median over rounds, with their range.
    """

    seeds: int
    steps_per_second: float
    share: float
    low: float
    high: float
    operations_per_step: float
    """Floating-point operations of an update, per environment step."""
    operations_per_second: float


@dataclass(frozen=True)
class Speed:
    """What was measured of one algorithm. `parts` are shares of the time of a run of ours with all seeds.

    An environment that is not native has no limit here: how much of its time is the simulator's is not known.
    """

    rows: list[Measured]
    limit: Limit | None
    parts: dict[str, float]


def speed(name: str, *, environment: str = ENVIRONMENT, seeds: int = SEEDS, rounds: int = ROUNDS) -> Speed:
    """Measure `name`: the reference, ours with one seed and with `seeds`, the environment alone, the limit.

    Each on one thread. A first round, in which the replays fill past the warm-up, is not counted. Raises
    KeyError for a name that is not in NAMES.
    """
    if name not in NAMES:
        raise KeyError(name)
    facts = load(name).FACTS
    assert facts.twin is not None
    reference, preset = facts.twin.reference, facts.twin.preset
    library = load(reference)
    assert library.KIND == "reference"
    torch.set_num_threads(1)
    keep_freed_memory()
    model = library.build(library.PRESETS[reference], make(environment), seed=0)
    steps = OFF_POLICY_STEPS if facts.replay else ON_POLICY_STEPS
    many = f"{preset}, {NUMBERS.get(seeds, seeds)} seeds"
    together = population(name, preset, environment, seeds)
    contestants: dict[str, Callable[[], int]] = {
        reference: _reference_round(model, steps),
        f"{preset}, one seed": _own_round(population(name, preset, environment, 1), steps),
        many: _own_round(together, steps),
        f"{environment} alone": _alone_round(environment),
    }
    rates: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    bare = _Bare(environment, seeds) if native(environment) else None
    for counted in [False] + [True] * rounds:
        for contestant, run in contestants.items():
            start = time.process_time()
            made = run()
            if counted:
                rates[contestant].append(made / (time.process_time() - start))
        if counted and bare is not None:
            bare.round()
    with products() as counted_products:
        before = together.step
        _own_round(together, steps)()
    per_step = counted_products.operations / ((together.step - before) * seeds)
    return Speed(
        [Measured(contestant, *_summary(of, rates[reference])) for contestant, of in rates.items()],
        None if bare is None else bare.limit(seeds, per_step, rates[many]),
        parts(together, steps).shares(),
    )


def _summary(rates: list[float], measure: list[float]) -> tuple[float, float, float, float]:
    """The median rate; and the median, smallest and largest ratio to the measure of the same round."""
    ratios = [rate / other for rate, other in zip(rates, measure, strict=True)]
    return statistics.median(rates), statistics.median(ratios), min(ratios), max(ratios)


class _Bare:
    """MuJoCo's steps and a product of matrices, measured round by round."""

    def __init__(self, environment: str, seeds: int) -> None:
        self.environments = Environments(environment, [np.random.SeedSequence(0)], seeds)
        self.observation = self.environments.reset()
        self.generator = np.random.default_rng(0)
        self.seconds: list[float] = []
        self.operations: list[float] = []

    def act(self, observation: Tensor) -> Tensor:
        problem = self.environments.problem
        shape = (*observation.shape[:2], problem.action_size)
        action = self.generator.uniform(problem.action_low, problem.action_high, shape)
        return torch.from_numpy(action.astype(np.float32))

    def round(self) -> None:
        recorded, self.observation = record(self.environments, self.observation, self.act, BARE_STEPS)
        after = self.environments.row(0)
        seconds = mujoco_alone(self.environments, recorded)
        self.environments.put_row(0, after)
        self.seconds.append(seconds / (BARE_STEPS * self.observation.shape[1]))
        self.operations.append(matrix_rate())

    def limit(self, seeds: int, per_step: float, rates: list[float]) -> Limit:
        limits = [
            1 / (seconds + per_step / operations)
            for seconds, operations in zip(self.seconds, self.operations, strict=True)
        ]
        _, share, low, high = _summary(rates, limits)
        rate = statistics.median(self.operations)
        return Limit(seeds, statistics.median(limits), share, low, high, per_step, rate)


def _reference_round(model: Any, steps: int) -> Callable[[], int]:
    def run() -> int:
        before: int = model.num_timesteps
        model.learn(steps, reset_num_timesteps=False)
        return int(model.num_timesteps - before)

    return run


def population(
    algorithm: str, preset: str, environment: str, seeds: int, steps: int = RUN_STEPS
) -> Population:
    """Seeds of a preset at the beginning of a run of so many steps."""
    rule = load(algorithm)
    return begin(
        [
            RunSpec(
                algorithm=algorithm,
                algorithm_version=rule.VERSION,
                environment=environment,
                config=rule.PRESETS[preset].model_dump(mode="json"),
                seed=seed,
                steps=steps,
                evaluation=Evaluation(),
            )
            for seed in range(seeds)
        ]
    )


def _own_round(training: Population, steps: int) -> Callable[[], int]:
    def run() -> int:
        before = training.step
        for event in train(training):
            if isinstance(event, Updated) and training.step >= before + steps:
                break
        return (training.step - before) * len(training.specs)

    return run


def _alone_round(environment: str) -> Callable[[], int]:
    bare = make(environment)
    bare.reset(seed=0)
    generator = np.random.default_rng(0)
    space = bare.action_space

    def run() -> int:
        actions = generator.uniform(-1, 1, (ON_POLICY_STEPS, *(space.shape or ()))).astype(np.float32)
        for action in actions:
            _, _, terminated, truncated, _ = bare.step(action)
            if terminated or truncated:
                bare.reset()
        return ON_POLICY_STEPS

    return run
