"""The machine's own limit: the time that MuJoCo and the products of an update take, and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from matters.harness.training.environments import Environments
from matters.harness.training.native import Native

Act = Callable[[Tensor], Tensor]
"""Observations [1, N, O] to actions [1, N, A]."""

SIZE = 512
"""Rows of the square matrices that are multiplied: enough for the best rate, few enough for caches."""


@dataclass
class Recorded:
    """Steps of native environments from a state that was kept: the actions, and where resets began."""

    start: dict[str, np.ndarray]
    actions: list[Float[Tensor, "1 N A"]] = field(default_factory=list)
    resets: dict[int, list[tuple[int, np.ndarray, np.ndarray]]] = field(default_factory=dict)
    """By step: the simulation, its positions and its velocities."""
    lengths: list[int] = field(default_factory=list)
    """Lengths of the episodes that ended."""


def record(environments: Environments, observation: Tensor, act: Act, steps: int) -> tuple[Recorded, Tensor]:
    """Step one seed's native environments; returns what happened, and what is observed at the end."""
    simulators = environments.simulators
    assert isinstance(simulators, Native)
    recorded = Recorded(environments.row(0))
    for t in range(steps):
        recorded.actions.append(act(observation))
        transition = environments.step(recorded.actions[-1])
        observation = transition.observation
        for _, episode in transition.episodes:
            data = simulators.data[episode.environment]
            begun = (episode.environment, data.qpos.copy(), data.qvel.copy())
            recorded.resets.setdefault(t, []).append(begun)
            recorded.lengths.append(episode.length)
    return recorded, observation


def step_again(environments: Environments, recorded: Recorded) -> float:
    """Seconds that the recorded steps take with all that belongs to them."""
    environments.put_row(0, recorded.start)
    start = time.process_time()
    for action in recorded.actions:
        environments.step(action)
    return time.process_time() - start


def mujoco_alone(environments: Environments, recorded: Recorded) -> float:
    """MuJoCo's own seconds for the recorded steps: `mj_step`, contact forces if read, resets' `mj_forward`.

    The time to hand over controls, and to clear and place what is reset, is measured apart and subtracted.
    """
    python = _replay(environments.simulators, recorded, _nothing, _nothing)
    environments.put_row(0, recorded.start)
    return _replay(environments.simulators, recorded, mujoco.mj_step, mujoco.mj_forward) - python


def _replay(simulators: Any, recorded: Recorded, step: Any, forward: Any) -> float:
    model, substeps = simulators.model, simulators.substeps
    forces = simulators.task.contact_forces and step is mujoco.mj_step
    actions = [action[0].numpy() for action in recorded.actions]
    start = time.process_time()
    for t, action in enumerate(actions):
        for data, row in zip(simulators.data, action, strict=True):
            data.ctrl[:] = row
            step(model, data, substeps)
            if forces:
                mujoco.mj_rnePostConstraint(model, data)
        for index, qpos, qvel in recorded.resets.get(t, ()):
            data = simulators.data[index]
            mujoco.mj_resetData(model, data)
            data.qpos[:], data.qvel[:] = qpos, qvel
            forward(model, data)
    return time.process_time() - start


def _nothing(*_arguments: Any) -> None:
    """In MuJoCo's place."""


def matrix_rate() -> float:
    """Floating-point operations per second of a product of matrices in single precision, the best of ten."""
    generator = np.random.default_rng(0)
    x, y = (generator.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    products: tuple[Callable[[], Any], ...] = (
        lambda: np.matmul(x, y),
        lambda: torch.matmul(torch.from_numpy(x), torch.from_numpy(y)),
    )
    seconds = []
    for product in products * 5:
        start = time.process_time()
        product()
        product()
        seconds.append((time.process_time() - start) / 2)
    return 2 * SIZE**3 / min(seconds)


@dataclass
class Counted:
    """Floating-point operations."""

    operations: int = 0


@contextmanager
def products() -> Iterator[Counted]:
    """Count the operations of matrix products, whether they are PyTorch's or NumPy's."""
    counted, matmul = Counted(), np.matmul

    def counting(x: np.ndarray, y: np.ndarray, **options: Any) -> Any:
        found = matmul(x, y, **options)
        counted.operations += 2 * found.size * x.shape[-1]
        return found

    with FlopCounterMode(display=False) as torchs, mock.patch.object(np, "matmul", counting):
        yield counted
    counted.operations += torchs.get_total_flops()
