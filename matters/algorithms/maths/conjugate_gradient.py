"""Natural-gradient algebra on θ [S, P]: every seed solves its own system, with masks where seeds differ."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.maths.kernels import sqrt

Product = Callable[[Tensor], Tensor]
"""v ↦ F v, [S, P] to [S, P]: a symmetric positive definite matrix for each seed, known by its products."""


def dot(a: Float[Tensor, "S P"], b: Float[Tensor, "S P"]) -> Float[Tensor, " S"]:
    """aᵀb per seed."""
    return (a * b).sum(1)


def conjugate_gradient(
    product: Product, target: Float[Tensor, "S P"], *, steps: int, tolerance: float
) -> tuple[Float[Tensor, "S P"], Float[Tensor, " S"]]:
    """x with F x ≈ target, from x = 0, and the relative residual ‖target − F x‖ / ‖target‖.

    A seed rests once its relative residual is at most `tolerance`, and where the residual is too small to be
    squared: on a system of few effective unknowns, such as one that sees a constant, it gets there in a few
    steps, and the next would divide 0 by 0.

    Hestenes and Stiefel 1952, "Methods of conjugate gradients for solving linear systems", section 3.
    """
    x = torch.zeros_like(target)
    residual = target.clone()
    direction = target.clone()
    squared = dot(residual, residual)
    numbers = torch.finfo(target.dtype)
    goal = (squared * tolerance**2).clamp_min(numbers.tiny / numbers.eps)
    for _ in range(steps):
        active = squared > goal
        if not active.any():
            break
        image = product(direction)
        curvature = dot(direction, image)
        alpha = torch.where(active, squared / torch.where(active, curvature, 1.0), 0.0)[:, None]
        x = x + alpha * direction
        residual = residual - alpha * image
        squared_next = torch.where(active, dot(residual, residual), squared)
        beta = torch.where(active, squared_next / torch.where(active, squared, 1.0), 0.0)[:, None]
        direction = torch.where(active[:, None], residual + beta * direction, direction)
        squared = squared_next
    norm = dot(target, target)
    relative = torch.where(norm > 0, sqrt(squared / torch.where(norm > 0, norm, 1.0)), 0.0)
    return x, relative


def dense(product: Product, size: int, like: Float[Tensor, "S P"]) -> Float[Tensor, "S n n"]:
    """The leading `size` × `size` block of F, column by column: for small systems and for tests."""
    columns = []
    for index in range(size):
        basis = torch.zeros_like(like)
        basis[:, index] = 1.0
        columns.append(product(basis)[:, :size])
    return torch.stack(columns, dim=2)


def trust_region_step(
    direction: Float[Tensor, "S P"], curvature: Float[Tensor, " S"], *, kl: float
) -> tuple[Float[Tensor, "S P"], Float[Tensor, " S"]]:
    """√(2δ / xᵀFx) · x for x = F⁻¹g, and the factor: the step whose KL is δ to second order.

    `curvature` is xᵀFx, which is gᵀF⁻¹g where x solves the system. A seed without a gradient stays. Where F
    stands for F + λI, as in every published implementation, ½ ΔᵀFΔ is δ less ½ λ ‖Δ‖²; docs/mechanisms.md has
    what share of δ that comes to, and the true KL.

    Kakade 2002, "A natural policy gradient"; Schulman et al. 2015, "Trust region policy optimization",
    appendix C.
    """
    factor = torch.where(curvature > 0, sqrt(2 * kl / curvature.clamp_min(1e-30)), 0.0)
    return factor[:, None] * direction, factor


def backtrack(
    accepts: Callable[[Float[Tensor, "S P"]], Bool[Tensor, " S"]],
    start: Float[Tensor, "S P"],
    step: Float[Tensor, "S P"],
    *,
    tries: int,
    shrink: float,
) -> tuple[Float[Tensor, "S P"], Float[Tensor, " S"]]:
    """The first of start + step, start + shrink · step, … that each seed accepts, and the factor it took.

    `accepts` judges a θ for all seeds at once. Where none of the `tries` is accepted the seed stays at
    `start`, with factor 0; it holds back nobody else.
    """
    chosen = start.clone()
    factor = torch.zeros(len(start), dtype=start.dtype)
    searching = torch.ones(len(start), dtype=torch.bool)
    for attempt in range(tries):
        candidate = start + shrink**attempt * step
        accepted = searching & accepts(candidate)
        chosen = torch.where(accepted[:, None], candidate, chosen)
        factor = torch.where(accepted, shrink**attempt, factor)
        searching = searching & ~accepted
        if not searching.any():
            break
    return chosen, factor
