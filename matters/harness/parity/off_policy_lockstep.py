"""Gradient steps of an off-policy reference on given batches, and a state of ours from the same parameters.

The reference collects transitions and learns from them with its own code. What it computes on the way is
recorded where it calls PyTorch; nothing in it is changed except which transitions it draws and what its
random numbers are.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common import policies as sb3_policies
from torch import Tensor, nn

from matters.algorithms.interface import ReplayBatch
from matters.algorithms.reference import sb3_off_policy
from matters.harness.parity.tape import ENVIRONMENT, EPISODE_LIMIT, Pairs, Recorded, Tape, in_precision
from matters.harness.training.simulators import problem
from matters.suites.tasks.environments import make

COLLECTED = 400  # transitions with uniform actions
GRADIENT_STEPS = 10


@dataclass
class Lockstep:
    """Their model, about to learn; our state with the same parameters; the batches that both learn from."""

    model: Any
    state: Any
    parameters: Pairs
    batches: list[ReplayBatch]
    """One per gradient step, as ours gets it."""
    their_batches: list[Any]


@dataclass
class Watched:
    """What the reference computed on the way, one entry per gradient step."""

    values: list[Tensor] = field(default_factory=list)
    """[K, B], the critics' values at the batch's actions."""
    targets: list[Tensor] = field(default_factory=list)
    """[B], what the critics were fitted to."""
    losses: list[list[Tensor]] = field(default_factory=list)
    """In the order in which they were differentiated."""
    temperatures: list[Tensor] = field(default_factory=list)
    """Before the step; SAC only."""


def start(
    library: type[Any],
    their_config: sb3_off_policy.DdpgConfig,
    rule: Any,
    config: Any,
    paired: Callable[[Any, Any], Pairs],
    dtype: torch.dtype,
    *,
    seed: int,
) -> Lockstep:
    """Let the reference collect transitions; give ours its parameters, and both the same batches of them.

    `paired` gives the parameters of a model of theirs and a state of ours.
    """
    tape = Tape()
    environment = Recorded(make(ENVIRONMENT), tape, limit=EPISODE_LIMIT)
    sizes = {"learning_starts": COLLECTED, "buffer_size": COLLECTED}
    model = sb3_off_policy.build(library, their_config.model_copy(update=sizes), environment, seed=seed)
    model.learn(COLLECTED, log_interval=None)
    if dtype == torch.float64:
        model.policy.double()
        if isinstance(model, SAC) and model.log_ent_coef is not None:
            model.log_ent_coef.data = model.log_ent_coef.data.double()
    state = rule.init(config, problem(environment), [np.random.default_rng(seed)], dtype)
    parameters = paired(model, state)
    for ours, theirs in parameters.values():
        ours.copy_(theirs)
    chosen = np.random.default_rng(seed).integers(COLLECTED, size=(GRADIENT_STEPS, config.batch_size))
    buffer = model.replay_buffer
    their_batches = []
    for rows in chosen:
        samples = buffer._get_samples(rows)
        tensors = [None if tensor is None else tensor.to(dtype) for tensor in samples]
        their_batches.append(type(samples)(*tensors))
    batches = [tape.transitions(buffer, rows, dtype) for rows in chosen]
    return Lockstep(model, state, parameters, batches, their_batches)


def learn(both: Lockstep, dtype: torch.dtype, *, seed: int) -> Watched:
    """Let the reference take its gradient steps; PyTorch's global generator is seeded, then restored."""
    model, watched = both.model, Watched()
    handed = iter(both.their_batches)
    with (
        torch.random.fork_rng(devices=[]),
        patch.object(sb3_policies, "preprocess_obs", in_precision(dtype)),
        patch.object(model.replay_buffer, "sample", lambda *_, **__: next(handed)),
    ):
        torch.manual_seed(seed)
        for batch in both.batches:
            if isinstance(model, SAC) and model.log_ent_coef is not None:
                watched.temperatures.append(model.log_ent_coef.detach().exp()[0])
            with _watched(watched):
                # One at a time, as after each step of the environment.
                model.train(gradient_steps=1, batch_size=batch.reward.shape[1])
    return watched


def layers(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of one of their networks, in order."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


@contextmanager
def _watched(watched: Watched) -> Iterator[None]:
    """Record one gradient step where it calls PyTorch; nothing is changed."""
    backward, mse = torch.Tensor.backward, torch.nn.functional.mse_loss
    values, targets, losses = [], [], []

    def recorded_backward(loss: Tensor, *arguments: Any, **options: Any) -> None:
        losses.append(loss.detach().clone())
        backward(loss, *arguments, **options)  # type: ignore[no-untyped-call]

    def recorded_mse(value: Tensor, target: Tensor, *arguments: Any, **options: Any) -> Tensor:
        values.append(value.detach()[:, 0].clone())
        targets.append(target.detach()[:, 0].clone())
        return mse(value, target, *arguments, **options)

    with (
        patch.object(torch.Tensor, "backward", recorded_backward),
        patch.object(torch.nn.functional, "mse_loss", recorded_mse),
    ):
        yield
    watched.values.append(torch.stack(values))
    watched.targets.append(targets[0])
    watched.losses.append(losses)
