"""A small world to learn in, for the tests of this room: a seed's numbers are drawn from that seed alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms.interface import Frozen, Problem, Rollout, Transitions
from matters.algorithms.parts import population

PROBLEM = Problem(observation_size=5, action_size=3, action_low=(-0.5,) * 3, action_high=(0.5,) * 3)

BANDIT = Problem(observation_size=1, action_size=1, action_low=(-1.0,), action_high=(1.0,))

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


def batch_of(
    seeds: Sequence[int], size: int, stream: int = 200, *, problem: Problem = PROBLEM
) -> Transitions:
    """A batch that no policy made: everything is drawn."""
    own = generators(seeds, stream)
    observation = normal(own, size, problem.observation_size)
    action = normal(own, size, problem.action_size).tanh()
    reward, successor = normal(own, size), normal(own, size, problem.observation_size)
    terminated, truncated = chance(own, size), chance(own, size)
    return Transitions(observation, action, reward, terminated, truncated & ~terminated, successor)


def practised(
    rule: Any,
    config: Any,
    seeds: Sequence[int],
    *,
    steps: int = 13,
    problem: Problem = PROBLEM,
    time_limits: bool = True,
    disturb: Callable[[Transitions], None] | None = None,
) -> Any:
    """The state of a population after that many steps of the loop that the interface describes.

    The reward is largest where the executed action follows the observation; the successor knows of neither.
    """
    state = rule.init(config, problem, generators(seeds))
    own, draws, order = generators(seeds, 300), generators(seeds, 301), generators(seeds, 302)
    replay: list[Transitions] = []
    for step in range(1, steps + 1):
        raw = rule.observe(state, config, 3 * normal(own, 1, problem.observation_size) + 1, learn=True)
        noise = normal(own, 1, problem.action_size)
        action = noise.tanh() if step <= config.warmup else rule.act(state, config, raw, noise)
        done = rule.executed(config, problem, action)
        terminated, truncated = chance(own, 1), chance(own, 1)
        truncated = truncated & ~terminated & time_limits
        reward = 1 - (done[..., 0] - 0.1 * raw[..., 0]) ** 2
        successor = 3 * normal(own, 1, problem.observation_size) + 1
        rule.ended(state, config, terminated | truncated)
        replay.append(Transitions(raw, action, reward, terminated, truncated, successor))
        del replay[: -config.buffer_size]
        if step > config.warmup and step % config.train_every == 0:
            for _ in range(config.gradient_steps):
                batch = sampled(replay, config.batch_size, draws)
                if disturb is not None:
                    disturb(batch)
                rule.update(state, config, batch, order)
    return state


def double(batch: Transitions) -> Transitions:
    """The batch in double precision."""
    return Transitions(**{k: v.double() if v.is_floating_point() else v for k, v in vars(batch).items()})


def module(views: Sequence[Tensor], *, tanh: bool = False) -> torch.nn.Sequential:
    """The `torch.nn` network of one network's parameters: ReLU between layers, perhaps tanh at its end."""
    layers: list[torch.nn.Module] = []
    for weight, bias in zip(views[::2], views[1::2], strict=True):
        linear = torch.nn.Linear(*weight.shape, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias[0])
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1], *[torch.nn.Tanh()] * tanh)


def weights_of(network: torch.nn.Module) -> list[Tensor]:
    """A `torch.nn` network's parameters as θ has them."""
    return [p.detach().T if p.ndim == 2 else p.detach()[None] for p in network.parameters()]


def bandit(seeds: Sequence[int], size: int, reward: Callable[[Tensor], Tensor]) -> Transitions:
    """Episodes of one step with one action: a batch of uniform actions and their rewards, [S, B, 1]."""
    own = generators(seeds, 400)
    action = torch.from_numpy(np.stack([g.uniform(-1, 1, (size, 1)).astype(np.float32) for g in own]))
    nothing, ends = torch.ones(len(seeds), size, 1), torch.ones(len(seeds), size, dtype=torch.bool)
    return Transitions(nothing, action, reward(action)[..., 0], ends, ~ends, nothing)


def sampled(replay: list[Transitions], size: int, own: Sequence[np.random.Generator]) -> Transitions:
    """A batch from the transitions [S, 1, …] of each step, with replacement."""
    index = torch.from_numpy(np.stack([g.integers(len(replay), size=size) for g in own]))
    rows = torch.arange(len(index))[:, None]
    kept = {name: torch.cat([vars(step)[name] for step in replay], dim=1) for name in vars(replay[0])}
    return Transitions(**{name: tensor[rows, index] for name, tensor in kept.items()})


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
