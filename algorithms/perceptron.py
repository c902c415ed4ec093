"""A perceptron with ReLU whose slopes are written out, and not recorded for autograd to play back.

Off-policy algorithms take a gradient step for every step of the environment, so that is where their time
goes. Written out, the step of TD3 takes a tenth less: fewer and smaller intermediate results, and no product
whose outcome is thrown away. R is the number of networks: those of all seeds are evaluated at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from algorithms.networks import WIDTH_MULTIPLE, linear
from algorithms.theta import Layout


@dataclass
class Pass:
    """What the networks with these parameters made of an input, and of it their slopes."""

    views: Sequence[Tensor]
    inputs: list[Tensor]
    """Of each layer."""
    output: Float[Tensor, "R B O"]


@dataclass(frozen=True)
class Perceptron:
    """A perceptron of layers `sizes` = (inputs, hidden…, outputs), with ReLU between layers.

    Hidden layers are stored as wide as the next multiple of 16, which matrix products need (see `networks`).
    Parameters of units beyond a layer's width are 0: such a unit puts out 0, and all slopes to its parameters
    are 0, so that they stay what they are.
    """

    sizes: tuple[int, ...]

    @cached_property
    def layout(self) -> Layout:
        """Weight (I, O) and bias (1, O) of each layer, in order."""
        inputs, *hidden, outputs = self.sizes
        stored = (inputs, *(width + -width % WIDTH_MULTIPLE for width in hidden), outputs)
        names = tuple(
            f"{part}_{layer}" for layer in range(len(self.sizes) - 1) for part in ("weight", "bias")
        )
        return Layout(names, _shapes(self.sizes), _shapes(stored))

    def initial(self, generator: np.random.Generator, *, last: float | None) -> np.ndarray:
        """A first row [P] of θ for one seed: weights and biases uniform in ±1/√inputs of their layer.

        In the last layer they are in ±`last`, if that is given. Lillicrap et al. 2016, "Continuous control
        with deep reinforcement learning", section 7; without `last` it is what `torch.nn.Linear` does.
        """
        parameters = []
        for layer, (i, o) in enumerate(pairwise(self.sizes)):
            at_the_end = layer == len(self.sizes) - 2
            bound = last if at_the_end and last is not None else 1 / np.sqrt(i)
            parameters += [generator.uniform(-bound, bound, shape) for shape in ((i, o), (1, o))]
        return self.layout.row(parameters)

    def __call__(self, views: Sequence[Tensor], x: Float[Tensor, "R B I"]) -> Pass:
        """The networks' output; `views` are their parameters as `Layout.whole` gives them."""
        inputs = [x]
        for weight, bias in zip(views[:-2:2], views[1:-2:2], strict=True):
            inputs.append(linear(inputs[-1], weight, bias).relu_())
        return Pass(views, inputs, linear(inputs[-1], views[-2], views[-1]))

    def gradient(self, run: Pass, slope: Float[Tensor, "R B O"]) -> Float[Tensor, "R P"]:
        """∇ to the parameters of what has this slope to the output; that of the padding is 0."""
        pieces = []
        for layer, slope_here in _backwards(run, slope):
            pieces += [slope_here.sum(1), _product(run.inputs[layer].transpose(1, 2), slope_here).flatten(1)]
        return torch.cat([*pieces[::-1], slope.new_zeros(len(slope), self.layout.sizes[-1])], dim=1)

    def slope_to_last_inputs(
        self, run: Pass, slope: Float[Tensor, "R B O"], *, number: int
    ) -> Float[Tensor, "R B {number}"]:
        """The slope to the last `number` inputs of what has this slope to the output."""
        *_, (_, first) = _backwards(run, slope)
        return _product(first, run.views[0][:, -number:].transpose(1, 2))


def _shapes(sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(shape for i, o in pairwise(sizes) for shape in ((i, o), (1, o)))


def _backwards(run: Pass, slope: Float[Tensor, "R B O"]) -> Iterator[tuple[int, Float[Tensor, "R B _"]]]:
    """From the last layer to the first, the slope to what it puts out before its ReLU."""
    for layer in reversed(range(len(run.inputs))):
        yield layer, slope
        if layer:
            below = _product(slope, run.views[2 * layer].transpose(1, 2))
            slope = torch.ops.aten.threshold_backward(below, run.inputs[layer], 0)


def _product(x: Float[Tensor, "R B I"], weight: Float[Tensor, "R I O"]) -> Float[Tensor, "R B O"]:
    """x W for each network, with the same bits whatever the number of networks (see `networks.linear`)."""
    inner, width = weight.shape[1:]
    if inner == 1:
        return x * weight
    if width == 1:
        return (x * weight.transpose(1, 2)).sum(-1, keepdim=True)
    missing = -width % WIDTH_MULTIPLE
    return x.bmm(pad(weight, (0, missing)))[..., :width] if missing else x.bmm(weight)
