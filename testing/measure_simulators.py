"""What native stepping adds to MuJoCo: `python -m testing.measure_simulators [--steps N] [ID …]`.

Ten environments are stepped by a policy that PPO has trained for a while, resets included. The same steps are
then replayed from the same start by MuJoCo alone: controls, `mj_step`, a reset's `mj_forward`, and
`mj_rnePostConstraint` where contact forces are read. What Python needs to replay them without MuJoCo is
measured, too, and taken off. Both are measured in turn, in seconds of the processor's own.
"""

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import torch

from matters.algorithms import load
from matters.harness.training.environments import Environments
from matters.harness.training.loop import train
from matters.harness.training.native import Native
from matters.harness.training.population import Population, begin
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.native import TASKS

ENVIRONMENTS = 10
TRAINING_STEPS = 30_000
STEPS = 100
ROUNDS = 15


@dataclass(frozen=True)
class Measured:
    """Microseconds per step of one environment, natively and of MuJoCo alone; their ratio with quartiles."""

    environment: str
    episode_length: float
    native: float
    bare: float
    ratio: float
    low: float
    high: float


def trained(environment: str, steps: int) -> Population:
    """One seed of PPO with Stable-Baselines3's settings, trained for so many steps."""
    rule = load("ppo")
    training = begin(
        [
            RunSpec(
                algorithm="ppo",
                algorithm_version=rule.VERSION,
                environment=environment,
                config=rule.PRESETS["ppo-sb3"].model_dump(mode="json"),
                seed=0,
                steps=steps,
                evaluation=Evaluation(),
            )
        ]
    )
    for _ in train(training):
        pass
    return training


def replay(
    simulators: Native, actions: np.ndarray, resets: dict[int, list[tuple[int, Any, Any]]], *, alone: bool
) -> float:
    """The seconds that recorded steps and resets take; without a call of MuJoCo's unless `alone`."""
    model, substeps, contact_forces = simulators.model, simulators.substeps, simulators.task.contact_forces
    step, forces, forward = mujoco.mj_step, mujoco.mj_rnePostConstraint, mujoco.mj_forward
    start = time.process_time()
    for t, action in enumerate(actions):
        for data, row in zip(simulators.data, action, strict=True):
            data.ctrl[:] = row
            if alone:
                step(model, data, substeps)
                if contact_forces:
                    forces(model, data)
        for index, qpos, qvel in resets.get(t, ()):
            data = simulators.data[index]
            data.qpos[:], data.qvel[:] = qpos, qvel
            if alone:
                forward(model, data)
    return time.process_time() - start


def measure(environment: str, training_steps: int) -> Measured:
    """Step natively and replay with MuJoCo alone, in turn."""
    training = trained(environment, training_steps)
    policy = training.policy()
    environments = Environments(environment, [np.random.SeedSequence(0)], ENVIRONMENTS)
    simulators = environments.simulators
    assert isinstance(simulators, Native)
    observation = environments.reset()
    generator = np.random.default_rng(0)
    native, bare, lengths = [], [], []
    for round_ in range(ROUNDS + 1):
        # Once to learn the actions and resets, once for the clock.
        saved = environments.row(0)
        actions: list[torch.Tensor] = []
        resets: dict[int, list[tuple[int, Any, Any]]] = {}
        for t in range(STEPS):
            noise = torch.from_numpy(0.1 * generator.standard_normal(1).astype(np.float32))
            action = policy(observation) + noise
            actions.append(action)
            transition = environments.step(action)
            observation = transition.observation
            for _, episode in transition.episodes:
                index = episode.environment
                data = simulators.data[index]
                resets.setdefault(t, []).append((index, data.qpos.copy(), data.qvel.copy()))
                lengths.append(episode.length)
        environments.put_row(0, saved)
        start = time.process_time()
        for action in actions:
            environments.step(action)
        natively = time.process_time() - start
        ended = environments.row(0)
        environments.put_row(0, saved)
        plain = np.stack([action[0].numpy() for action in actions])
        alone = replay(simulators, plain, resets, alone=True) - replay(simulators, plain, resets, alone=False)
        environments.put_row(0, ended)
        if round_:
            native.append(natively)
            bare.append(alone)
    ratios = [one / other for one, other in zip(native, bare, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    each = STEPS * ENVIRONMENTS / 1e6
    length = float(np.mean(lengths)) if lengths else float(simulators.limit)
    return Measured(
        environment,
        length,
        statistics.median(native) / each,
        statistics.median(bare) / each,
        middle,
        low,
        high,
    )


def main(arguments: list[str]) -> None:
    """Measure the named tasks, or all; one line each."""
    parser = argparse.ArgumentParser(prog="python -m testing.measure_simulators", description=__doc__)
    parser.add_argument("ids", nargs="*", default=list(TASKS))
    parser.add_argument("--steps", type=int, default=TRAINING_STEPS, help="of training before")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for environment in options.ids:
        one = measure(environment, options.steps)
        sys.stdout.write(
            f"| {one.environment} | {one.episode_length:.0f} | {one.bare:.1f} | {one.native:.1f} "
            f"| {one.ratio:.3f} | {one.low:.3f} to {one.high:.3f} |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
