"""Objectives of the policy and losses of the value function, one number a sample, each with its slope.

The slope is the derivative to the first argument, as autograd finds it; surrogates_test.py compares them.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def clipped_surrogate(
    ratio: Float[Tensor, "S B"], advantage: Float[Tensor, "S B"], *, clip: float
) -> tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]:
    """min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â), to be maximised, and its slope: Â, or 0 where ρ is clipped.

    Schulman et al. 2017, "Proximal policy optimization algorithms", equation 7.
    """
    unclipped, clipped = ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage
    at_bound = clipped < unclipped
    return torch.where(at_bound, clipped, unclipped), advantage.masked_fill(at_bound, 0.0)


def squared_error(
    value: Float[Tensor, "S B"], target: Float[Tensor, "S B"]
) -> tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]:
    """(V − V_target)² and its slope: Schulman et al. 2017, below equation 9 (no factor ½)."""
    error = value - target
    return error * error, 2 * error


def clipped_squared_error(
    value: Float[Tensor, "S B"],
    value_old: Float[Tensor, "S B"],
    target: Float[Tensor, "S B"],
    *,
    clip: float,
) -> tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]:
    """max{(V − V_target)², (clip(V, V_old − ε, V_old + ε) − V_target)²} and its slope, 0 where V is clipped.

    Engstrom et al. 2020, "Implementation matters in deep policy gradients", section 3, item 1.
    """
    plain, slope = squared_error(value, target)
    change = value - value_old
    clipped, _ = squared_error(value_old + change.clamp(-clip, clip), target)
    at_bound = (clipped > plain) & (change.abs() > clip)  # within the clip they may differ by rounding
    return torch.where(at_bound, clipped, plain), slope.masked_fill(at_bound, 0.0)
