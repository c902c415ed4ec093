"""Objectives of the policy and losses of the value function, one number per sample, each with its slope.

The slope is the derivative with respect to the first argument, as autograd finds it; surrogates_test.py
compares them.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.maths.kernels import exp

ErrorOf = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From values and targets, the error of each and its slope."""


def clipped_surrogate(
    ratio: Float[Tensor, "S B"], advantage: Float[Tensor, "S B"], *, clip: float
) -> tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]:
    """min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â), to be maximised, and its slope: Â, or 0 where ρ is clipped.

    Schulman et al. 2017, "Proximal policy optimization algorithms", equation 7.
    """
    unclipped, clipped = ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage
    at_bound = clipped < unclipped
    return torch.where(at_bound, clipped, unclipped), advantage.masked_fill(at_bound, 0.0)


def low_variance_kl(
    log_prob: Float[Tensor, "S B"], reference: Float[Tensor, "S B"]
) -> tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]:
    """k₃ = r − log r − 1 with r = π_ref(a)/π(a), and its slope to log π(a): 1 − r.

    It is never negative, and its expectation under π is KL(π ‖ π_ref). Schulman 2020, "Approximating KL
    divergence".
    """
    log_ratio = reference - log_prob
    ratio = exp(log_ratio)
    return ratio - log_ratio - 1, 1 - ratio


def squared_error(
    value: Float[Tensor, "S B"], target: Float[Tensor, "S B"]
) -> tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]:
    """(V − V_target)² and its slope: Schulman et al. 2017, below equation 9 (no factor ½)."""
    error = value - target
    return error * error, 2 * error


def huber_error(
    value: Float[Tensor, "S *K B"], target: Float[Tensor, "S *L B"], *, delta: float
) -> tuple[Float[Tensor, "S *K B"], Float[Tensor, "S *K B"]]:
    """(V − V_target)² up to an error of `delta`, beyond it a straight line of the same slope; and its slope.

    Huber 1964, "Robust estimation of a location parameter", without the factor ½, as `squared_error` is.
    """
    error = value - target
    bounded = error.clamp(-delta, delta)
    return bounded * (2 * error - bounded), 2 * bounded


def clipped_squared_error(
    value: Float[Tensor, "S B"],
    value_old: Float[Tensor, "S B"],
    target: Float[Tensor, "S B"],
    *,
    clip: float | Float[Tensor, "S 1"],
    error: ErrorOf = squared_error,
) -> tuple[Float[Tensor, "S B"], Float[Tensor, "S B"]]:
    """max{(V − V_target)², (clip(V, V_old − ε, V_old + ε) − V_target)²} and its slope, 0 where V is clipped.

    `error` may be another one. Engstrom et al. 2020, "Implementation matters in deep policy gradients",
    section 3, item 1.
    """
    plain, slope = error(value, target)
    change = value - value_old
    clipped, _ = error(value_old + change.clamp(-clip, clip), target)  # type: ignore[arg-type]  # two numbers or two tensors
    at_bound = (clipped > plain) & (change.abs() > clip)  # within the clip they may differ by rounding
    return torch.where(at_bound, clipped, plain), slope.masked_fill(at_bound, 0.0)
