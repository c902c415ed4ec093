"""A small world to learn in, for the tests of this room: a seed's numbers are drawn from that seed alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms import experience
from matters.algorithms.experience import rollout
from matters.algorithms.interface import Frozen, Problem, ReplayBatch, Rollout
from matters.algorithms.parts import population
from matters.algorithms.parts.lag import Lag
from matters.algorithms.parts.replay import Replay

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


@dataclass
class Step:
    """What one step of a `World` gave."""

    observation: Tensor
    successor: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    episodes: bool


class World:
    """The reward is largest where the executed action follows the observation; the rest is drawn."""

    def __init__(
        self, seeds: Sequence[int], stream: int, environments: int, problem: Problem, *, time_limits: bool
    ) -> None:
        self.own = generators(seeds, stream)
        self.shape = environments, problem.observation_size
        self.problem = problem
        self.time_limits = time_limits

    def reset(self) -> Tensor:
        self.observation = 3 * normal(self.own, *self.shape) + 1
        return self.observation

    def begin_anew(self) -> Tensor:
        return self.reset()

    def step(self, action: Tensor) -> Step:
        reward = 1 - (action[..., 0] - 0.1 * self.observation[..., 0]) ** 2
        terminated, truncated = chance(self.own, self.shape[0]), chance(self.own, self.shape[0])
        truncated = truncated & ~terminated & self.time_limits
        ended = terminated | truncated
        last = normal(self.own, *self.shape)
        after = self.reset()
        successor = torch.where(ended[..., None], last, after)
        return Step(after, successor, reward, terminated, truncated, bool(ended.any()))


class Disturbed(Replay):
    """A replay whose batches something happens to."""

    def __init__(self, disturb: Callable[[ReplayBatch], None], *sizes: int) -> None:
        super().__init__(*sizes)
        self.disturb = disturb

    def sample(
        self, generators: Sequence[np.random.Generator], batch_size: int, **several: Any
    ) -> ReplayBatch:
        batch = super().sample(generators, batch_size, **several)
        self.disturb(batch)
        return batch


@dataclass
class Learner:
    """A population in a small world."""

    algorithm: Any
    config: Any
    state: Any
    environments: World
    observation: Tensor
    memory: Tensor
    lag: Lag | None
    action_generators: list[np.random.Generator]
    minibatch_generators: list[np.random.Generator]
    replay: Replay | None = None
    step: int = 0


def learner(
    rule: Any,
    config: Any,
    state: Any,
    seeds: Sequence[int],
    world: World,
    replay: Replay | None = None,
    lag: Lag | None = None,
) -> Learner:
    """A population of these seeds that stands at the beginning of its first episodes."""
    streams = generators(seeds, 301), generators(seeds, 302)
    seen = rule.observe(state, config, world.reset(), learn=True)
    memory = experience.first_memory(rule, config, world.problem, (seen.shape[0], seen.shape[1]))
    return Learner(rule, config, state, world, seen, memory, lag, *streams, replay)


def acted(rule: Any, config: Any, state: Any, seen: Tensor, noise: Tensor | None, size: int = 0) -> Tensor:
    """The actions of a rule that remembers nothing, or in the first step of episodes."""
    action: Tensor = rule.act(state, config, seen, noise, torch.zeros(*seen.shape[:2], size)).action
    return action


def collect(
    rule: Any,
    state: Any,
    config: Any,
    seeds: Sequence[int],
    update: int = 0,
    *,
    problem: Problem = PROBLEM,
    time_limits: bool = True,
    lag: Lag | None = None,
) -> Rollout:
    """The rollout before that update."""
    world = World(seeds, 100 + update, config.environments, problem, time_limits=time_limits)
    return rollout(list(experience.collect(learner(rule, config, state, seeds, world, lag=lag))))


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
    order, lag = generators(seeds, 1), Lag.of(state, rule.FACTS.lag_updates(config))
    for update in range(updates):
        seen = collect(rule, state, config, seeds, update, problem=problem, time_limits=time_limits, lag=lag)
        if disturb is not None:
            disturb(seen)
        rule.update(state, config, seen, order, progress=(update + updates) / (2 * updates))
    return state


def batch_of(
    seeds: Sequence[int], size: int, stream: int = 200, *, problem: Problem = PROBLEM
) -> ReplayBatch:
    """A batch that no policy made: everything is drawn."""
    own = generators(seeds, stream)
    observation = normal(own, size, problem.observation_size)
    action = normal(own, size, problem.action_size).tanh()
    reward, successor = normal(own, size), normal(own, size, problem.observation_size)
    terminated, truncated = chance(own, size), chance(own, size)
    return ReplayBatch(
        observation, action, reward, terminated, truncated & ~terminated, successor, action[..., :0]
    )


def practised(
    rule: Any,
    config: Any,
    seeds: Sequence[int],
    *,
    steps: int = 13,
    problem: Problem = PROBLEM,
    time_limits: bool = True,
    disturb: Callable[[ReplayBatch], None] = lambda batch: None,
) -> Any:
    """The state of a population after that many steps and the gradient steps that follow them."""
    state = rule.init(config, problem, generators(seeds))
    world = World(seeds, 300, 1, problem, time_limits=time_limits)
    sizes = len(seeds), min(config.buffer_size, steps), problem.observation_size, problem.action_size
    here = learner(rule, config, state, seeds, world, Disturbed(disturb, *sizes))
    for _ in range(steps):
        experience.explore(here)
        for _ in (*experience.due_updates(here), *experience.updates_at_ends(here)):
            pass
    return state


def double(batch: ReplayBatch) -> ReplayBatch:
    """The batch in double precision."""
    return ReplayBatch(
        **{
            k: v.double() if isinstance(v, torch.Tensor) and v.is_floating_point() else v
            for k, v in vars(batch).items()
        }
    )


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


def bandit(seeds: Sequence[int], size: int, reward: Callable[[Tensor], Tensor]) -> ReplayBatch:
    """Episodes of one step with one action: a batch of uniform actions and their rewards, [S, B, 1]."""
    own = generators(seeds, 400)
    action = torch.from_numpy(np.stack([g.uniform(-1, 1, (size, 1)).astype(np.float32) for g in own]))
    nothing, ends = torch.ones(len(seeds), size, 1), torch.ones(len(seeds), size, dtype=torch.bool)
    return ReplayBatch(nothing, action, reward(action)[..., 0], ends, ~ends, nothing, nothing[..., :0])


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
