"""A ReLU perceptron with batch normalisation, which some inputs may join at its second layer.

A normalised layer's input x, over the B samples of a batch and for each unit, is

    x̂ = (x − E[x]) / √(Var[x] + ε),    y = gain · x̂ + offset

where a step is computed; elsewhere running moments take the place of the batch's, so that an output depends
on its own sample alone. Ioffe and Szegedy 2015, "Batch normalization: accelerating deep network training by
reducing internal covariate shift", algorithms 1 and 2.

In Lillicrap et al. 2016 (section 3) that is the state input and all layers of the policy, and of Q those
before the action, which enters at its second layer (section 7). The output layer of the policy is left as it
is, as is usual: its first parameters are near 0 so that its first outputs are. The paper does not say where
running moments are used. Here, as in rllab's DDPG of 2016, targets and the Q that the policy climbs use them;
running moments follow in targets as parameters do, with Lasagne's rate and ε, which rllab uses.

The running moments are part of θ, without a gradient, so that targets, checkpoints and kept policies have
them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.maths.kernels import (
    Array,
    array,
    product,
    relu_,
    sqrt,
    sum_rows,
    tensor,
    times_relu_slope,
)
from matters.algorithms.parts.mlp import Forward, Initialiser, Mlp
from matters.algorithms.parts.theta import Layout

EPSILON = 1e-4
"""ε, added to a variance."""

RATE = 0.1
"""How far running moments move to a batch's each time."""

PER_PLACE = ("gain", "offset", "mean", "variance")


@dataclass
class Place:
    """What one normalisation computed, kept for the backward pass and for the running moments."""

    standardised: Array
    """x̂, [R, B, F]."""
    precision: Array
    """1 / √(Var + ε), [R, 1, F]."""
    moments: tuple[Array, Array] | None
    """What the running mean and variance become, each [R, 1, F]; None where they were used themselves."""


@dataclass(frozen=True)
class NormalisedMlp:
    """A perceptron of layers `sizes` = (inputs, hidden…, outputs) whose last `beside` inputs are never
    normalised.

    `normalised` counts the places from the input on: the other inputs, and then what each hidden layer
    computes, before ReLU. With `late`, the inputs beside join at the second layer instead of the first.
    """

    sizes: tuple[int, ...]
    normalised: int
    beside: int = 0
    late: bool = False

    def __post_init__(self) -> None:
        if self.late and len(self.sizes) < 3:
            raise ValueError("tricks.late_actions: needs a hidden layer; hidden is empty")

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        found = list(pairwise(self.sizes))
        if self.late:
            (first, width), (second, following) = found[:2]
            found[:2] = [(first - self.beside, width), (second + self.beside, following)]
        return found

    @property
    def widths(self) -> tuple[int, ...]:
        """Units at each place that is normalised."""
        return (self.sizes[0] - self.beside, *self.sizes[1:-1])[: self.normalised]

    @cached_property
    def layout(self) -> Layout:
        """Weight and bias of each layer, then gain, offset and running moments of each place."""
        own: dict[str, tuple[int, ...]] = {}
        for k, (inputs, outputs) in enumerate(self.layers):
            own |= {f"weight_{k}": (inputs, outputs), f"bias_{k}": (1, outputs)}
        for k, width in enumerate(self.widths):
            own |= {f"{part}_{k}": (1, width) for part in PER_PLACE}
        return Layout(tuple(own), tuple(own.values()))

    def initial(self, generator: np.random.Generator, initialiser: Initialiser) -> list[np.ndarray]:
        """First parameters of one network: layers as drawn, and places that change nothing."""
        last = len(self.layers) - 1
        drawn = [p for k, (i, o) in enumerate(self.layers) for p in initialiser(generator, i, o, k == last)]
        places = [
            made((1, width)) for width in self.widths for made in (np.ones, np.zeros, np.zeros, np.ones)
        ]
        return [*drawn, *places]

    def forward(self, arrays: Sequence[Array], x: Float[Tensor, "R B I"], *, learn: bool = False) -> Forward:
        """The output, and what `backward` needs; with `learn`, normalised by the batch's own moments."""
        output, inputs, places = self._run(arrays, array(x), learn=learn)
        return Forward(arrays, inputs, tensor(output), places=places)

    def one_by_one(self, arrays: Sequence[Array], x: Float[Tensor, "R B I"]) -> Array:
        """The output alone, for acting: [R, B, O], each sample multiplied on its own; see `Mlp`."""
        single = [part[:, None] for part in arrays]
        return self._run(single, array(x)[:, :, None], learn=False)[0][:, :, 0]

    def _run(
        self, arrays: Sequence[Array], x: Array, *, learn: bool
    ) -> tuple[Array, list[Array], list[Place]]:
        """The output, the input of each layer, and what was normalised."""
        seen = self.sizes[0] - self.beside
        here, beside = array(tensor(x)[..., :seen].contiguous()), x[..., seen:]
        places, inputs = [], []
        for layer in range(len(self.sizes) - 1):
            if layer < self.normalised:
                here, place = self._normalise(arrays, layer, here, learn=learn)
                places.append(place)
            if layer:
                here = relu_(here)
            if self.beside and layer == int(self.late):
                here = array(torch.cat([tensor(here), tensor(beside)], dim=-1))
            inputs.append(here)
            here = product(here, arrays[2 * layer])
            here += arrays[2 * layer + 1]
        return here, inputs, places

    def _of_place(self, parts: Sequence[Array], place: int) -> Sequence[Array]:
        first = 2 * (len(self.sizes) - 1) + len(PER_PLACE) * place
        return parts[first : first + len(PER_PLACE)]

    def _normalise(
        self, arrays: Sequence[Array], place: int, x: Array, *, learn: bool
    ) -> tuple[Array, Place]:
        gain, offset, mean, variance = self._of_place(arrays, place)
        moments = None
        if learn:
            own = _mean(x)
            centred = x - own
            spread = _mean(centred * centred)
            moments = mean + RATE * (own - mean), variance + RATE * (spread - variance)
        else:
            centred, spread = x - mean, variance
        precision = 1 / array(sqrt(tensor(spread + EPSILON)))
        standardised = centred * precision
        return gain * standardised + offset, Place(standardised, precision, moments)

    def gradient(self, forward: Forward, gradient: Float[Tensor, "R B O"]) -> Float[Tensor, "R P"]:
        """The gradient with respect to θ, from that of the output; that of moments and padding is 0."""
        rows, parts = self.layout.gradient_like(forward.arrays)
        here = array(gradient)
        for layer in reversed(range(len(self.sizes) - 1)):
            x = forward.inputs[layer]
            product(x.swapaxes(1, 2), here, out=parts[2 * layer])
            sum_rows(here, out=parts[2 * layer + 1])
            if layer:
                here = self._below(forward, layer, here)
            elif self.normalised:
                here = product(here, forward.arrays[0].swapaxes(1, 2))[..., : self.widths[0]]
            if layer < self.normalised:
                here = self._back(forward, layer, here, parts)
        return tensor(rows)

    def backward_to_last_inputs(
        self, forward: Forward, gradient: Float[Tensor, "R B O"], *, number: int
    ) -> Float[Tensor, "R B {number}"]:
        """The gradient with respect to the last `number` inputs, from that of the output.

        No place that comes after them may be normalised by a batch's moments.
        """
        here = array(gradient)
        for layer in reversed(range(1 + self.late, len(self.sizes) - 1)):
            here = self._below(forward, layer, here)
            if layer < self.normalised:
                here = self._back(forward, layer, here, None)
        return tensor(product(here, forward.arrays[2 * self.late][:, -number:].swapaxes(1, 2)))

    def _below(self, forward: Forward, layer: int, here: Array) -> Array:
        """The gradient with respect to what the layer below computed, before ReLU but after its place."""
        width = self.sizes[layer]  # without what joins there
        below = product(here, forward.arrays[2 * layer].swapaxes(1, 2))[..., :width]
        return times_relu_slope(below, forward.inputs[layer][..., :width])

    def _back(self, forward: Forward, place: int, here: Array, into: Sequence[Array] | None) -> Array:
        """The gradient through a place, and that of its gain and offset written to `into`."""
        found, gain = forward.places[place], self._of_place(forward.arrays, place)[0]
        along = here * found.standardised
        if into is not None:
            to_gain, to_offset, *moments = self._of_place(into, place)
            sum_rows(along, out=to_gain)
            sum_rows(here, out=to_offset)
            for untouched in moments:
                untouched[:] = 0
        if found.moments is not None:
            here = here - _mean(here) - found.standardised * _mean(along)
        return here * (gain * found.precision)

    def follow_moments(self, forward: Forward) -> None:
        """Move the running moments to those of the batch, whatever an optimiser did to them meanwhile."""
        for k, place in enumerate(forward.places):
            if place.moments is not None:
                for running, moved in zip(self._of_place(forward.arrays, k)[2:], place.moments, strict=True):
                    running[:] = moved


Network = Mlp | NormalisedMlp
"""A perceptron with or without normalised layers."""


def forward_to_learn(network: Network, arrays: Sequence[Array], x: Float[Tensor, "R B I"]) -> Forward:
    """As `forward`, on the batch that a step learns from: normalised layers use its own moments."""
    return network.forward(arrays, x) if isinstance(network, Mlp) else network.forward(arrays, x, learn=True)


def follow_moments(network: Network, forward: Forward) -> None:
    """Move the running moments of a network that has them, after a step on what `forward` computed."""
    if isinstance(network, NormalisedMlp):
        network.follow_moments(forward)


def _mean(x: Array) -> Array:
    """The mean over the samples, [R, 1, F]."""
    total = x[:, :1].clone() if isinstance(x, Tensor) else np.empty_like(x[:, :1])
    sum_rows(x, out=total)
    total *= 1 / x.shape[1]
    return total
