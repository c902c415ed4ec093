"""A small world to learn in, for the tests of this room: a seed's numbers are drawn from that seed alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms import population
from algorithms.interface import Frozen, Problem, Rollout

PROBLEM = Problem(observation_size=5, action_size=3, action_low=(-0.5,) * 3, action_high=(0.5,) * 3)

Disturb = Callable[[Rollout], None]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Sums are split among threads; the promise of the same bits is for one."""
    torch.set_num_threads(1)


def generators(seeds: Sequence[int], stream: int = 0) -> list[np.random.Generator]:
    """One generator a seed."""
    return [np.random.default_rng([stream, seed]) for seed in seeds]


def normal(own: Sequence[np.random.Generator], *shape: int) -> Tensor:
    """Standard normal float32 [S, *shape], each row from its own generator."""
    return torch.from_numpy(np.stack([g.standard_normal(shape, dtype=np.float32) for g in own]))


def chance(own: Sequence[np.random.Generator], *shape: int) -> Tensor:
    """True in one of eight places, [S, *shape]."""
    return torch.from_numpy(np.stack([g.random(shape) < 0.125 for g in own]))


def collect(
    rule: Any,
    state: Any,
    config: Any,
    seeds: Sequence[int],
    update: int = 0,
    *,
    problem: Problem = PROBLEM,
    time_limits: bool = True,
) -> Rollout:
    """A rollout whose reward is largest where the executed action follows the raw observation."""
    own = generators(seeds, 100 + update)
    shape = (config.horizon, config.environments)
    raw = 3 * normal(own, shape[0] + 1, shape[1], problem.observation_size) + 1
    last = normal(own, *shape, problem.observation_size)
    noise = normal(own, *shape, problem.action_size)
    terminated, truncated = chance(own, *shape), chance(own, *shape)
    truncated = truncated & ~terminated & time_limits
    observations, successors, actions, rewards = [], [], [], []
    observation = rule.observe(state, config, raw[:, 0], learn=True)
    for t in range(config.horizon):
        action = rule.act(state, config, observation, noise[:, t])
        executed = rule.executed(config, problem, action)
        observations.append(observation)
        actions.append(action)
        rewards.append(1 - (executed[..., 0] - 0.1 * raw[:, t, :, 0]) ** 2)
        observation = rule.observe(state, config, raw[:, t + 1], learn=True)
        unseen = rule.observe(state, config, last[:, t], learn=False)
        ended = (terminated | truncated)[:, t, :, None]
        successors.append(torch.where(ended, unseen, observation))
    return Rollout(
        observation=torch.stack(observations, 1),
        successor=torch.stack(successors, 1),
        action=torch.stack(actions, 1),
        reward=torch.stack(rewards, 1),
        terminated=terminated,
        truncated=truncated,
    )


def trained(
    rule: Any,
    config: Any,
    seeds: Sequence[int],
    *,
    updates: int = 2,
    problem: Problem = PROBLEM,
    time_limits: bool = True,
    disturb: Disturb | None = None,
) -> Any:
    """The state of a population after some updates, half-way through a training of twice as many."""
    state = rule.init(config, problem, generators(seeds))
    order = generators(seeds, 1)
    for update in range(updates):
        rollout = collect(rule, state, config, seeds, update, problem=problem, time_limits=time_limits)
        if disturb is not None:
            disturb(rollout)
        rule.update(state, config, rollout, order, progress=(update + updates) / (2 * updates))
    return state


def bits(state: Any, index: int) -> dict[str, bytes]:
    """All that one seed owns, as bytes by name."""
    return {name: array.tobytes() for name, array in population.row(state, index).items()}


def fields_of(config: type[Frozen], prefix: str = "") -> list[str]:
    """Every field of a config by its dotted name, those of nested models in place of the model."""
    names = []
    for name, field in config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Frozen):
            names += fields_of(field.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def changed(config: Any, **values: Any) -> Any:
    """The config with other values, validated anew; a double underscore stands for the dot."""
    data = config.model_dump()
    for name, value in values.items():
        *path, last = name.split("__")
        inner = data
        for part in path:
            inner = inner[part]
        inner[last] = value
    return type(config).model_validate(data)
