"""What native stepping adds to MuJoCo: `python -m testing.measure_simulators [--steps N] [ID …]`.

Ten environments are stepped by a policy that PPO has trained for a while, resets included. The same steps are
then replayed from the same start by MuJoCo alone: controls, `mj_step`, a reset's `mj_forward`, and
`mj_rnePostConstraint` where contact forces are read. What Python needs to replay them without MuJoCo is
measured, too, and subtracted. Both are measured in turn, in processor seconds of this process.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass

import numpy as np
import torch

from matters.harness.speed.contestants import population
from matters.harness.speed.limit import mujoco_alone, record, step_again
from matters.harness.training.environments import Environments
from matters.harness.training.loop import train
from matters.harness.training.population import Population
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
    """One seed of PPO with Stable-Baselines3's settings, trained for `steps` steps."""
    training = population("ppo", "ppo-sb3", environment, 1, steps)
    for _ in train(training):
        pass
    return training


def measure(environment: str, training_steps: int) -> Measured:
    """Step natively and replay with MuJoCo alone, in turn."""
    policy = trained(environment, training_steps).policy()
    environments = Environments(environment, [np.random.SeedSequence(0)], ENVIRONMENTS)
    generator = np.random.default_rng(0)

    def act(observation: torch.Tensor) -> torch.Tensor:
        action = policy(observation)
        return action + torch.from_numpy(0.1 * generator.standard_normal(action.shape, dtype=np.float32))

    observation = environments.reset()
    native, bare, lengths = [], [], []
    for round_ in range(ROUNDS + 1):
        recorded, observation = record(environments, observation, act, STEPS)
        lengths += recorded.lengths
        after = environments.row(0)
        seconds = step_again(environments, recorded), mujoco_alone(environments, recorded)
        environments.put_row(0, after)
        if round_:  # the first warms up
            native.append(seconds[0])
            bare.append(seconds[1])
    ratios = [one / other for one, other in zip(native, bare, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    each = STEPS * ENVIRONMENTS / 1e6
    length = float(np.mean(lengths)) if lengths else float(STEPS * (ROUNDS + 1))
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
