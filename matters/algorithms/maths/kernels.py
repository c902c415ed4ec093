"""Matrix products and transcendental functions whose bits are the same on every processor.

On a CPU, PyTorch takes both from MKL, which chooses its code path by the processor's vendor, and whose square
root is not always correctly rounded. NumPy can be held to one set of loops and OpenBLAS to one set of
products (`matters.results.numerics`). So this module computes with NumPy, on the tensors' own memory; what a
rule takes from PyTorch elsewhere (sums, Adam's step, log1p, gamma functions) comes from PyTorch's own loops,
which can be held to one set as well. docs/portability.md says what was compared.

On any other device, and wherever autograd watches, PyTorch computes all of it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Array = Any
"""What a network computes with: NumPy's view of a tensor's memory on a CPU, elsewhere the tensor itself. Both
have `@`, arithmetic in place, indices and `swapaxes`."""


def array(x: Tensor) -> Array:
    """A tensor to compute with: the same memory."""
    return x.numpy() if x.is_cpu else x


def tensor(x: Array) -> Tensor:
    """The tensor on an array's memory."""
    return x if isinstance(x, Tensor) else torch.from_numpy(x)


def _function(
    by_numpy: Callable[[np.ndarray], np.ndarray], by_torch: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    def function(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        if x.requires_grad or not x.is_cpu:
            return by_torch(x)
        return torch.from_numpy(np.asarray(by_numpy(x.numpy())))

    return function


exp = _function(np.exp, torch.exp)
log = _function(np.log, torch.log)
sqrt = _function(np.sqrt, torch.sqrt)
tanh = _function(np.tanh, torch.tanh)


def sigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """1 / (1 + e⁻ˣ).

    PyTorch's own rounds differently by a number's place in memory, and so by a seed's place in its
    population.
    """
    return 1 / (1 + exp(-x))


def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + eˣ), and x itself above 20, which is the same in single precision.

    PyTorch's own rounds differently by a number's place in memory; `log1p` does not. max(x, 0) +
    log1p(e^−|x|) would have no slope at 0, where biases begin.
    """
    return torch.where(x > 20, x, exp(x.clamp(max=20)).log1p())


def tanh_(x: Array) -> Array:
    """tanh x, in place."""
    return x.tanh_() if isinstance(x, Tensor) else np.tanh(x, out=x)


def relu_(x: Array) -> Array:
    """max(x, 0), in place."""
    return x.relu_() if isinstance(x, Tensor) else np.maximum(x, 0, out=x)


def times_tanh_slope(gradient: Array, output: Array) -> Array:
    """`gradient` · (1 − `output`²), the slope of tanh where its output was `output`."""
    slope = output * output
    slope = 1 - slope if isinstance(slope, Tensor) else np.subtract(1, slope, out=slope)
    slope *= gradient
    return slope


def times_relu_slope(gradient: Array, output: Array) -> Array:
    """`gradient`, and 0 where max(x, 0) was 0. Nothing is rounded, and PyTorch does it in one pass."""
    found = torch.ops.aten.threshold_backward(tensor(gradient), tensor(output), 0)
    return found if isinstance(gradient, Tensor) else found.numpy()


def sum_rows(x: Array, out: Array) -> None:
    """Σ over the B rows of x [R, B, O] into `out` [R, 1, O].

    On a CPU it is computed as a product: NumPy's sum takes six times as long.
    """
    if isinstance(x, Tensor):
        torch.sum(x, 1, keepdim=True, out=out)
    else:
        np.matmul(_ones(x.shape[1], x.dtype), x, out=out)


def product(x: Array, y: Array, out: Array | None = None) -> Array:
    """x y of each network, into `out` if it is given."""
    if x.shape[-1] == 1 and out is None:  # one output's gradient on its way back: a third of the work
        return x * y
    return torch.matmul(x, y, out=out) if isinstance(x, Tensor) else np.matmul(x, y, out=out)


@cache
def _ones(size: int, dtype: Any) -> np.ndarray:
    return np.ones((1, size), dtype)
