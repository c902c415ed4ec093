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

from matters.algorithms import ALGORITHMS, load
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
"""Of a round: as many gradient steps, each of which costs as much as hundreds of environment steps."""

RUN_STEPS = 200_000
"""Of the run that is measured at its start: more than any measurement makes, and a replay that fits."""

NAMES: tuple[str, ...] = tuple(name for name in ALGORITHMS if load(name).FACTS.twin is not None)
"""The algorithms that have a reference to be measured beside."""


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
    contestants: dict[str, Callable[[], int]] = {
        reference: _reference_round(model, steps),
        f"{preset}, one seed": _own_round(name, preset, environment, 1, steps),
        f"{preset}, ten seeds": _own_round(name, preset, environment, 10, steps),
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


def _own_round(algorithm: str, preset: str, environment: str, seeds: int, steps: int) -> Callable[[], int]:
    rule = load(algorithm)
    training = begin(
        [
            RunSpec(
                algorithm=algorithm,
                algorithm_version=rule.VERSION,
                environment=environment,
                config=rule.PRESETS[preset].model_dump(mode="json"),
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
