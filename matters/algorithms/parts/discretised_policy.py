"""A policy that chooses among K evenly spaced atoms in each dimension of the action."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from matters.algorithms.maths.categorical import (
    categorical_entropy,
    categorical_entropy_gradient,
    categorical_fisher,
    categorical_kl,
    categorical_kl_gradient,
    categorical_log_prob,
    categorical_log_prob_gradient,
    categorical_log_probs,
    categorical_reverse_kl_gradient,
)
from matters.algorithms.maths.kernels import Array, exp, tensor
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.parts.mlp import Forward, Initialiser, Mlp
from matters.algorithms.parts.policies import Distribution, refuse_unbounded
from matters.algorithms.parts.theta import Layout, Theta


@dataclass(frozen=True)
class DiscretisedPolicy:
    """Each dimension of a is one of K atoms from its lower to its upper bound, drawn by itself.

    Its distribution is the logits, [S, B, A, K]; probabilities are those of the atoms, no densities, so its
    entropy is no number to compare with a Gaussian's.

    Tang and Agrawal 2020, "Discretizing continuous action space for on-policy optimization", section 4; Hsu,
    Mendler-Dünner and Hardt 2020, "Revisiting design choices in proximal policy optimization".

    Raises ValueError for bounds that are not finite.
    """

    logits: Mlp
    low: tuple[float, ...]
    high: tuple[float, ...]
    atoms: int

    def __post_init__(self) -> None:
        refuse_unbounded("discretised", self.low, self.high)

    @property
    def layout(self) -> Layout:
        """The perceptron's parameters."""
        return self.logits.layout

    @property
    def noise_size(self) -> int:
        """One for each dimension of the action."""
        return len(self.low)

    @property
    def record_size(self) -> int:
        """The logits."""
        return self.noise_size * self.atoms

    def recorded(self, record: Float[Tensor, "S B R"]) -> Distribution:
        """The distributions that `sample` recorded."""
        return (self._apart(record),)

    def initial(self, generator: np.random.Generator, initialiser: Initialiser) -> np.ndarray:
        """A first row [P] of θ for one seed."""
        return self.layout.row(self.logits.initial(generator, initialiser))

    def __call__(self, views: list[Tensor], observation: Float[Tensor, "S B O"]) -> Distribution:
        """The logits."""
        return (self._apart(self.logits(views, observation)),)

    def forward(
        self, arrays: Sequence[Array], observation: Float[Tensor, "S B O"]
    ) -> tuple[Distribution, Forward]:
        """The logits, and what `gradient` needs."""
        forward = self.logits.forward(arrays, observation)
        return (self._apart(forward.output),), forward

    def gradient(self, forward: Forward, gradient: Distribution) -> Float[Tensor, "S P"]:
        """The gradient with respect to θ, from that with respect to the logits."""
        return self.logits.gradient(forward, gradient[0].flatten(2))

    def tangent(self, forward: Forward, direction: Float[Tensor, "S P"]) -> Distribution:
        """How the logits change per step of θ in a direction."""
        return (self._apart(self.logits.tangent(forward, self.layout.arrays(direction))),)

    @DIVERGING
    def sample(
        self, theta: Theta, observation: Float[Tensor, "S N O"], noise: Float[Tensor, "S N E"] | None
    ) -> tuple[Float[Tensor, "S N A"], Float[Tensor, "S N R"]]:
        """The atom at the quantile Φ(noise), with the logits; or the likeliest atom where there is no noise.
        No gradients.
        """
        record = tensor(self.logits.one_by_one(theta.arrays, observation))
        p = exp(categorical_log_probs(self._apart(record))).double().numpy()
        if noise is None:
            index, record = p.argmax(-1), record[..., :0]
        else:
            from scipy.special import ndtr  # here, since a Gaussian should not wait for it

            up_to = np.cumsum(p, -1)
            index = (up_to < ndtr(noise.double().numpy())[..., None] * up_to[..., -1:]).sum(-1)
        low, width = np.array(self.low), np.array(self.high) - np.array(self.low)
        action = np.where(np.isnan(p).any(-1), np.nan, low + width * (index / (self.atoms - 1)))
        return torch.from_numpy(action).to(theta.matrix.dtype), record

    def log_prob(self, distribution: Distribution, action: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
        """log of the probability of the atoms."""
        return categorical_log_prob(self._index(action), *distribution)

    def log_prob_gradient(
        self, distribution: Distribution, action: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · log π(a|s) with respect to the logits."""
        return (categorical_log_prob_gradient(self._index(action), distribution[0], weight),)

    def entropy(self, distribution: Distribution) -> Float[Tensor, "S B"]:
        """H of the atoms."""
        return categorical_entropy(*distribution)

    def entropy_gradient(self, distribution: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The gradient of Σ weight · H with respect to the logits."""
        return (categorical_entropy_gradient(distribution[0], weight),)

    def kl(self, old: Distribution, new: Distribution) -> Float[Tensor, "S B"]:
        """KL(old ‖ new)."""
        return categorical_kl(*old, *new)

    def kl_gradient(self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]) -> Distribution:
        """The gradient of Σ weight · KL(old ‖ new) with respect to the new logits."""
        return (categorical_kl_gradient(old[0], new[0], weight),)

    def reverse_kl_gradient(
        self, old: Distribution, new: Distribution, weight: Float[Tensor, "S B"]
    ) -> Distribution:
        """The gradient of Σ weight · KL(new ‖ old) with respect to the new logits."""
        return (categorical_reverse_kl_gradient(old[0], new[0], weight),)

    def fisher(self, distribution: Distribution, change: Distribution, weight: float) -> Distribution:
        """`weight` · M times a change of the logits."""
        return (categorical_fisher(distribution[0], change[0], weight),)

    def _apart(self, x: Float[Tensor, "S B _"]) -> Float[Tensor, "S B A K"]:
        return x.view(*x.shape[:-1], self.noise_size, self.atoms)

    def _index(self, action: Float[Tensor, "S B A"]) -> Int[Tensor, "S B A"]:
        """The atoms that actions are."""
        low, high = torch.tensor(self.low, dtype=torch.float64), torch.tensor(self.high, dtype=torch.float64)
        places = ((action - low) / (high - low) * (self.atoms - 1)).round().nan_to_num()
        return places.clamp(0, self.atoms - 1).long()
