"""Stochastic policies: a network's output made a distribution over actions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from algorithms.networks import Mlp
from algorithms.theta import Layout, Theta


@dataclass(frozen=True)
class GaussianPolicy:
    """a ~ N(μ(s), diag σ²), with μ a perceptron and log σ free parameters that do not depend on s.

    Schulman et al. 2017, section 6.1.
    """

    mean: Mlp

    @property
    def layout(self) -> Layout:
        """The perceptron's parameters, then log σ."""
        return Layout((*self.mean.names, "log_std"), (*self.mean.shapes, (1, self.mean.sizes[-1])))

    def __call__(
        self, views: list[Tensor], observation: Float[Tensor, "S B O"]
    ) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S 1 A"]]:
        """μ(s) and log σ."""
        return self.mean(views[:-1], observation), views[-1]

    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N A"] | None
    ) -> Float[Tensor, "S N A"]:
        """μ + σ · noise, or the mode μ where there is no noise. No gradients."""
        mean, log_std = self(theta.frozen, observation)
        return mean if noise is None else mean + log_std.exp() * noise

    def initial(self, generator: np.random.Generator, *, orthogonal: bool, log_std: float) -> np.ndarray:
        """A first row [P] of θ for one seed; the last layer's orthogonal gain is 0.01 (OpenAI baselines)."""
        weights = self.mean.initial(generator, orthogonal=orthogonal, last_gain=0.01)
        return self.layout.row([*weights, np.full((1, self.mean.sizes[-1]), log_std)])
