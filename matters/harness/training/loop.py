"""The training loop of a population: a generator of events. Recording, evaluation and checkpoints consume
it.
"""

from collections.abc import Generator, Iterator

import numpy as np
import torch

from matters.algorithms.interface import Rollout
from matters.harness.training import off_policy_loop
from matters.harness.training.population import ROWS, EpisodeEnded, Event, Population, Updated


def train(training: Population) -> Iterator[Event]:
    """Go on from where the population stands until it has made all its steps."""
    if training.algorithm.KIND == "off-policy":
        return off_policy_loop.train(training)
    return train_on_policy(training)


def train_on_policy(training: Population) -> Iterator[Event]:
    """Rollout and update in turn. Told are the metrics of every k-th update, and of the last."""
    algorithm, total = training.algorithm, training.total_updates
    assert algorithm.KIND == "on-policy"
    every = -(-total // ROWS)
    while training.updates < total:
        rollout = yield from collect(training)
        metrics = algorithm.update(
            training.state,
            training.config,
            rollout,
            training.minibatch_generators,
            progress=training.updates / total,
        )
        training.step += training.rollout_steps
        told = training.updates % every == 0 or training.updates == total
        yield Updated(training.step, metrics if told else {})


def collect(training: Population) -> Generator[EpisodeEnded, None, Rollout]:
    """T steps of every environment. Yields episodes as they end; returns the rollout."""
    algorithm, config, environments = training.algorithm, training.config, training.environments
    problem = environments.problem
    shape = (config.horizon, config.environments, problem.action_size)
    noise = torch.from_numpy(
        np.stack(
            [generator.standard_normal(shape, dtype=np.float32) for generator in training.action_generators]
        )
    )
    observations, successors, actions, rewards, terminated, truncated = [], [], [], [], [], []
    for t in range(config.horizon):
        action = algorithm.act(training.state, config, training.observation, noise[:, t])
        transition = environments.step(algorithm.executed(config, problem, action))
        observations.append(training.observation)
        training.observation = algorithm.observe(training.state, config, transition.observation, learn=True)
        if transition.episodes:
            # The last observation of an episode is seen through the moments of now, but is not learnt from.
            successor = algorithm.observe(training.state, config, transition.successor, learn=False)
        else:
            successor = training.observation
        successors.append(successor)
        actions.append(action)
        rewards.append(transition.reward)
        terminated.append(transition.terminated)
        truncated.append(transition.truncated)
        for row, episode in transition.episodes:
            yield EpisodeEnded(row, training.step + (t + 1) * config.environments, episode)
    return Rollout(
        observation=torch.stack(observations, 1),
        successor=torch.stack(successors, 1),
        action=torch.stack(actions, 1),
        reward=torch.stack(rewards, 1),
        terminated=torch.stack(terminated, 1),
        truncated=torch.stack(truncated, 1),
    )
