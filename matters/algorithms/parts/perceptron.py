"""The perceptron of the off-policy algorithms: ReLU, any widths, the first parameters of `torch.nn.Linear`.

They take a gradient step for every step of the environment, so that is where their time goes. R is the number
of networks: those of all seeds are evaluated at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.parts.mlp import WIDTH_MULTIPLE, Pass, applied, passed, slopes
from matters.algorithms.parts.theta import Layout


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
        return passed(views, x, tanh=False)

    def applied(
        self, arrays: Sequence[np.ndarray], x: Float[np.ndarray, "R B I"]
    ) -> Float[np.ndarray, "R B O"]:
        """The output alone, in NumPy, for acting; `arrays` are what `views` are."""
        return applied(arrays, x, tanh=False)

    def gradient(self, run: Pass, slope: Float[Tensor, "R B O"]) -> Float[Tensor, "R P"]:
        """∇ to the parameters of what has this slope to the output; that of the padding is 0."""
        return self.layout.joined(slopes(run, slope))


def _shapes(sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(shape for i, o in pairwise(sizes) for shape in ((i, o), (1, o)))
