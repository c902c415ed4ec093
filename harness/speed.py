"""Training speed beside the reference's and beside the machine's own limit, measured in turn in one process.

Machines drift, so the contestants alternate, round by round, and ratios are taken within a round. One round
of an on-policy algorithm is one rollout and its update; of the limit, as many steps of the bare environment.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from stable_baselines3 import PPO

from algorithms import load
from algorithms.reference import sb3_on_policy
from harness.loop import Updated, begin, train
from suites.environments import make
from suites.spec import Evaluation, RunSpec

ENVIRONMENT = "HalfCheetah-v5"
ROUNDS = 5
FOREVER = 10**9  # steps: a spec that no measurement reaches the end of

PAIRS = {"ppo": ("ppo", "ppo-sb3")}
"""Name to our algorithm and the preset with the reference's hyperparameters."""

NAMES: tuple[str, ...] = tuple(PAIRS)


@dataclass(frozen=True)
class Measured:
    """Median steps/s of one contestant, and the median, over rounds, of its ratio to the reference."""

    contestant: str
    steps_per_second: float
    ratio: float


def speed(name: str, *, environment: str = ENVIRONMENT, rounds: int = ROUNDS) -> list[Measured]:
    """Measure `name`: the reference, one seed of ours, ten seeds of ours, the environment alone.

    One thread each. A first round is not counted. Raises KeyError for a name that is not in NAMES.
    """
    algorithm, preset = PAIRS[name]
    torch.set_num_threads(1)
    reference = f"sb3-{name}"
    contestants: dict[str, Callable[[], int]] = {
        reference: _reference_round(environment),
        f"{preset}, one seed": _own_round(algorithm, preset, environment, 1),
        f"{preset}, ten seeds": _own_round(algorithm, preset, environment, 10),
        f"{environment} alone": _limit_round(environment),
    }
    times: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for counted in [False] + [True] * rounds:
        for contestant, run in contestants.items():
            start = time.perf_counter()
            steps = run()
            if counted:
                times[contestant].append(steps / (time.perf_counter() - start))
    return [
        Measured(
            contestant,
            statistics.median(rates),
            statistics.median(rate / other for rate, other in zip(rates, times[reference], strict=True)),
        )
        for contestant, rates in times.items()
    ]


def _reference_round(environment: str) -> Callable[[], int]:
    config = sb3_on_policy.PpoConfig()
    model = sb3_on_policy.build(PPO, config, make(environment), seed=0)

    def run() -> int:
        model.learn(config.n_steps, reset_num_timesteps=False)
        return config.n_steps

    return run


def _own_round(algorithm: str, preset: str, environment: str, seeds: int) -> Callable[[], int]:
    rule = load(algorithm)
    training = begin(
        [
            RunSpec(
                algorithm=algorithm,
                algorithm_version=rule.VERSION,
                environment=environment,
                config=rule.PRESETS[preset].model_dump(mode="json"),
                seed=seed,
                steps=FOREVER,
                evaluation=Evaluation(),
            )
            for seed in range(seeds)
        ]
    )
    events = train(training)

    def run() -> int:
        while not isinstance(next(events), Updated):
            pass
        return training.rollout_steps * seeds

    return run


def _limit_round(environment: str) -> Callable[[], int]:
    bare = make(environment)
    bare.reset(seed=0)
    generator = np.random.default_rng(0)
    space = bare.action_space
    steps = sb3_on_policy.PpoConfig().n_steps

    def run() -> int:
        actions = generator.uniform(-1, 1, (steps, *(space.shape or ()))).astype(np.float32)
        for action in actions:
            _, _, terminated, truncated, _ = bare.step(action)
            if terminated or truncated:
                bare.reset()
        return steps

    return run
