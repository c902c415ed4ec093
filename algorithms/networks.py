"""Multi-layer perceptrons as pure functions of views of θ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from algorithms.theta import Layout

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
    if width == 1 or (missing and x.shape[1] == 1):
        # One column, or one observation and few columns: a product and a sum are faster than a padded matrix
        # product, and the bits of one that is not padded depend on S.
        return (x * weight.transpose(1, 2)).sum(-1).view(len(x), -1, width) + bias
    if missing:
        return torch.baddbmm(pad(bias, (0, missing)), x, pad(weight, (0, missing)))[..., :width]
    return torch.baddbmm(bias, x, weight)


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

    @property
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
