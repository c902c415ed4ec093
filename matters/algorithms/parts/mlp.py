"""The multi-layer perceptron as a pure function of views of θ, with its derivatives written out.

A step of a small network is many small operations, each of which autograd records and plays back at some
cost. So learning rules call `Mlp.forward`, and hand the gradient of their loss with respect to its output to
`Mlp.backward`: that takes half the time, and its bits are portable, see `maths.kernels`. Autograd is left to
the tests, which compare the two, and to rules that would rather have it.

R is the number of networks that are evaluated at once: S, or S K where each seed has K of them. NumPy
multiplies one network's matrices after another's, so their number does not matter to any network's bits. The
number of samples in a product may; `Mlp.one_by_one` multiplies each on its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from matters.algorithms.maths.kernels import (
    Array,
    array,
    product,
    relu_,
    sum_rows,
    tanh_,
    tensor,
    times_relu_slope,
    times_tanh_slope,
)
from matters.algorithms.parts.theta import Layout

WIDTH_MULTIPLE = 16
"""MKL rounds a batched product alike for one network and for ten where the width of its right factor is a
multiple of this; at widths 6, 7 and 17 it takes another path for a batch of one."""


def linear(
    x: Float[Tensor, "S B I"], weight: Float[Tensor, "S I O"], bias: Float[Tensor, "S 1 O"]
) -> Float[Tensor, "S B O"]:
    """x W + b for each seed, for autograd, with the same bits whatever the number of seeds."""
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
class Forward:
    """What R networks computed from an input, kept for the backward pass."""

    arrays: Sequence[Array]
    """Their parameters."""
    inputs: list[Array]
    """The input of each layer, [R, B, I]."""
    output: Float[Tensor, "R B O"]
    beside: Array = None
    """A parameter that belongs to no network but that the backward pass needs."""
    places: Sequence[Any] = ()
    """What was normalised on the way, see `parts.normalised_mlp`."""


Initialiser = Callable[[np.random.Generator, int, int, bool], tuple[np.ndarray, np.ndarray]]
"""First weight [I, O] and bias [1, O] of a layer, given a generator, I, O and whether it is the last one."""


@dataclass(frozen=True)
class Mlp:
    """A perceptron of layers `sizes` = (inputs, hidden…, outputs), with ReLU or tanh between layers."""

    sizes: tuple[int, ...]
    tanh: bool = False

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Weight (I, O) and bias (1, O) of each layer, in order."""
        return tuple(shape for i, o in pairwise(self.sizes) for shape in ((i, o), (1, o)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those parameters."""
        return tuple(f"{part}_{layer}" for layer in range(len(self.sizes) - 1) for part in ("weight", "bias"))

    @cached_property
    def layout(self) -> Layout:
        """The layout of a θ that holds this network alone."""
        return Layout(self.names, self.shapes)

    def __call__(self, views: Sequence[Tensor], x: Float[Tensor, "R B I"]) -> Float[Tensor, "R B O"]:
        """The output, for autograd; `views` are the parameters as `Layout.views` gives them."""
        for weight, bias in zip(views[:-2:2], views[1:-2:2], strict=True):
            hidden = linear(x, weight, bias)
            x = hidden.tanh() if self.tanh else hidden.relu()
        return linear(x, views[-2], views[-1])

    def forward(self, arrays: Sequence[Array], x: Float[Tensor, "R B I"]) -> Forward:
        """The output without autograd, and what `backward` needs; `arrays` as `Layout.arrays` gives them."""
        inputs = [array(x)]
        for weight, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
            inputs.append(self._activate(_linear(inputs[-1], weight, bias)))
        return Forward(arrays, inputs, tensor(_linear(inputs[-1], arrays[-2], arrays[-1])))

    def one_by_one(self, arrays: Sequence[Array], x: Float[Tensor, "R B I"]) -> Array:
        """The output alone, for acting: [R, B, O], each sample multiplied on its own.

        So the action for an observation does not depend on how many others there are: OpenBLAS's rounding of
        a row of a product depends on the number of rows.
        """
        hidden = array(x)[:, :, None]
        for layer, (weight, bias) in enumerate(zip(arrays[::2], arrays[1::2], strict=True)):
            hidden = _linear(hidden if layer == 0 else self._activate(hidden), weight[:, None], bias[:, None])
        return hidden[:, :, 0]

    def backward(self, forward: Forward, gradient: Float[Tensor, "R B O"], into: Sequence[Array]) -> None:
        """The gradient with respect to each weight and bias, from that of the output, written to `into`."""
        for layer, here in self._layers_back(forward, gradient):
            product(forward.inputs[layer].swapaxes(1, 2), here, out=into[2 * layer])
            sum_rows(here, out=into[2 * layer + 1])

    def gradient(self, forward: Forward, gradient: Float[Tensor, "R B O"]) -> Float[Tensor, "R P"]:
        """As `backward`, but as rows of a θ that holds this network alone; that of the padding is 0."""
        rows, parts = self.layout.gradient_like(forward.arrays)
        self.backward(forward, gradient, parts)
        return tensor(rows)

    def backward_to_last_inputs(
        self, forward: Forward, gradient: Float[Tensor, "R B O"], *, number: int
    ) -> Float[Tensor, "R B {number}"]:
        """The gradient with respect to the last `number` inputs, from that of the output."""
        *_, (_, first) = self._layers_back(forward, gradient)
        return tensor(product(first, forward.arrays[0][:, -number:].swapaxes(1, 2)))

    def tangent(self, forward: Forward, direction: Sequence[Array]) -> Float[Tensor, "R B O"]:
        """How the output changes per step of the parameters in a direction: its Jacobian times that.

        What `backward` does in reverse: Wengert 1964, "A simple automatic derivative evaluation program".
        """
        change = None
        for layer, x in enumerate(forward.inputs):
            weight, to_weight, to_bias = forward.arrays[2 * layer], *direction[2 * layer : 2 * layer + 2]
            to_output = _linear(x, to_weight, to_bias)
            if change is not None:
                to_output += product(self._times_slope(change, x), weight)
            change = to_output
        return tensor(change)

    def _layers_back(self, forward: Forward, gradient: Float[Tensor, "R B O"]) -> Iterator[tuple[int, Array]]:
        """From the last layer to the first, the gradient with respect to its output before the activation."""
        here = array(gradient)
        for layer in reversed(range(len(forward.inputs))):
            yield layer, here
            if layer:
                below = product(here, forward.arrays[2 * layer].swapaxes(1, 2))
                here = self._times_slope(below, forward.inputs[layer])

    def _activate(self, x: Array) -> Array:
        return tanh_(x) if self.tanh else relu_(x)

    def _times_slope(self, gradient: Array, output: Array) -> Array:
        return times_tanh_slope(gradient, output) if self.tanh else times_relu_slope(gradient, output)

    def initial(self, generator: np.random.Generator, initialiser: Initialiser) -> list[np.ndarray]:
        """First parameters of one network, drawn layer by layer."""
        last = len(self.sizes) - 2
        layers = enumerate(pairwise(self.sizes))
        return [part for k, (i, o) in layers for part in initialiser(generator, i, o, k == last)]


def _linear(x: Array, weight: Array, bias: Array) -> Array:
    """x W + b of each network."""
    output = product(x, weight)
    output += bias
    return output


def orthogonal(last_gain: float) -> Initialiser:
    """Orthogonal weights of gain √2, in the last layer `last_gain`; biases are 0.

    Engstrom et al. 2020, item 3; gains as in OpenAI baselines.
    """

    def layer(
        generator: np.random.Generator, inputs: int, outputs: int, last: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        gain = last_gain if last else np.sqrt(2)
        return orthogonal_matrix(generator, inputs, outputs) * gain, np.zeros((1, outputs))

    return layer


def glorot(
    generator: np.random.Generator,
    inputs: int,
    outputs: int,
    last: bool = False,  # noqa: ARG001 - an `Initialiser`
) -> tuple[np.ndarray, np.ndarray]:
    """Weights uniform in ±√(6 / (I + O)) in every layer; biases are 0. What Engstrom et al. compare with.

    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward networks", equation 16.
    """
    bound = np.sqrt(6 / (inputs + outputs))
    return generator.uniform(-bound, bound, (inputs, outputs)), np.zeros((1, outputs))


def scaled_glorot(last_gain: float) -> Initialiser:
    """As `glorot`, the weights of the last layer times `last_gain`."""

    def layer(
        generator: np.random.Generator, inputs: int, outputs: int, last: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = glorot(generator, inputs, outputs)
        return weight * (last_gain if last else 1.0), bias

    return layer


def uniform(last_bound: float | None) -> Initialiser:
    """Weights and biases uniform in ±1/√I of their layer; in the last layer in ±`last_bound`, if it is given.

    Lillicrap et al. 2016, "Continuous control with deep reinforcement learning", section 7; without
    `last_bound` it is what `torch.nn.Linear` does.
    """

    def layer(
        generator: np.random.Generator, inputs: int, outputs: int, last: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        bound = last_bound if last and last_bound is not None else 1 / np.sqrt(inputs)
        weight = generator.uniform(-bound, bound, (inputs, outputs))
        return weight, generator.uniform(-bound, bound, (1, outputs))

    return layer


def orthogonal_matrix(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A random [rows, columns] matrix with orthonormal rows or columns, whichever are fewer.

    The QR factor of a Gaussian matrix with the signs of R's diagonal taken out, so that it is uniformly
    distributed. Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning".
    """
    q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diagonal(r))
    return q if rows >= columns else q.T
