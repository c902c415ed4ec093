"""Training speed beside the reference's and beside the machine's own limit, measured in turn in one process.

Machines drift, so the contestants alternate, round by round, and ratios are taken within a round. One round
is some environment steps with the learning that belongs to them; of the limit, steps of the bare environment.
Seconds are the processor's own, so that those in which it served other programs do not count.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sb3_contrib import TRPO
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3

from matters.algorithms import load
from matters.algorithms.interface import Frozen
from matters.algorithms.reference import sb3_off_policy, sb3_on_policy
from matters.harness.training.allocator import keep_freed_memory
from matters.harness.training.loop import train
from matters.harness.training.population import Updated, begin
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.environments import make

ENVIRONMENT = "HalfCheetah-v5"
ROUNDS = 5

ON_POLICY_STEPS = 2048
"""Of a round: one rollout of PPO and of TRPO, many of A2C."""

OFF_POLICY_STEPS = 200
"""Of a round: as many gradient steps, each hundreds of times as dear as a step of the environment."""

RUN_STEPS = 200_000
"""Of the run that is measured at its start: more than any measurement makes, and a replay that fits."""

LIBRARIES: dict[str, tuple[Any, type[Any], Frozen]] = {
    "ppo": (sb3_on_policy, PPO, sb3_on_policy.PpoConfig()),
    "a2c": (sb3_on_policy, A2C, sb3_on_policy.A2cConfig()),
    "trpo": (sb3_on_policy, TRPO, sb3_on_policy.TrpoConfig()),
    "ddpg": (sb3_off_policy, DDPG, sb3_off_policy.DdpgConfig()),
    "td3": (sb3_off_policy, TD3, sb3_off_policy.Td3Config()),
    "sac": (sb3_off_policy, SAC, sb3_off_policy.SacConfig()),
}
"""What builds the reference of each algorithm, and its defaults: those of our preset `X-sb3`."""

NAMES: tuple[str, ...] = tuple(LIBRARIES)


@dataclass(frozen=True)
class Measured:
    """Median steps/s of one contestant, and the median, over rounds, of its ratio to the reference."""

    contestant: str
    steps_per_second: float
    ratio: float


def speed(name: str, *, environment: str = ENVIRONMENT, rounds: int = ROUNDS) -> list[Measured]:
    """Measure `name`: the reference, one seed of ours, ten seeds of ours, the environment alone.

    One thread each. A first round is not counted: in it the replays are filled past the warm-up. Raises
    KeyError for a name that is not in NAMES.
    """
    module, library, config = LIBRARIES[name]
    torch.set_num_threads(1)
    keep_freed_memory()
    model = module.build(library, config, make(environment), seed=0)
    steps = ON_POLICY_STEPS if load(name).KIND == "on-policy" else OFF_POLICY_STEPS
    reference = f"sb3-{name}"
    contestants: dict[str, Callable[[], int]] = {
        reference: _reference_round(model, steps),
        f"{name}-sb3, one seed": _own_round(name, environment, 1, steps),
        f"{name}-sb3, ten seeds": _own_round(name, environment, 10, steps),
        f"{environment} alone": _limit_round(environment),
    }
    times: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for counted in [False] + [True] * rounds:
        for contestant, run in contestants.items():
            start = time.process_time()
            made = run()
            if counted:
                times[contestant].append(made / (time.process_time() - start))
    return [
        Measured(
            contestant,
            statistics.median(rates),
            statistics.median(rate / other for rate, other in zip(rates, times[reference], strict=True)),
        )
        for contestant, rates in times.items()
    ]


def _reference_round(model: Any, steps: int) -> Callable[[], int]:
    def run() -> int:
        before: int = model.num_timesteps
        model.learn(steps, reset_num_timesteps=False)
        return int(model.num_timesteps - before)

    return run


def _own_round(algorithm: str, environment: str, seeds: int, steps: int) -> Callable[[], int]:
    rule = load(algorithm)
    training = begin(
        [
            RunSpec(
                algorithm=algorithm,
                algorithm_version=rule.VERSION,
                environment=environment,
                config=rule.PRESETS[f"{algorithm}-sb3"].model_dump(mode="json"),
                seed=seed,
                steps=RUN_STEPS,
                evaluation=Evaluation(),
            )
            for seed in range(seeds)
        ]
    )
    events = train(training)

    def run() -> int:
        before = training.step
        while training.step < before + steps:
            while not isinstance(next(events), Updated):
                pass
        return (training.step - before) * seeds

    return run


def _limit_round(environment: str) -> Callable[[], int]:
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
