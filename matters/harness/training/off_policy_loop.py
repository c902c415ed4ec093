"""The loop of a rule that learns from a replay: act, step, keep, and a few gradient steps now and then."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from matters.algorithms.interface import Metrics
from matters.harness.training.population import ROWS, EpisodeEnded, Event, Population, Updated
from matters.suites.spec import RunSpec

SHORTEST_BLOCK = 100


def train(training: Population) -> Iterator[Event]:
    """Step after step, with gradient steps between; in blocks, at whose ends the population may be left.

    Told of a block is the mean, over its updates, of each metric that some of them computed.
    """
    algorithm, config, replay, spec = training.algorithm, training.config, training.replay, training.specs[0]
    assert algorithm.KIND == "off-policy"
    assert replay is not None
    while training.step < spec.steps:
        end = block_end(spec, training.step)
        # Numbers, not tensors: small pieces that stay would lie between large ones that come and go, and no
        # large one would fit where the last one was. Ten seeds of TD3 would grow by 5 MB a gradient step.
        measured: dict[str, list[list[float]]] = {}
        while training.step < end:
            yield from step(training)
            # Counted as Stable-Baselines3's learning_starts and train_freq are.
            if training.step <= config.warmup or training.step % config.train_every:
                continue
            for _ in range(config.gradient_steps):
                batch = replay.sample(training.minibatch_generators, config.batch_size)
                metrics = algorithm.update(training.state, config, batch, training.minibatch_generators)
                for name, value in metrics.items():
                    measured.setdefault(name, []).append(value.tolist())
        yield Updated(training.step, means(measured))


def block_end(spec: RunSpec, step: int) -> int:
    """Where the block from `step` ends: at a multiple of its length, an evaluation point or the run's end.

    A length of 100 steps, or of more where that would make more than ROWS blocks.
    """
    length = max(SHORTEST_BLOCK, -(-spec.steps // ROWS))
    points = spec.evaluation.points
    next_point = step * points // spec.steps + 1
    return min((step // length + 1) * length, -(-next_point * spec.steps // points))


def step(training: Population) -> Iterator[EpisodeEnded]:
    """One step of each seed's environment, kept in the replay. Yields the episodes that it ended."""
    algorithm, config, environments = training.algorithm, training.config, training.environments
    replay, problem, seen = training.replay, environments.problem, training.observation
    assert algorithm.KIND == "off-policy"
    assert replay is not None
    shape = (1, problem.action_size)
    if training.step < config.warmup:
        action = _drawn([2 * g.random(shape, dtype=np.float32) - 1 for g in training.action_generators])
    else:
        noise = _drawn([g.standard_normal(shape, dtype=np.float32) for g in training.action_generators])
        action = algorithm.act(training.state, config, seen, noise)
    transition = environments.step(algorithm.executed(config, problem, action))
    training.observation = algorithm.observe(training.state, config, transition.observation, learn=True)
    successor = training.observation
    if transition.episodes:
        successor = algorithm.observe(training.state, config, transition.successor, learn=False)
    replay.add(
        seen[:, 0],
        action[:, 0],
        transition.reward[:, 0],
        transition.terminated[:, 0],
        transition.truncated[:, 0],
        successor[:, 0],
    )
    algorithm.ended(training.state, config, transition.terminated | transition.truncated)
    training.step += 1
    for row, episode in transition.episodes:
        yield EpisodeEnded(row, training.step, episode)


def means(measured: dict[str, list[list[float]]]) -> Metrics:
    """The mean of each metric [S] over the times that it was measured, in double precision."""
    return {name: torch.tensor(values, dtype=torch.float64).mean(0) for name, values in measured.items()}


def _drawn(rows: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows))
