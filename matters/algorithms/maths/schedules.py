"""What changes over training."""

import torch
from jaxtyping import Float
from torch import Tensor


def linear_decay(start: float, *, progress: float) -> float:
    """start · (1 − progress), with progress the fraction of updates already made, in [0, 1)."""
    return start * (1 - progress)


def adapted_kl_coefficient(
    coefficient: Float[Tensor, " S"], kl: Float[Tensor, " S"], *, target: float
) -> Float[Tensor, " S"]:
    """β doubles where KL > 1.5 target and halves where KL < target / 1.5.

    Schulman et al. 2017, "Proximal policy optimization algorithms", section 4.
    """
    grown = torch.where(kl > 1.5 * target, coefficient * 2, coefficient)
    return torch.where(kl < target / 1.5, grown / 2, grown)
