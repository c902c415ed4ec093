"""How a learning rule comes by its experience: what is done step by step, whoever steps the environments.

on-policy:    `collect` a rollout, then one `update`
off-policy:   `explore` one step and keep it in the replay, then the `due_updates`, or the `updates_at_ends`
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.interface import Acted, Metrics, Problem, ReplayBatch, Rollout
from matters.algorithms.parts import population
from matters.algorithms.parts.lag import Lag
from matters.algorithms.parts.replay import Replay


@runtime_checkable
class EnvStep(Protocol):
    """What one step of all environments returned."""

    observation: Float[Tensor, "S N O"]
    """What to act on next: after an episode's end, the next one's first observation."""
    successor: Float[Tensor, "S N O"]
    """What the step led to: at an episode's end its last observation."""
    reward: Float[Tensor, "S N"]
    terminated: Bool[Tensor, "S N"]
    truncated: Bool[Tensor, "S N"]
    episodes: Any
    """What is known of the episodes that ended in this step; false where none did."""


@runtime_checkable
class Environments(Protocol):
    """N environments of each seed."""

    problem: Problem

    def begin_anew(self) -> Float[Tensor, "S N O"]:
        """The first observations of new episodes; those under way are abandoned."""

    def step(self, action: Float[Tensor, "S N A"], /) -> Any:
        """An `EnvStep` with these actions; where an episode ends, the next one begins at once."""


@runtime_checkable
class Learner(Protocol):
    """A population that acts and learns: one generator of each kind per seed."""

    algorithm: Any
    config: Any
    state: Any
    environments: Any
    observation: Tensor
    """[S, N, O], what the policy acts on next."""
    memory: Tensor
    """[S, N, M], what acting remembers of the episodes so far."""
    lag: Lag | None
    """Earlier parameters, where those act instead of the current ones."""
    action_generators: list[np.random.Generator]
    minibatch_generators: list[np.random.Generator]
    replay: Replay | None
    step: int
    """Environment steps taken so far by each seed."""


@dataclass
class Experience:
    """One step as the policy saw it."""

    observation: Float[Tensor, "S N O"]
    action: Float[Tensor, "S N A"]
    successor: Float[Tensor, "S N O"]
    """The true successor: at an episode's end its last observation."""
    record: Float[Tensor, "S N R"]
    step: EnvStep


def collect(learner: Learner) -> Iterator[Experience]:
    """T steps of every environment, one after the other."""
    config, rule = learner.config, learner.algorithm
    if rule.FACTS.begins_anew(config) and learner.step:
        first = learner.environments.begin_anew()
        learner.observation = rule.observe(learner.state, config, first, learn=True)
        learner.memory = torch.zeros_like(learner.memory)
    sizes = rule.sizes(config, learner.environments.problem)
    shape = (config.horizon, config.environments, sizes.noise)
    noise = _stacked(own.standard_normal(shape, dtype=np.float32) for own in learner.action_generators)
    state = learner.state if learner.lag is None else learner.lag.next(learner.state)
    for drawn in noise.unbind(1):
        acted = rule.act(state, config, learner.observation, drawn, learner.memory)
        yield _take_step(learner, acted)


def rollout(steps: Sequence[Experience]) -> Rollout:
    """The steps that `collect` gave, as one rollout."""
    return Rollout(
        observation=torch.stack([one.observation for one in steps], 1),
        successor=torch.stack([one.successor for one in steps], 1),
        action=torch.stack([one.action for one in steps], 1),
        reward=torch.stack([one.step.reward for one in steps], 1),
        terminated=torch.stack([one.step.terminated for one in steps], 1),
        truncated=torch.stack([one.step.truncated for one in steps], 1),
        record=torch.stack([one.record for one in steps], 1),
    )


def explore(learner: Learner) -> Experience:
    """One step of each seed's environment, kept in the replay; actions are uniform during the warm-up."""
    config, replay, generators = learner.config, learner.replay, learner.action_generators
    assert replay is not None
    problem, rule = learner.environments.problem, learner.algorithm
    sizes = rule.sizes(config, problem)
    if learner.step < config.warmup:
        shape = (1, problem.action_size)
        action = _stacked(2 * own.random(shape, dtype=np.float32) - 1 for own in generators)
        acted = Acted(action, learner.memory, action.new_zeros(len(action), 1, sizes.record))
    else:
        noise = _stacked(own.standard_normal((1, sizes.noise), dtype=np.float32) for own in generators)
        acted = rule.act(learner.state, config, learner.observation, noise, learner.memory)
    one = _take_step(learner, acted)
    ends = one.step.terminated, one.step.truncated
    parts = (one.observation, one.action, one.step.reward, *ends, one.successor, one.record)
    replay.add(*(part[:, 0] for part in parts))
    return one


def due_updates(learner: Learner) -> Iterator[Metrics]:
    """The gradient steps that follow the step just taken, if any do; yields what each measured.

    Counted as Stable-Baselines3's learning_starts and train_freq are.
    """
    config, replay = learner.config, learner.replay
    assert replay is not None
    if learner.algorithm.FACTS.learns_at_ends(config):
        return
    if learner.step <= config.warmup or learner.step % config.train_every:
        return
    for _ in range(config.gradient_steps):
        batch = _sample(replay, config, learner.minibatch_generators)
        yield learner.algorithm.update(learner.state, config, batch, learner.minibatch_generators)


def updates_at_ends(learner: Learner) -> Iterator[tuple[int, dict[str, list[list[float]]]]]:
    """Where a rule learns at episode ends: the gradient steps of each seed whose episode the step just taken
    ended. Yields its row, and by metric what each gradient step measured, as a list of one number.

    Episodes of different seeds end at different steps, so each seed learns alone, on a copy of its numbers.
    """
    config, replay, rule = learner.config, learner.replay, learner.algorithm
    assert replay is not None
    if not rule.FACTS.learns_at_ends(config):
        return
    for row, length in replay.just_ended():
        alone, rows = population.select(learner.state, [row]), replay.only(row)
        generators = learner.minibatch_generators[row : row + 1]
        measured: dict[str, list[list[float]]] = {}
        for _ in range(length):
            metrics = rule.update(alone, config, _sample(rows, config, generators), generators)
            for name, value in metrics.items():
                measured.setdefault(name, []).append(value.tolist())
        population.put_row(learner.state, row, population.row(alone, 0))
        yield row, measured


def _sample(replay: Replay, config: Any, generators: Sequence[np.random.Generator]) -> ReplayBatch:
    steps = getattr(config, "n_step", 1)  # a user's own rule may have none
    several = {"steps": steps, "discount": config.discount} if steps > 1 else {}
    return replay.sample(generators, config.batch_size, **several)


def first_memory(rule: Any, config: Any, problem: Problem, shape: tuple[int, int]) -> Float[Tensor, "S N M"]:
    """What acting remembers before the first step."""
    return torch.zeros(*shape, rule.sizes(config, problem).memory)


def _take_step(learner: Learner, acted: Acted) -> Experience:
    """Execute the action, and look at what comes next. What acting remembers ends with an episode."""
    action, memory, record = acted
    algorithm, state, config = learner.algorithm, learner.state, learner.config
    seen, environments = learner.observation, learner.environments
    step: EnvStep = environments.step(algorithm.to_environment(config, environments.problem, action))
    learner.step += seen.shape[1]
    learner.memory = memory
    learner.observation = algorithm.observe(state, config, step.observation, learn=True)
    if not step.episodes:
        return Experience(seen, action, learner.observation, record, step)
    if memory.shape[2]:
        learner.memory = memory.masked_fill((step.terminated | step.truncated)[..., None], 0.0)
    # An episode's last observation is standardised with the current moments, which do not learn from it.
    successor = algorithm.observe(state, config, step.successor, learn=False)
    return Experience(seen, action, successor, record, step)


def _stacked(rows: Iterable[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(list(rows)))
