"""Acting with parameters that are some updates old: what asynchronous actors do, without the randomness."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.parts.theta import Theta


@dataclass
class Lag:
    """The policy's parameters before each of the last ℓ updates, the oldest first.

    Before the ℓ-th update these are the first parameters. Only parameters lag: observations are normalised
    with the current moments. Mnih et al. 2016, "Asynchronous methods for deep reinforcement learning", and
    Espeholt et al. 2018, "IMPALA", have actors that lag behind by a random number of updates.
    """

    ring: Float[Tensor, "S L P"]

    @classmethod
    def of(cls, state: Any, updates: int) -> "Lag | None":
        """A lag of `updates` updates behind a first state; None for 0."""
        if not updates:
            return None
        return cls(state.policy.matrix[:, None].expand(-1, updates, -1).clone())

    def next(self, state: Any) -> Any:
        """The state that acts until the next update; the current parameters join those that wait."""
        theta, acting = state.policy, self.ring[:, 0].clone()
        self.ring = torch.cat([self.ring[:, 1:], theta.matrix[:, None]], dim=1)
        return replace(state, policy=Theta(acting, theta.layout, theta.first, theta.second, theta.steps))
