"""The training loop of a population: a generator of events. Recording, evaluation and checkpoints consume
it.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from algorithms import load, population
from algorithms.interface import Metrics, OnPolicy, Rollout
from harness.environments import Environments, Episode
from harness.evaluate import Policy
from suites.spec import RunSpec


class Streams(NamedTuple):
    """The disjoint sources of randomness of one run."""

    initialisation: np.random.SeedSequence
    action: np.random.SeedSequence
    minibatch: np.random.SeedSequence
    training: np.random.SeedSequence
    evaluation: np.random.SeedSequence


def streams(seed: int) -> Streams:
    """Spawned from the run's seed; never seed + i, which other seeds would share."""
    return Streams(*np.random.SeedSequence(seed).spawn(len(Streams._fields)))


@dataclass
class Training:
    """All that a population's future depends on."""

    specs: list[RunSpec]
    algorithm: OnPolicy
    config: Any
    state: Any
    environments: Environments
    observation: Tensor
    """[S, N, O], what the policy acts on next."""
    action_generators: list[np.random.Generator]
    minibatch_generators: list[np.random.Generator]
    updates: int = 0

    @property
    def step(self) -> int:
        """Environment steps taken so far by each run."""
        return self.updates * self.rollout_steps

    @property
    def rollout_steps(self) -> int:
        """Environment steps of a rollout, T · N."""
        return int(self.config.horizon * self.config.environments)

    @property
    def total_updates(self) -> int:
        """Updates of a whole run. Rollouts are never cut: the last one may pass the steps asked."""
        return -(-self.specs[0].steps // self.rollout_steps)

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only."""
        self.specs = [self.specs[row] for row in rows]
        self.state = population.select(self.state, rows)
        self.environments.keep(rows)
        self.observation = self.observation[rows]
        self.action_generators = [self.action_generators[row] for row in rows]
        self.minibatch_generators = [self.minibatch_generators[row] for row in rows]

    def policy(self) -> Policy:
        """The deterministic policy with frozen normalisers, on raw observations."""

        def mode(observation: Tensor) -> Tensor:
            seen = self.algorithm.observe(self.state, self.config, observation, learn=False)
            action = self.algorithm.act(self.state, self.config, seen, None)
            return self.algorithm.executed(self.config, self.environments.problem, action)

        return mode


@dataclass
class EpisodeEnded:
    """Seed `row` finished a training episode at its step `step`."""

    row: int
    step: int
    episode: Episode


@dataclass
class Updated:
    """The population learnt from a rollout; it now stands at `step`, and may be saved, evaluated or left."""

    step: int
    metrics: Metrics


Event = EpisodeEnded | Updated


def begin(specs: list[RunSpec]) -> Training:
    """A population at step 0. The specs differ in their seed only."""
    spec = specs[0]
    algorithm = load(spec.algorithm)
    assert algorithm.KIND == "on-policy"
    config = algorithm.Config.model_validate(spec.config, strict=False)
    sources = [streams(spec.seed) for spec in specs]
    environments = Environments(
        spec.environment, [source.training for source in sources], config.environments
    )
    state = algorithm.init(
        config, environments.problem, [np.random.default_rng(source.initialisation) for source in sources]
    )
    return Training(
        specs=specs,
        algorithm=algorithm,
        config=config,
        state=state,
        environments=environments,
        observation=algorithm.observe(state, config, environments.reset(), learn=True),
        action_generators=[np.random.default_rng(source.action) for source in sources],
        minibatch_generators=[np.random.default_rng(source.minibatch) for source in sources],
    )


def train(training: Training) -> Iterator[Event]:
    """Rollout and update in turn until the population has made all its updates."""
    while training.updates < training.total_updates:
        rollout = yield from collect(training)
        metrics = training.algorithm.update(
            training.state,
            training.config,
            rollout,
            training.minibatch_generators,
            progress=training.updates / training.total_updates,
        )
        training.updates += 1
        yield Updated(training.step, metrics)


def collect(training: Training) -> Generator[EpisodeEnded, None, Rollout]:
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
