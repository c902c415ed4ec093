"""A population's state as rows: take some seeds out, put one seed's numbers in, whatever the algorithm.

A state is a dataclass whose tensors have the seed axis first; nested dataclasses are followed, a list has one
entry per seed, and anything else is the same for all seeds. What a seed owns, and a checkpoint keeps, is its
row of every tensor and its generators.
"""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

State = TypeVar("State")


def select(state: State, rows: list[int]) -> State:
    """The state of some of the seeds, in that order: copies, not views."""

    def chosen(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.detach()[rows].clone().requires_grad_(value.requires_grad)
        if isinstance(value, list):
            return [value[row] for row in rows]
        if is_dataclass(value) and not isinstance(value, type) and _owned(value):
            return select(value, rows)
        return value

    # `replace` builds a new object, so that nothing cached for the larger population comes along.
    return replace(state, **{field.name: chosen(getattr(state, field.name)) for field in fields(state)})  # type: ignore[type-var, arg-type]


def row(state: Any, index: int) -> dict[str, np.ndarray]:
    """All that one seed owns of a state, as arrays by name."""
    return {name: tensor.detach()[index].numpy().copy() for name, tensor in tensors(state)}


def put_row(state: Any, index: int, arrays: dict[str, np.ndarray]) -> None:
    """Overwrite one seed's numbers, in place, with what `row` gave."""
    with torch.no_grad():
        for name, tensor in tensors(state):
            tensor[index] = torch.from_numpy(arrays[name])


def tensors(state: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a state with its dotted name, in the order of declaration."""
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, Tensor):
            yield prefix + field.name, value
        elif is_dataclass(value) and not isinstance(value, type):
            yield from tensors(value, f"{prefix}{field.name}.")


def finite(state: Any) -> Tensor:
    """Which seeds have only finite numbers, [S]."""
    checks = [tensor.detach().flatten(1).isfinite().all(1) for _, tensor in tensors(state) if tensor.ndim > 1]
    return torch.stack(checks).all(0)


def generator_state(generator: np.random.Generator) -> str:
    """The state of a generator, as JSON."""
    return json.dumps(generator.bit_generator.state, sort_keys=True)


def restore_generator(text: str) -> np.random.Generator:
    """The generator that `generator_state` described."""
    bit_generator = np.random.PCG64()
    bit_generator.state = json.loads(text)
    return np.random.Generator(bit_generator)


def _owned(value: Any) -> bool:
    return any(True for _ in tensors(value))
