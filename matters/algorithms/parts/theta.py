"""θ is a matrix: the parameters of a network for S seeds, one row per seed, or K where a seed has K networks.

A row is padded to a multiple of 64 numbers. Nothing here mixes rows, and no operation rounds differently for
one row than for ten, so a seed trained alone gets the same bits as the same seed in a population.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.maths.kernels import Array, array

ROW_MULTIPLE = 64


@dataclass(frozen=True)
class Layout:
    """Where each parameter lies in a row: names and shapes in order, then padding."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many numbers each parameter takes, the padding last."""
        used = [math.prod(shape) for shape in self.shapes]
        return (*used, -sum(used) % ROW_MULTIPLE)

    @property
    def width(self) -> int:
        """P, the length of a row."""
        return sum(self.sizes)

    @property
    def parameters(self) -> int:
        """How many numbers of a row are parameters; the rest is padding and stays 0."""
        return sum(self.sizes[:-1])

    def views(self, theta: Float[Tensor, "R P"]) -> list[Tensor]:
        """The parameters as views `[R, *shape]` of rows of θ: no copy, and gradients flow to θ."""
        pieces = theta.split_with_sizes(self.sizes, dim=1)
        return [piece.view(len(theta), *shape) for piece, shape in zip(pieces[:-1], self.shapes, strict=True)]

    def arrays(self, theta: Float[Tensor, "R P"]) -> list[Array]:
        """The parameters as arrays [R, …] to compute with, on the memory of the rows."""
        rows = array(theta)
        return [rows[:, begin:end].reshape(-1, *shape) for begin, end, shape in self._places]

    def gradient_like(self, arrays: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Room for such parameters' gradient: rows [R, P] with padding 0, and the parts of them to fill."""
        like = arrays[0]
        shape = len(like), self.width
        rows = like.new_empty(shape) if isinstance(like, Tensor) else np.empty(shape, like.dtype)
        rows[:, self.parameters :] = 0
        return rows, [rows[:, begin:end].reshape(-1, *shape) for begin, end, shape in self._places]

    def joined(self, pieces: Sequence[Float[Tensor, "R _"]]) -> Float[Tensor, "R P"]:
        """Rows from one flat piece per parameter, in order; the padding is 0."""
        return torch.cat([*pieces, pieces[0].new_zeros(len(pieces[0]), self.sizes[-1])], dim=1)

    def row(self, parameters: Sequence[np.ndarray]) -> np.ndarray:
        """One row [P] from one seed's parameters, in order."""
        row = np.zeros(self.width)
        for view, parameter in zip(self.views(torch.from_numpy(row)[None]), parameters, strict=True):
            view[0] = torch.from_numpy(parameter)
        return row

    @cached_property
    def _places(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """Where in a row each parameter begins and ends, and its shape."""
        ends = list(accumulate(self.sizes[:-1]))
        return list(zip([0, *ends[:-1]], ends, self.shapes, strict=True))


@dataclass
class Theta:
    """θ [S, P] with its layout and the state of its optimiser: Adam's moments [S, P] and steps [S].

    Where a seed has K networks (twin critics are two), all have a second axis: [S, K, P] and [S, K].
    """

    matrix: Tensor
    layout: Layout
    first: Tensor
    second: Tensor
    steps: Tensor

    @classmethod
    def of(cls, rows: Sequence[np.ndarray], layout: Layout, dtype: torch.dtype = torch.float32) -> "Theta":
        """From one row [P] per seed, or K rows [K, P] per seed."""
        matrix = torch.tensor(np.stack(rows), dtype=dtype)
        steps = torch.zeros(matrix.shape[:-1])
        return cls(matrix, layout, torch.zeros_like(matrix), torch.zeros_like(matrix), steps)

    @cached_property
    def views(self) -> list[Tensor]:
        """The parameters for acting: views `[S K, …]` of `matrix`, no gradients. Updates show here."""
        return self.layout.views(self.matrix.flatten(0, -2))

    @cached_property
    def arrays(self) -> list[Array]:
        """The same parameters on the same memory, as arrays to compute with."""
        return self.layout.arrays(self.matrix.flatten(0, -2))

    def member(self, k: int) -> list[Tensor]:
        """The parameters of the k-th of each seed's K networks, for acting: views `[S, …]` of `matrix`."""
        return self.layout.views(self.matrix[:, k])

    @cached_property
    def rows(self) -> tuple[list[Tensor], ...]:
        """`matrix`, `first`, `second` and `steps` row by row, the same memory: what an optimiser is given."""
        matrices = (self.matrix, self.first, self.second)
        return (*(list(matrix.flatten(0, -2).unbind(0)) for matrix in matrices), [*self.steps.flatten()])

    @cached_property
    def leaves(self) -> list[Tensor]:
        """The parameters for learning: the same memory, each a leaf of the autograd graph for `gradient`.

        Views of one leaf would do too, but cost a backward node each: a third of a small network's step.
        """
        return [view.detach().requires_grad_() for view in self.views]


@dataclass
class Target:
    """θ′, shaped as the θ that it follows at a distance."""

    matrix: Tensor
    layout: Layout

    @classmethod
    def of(cls, theta: Theta) -> "Target":
        """Where it starts: at θ."""
        return cls(theta.matrix.clone(), theta.layout)

    @cached_property
    def views(self) -> list[Tensor]:
        """The parameters: views `[S K, …]` of `matrix`. Updates in place are seen here."""
        return self.layout.views(self.matrix.flatten(0, -2))

    @cached_property
    def arrays(self) -> list[Array]:
        """The same parameters on the same memory, as arrays to compute with."""
        return self.layout.arrays(self.matrix.flatten(0, -2))

    def follow(self, theta: Theta, *, rate: float) -> None:
        """θ′ ← τ θ + (1 − τ) θ′ with τ = `rate`, in place.

        Lillicrap et al. 2016, "Continuous control with deep reinforcement learning", section 3.
        """
        self.matrix.lerp_(theta.matrix, rate)
