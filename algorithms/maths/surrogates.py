"""Objectives of the policy and losses of the value function, one number a sample."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss


def clipped_surrogate(
    ratio: Float[Tensor, "S B"], advantage: Float[Tensor, "S B"], *, clip: float
) -> Float[Tensor, "S B"]:
    """min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â), to be maximised.

    Schulman et al. 2017, "Proximal policy optimization algorithms", equation 7.
    """
    unclipped, clipped = ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage
    # As `torch.minimum`, whose gradient costs three times as much.
    return torch.where(clipped < unclipped, clipped, unclipped)


def squared_error(value: Float[Tensor, "S B"], target: Float[Tensor, "S B"]) -> Float[Tensor, "S B"]:
    """(V − V_target)²: Schulman et al. 2017, below equation 9 (no factor ½)."""
    return mse_loss(value, target, reduction="none")  # one kernel each way; a power costs three


def clipped_squared_error(
    value: Float[Tensor, "S B"],
    value_old: Float[Tensor, "S B"],
    target: Float[Tensor, "S B"],
    *,
    clip: float,
) -> Float[Tensor, "S B"]:
    """max{(V − V_target)², (clip(V, V_old − ε, V_old + ε) − V_target)²}.

    Engstrom et al. 2020, "Implementation matters in deep policy gradients", section 3, item 1.
    """
    clipped = value_old + (value - value_old).clamp(-clip, clip)
    return torch.maximum((value - target) ** 2, (clipped - target) ** 2)
