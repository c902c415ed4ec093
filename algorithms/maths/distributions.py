"""The diagonal Gaussian: log-probability, entropy, divergence. One number a sample."""

import math

from jaxtyping import Float
from torch import Tensor

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def gaussian_log_prob(
    action: Float[Tensor, "S B A"], mean: Float[Tensor, "S B A"], log_std: Float[Tensor, "S 1 A"]
) -> Float[Tensor, "S B"]:
    """log N(a; μ, σ²) = −Σᵢ [ ½ ((aᵢ − μᵢ) / σᵢ)² + log σᵢ + ½ log 2π ]."""
    z = (action - mean) * (-log_std).exp()
    return -0.5 * (z * z).sum(-1) - (log_std + HALF_LOG_TWO_PI).sum(-1)


def gaussian_entropy(log_std: Float[Tensor, "S 1 A"]) -> Float[Tensor, "S 1"]:
    """H = Σᵢ (log σᵢ + ½ log 2πe); it does not depend on the observation."""
    return (log_std + (HALF_LOG_TWO_PI + 0.5)).sum(-1)


def gaussian_kl(
    mean_old: Float[Tensor, "S B A"],
    log_std_old: Float[Tensor, "S 1 A"],
    mean_new: Float[Tensor, "S B A"],
    log_std_new: Float[Tensor, "S 1 A"],
) -> Float[Tensor, "S B"]:
    """KL(old ‖ new) = Σᵢ [ log σₙ/σₒ + (σₒ² + (μₒ − μₙ)²) / (2 σₙ²) − ½ ]."""
    precision = (-2 * log_std_new).exp()
    spread = (2 * log_std_old).exp() + (mean_old - mean_new) ** 2
    return (log_std_new - log_std_old + 0.5 * spread * precision - 0.5).sum(-1)
