"""Targets for Q, which bootstrap from the successor, and the action at which they evaluate it."""

from jaxtyping import Bool, Float
from torch import Tensor


def bootstrapped(
    reward: Float[Tensor, "S B"],
    value_next: Float[Tensor, "S B"],
    terminal: Bool[Tensor, "S B"],
    *,
    discount: float | Float[Tensor, "S B"],
) -> Float[Tensor, "S B"]:
    """y = r + γ V(s′), and y = r where s′ is terminal.

    Watkins 1989, "Learning from delayed rewards", section 7.
    """
    return reward + discount * value_next.masked_fill(terminal, 0.0)


def smoothed(
    action: Float[Tensor, "S B A"], noise: Float[Tensor, "S B #A"], *, scale: float, clip: float
) -> Float[Tensor, "S B A"]:
    """The action in ±1 moved by clip(scale · noise, −clip, clip) and kept in ±1; `noise` is standard normal.

    Fujimoto et al. 2018, "Addressing function approximation error in actor-critic methods", equation 14.
    """
    return (action + (scale * noise).clamp(-clip, clip)).clamp(-1, 1)
