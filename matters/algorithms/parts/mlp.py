"""The multi-layer perceptron as a pure function of views of θ, with its backward pass written out.

A step of a small network is many small operations, each of which autograd records and plays back at some
cost. So learning rules that take many steps call `Mlp.forward`, and hand the gradient of their loss with
respect to its output to `Mlp.backward`: that takes half the time. Autograd is left to what needs second
derivatives, and to the tests, which compare the two.

R is the number of networks that are evaluated at once: S, or S K where each seed has K of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from matters.algorithms.parts.theta import Layout

# A batched matrix product rounds the same for one seed as for ten where its right factor is a multiple of
# this wide; at widths 6, 7 and 17, MKL takes another kernel for a batch of one. mlp_test.py holds it to
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
class Forward:
    """What R networks made of an input, kept for the way back."""

    views: Sequence[Tensor]
    inputs: list[Tensor]
    """Of each layer."""
    output: Float[Tensor, "R B O"]


Initialiser = Callable[[np.random.Generator, int, int, bool], tuple[np.ndarray, np.ndarray]]
"""First weight [I, O] and bias [1, O] of a layer, given a generator, I, O and whether it is the last one."""


@dataclass(frozen=True)
class Mlp:
    """A perceptron of layers `sizes` = (inputs, hidden…, outputs), with ReLU or tanh between layers.

    If `padded`, hidden layers are stored as wide as the next multiple of `WIDTH_MULTIPLE`, which matrix
    products need; otherwise they are padded in each product, which costs less where layers are narrow or have
    such a width anyway. Parameters of units beyond a layer's width are 0: such a unit puts out 0, and all
    gradients to its parameters are 0, so they stay as they are.
    """

    sizes: tuple[int, ...]
    tanh: bool = False
    padded: bool = False

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Weight (I, O) and bias (1, O) of each layer, in order."""
        return _shapes(self.sizes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those parameters."""
        return tuple(f"{part}_{layer}" for layer in range(len(self.sizes) - 1) for part in ("weight", "bias"))

    @cached_property
    def layout(self) -> Layout:
        """The layout of a θ that holds this network alone."""
        if not self.padded:
            return Layout(self.names, self.shapes)
        inputs, *hidden, outputs = self.sizes
        stored = (inputs, *(width + -width % WIDTH_MULTIPLE for width in hidden), outputs)
        return Layout(self.names, self.shapes, _shapes(stored))

    def __call__(self, views: Sequence[Tensor], x: Float[Tensor, "R B I"]) -> Float[Tensor, "R B O"]:
        """The output, for autograd; `views` are the parameters as `Layout.views` gives them."""
        for weight, bias in zip(views[:-2:2], views[1:-2:2], strict=True):
            hidden = linear(x, weight, bias)
            x = hidden.tanh() if self.tanh else hidden.relu()
        return linear(x, views[-2], views[-1])

    def forward(self, views: Sequence[Tensor], x: Float[Tensor, "R B I"]) -> Forward:
        """The output without autograd, and what `backward` needs; `views` are `Layout.stored_views`."""
        inputs = [x]
        for weight, bias in zip(views[:-2:2], views[1:-2:2], strict=True):
            hidden = linear(inputs[-1], weight, bias)
            inputs.append(hidden.tanh_() if self.tanh else hidden.relu_())
        return Forward(views, inputs, linear(inputs[-1], views[-2], views[-1]))

    def forward_numpy(
        self, arrays: Sequence[np.ndarray], x: Float[np.ndarray, "R B I"]
    ) -> Float[np.ndarray, "R B O"]:
        """The output alone, in NumPy, for acting: one observation is less work than PyTorch's overhead.

        `arrays` share the memory of `Layout.stored_views`. NumPy multiplies one network's matrices after
        another's, so that their number does not matter.
        """
        for weight, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
            x = x @ weight
            x += bias
            x = np.tanh(x, out=x) if self.tanh else np.maximum(x, 0, out=x)
        output: np.ndarray = x @ arrays[-2]
        output += arrays[-1]
        return output

    def backward(self, forward: Forward, gradient: Float[Tensor, "R B O"]) -> list[Float[Tensor, "R _"]]:
        """The gradient with respect to each weight and bias, in order and flat, from that of the output."""
        pieces = []
        for layer, here in self._layers_back(forward, gradient):
            pieces += [here.sum(1), _product(forward.inputs[layer].transpose(1, 2), here).flatten(1)]
        return pieces[::-1]

    def gradient(self, forward: Forward, gradient: Float[Tensor, "R B O"]) -> Float[Tensor, "R P"]:
        """As `backward`, as rows of a θ that holds this network alone; that of the padding is 0."""
        return self.layout.joined(self.backward(forward, gradient))

    def backward_to_last_inputs(
        self, forward: Forward, gradient: Float[Tensor, "R B O"], *, number: int
    ) -> Float[Tensor, "R B {number}"]:
        """The gradient with respect to the last `number` inputs, from that of the output."""
        *_, (_, first) = self._layers_back(forward, gradient)
        return _product(first, forward.views[0][:, -number:].transpose(1, 2))

    def _layers_back(
        self, forward: Forward, gradient: Float[Tensor, "R B O"]
    ) -> Iterator[tuple[int, Float[Tensor, "R B _"]]]:
        """From the last layer to the first, the gradient of what it puts out before its activation."""
        for layer in reversed(range(len(forward.inputs))):
            yield layer, gradient
            if layer:
                below = _product(gradient, forward.views[2 * layer].transpose(1, 2))
                if self.tanh:
                    gradient = torch.ops.aten.tanh_backward(below, forward.inputs[layer])
                else:
                    gradient = torch.ops.aten.threshold_backward(below, forward.inputs[layer], 0)

    def initial(self, generator: np.random.Generator, initialiser: Initialiser) -> list[np.ndarray]:
        """First parameters of one network, drawn layer by layer."""
        last = len(self.sizes) - 2
        layers = enumerate(pairwise(self.sizes))
        return [part for k, (i, o) in layers for part in initialiser(generator, i, o, k == last)]


def _shapes(sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(shape for i, o in pairwise(sizes) for shape in ((i, o), (1, o)))


def _product(x: Float[Tensor, "R B I"], weight: Float[Tensor, "R I O"]) -> Float[Tensor, "R B O"]:
    """x W for each network, with the same bits whatever the number of networks, as `linear` has them."""
    inner, width = weight.shape[1:]
    if inner == 1:
        return x * weight
    if width == 1:
        return (x * weight.transpose(1, 2)).sum(-1, keepdim=True)
    missing = -width % WIDTH_MULTIPLE
    return x.bmm(pad(weight, (0, missing)))[..., :width] if missing else x.bmm(weight)


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
