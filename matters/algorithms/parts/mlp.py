"""Multi-layer perceptrons as pure functions of views of θ, with their slopes written out.

A step of a small network is many small operations, each of which autograd records and plays back at some
cost. So learning rules that take many steps run a network by `passed` and hand the slope of their loss to its
output back to `slopes`, which takes half the time. Autograd is left to what needs second derivatives, and to
the tests, which compare the two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from matters.algorithms.parts.theta import Layout

# A batched matrix product rounds the same for one seed as for ten where its right factor is a multiple of
# this wide; at widths 6, 7 and 17, MKL takes another kernel for a batch of one. networks_test.py holds it to
# that.
WIDTH_MULTIPLE = 16


def linear(
    x: Float[Tensor, "S B I"], weight: Float[Tensor, "S I O"], bias: Float[Tensor, "S 1 O"]
) -> Float[Tensor, "S B O"]:
    """x W + b for each seed, with the same bits whatever the number of seeds."""
    width = weight.shape[-1]
    if weight.shape[1] == 1:  # Else the gradient to x would be a matrix product one column wide, see below.
        return x * weight + bias
    missing = -width % WIDTH_MULTIPLE
    if width == 1:  # A product and a sum are faster than a matrix product that is mostly padding.
        return (x * weight.transpose(1, 2)).sum(-1).view(len(x), -1, width) + bias
    if missing:
        return torch.baddbmm(pad(bias, (0, missing)), x, pad(weight, (0, missing)))[..., :width]
    return torch.baddbmm(bias, x, weight)


@dataclass
class Pass:
    """What R networks made of an input, kept for their slopes. R is S, or S K for K networks a seed."""

    views: Sequence[Tensor]
    tanh: bool
    inputs: list[Tensor]
    """Of each layer."""
    output: Float[Tensor, "R B O"]


def passed(views: Sequence[Tensor], x: Float[Tensor, "R B I"], *, tanh: bool) -> Pass:
    """Weights and biases `views`, layer by layer, applied to x, with tanh or ReLU between."""
    inputs = [x]
    for weight, bias in zip(views[:-2:2], views[1:-2:2], strict=True):
        hidden = linear(inputs[-1], weight, bias)
        inputs.append(hidden.tanh_() if tanh else hidden.relu_())
    return Pass(views, tanh, inputs, linear(inputs[-1], views[-2], views[-1]))


def applied(
    arrays: Sequence[np.ndarray], x: Float[np.ndarray, "S B I"], *, tanh: bool
) -> Float[np.ndarray, "S B O"]:
    """The output alone, in NumPy, for acting: one observation is less work than PyTorch's overhead.

    NumPy multiplies one seed's matrices after another's, so that their number does not matter.
    """
    for weight, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        x = x @ weight
        x += bias
        x = np.tanh(x, out=x) if tanh else np.maximum(x, 0, out=x)
    output: np.ndarray = x @ arrays[-2]
    output += arrays[-1]
    return output


def slopes(run: Pass, slope: Float[Tensor, "R B O"]) -> list[Float[Tensor, "R _"]]:
    """∇ to each weight and bias, in order and flat, of what has this slope to the output."""
    pieces = []
    for layer, here in _backwards(run, slope):
        pieces += [here.sum(1), _product(run.inputs[layer].transpose(1, 2), here).flatten(1)]
    return pieces[::-1]


def slope_to_last_inputs(
    run: Pass, slope: Float[Tensor, "R B O"], *, number: int
) -> Float[Tensor, "R B {number}"]:
    """The slope to the last `number` inputs of what has this slope to the output."""
    *_, (_, first) = _backwards(run, slope)
    return _product(first, run.views[0][:, -number:].transpose(1, 2))


def _backwards(run: Pass, slope: Float[Tensor, "R B O"]) -> Iterator[tuple[int, Float[Tensor, "R B _"]]]:
    """From the last layer to the first, the slope to what it puts out before its activation."""
    for layer in reversed(range(len(run.inputs))):
        yield layer, slope
        if layer:
            below = _product(slope, run.views[2 * layer].transpose(1, 2))
            if run.tanh:
                slope = torch.ops.aten.tanh_backward(below, run.inputs[layer])
            else:
                slope = torch.ops.aten.threshold_backward(below, run.inputs[layer], 0)


def _product(x: Float[Tensor, "R B I"], weight: Float[Tensor, "R I O"]) -> Float[Tensor, "R B O"]:
    """x W for each network, with the same bits whatever the number of networks, as `linear` has them."""
    inner, width = weight.shape[1:]
    if inner == 1:
        return x * weight
    if width == 1:
        return (x * weight.transpose(1, 2)).sum(-1, keepdim=True)
    missing = -width % WIDTH_MULTIPLE
    return x.bmm(pad(weight, (0, missing)))[..., :width] if missing else x.bmm(weight)


@dataclass(frozen=True)
class Mlp:
    """A perceptron of layers `sizes` = (inputs, hidden…, outputs), with an activation between layers."""

    sizes: tuple[int, ...]
    tanh: bool  # else ReLU

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Weight (I, O) and bias (1, O) of each layer, in order."""
        pairs = zip(self.sizes, self.sizes[1:], strict=False)
        return tuple(shape for i, o in pairs for shape in ((i, o), (1, o)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those parameters."""
        return tuple(f"{part}_{layer}" for layer in range(len(self.sizes) - 1) for part in ("weight", "bias"))

    @cached_property
    def layout(self) -> Layout:
        """The layout of a θ that holds this network alone."""
        return Layout(self.names, self.shapes)

    def __call__(self, views: Sequence[Tensor], x: Float[Tensor, "S B I"]) -> Float[Tensor, "S B O"]:
        """The network's output; `views` are its parameters as `Layout.views` gives them."""
        last = len(self.sizes) - 2
        for layer in range(last):
            hidden = linear(x, views[2 * layer], views[2 * layer + 1])
            x = hidden.tanh() if self.tanh else hidden.relu()
        return linear(x, views[2 * last], views[2 * last + 1])

    def applied(
        self, arrays: Sequence[np.ndarray], x: Float[np.ndarray, "S B I"]
    ) -> Float[np.ndarray, "S B O"]:
        """As a call, in NumPy, for acting; `arrays` are what `views` are."""
        return applied(arrays, x, tanh=self.tanh)

    def run(self, views: Sequence[Tensor], x: Float[Tensor, "S B I"]) -> Pass:
        """As a call, without autograd, and with what `gradient` needs."""
        return passed(views, x, tanh=self.tanh)

    def gradient(self, run: Pass, slope: Float[Tensor, "S B O"]) -> Float[Tensor, "S P"]:
        """∇ to θ of what has this slope to the output, where this network is all of θ."""
        return self.layout.joined(slopes(run, slope))

    def initial(
        self, generator: np.random.Generator, *, orthogonal: bool, last_gain: float
    ) -> list[np.ndarray]:
        """First parameters of one seed; biases are 0.

        Orthogonal: gain √2 in the hidden layers and `last_gain` in the last (Engstrom et al. 2020, item 3;
        gains as in OpenAI baselines). Otherwise Glorot-uniform in every layer, what Engstrom et al. compare
        with.
        """
        parameters: list[np.ndarray] = []
        for layer, (i, o) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            gain = last_gain if layer == len(self.sizes) - 2 else np.sqrt(2)
            weight = orthogonal_matrix(generator, i, o) * gain if orthogonal else glorot(generator, i, o)
            parameters += [weight, np.zeros((1, o))]
        return parameters


def orthogonal_matrix(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A random [rows, columns] matrix with orthonormal rows or columns, whichever are fewer.

    The QR factor of a Gaussian matrix with the signs of R's diagonal taken out, so that it is uniformly
    distributed. Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning".
    """
    q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diagonal(r))
    return q if rows >= columns else q.T


def glorot(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Uniform in ±√(6 / (rows + columns)).

    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward networks", equation 16.
    """
    bound = np.sqrt(6 / (rows + columns))
    return generator.uniform(-bound, bound, (rows, columns))
