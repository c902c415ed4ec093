"""What each on-policy rule costs beside PPO, for docs/speed.md: `python -m testing.measure_cost`.

Ten seeds of each preset on HalfCheetah-v5 take their turns in one process, some environment steps with the
learning that belongs to them. Seconds are processor time of this process. Prints a table of Markdown: steps/s
of all seeds together, and the cost of a step in units of PPO's, medians over the rounds.
"""

import statistics
import sys
import time

import torch

from matters.harness.speed.contestants import population
from matters.harness.training.loop import train
from matters.harness.training.population import Population, Updated

ENVIRONMENT, SEEDS, ROUNDS, STEPS = "HalfCheetah-v5", 10, 3, 2048
"""At least so many steps of each seed in a round: whole rollouts."""

PRESETS = {
    "ppo": "ppo",
    "ppo-decoupled": "ppo",
    "mdpo": "mdpo",
    "grpo": "grpo",
    "rloo": "rloo",
    "a2c": "a2c",
    "impala": "impala",
    "a3c": "a3c",
}
"""The algorithm of each preset."""


def seconds_per_step(training: Population, steps: int) -> float:
    """Processor time of a step of one seed, over at least so many steps of each."""
    until, start, before = training.step + steps, time.process_time(), training.step
    for event in train(training):
        if isinstance(event, Updated) and training.step >= until:
            break
    return (time.process_time() - start) / (training.step - before) / SEEDS


def main() -> None:
    """Measure in turn, and print the table."""
    torch.set_num_threads(1)
    populations = {
        preset: population(algorithm, preset, ENVIRONMENT, SEEDS, steps=10**6)
        for preset, algorithm in PRESETS.items()
    }
    for training in populations.values():
        seconds_per_step(training, 1)
    found: dict[str, list[float]] = {preset: [] for preset in PRESETS}
    for _ in range(ROUNDS):
        for preset, training in populations.items():
            found[preset].append(seconds_per_step(training, STEPS))
    sys.stdout.write("| preset | steps/s | cost of a step, PPO = 1 |\n|---|---|---|\n")
    for preset, seconds in found.items():
        ratios = [own / base for own, base in zip(seconds, found["ppo"], strict=True)]
        middle, spread = statistics.median(ratios), f"({min(ratios):.2f} to {max(ratios):.2f})"
        rate = 1 / statistics.median(seconds)
        sys.stdout.write(f"| {preset} | {rate:,.0f} | {middle:.2f} {spread} |\n")


if __name__ == "__main__":
    main()
