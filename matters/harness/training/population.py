"""A population in training: all that its future depends on, and the events that it yields."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from matters.algorithms import load
from matters.algorithms.experience import first_memory
from matters.algorithms.interface import Metrics, OffPolicy, OnPolicy
from matters.algorithms.parts import population
from matters.algorithms.parts.lag import Lag
from matters.algorithms.parts.replay import Replay
from matters.harness.training.environments import Environments, Episode
from matters.harness.training.evaluate import Policy
from matters.suites.spec import RunSpec


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
class Population:
    """All that a population's future depends on."""

    specs: list[RunSpec]
    algorithm: OnPolicy | OffPolicy
    config: Any
    state: Any
    environments: Environments
    observation: Tensor
    """[S, N, O], what the policy acts on next."""
    action_generators: list[np.random.Generator]
    minibatch_generators: list[np.random.Generator]
    memory: Tensor
    """[S, N, M], what acting remembers of the episodes so far."""
    lag: Lag | None = None
    """Earlier parameters, where those act instead of the current ones."""
    replay: Replay | None = None
    """What an off-policy rule learns from."""
    step: int = 0
    """Environment steps taken so far by each run."""
    measured: dict[str, list[list[float]]] = field(default_factory=dict)
    """What the updates since the last block's end measured, by metric: for each update a number per seed."""

    @property
    def rollout_steps(self) -> int:
        """Environment steps of an on-policy rule's rollout, T · N."""
        return self.algorithm.FACTS.rollout_steps(self.config)

    @property
    def updates(self) -> int:
        """Updates that an on-policy rule has made."""
        return self.step // self.rollout_steps

    @property
    def total_updates(self) -> int:
        """On-policy updates of a whole run. Rollouts are never cut: the last may pass the steps asked for."""
        return -(-self.specs[0].steps // self.rollout_steps)

    @property
    def sound(self) -> Bool[Tensor, " S"]:
        """Seeds all of whose numbers are finite, including the actions that their policy asked for."""
        return population.finite(self.state) & ~torch.from_numpy(self.environments.not_finite)

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only."""
        self.specs = [self.specs[row] for row in rows]
        self.state = population.select(self.state, rows)
        self.environments.keep(rows)
        self.observation, self.memory = self.observation[rows], self.memory[rows]
        self.lag = None if self.lag is None else population.select(self.lag, rows)
        self.action_generators = [self.action_generators[row] for row in rows]
        self.minibatch_generators = [self.minibatch_generators[row] for row in rows]
        if self.replay is not None:
            self.replay.keep(rows)
        self.measured = {
            name: [[values[row] for row in rows] for values in updates]
            for name, updates in self.measured.items()
        }

    def policy(self) -> Policy:
        """The deterministic policy with frozen normalisers, on raw observations."""

        def mode(observation: Tensor) -> Tensor:
            seen = self.algorithm.observe(self.state, self.config, observation, learn=False)
            nothing = first_memory(self.algorithm, self.config, problem, (seen.shape[0], seen.shape[1]))
            action = self.algorithm.act(self.state, self.config, seen, None, nothing).action
            return self.algorithm.to_environment(self.config, problem, action)

        problem = self.environments.problem
        return mode


@dataclass
class EpisodeEnded:
    """Seed `row` finished a training episode at its step `step`."""

    row: int
    step: int
    episode: Episode


@dataclass
class Updated:
    """The population learnt for a while; it now stands at `step`, and may be saved, evaluated or left.

    `metrics` are what is to be recorded of it; empty if nothing is.
    """

    step: int
    metrics: Metrics


@dataclass
class SeedUpdated:
    """Seed `row` learnt by itself at its step `step`, where its episode ended; `metrics`, each [1], are means
    over its gradient steps.
    """

    row: int
    step: int
    metrics: Metrics


@dataclass
class PolicyDue:
    """The population stands at a step, within a block, whose policies are kept or evaluated."""

    step: int


Event = EpisodeEnded | Updated | SeedUpdated | PolicyDue


def begin(specs: list[RunSpec]) -> Population:
    """A population at step 0. The specs differ in their seed only."""
    spec = specs[0]
    algorithm = load(spec.algorithm)
    assert algorithm.KIND != "reference"
    config = algorithm.Config.model_validate(spec.config, strict=False)
    sources = [streams(spec.seed) for spec in specs]
    environments = Environments(
        spec.environment,
        [source.training for source in sources],
        config.environments if algorithm.KIND == "on-policy" else 1,
        spec.environment_settings,
        algorithm.FACTS.group_size(config),
    )
    problem = environments.problem
    replay = None
    if algorithm.KIND == "off-policy":
        capacity = min(config.buffer_size, spec.steps)
        sizes = problem.observation_size, problem.action_size, algorithm.sizes(config, problem).record
        replay = Replay(len(specs), capacity, *sizes)
    state = algorithm.init(
        config, problem, [np.random.default_rng(source.initialisation) for source in sources]
    )
    observation = algorithm.observe(state, config, environments.reset(), learn=True)
    shape = observation.shape[0], observation.shape[1]
    return Population(
        specs=specs,
        algorithm=algorithm,
        config=config,
        state=state,
        environments=environments,
        observation=observation,
        memory=first_memory(algorithm, config, problem, shape),
        lag=Lag.of(state, algorithm.FACTS.lag_updates(config)),
        action_generators=[np.random.default_rng(source.action) for source in sources],
        minibatch_generators=[np.random.default_rng(source.minibatch) for source in sources],
        replay=replay,
    )
