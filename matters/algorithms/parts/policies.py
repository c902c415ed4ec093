"""Stochastic policies: a network's output made a distribution over actions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.maths.distributions import (
    beta_entropy,
    beta_entropy_slopes,
    beta_kl,
    beta_kl_slopes,
    beta_log_prob,
    beta_log_prob_slopes,
    beta_mode,
    gaussian_entropy,
    gaussian_kl,
    gaussian_kl_slopes,
    gaussian_log_prob,
    gaussian_log_prob_slopes,
    softplus,
)
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.parts.mlp import Mlp, Pass, slopes
from matters.algorithms.parts.theta import Layout, Theta

Distribution = tuple[Tensor, Tensor]
"""What a policy makes of B observations, for that policy alone to read: the parameters of a distribution over
actions, each [S, B, A], or [S, 1, A] where it is the same for all observations."""

LAST_GAIN = 0.01
"""Orthogonal gain of the last layer (OpenAI baselines): the first policy barely looks at the observation."""


def sum_of(slopes: Sequence[Distribution]) -> Distribution:
    """The slope of a sum of terms."""
    firsts, seconds = zip(*slopes, strict=True)
    return reduce(torch.add, firsts), reduce(torch.add, seconds)


@runtime_checkable
class Policy(Protocol):
    """π(a|s): what the learning rules know of it."""

    @property
    def layout(self) -> Layout:
        """The layout of a θ that holds the policy."""

    def initial(self, generator: np.random.Generator, *, orthogonal: bool) -> np.ndarray:
        """A first row [P] of θ for one seed."""

    def __call__(self, views: list[Tensor], observation: Float[Tensor, "S B O"]) -> Distribution:
        """π(·|s) of each observation; `views` are the policy's parameters as its layout gives them."""

    def run(self, views: list[Tensor], observation: Float[Tensor, "S B O"]) -> tuple[Distribution, Pass]:
        """As a call, without autograd, and with what `gradient` needs."""

    def gradient(self, run: Pass, slope: Distribution) -> Float[Tensor, "S P"]:
        """∇ to θ of what has this slope to the distribution that `run` gave."""

    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N A"] | None
    ) -> Float[Tensor, "S N A"]:
        """The action that standard normal noise draws, or the mode where there is none. No gradients."""

    def log_prob(self, distribution: Distribution, action: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
        """log π(a|s)."""

    def log_prob_slope(
        self, distribution: Distribution, action: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The slope of Σ weight · log π(a|s) to the distribution."""

    def entropy(self, distribution: Distribution) -> Float[Tensor, "S _"]:
        """H(π(·|s)), [S, B], or [S, 1] where it is the same for all observations."""

    def entropy_slope(self, distribution: Distribution, weight: Float[Tensor, "S _"]) -> Distribution:
        """The slope of Σ weight · H(π(·|s)) to the distribution; `weight` has the shape of the entropy."""

    def kl(self, old: Distribution, new: Distribution) -> Float[Tensor, "S B"]:
        """KL(old ‖ new) at each observation."""

    def kl_slope(self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The slope of Σ weight · KL(old ‖ new) to the new distribution."""


@dataclass(frozen=True)
class GaussianPolicy:
    """a ~ N(μ(s), diag σ²), with μ a perceptron and log σ free parameters that do not depend on s.

    Its distribution is (μ, log σ). Schulman et al. 2017, section 6.1.
    """

    mean: Mlp
    log_std: float = 0.0
    """What log σ is at first."""

    @cached_property
    def layout(self) -> Layout:
        """The perceptron's parameters, then log σ."""
        return Layout((*self.mean.names, "log_std"), (*self.mean.shapes, (1, self.mean.sizes[-1])))

    def initial(self, generator: np.random.Generator, *, orthogonal: bool) -> np.ndarray:
        """A first row [P] of θ for one seed."""
        weights = self.mean.initial(generator, orthogonal=orthogonal, last_gain=LAST_GAIN)
        return self.layout.row([*weights, np.full((1, self.mean.sizes[-1]), self.log_std)])

    def __call__(
        self, views: list[Tensor], observation: Float[Tensor, "S B O"]
    ) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S 1 A"]]:
        """μ(s) and log σ."""
        return self.mean(views[:-1], observation), views[-1]

    def run(
        self, views: list[Tensor], observation: Float[Tensor, "S B O"]
    ) -> tuple[tuple[Float[Tensor, "S B A"], Float[Tensor, "S 1 A"]], Pass]:
        """μ(s) and log σ, and what `gradient` needs."""
        run = self.mean.run(views[:-1], observation)
        return (run.output, views[-1]), run

    def gradient(self, run: Pass, slope: Distribution) -> Float[Tensor, "S P"]:
        """∇ to θ of what has this slope to (μ, log σ)."""
        to_mean, to_log_std = slope
        return self.layout.joined([*slopes(run, to_mean), to_log_std.flatten(1)])

    @DIVERGING
    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N A"] | None
    ) -> Float[Tensor, "S N A"]:
        """μ + σ · noise, or the mode μ where there is no noise. No gradients."""
        mean = self.mean.applied(theta.arrays[:-1], observation.numpy())
        if noise is not None:
            mean += np.exp(theta.arrays[-1]) * noise.numpy()
        return torch.from_numpy(mean)

    def log_prob(self, distribution: Distribution, action: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
        """log N(a; μ, σ²)."""
        return gaussian_log_prob(action, *distribution)

    def log_prob_slope(
        self, distribution: Distribution, action: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The slope of Σ weight · log π(a|s) to (μ, log σ)."""
        return gaussian_log_prob_slopes(action, *distribution, weight)

    def entropy(self, distribution: Distribution) -> Float[Tensor, "S 1"]:
        """Of σ alone, so that all observations have the same."""
        return gaussian_entropy(distribution[1])

    def entropy_slope(self, distribution: Distribution, weight: Float[Tensor, "S 1"]) -> Distribution:
        """The slope of weight · H to (μ, log σ): 0 and the weight."""
        mean, log_std = distribution
        return torch.zeros_like(mean), weight[..., None].expand_as(log_std)

    def kl(self, old: Distribution, new: Distribution) -> Float[Tensor, "S B"]:
        """KL(old ‖ new)."""
        return gaussian_kl(*old, *new)

    def kl_slope(self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The slope of Σ weight · KL(old ‖ new) to the new (μ, log σ)."""
        return gaussian_kl_slopes(*old, *new, weight)


@dataclass(frozen=True)
class BetaPolicy:
    """a = low + (high − low) x, x ~ Beta(α(s), β(s)): no action is out of bounds, and none need be clipped.

    α, β = 1 + softplus of a perceptron's first and last A outputs, so that the density has one mode and falls
    to 0 at both bounds. Its distribution is (α, β); densities and entropies are those of the action.

    Chou, Maturana and Scherer 2017, "Improving stochastic policy gradients in continuous control with deep
    reinforcement learning using the Beta distribution"; Hsu, Mendler-Dünner and Hardt 2020, "Revisiting
    design choices in proximal policy optimization".

    Raises ValueError for bounds that are not finite.
    """

    concentrations: Mlp
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        for axis, bounds in enumerate(zip(self.low, self.high, strict=True)):
            if not all(map(math.isfinite, bounds)):
                raise ValueError(
                    f"policy = 'beta': needs bounded actions; axis {axis} is from {bounds[0]} to {bounds[1]}"
                )

    @property
    def layout(self) -> Layout:
        """The perceptron's parameters."""
        return self.concentrations.layout

    def initial(self, generator: np.random.Generator, *, orthogonal: bool) -> np.ndarray:
        """A first row [P] of θ for one seed."""
        weights = self.concentrations.initial(generator, orthogonal=orthogonal, last_gain=LAST_GAIN)
        return self.layout.row(weights)

    def __call__(
        self, views: list[Tensor], observation: Float[Tensor, "S B O"]
    ) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
        """α(s) and β(s)."""
        alpha, beta = (1 + softplus(self.concentrations(views, observation))).chunk(2, dim=-1)
        return alpha, beta

    def run(
        self, views: list[Tensor], observation: Float[Tensor, "S B O"]
    ) -> tuple[tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]], Pass]:
        """α(s) and β(s), and what `gradient` needs."""
        run = self.concentrations.run(views, observation)
        alpha, beta = (1 + softplus(run.output)).chunk(2, dim=-1)
        return (alpha, beta), run

    def gradient(self, run: Pass, slope: Distribution) -> Float[Tensor, "S P"]:
        """∇ to θ of what has this slope to (α, β); that of softplus is the logistic function."""
        return self.layout.joined(slopes(run, torch.cat(slope, dim=-1) * run.output.sigmoid()))

    @DIVERGING
    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N A"] | None
    ) -> Float[Tensor, "S N A"]:
        """The Beta quantile of Φ(noise), or the mode where there is no noise. No gradients.

        Acting must be a function of parameters and noise alone, and take as many random numbers whatever the
        policy. Rejection samplers and pairs of gammas do neither; the inverse distribution function does
        both, exactly, for about 2 µs a number.
        """
        output = torch.from_numpy(self.concentrations.applied(theta.arrays, observation.numpy()))
        alpha, beta = (1 + softplus(output)).double().chunk(2, dim=-1)
        if noise is None:
            x = beta_mode(alpha, beta)
        else:
            from scipy.special import betaincinv, ndtr  # here, since no other policy should wait for it

            x = torch.from_numpy(betaincinv(alpha.numpy(), beta.numpy(), ndtr(noise.double().numpy())))
        low, width = self._range
        return (low + width * x).to(theta.matrix.dtype)

    def log_prob(self, distribution: Distribution, action: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
        """log Beta((a − low) / (high − low); α, β) − Σᵢ log(highᵢ − lowᵢ)."""
        low, width = self._range
        return beta_log_prob((action - low) / width, *distribution) - self._log_volume

    def log_prob_slope(
        self, distribution: Distribution, action: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The slope of Σ weight · log π(a|s) to (α, β)."""
        low, width = self._range
        return beta_log_prob_slopes((action - low) / width, *distribution, weight)

    def entropy(self, distribution: Distribution) -> Float[Tensor, "S B"]:
        """H(Beta(α, β)) + Σᵢ log(highᵢ − lowᵢ)."""
        return beta_entropy(*distribution) + self._log_volume

    def entropy_slope(self, distribution: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The slope of Σ weight · H(π(·|s)) to (α, β)."""
        return beta_entropy_slopes(*distribution, weight)

    def kl(self, old: Distribution, new: Distribution) -> Float[Tensor, "S B"]:
        """KL(old ‖ new); the range of the actions is no part of it."""
        return beta_kl(*old, *new)

    def kl_slope(self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The slope of Σ weight · KL(old ‖ new) to the new (α, β)."""
        return beta_kl_slopes(*old, *new, weight)

    @cached_property
    def _range(self) -> tuple[Float[Tensor, " A"], Float[Tensor, " A"]]:
        """low and high − low; in double precision, so that no action is rounded to beyond the bounds."""
        low, high = torch.tensor(self.low, dtype=torch.float64), torch.tensor(self.high, dtype=torch.float64)
        return low, high - low

    @cached_property
    def _log_volume(self) -> float:
        return sum(math.log(high - low) for low, high in zip(self.low, self.high, strict=True))
