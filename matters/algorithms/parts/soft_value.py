"""V of SAC's first version: a network of the observation alone, fitted by itself, with a target of its own.

Haarnoja, Zhou, Abbeel and Levine 2018, "Soft actor-critic: off-policy maximum entropy deep reinforcement
learning with a stochastic actor", arXiv 1801.01290, section 4.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.interface import Problem
from matters.algorithms.parts.critics import EPSILON
from matters.algorithms.parts.mlp import Mlp, uniform
from matters.algorithms.parts.optimisers import adam_step
from matters.algorithms.parts.theta import Target, Theta


@dataclass
class SoftValue:
    """θ [S, P] of V(s), and the target that follows it."""

    network: Mlp
    theta: Theta
    target: Target

    def of_target(self, observation: Float[Tensor, "S B O"]) -> Float[Tensor, "S B"]:
        """V′(s)."""
        return self.network.forward(self.target.arrays, observation).output.flatten(1)

    def named_parameters(self) -> dict[str, Tensor]:
        """V's parameters by name, [S, …]."""
        return {f"value/{n}": view for n, view in zip(self.theta.layout.names, self.theta.views, strict=True)}


def init_value(
    config: Any, problem: Problem, generators: Sequence[np.random.Generator], dtype: torch.dtype
) -> SoftValue:
    """A first V and its target, in the widths of the others."""
    network = Mlp((problem.observation_size, *config.hidden, 1))
    rows = [network.layout.row(network.initial(own, uniform(None))) for own in generators]
    theta = Theta.of(rows, network.layout, dtype)
    return SoftValue(network, theta, Target.of(theta))


def value_step(
    value: SoftValue, config: Any, observation: Float[Tensor, "S B O"], aim: Float[Tensor, "S B"]
) -> Float[Tensor, " S"]:
    """One step of Adam down ½ E[ (V(s) − aim)² ], at the critics' rate; returns that loss before it."""
    forward = value.network.forward(value.theta.arrays, observation)
    error = forward.output.flatten(1) - aim
    gradient = value.network.gradient(forward, (error / error.shape[1]).unsqueeze(2))
    adam_step(value.theta, gradient, learning_rate=config.critic_learning_rate, epsilon=EPSILON)
    return 0.5 * (error * error).mean(1)
