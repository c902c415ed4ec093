"""The training loop of a population: a generator of events. Recording, evaluation and checkpoints consume
it.
"""

from collections.abc import Iterator

import torch

from matters.algorithms.experience import Experience, collect, due_updates, explore, rollout
from matters.algorithms.interface import Metrics
from matters.harness.training.population import ROWS, EpisodeEnded, Event, Population, Updated
from matters.suites.spec import RunSpec

SHORTEST_BLOCK = 100


def train(training: Population) -> Iterator[Event]:
    """Go on from where the population stands until it has made all its steps."""
    return train_on_policy(training) if training.replay is None else train_off_policy(training)


def train_on_policy(training: Population) -> Iterator[Event]:
    """Rollout and update in turn. Told are the metrics of every k-th update, and of the last."""
    algorithm, total = training.algorithm, training.total_updates
    assert algorithm.KIND == "on-policy"
    every = -(-total // ROWS)
    while training.updates < total:
        progress, seen = training.updates / total, []
        for one in collect(training):
            seen.append(one)
            yield from ended(training, one)
        metrics = algorithm.update(
            training.state, training.config, rollout(seen), training.minibatch_generators, progress=progress
        )
        told = training.updates % every == 0 or training.updates == total
        yield Updated(training.step, metrics if told else {})


def train_off_policy(training: Population) -> Iterator[Event]:
    """Step after step, with gradient steps between; in blocks, at whose ends the population may be left.

    Told of a block is the mean, over its updates, of each metric that some of them computed.
    """
    spec = training.specs[0]
    while training.step < spec.steps:
        end = block_end(spec, training.step)
        # Numbers, not tensors: small pieces that stay would lie between large ones that come and go, and no
        # large one would fit where the last one was. Ten seeds of TD3 would grow by 5 MB a gradient step.
        measured: dict[str, list[list[float]]] = {}
        while training.step < end:
            yield from ended(training, explore(training))
            for metrics in due_updates(training):
                for name, value in metrics.items():
                    measured.setdefault(name, []).append(value.tolist())
        yield Updated(training.step, means(measured))


def ended(training: Population, one: Experience) -> Iterator[EpisodeEnded]:
    """The episodes that the step just taken ended."""
    for row, episode in one.step.episodes:
        yield EpisodeEnded(row, training.step, episode)


def block_end(spec: RunSpec, step: int) -> int:
    """Where the block from `step` ends: at a multiple of its length, an evaluation point or the run's end.

    A length of 100 steps, or of more where that would make more than ROWS blocks.
    """
    length = max(SHORTEST_BLOCK, -(-spec.steps // ROWS))
    points = spec.evaluation.points
    next_point = step * points // spec.steps + 1
    return min((step // length + 1) * length, -(-next_point * spec.steps // points))


def means(measured: dict[str, list[list[float]]]) -> Metrics:
    """The mean of each metric [S] over the times that it was measured, in double precision."""
    return {name: torch.tensor(values, dtype=torch.float64).mean(0) for name, values in measured.items()}
