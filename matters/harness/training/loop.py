"""The training loop of a population: a generator of events. Recording, evaluation and checkpoints consume
it.

Apart from its end, and from schedules that say so, nothing here depends on how long the run is.
"""

from collections.abc import Iterator

import torch

from matters.algorithms.experience import (
    Experience,
    collect,
    due_updates,
    explore,
    rollout,
    updates_at_ends,
)
from matters.algorithms.interface import Metrics
from matters.harness.training.kept_policies import next_kept
from matters.harness.training.population import (
    EpisodeEnded,
    Event,
    PolicyDue,
    Population,
    SeedUpdated,
    Updated,
)

BLOCK = 100
"""Environment steps for which the record has one row of updates: the first of several on-policy ones to reach
the block's end, or the mean over gradient steps. There an off-policy population is checked for divergence,
and may be left.
"""


def train(training: Population) -> Iterator[Event]:
    """Go on from where the population stands until it has made all its steps."""
    return train_on_policy(training) if training.replay is None else train_off_policy(training)


def train_on_policy(training: Population) -> Iterator[Event]:
    """Rollout and update in turn."""
    algorithm, total = training.algorithm, training.total_updates
    assert algorithm.KIND == "on-policy"
    while training.updates < total:
        progress, before, seen = training.updates / total, training.step, []
        for one in collect(training):
            seen.append(one)
            yield from ended(training, one)
        metrics = algorithm.update(
            training.state, training.config, rollout(seen), training.minibatch_generators, progress=progress
        )
        ends_block = training.step // BLOCK > before // BLOCK
        yield Updated(training.step, metrics if ends_block else {})


def train_off_policy(training: Population) -> Iterator[Event]:
    """Step after step, with gradient steps in between."""
    spec = training.specs[0]
    kept = next_kept(spec, training.step)
    while training.step < spec.steps:
        yield from ended(training, explore(training))
        for metrics in due_updates(training):
            # Numbers, not tensors: small pieces that stay would lie between large ones that come and go, and
            # no large one would fit where the last one was. Ten seeds of TD3 would grow by 5 MB per
            # gradient step.
            for name, value in metrics.items():
                training.measured.setdefault(name, []).append(value.tolist())
        for row, measured in updates_at_ends(training):
            yield SeedUpdated(row, training.step, means(measured))
        if training.step % BLOCK == 0:
            block, training.measured = means(training.measured), {}
            yield Updated(training.step, block)
        elif training.step in (kept, spec.steps):
            yield PolicyDue(training.step)
        if training.step >= kept:
            kept = next_kept(spec, training.step)


def ended(training: Population, one: Experience) -> Iterator[EpisodeEnded]:
    """The episodes that the step just taken ended."""
    for row, episode in one.step.episodes:
        yield EpisodeEnded(row, training.step, episode)


def means(measured: dict[str, list[list[float]]]) -> Metrics:
    """The mean of each metric [S] over its measurements, in double precision."""
    return {name: torch.tensor(values, dtype=torch.float64).mean(0) for name, values in measured.items()}
