"""Stochastic policies: a network's output turned into a distribution over actions."""

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
    beta_entropy_gradients,
    beta_fisher,
    beta_kl,
    beta_kl_gradients,
    beta_log_prob,
    beta_log_prob_gradients,
    beta_mode,
    beta_reverse_kl_gradients,
    gaussian_entropy,
    gaussian_fisher,
    gaussian_kl,
    gaussian_kl_gradients,
    gaussian_log_prob,
    gaussian_log_prob_gradients,
    gaussian_reverse_kl_gradients,
)
from matters.algorithms.maths.kernels import Array, array, log, sigmoid, softplus, tensor
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.parts.mlp import Forward, Initialiser, Mlp
from matters.algorithms.parts.theta import Layout, Theta

Distribution = tuple[Tensor, ...]
"""What a policy makes of B observations, for that policy alone to read: the parameters of a distribution over
actions, each [S, B, A, …], or [S, 1, A] where it is the same for all observations."""

LAST_GAIN = 0.01
"""Orthogonal gain of the last layer (OpenAI baselines): the first policy barely looks at the observation."""


def sum_of(gradients: Sequence[Distribution]) -> Distribution:
    """The gradient of a sum of terms."""
    return tuple(reduce(torch.add, parts) for parts in zip(*gradients, strict=True))


def refuse_unbounded(policy: str, low: tuple[float, ...], high: tuple[float, ...]) -> None:
    """Raises ValueError for action bounds that are not finite."""
    for axis, bounds in enumerate(zip(low, high, strict=True)):
        if not all(map(math.isfinite, bounds)):
            raise ValueError(
                f"policy = {policy!r}: needs bounded actions; axis {axis} is from {bounds[0]} to {bounds[1]}"
            )


@runtime_checkable
class Policy(Protocol):
    """π(a|s): what the learning rules know of it."""

    @property
    def layout(self) -> Layout:
        """The layout of a θ that holds the policy."""

    @property
    def noise_size(self) -> int:
        """How many standard normal numbers draw an action."""

    @property
    def record_size(self) -> int:
        """How many numbers `sample` records."""

    def recorded(self, record: Float[Tensor, "S B R"]) -> Distribution:
        """The distributions that `sample` recorded."""

    def initial(self, generator: np.random.Generator, initialiser: Initialiser) -> np.ndarray:
        """A first row [P] of θ for one seed."""

    def __call__(self, views: list[Tensor], observation: Float[Tensor, "S B O"]) -> Distribution:
        """π(·|s) of each observation; `views` are the policy's parameters as its layout gives them."""

    def forward(
        self, arrays: Sequence[Array], observation: Float[Tensor, "S B O"]
    ) -> tuple[Distribution, Forward]:
        """As a call, without autograd but with what `gradient` needs; `arrays` are as in its layout."""

    def gradient(self, forward: Forward, gradient: Distribution) -> Float[Tensor, "S P"]:
        """The gradient with respect to θ, from that with respect to the distribution that `forward` gave."""

    def tangent(self, forward: Forward, direction: Float[Tensor, "S P"]) -> Distribution:
        """How the distribution that `forward` gave changes per step of θ in a direction."""

    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N E"] | None
    ) -> tuple[Float[Tensor, "S N A"], Float[Tensor, "S N R"]]:
        """The action that standard normal noise draws, with its distribution's parameters; or the mode. No
        gradients.
        """

    def log_prob(self, distribution: Distribution, action: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
        """log π(a|s)."""

    def log_prob_gradient(
        self, distribution: Distribution, action: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · log π(a|s) with respect to the distribution."""

    def entropy(self, distribution: Distribution) -> Float[Tensor, "S _"]:
        """H(π(·|s)), [S, B], or [S, 1] where it is the same for all observations."""

    def entropy_gradient(self, distribution: Distribution, weight: Float[Tensor, "S _"]) -> Distribution:
        """The gradient of Σ weight · H(π(·|s)) with respect to the distribution, `weight` shaped as H."""

    def kl(self, old: Distribution, new: Distribution) -> Float[Tensor, "S B"]:
        """KL(old ‖ new) at each observation."""

    def kl_gradient(self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The gradient of Σ weight · KL(old ‖ new) with respect to the new distribution."""

    def reverse_kl_gradient(
        self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · KL(new ‖ old) with respect to the new distribution."""

    def fisher(self, distribution: Distribution, change: Distribution, weight: float) -> Distribution:
        """`weight` · M times a change of the distribution, M its Fisher information: the Hessian of either KL
        where old and new are the same.
        """


@dataclass(frozen=True)
class GaussianPolicy:
    """a ~ N(μ(s), diag σ²), with μ a perceptron and log σ free parameters that do not depend on s.

    Its distribution is (μ, log σ). Schulman et al. 2017, section 6.1. σ is eˣ, or softplus(x) with
    `softplus`, of a free parameter x or, with `of_state`, of a further output x of the perceptron.
    """

    mean: Mlp
    log_std: float = 0.0
    """The first log σ; with `of_state`, that at which the perceptron's outputs are 0."""
    of_state: bool = False
    softplus: bool = False

    @cached_property
    def layout(self) -> Layout:
        """The perceptron's parameters and then, if it is free, x: log σ, or what σ is the softplus of."""
        if self.of_state:
            return self.mean.layout
        last = "raw_std" if self.softplus else "log_std"
        return Layout((*self.mean.names, last), (*self.mean.shapes, (1, self.noise_size)))

    @property
    def noise_size(self) -> int:
        """One for each dimension of the action."""
        return self.mean.sizes[-1] // 2 if self.of_state else self.mean.sizes[-1]

    @property
    def record_size(self) -> int:
        """μ and log σ."""
        return 2 * self.noise_size

    def recorded(self, record: Float[Tensor, "S B R"]) -> Distribution:
        """The distributions that `sample` recorded."""
        first, second = record.chunk(2, dim=-1)
        return first.contiguous(), second.contiguous()

    def initial(self, generator: np.random.Generator, initialiser: Initialiser) -> np.ndarray:
        """A first row [P] of θ for one seed."""
        weights = self.mean.initial(generator, initialiser)
        free = [] if self.of_state else [np.full((1, self.noise_size), self._first)]
        return self.layout.row([*weights, *free])

    def __call__(
        self, views: list[Tensor], observation: Float[Tensor, "S B O"]
    ) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S #B A"]]:
        """μ(s) and log σ."""
        own = views if self.of_state else views[:-1]
        return self._distribution(self.mean(own, observation), views[-1])

    def forward(
        self, arrays: Sequence[Array], observation: Float[Tensor, "S B O"]
    ) -> tuple[tuple[Float[Tensor, "S B A"], Float[Tensor, "S #B A"]], Forward]:
        """μ(s) and log σ, and what `gradient` needs."""
        forward = self.mean.forward(arrays if self.of_state else arrays[:-1], observation)
        if not self.of_state:
            forward.beside = arrays[-1]
        return self._distribution(forward.output, tensor(arrays[-1])), forward

    def gradient(self, forward: Forward, gradient: Distribution) -> Float[Tensor, "S P"]:
        """The gradient with respect to θ, from that with respect to (μ, log σ)."""
        to_mean, to_log_std = gradient
        if self.softplus:
            to_log_std = to_log_std * self._slope(forward)
        if self.of_state:
            return self.mean.gradient(forward, torch.cat((to_mean, to_log_std), dim=-1))
        rows, parts = self.layout.gradient_like(forward.arrays)
        self.mean.backward(forward, to_mean, parts[:-1])
        parts[-1][:] = array(to_log_std)
        return tensor(rows)

    def tangent(
        self, forward: Forward, direction: Float[Tensor, "S P"]
    ) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S #B A"]]:
        """How (μ, log σ) changes per step of θ in a direction."""
        parts = self.layout.arrays(direction)
        if self.of_state:
            to_mean, to_std = self.mean.tangent(forward, parts).chunk(2, dim=-1)
        else:
            to_mean, to_std = self.mean.tangent(forward, parts[:-1]), tensor(parts[-1])
        return to_mean, to_std * self._slope(forward) if self.softplus else to_std

    @DIVERGING
    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N E"] | None
    ) -> tuple[Float[Tensor, "S N A"], Float[Tensor, "S N R"]]:
        """μ + σ · noise, with μ and log σ; or the mode μ where there is no noise. No gradients."""
        own = theta.arrays if self.of_state else theta.arrays[:-1]
        mean = self.mean.one_by_one(own, observation)
        log_std = theta.arrays[-1]
        if self.of_state or self.softplus:
            parts = self._distribution(torch.from_numpy(mean), torch.from_numpy(log_std))
            mean, log_std = (part.contiguous().numpy() for part in parts)
        if noise is None:
            return torch.from_numpy(mean), observation.new_empty(*mean.shape[:2], 0)
        actions = mean.shape[2]
        record = np.empty(
            (*mean.shape[:2], 2 * actions), mean.dtype
        )  # concatenating takes five times as long
        record[..., :actions], record[..., actions:] = mean, log_std
        mean += np.exp(log_std) * noise.numpy()
        return torch.from_numpy(mean), torch.from_numpy(record)

    def _distribution(self, outputs: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
        """(μ, log σ) from the perceptron's outputs, and from the free parameters where there are any."""
        mean, raw = outputs, free
        if self.of_state:
            mean, raw = outputs.chunk(2, dim=-1)
            raw = raw + self._first
        return mean, log(softplus(raw)) if self.softplus else raw

    def _slope(self, forward: Forward) -> Tensor:
        """d log σ / dx of σ = softplus(x)."""
        if self.of_state:
            raw = forward.output.chunk(2, dim=-1)[1] + self._first
        else:
            raw = tensor(forward.beside)
        return sigmoid(raw) / softplus(raw)

    @cached_property
    def _first(self) -> float:
        """The first x: the first log σ itself, or the x whose softplus is the first σ."""
        return math.log(math.expm1(math.exp(self.log_std))) if self.softplus else self.log_std

    def log_prob(self, distribution: Distribution, action: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
        """log N(a; μ, σ²)."""
        return gaussian_log_prob(action, *distribution)

    def log_prob_gradient(
        self, distribution: Distribution, action: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · log π(a|s) with respect to (μ, log σ)."""
        return gaussian_log_prob_gradients(action, distribution[0], distribution[1], weight)

    def entropy(self, distribution: Distribution) -> Float[Tensor, "S _"]:
        """H depends on σ alone, so it is the same for all observations where σ is free."""
        return gaussian_entropy(distribution[1])

    def entropy_gradient(self, distribution: Distribution, weight: Float[Tensor, "S _"]) -> Distribution:
        """The gradient of weight · H with respect to (μ, log σ): 0 and the weight."""
        mean, log_std = distribution
        return torch.zeros_like(mean), weight[..., None].expand_as(log_std)

    def kl(self, old: Distribution, new: Distribution) -> Float[Tensor, "S B"]:
        """KL(old ‖ new)."""
        return gaussian_kl(*old, *new)

    def kl_gradient(self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The gradient of Σ weight · KL(old ‖ new) with respect to the new (μ, log σ)."""
        return gaussian_kl_gradients(old[0], old[1], new[0], new[1], weight)

    def reverse_kl_gradient(
        self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · KL(new ‖ old) with respect to the new (μ, log σ)."""
        return gaussian_reverse_kl_gradients(old[0], old[1], new[0], new[1], weight)

    def fisher(self, distribution: Distribution, change: Distribution, weight: float) -> Distribution:
        """`weight` · M times a change of (μ, log σ)."""
        return gaussian_fisher(distribution[1], change[0], change[1], weight)


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
        refuse_unbounded("beta", self.low, self.high)

    @property
    def layout(self) -> Layout:
        """The perceptron's parameters."""
        return self.concentrations.layout

    @property
    def noise_size(self) -> int:
        """One for each dimension of the action."""
        return len(self.low)

    @property
    def record_size(self) -> int:
        """α and β."""
        return 2 * self.noise_size

    def recorded(self, record: Float[Tensor, "S B R"]) -> Distribution:
        """The distributions that `sample` recorded."""
        first, second = record.chunk(2, dim=-1)
        return first.contiguous(), second.contiguous()

    def initial(self, generator: np.random.Generator, initialiser: Initialiser) -> np.ndarray:
        """A first row [P] of θ for one seed."""
        weights = self.concentrations.initial(generator, initialiser)
        return self.layout.row(weights)

    def __call__(
        self, views: list[Tensor], observation: Float[Tensor, "S B O"]
    ) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
        """α(s) and β(s)."""
        alpha, beta = (1 + softplus(self.concentrations(views, observation))).chunk(2, dim=-1)
        return alpha, beta

    def forward(
        self, arrays: Sequence[Array], observation: Float[Tensor, "S B O"]
    ) -> tuple[tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]], Forward]:
        """α(s) and β(s), and what `gradient` needs."""
        forward = self.concentrations.forward(arrays, observation)
        alpha, beta = (1 + softplus(forward.output)).chunk(2, dim=-1)
        return (alpha, beta), forward

    def gradient(self, forward: Forward, gradient: Distribution) -> Float[Tensor, "S P"]:
        """The gradient with respect to θ, from that with respect to (α, β); that of softplus is logistic."""
        return self.concentrations.gradient(forward, torch.cat(gradient, dim=-1) * sigmoid(forward.output))

    def tangent(
        self, forward: Forward, direction: Float[Tensor, "S P"]
    ) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
        """How (α, β) changes per step of θ in a direction."""
        change = self.concentrations.tangent(forward, self.layout.arrays(direction))
        to_alpha, to_beta = (change * sigmoid(forward.output)).chunk(2, dim=-1)
        return to_alpha, to_beta

    @DIVERGING
    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N E"] | None
    ) -> tuple[Float[Tensor, "S N A"], Float[Tensor, "S N R"]]:
        """The Beta quantile of Φ(noise), with α and β; or the mode where there is no noise. No gradients.

        Acting must be a function of parameters and noise alone, and take the same number of random numbers
        whatever the policy. Rejection samplers and pairs of gammas do neither; the inverse distribution
        function does both, exactly, at about 2 µs per number.
        """
        record = 1 + softplus(tensor(self.concentrations.one_by_one(theta.arrays, observation)))
        alpha, beta = record.double().chunk(2, dim=-1)
        if noise is None:
            x, record = beta_mode(alpha, beta), record[..., :0]
        else:
            from scipy.special import betaincinv, ndtr  # here, since no other policy should wait for it

            x = torch.from_numpy(betaincinv(alpha.numpy(), beta.numpy(), ndtr(noise.double().numpy())))
        low, width = self._range
        return (low + width * x).to(theta.matrix.dtype), record

    def log_prob(self, distribution: Distribution, action: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
        """log Beta((a − low) / (high − low); α, β) − Σᵢ log(highᵢ − lowᵢ)."""
        low, width = self._range
        return beta_log_prob((action - low) / width, *distribution) - self._log_volume

    def log_prob_gradient(
        self, distribution: Distribution, action: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · log π(a|s) with respect to (α, β)."""
        low, width = self._range
        return beta_log_prob_gradients((action - low) / width, distribution[0], distribution[1], weight)

    def entropy(self, distribution: Distribution) -> Float[Tensor, "S B"]:
        """H(Beta(α, β)) + Σᵢ log(highᵢ − lowᵢ)."""
        return beta_entropy(*distribution) + self._log_volume

    def entropy_gradient(self, distribution: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The gradient of Σ weight · H(π(·|s)) with respect to (α, β)."""
        return beta_entropy_gradients(distribution[0], distribution[1], weight)

    def kl(self, old: Distribution, new: Distribution) -> Float[Tensor, "S B"]:
        """KL(old ‖ new); the range of the actions is no part of it."""
        return beta_kl(*old, *new)

    def kl_gradient(self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The gradient of Σ weight · KL(old ‖ new) with respect to the new (α, β)."""
        return beta_kl_gradients(old[0], old[1], new[0], new[1], weight)

    def reverse_kl_gradient(
        self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · KL(new ‖ old) with respect to the new (α, β)."""
        return beta_reverse_kl_gradients(old[0], old[1], new[0], new[1], weight)

    def fisher(self, distribution: Distribution, change: Distribution, weight: float) -> Distribution:
        """`weight` · M times a change of (α, β)."""
        return beta_fisher(distribution[0], distribution[1], change[0], change[1], weight)

    @cached_property
    def _range(self) -> tuple[Float[Tensor, " A"], Float[Tensor, " A"]]:
        """low and high − low; in double precision, so that no action is rounded past the bounds."""
        low, high = torch.tensor(self.low, dtype=torch.float64), torch.tensor(self.high, dtype=torch.float64)
        return low, high - low

    @cached_property
    def _log_volume(self) -> float:
        return sum(math.log(high - low) for low, high in zip(self.low, self.high, strict=True))
