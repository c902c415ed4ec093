"""Gradients, their norms, and steps of Adam and RMSProp, for all seeds of a θ at once."""

from functools import reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.maths.kernels import sqrt
from matters.algorithms.parts.theta import Theta


def gradient(
    loss: Float[Tensor, " S"], *thetas: Theta, create_graph: bool = False, retain_graph: bool | None = None
) -> list[Tensor]:
    """∇ of each seed's loss with respect to its own rows of each θ, in θ's shape; 0 for the padding.

    The loss must have been computed from the `leaves`. Seeds share no parameters, so the sum of their losses
    has the gradient of each in its own row. The options are those of `torch.autograd.grad`.
    """
    leaves = [leaf for theta in thetas for leaf in theta.leaves]
    pieces = list(
        torch.autograd.grad(
            loss, leaves, torch.ones_like(loss), retain_graph=retain_graph, create_graph=create_graph
        )
    )
    rows = []
    for theta in thetas:
        own, pieces = pieces[: len(theta.leaves)], pieces[len(theta.leaves) :]
        row = theta.layout.joined([piece.flatten(1) for piece in own])
        rows.append(row.view(theta.matrix.shape))
    return rows


def adam_step(
    theta: Theta,
    gradient: Float[Tensor, "S *K P"],
    *,
    learning_rate: float,
    epsilon: float,
    weight_decay: float = 0.0,
    active: Bool[Tensor, " S"] | None = None,
) -> None:
    """One step of Adam (β₁ = 0.9, β₂ = 0.999) for the active seeds, in place.

    `weight_decay` · θ is added to the gradient first: the slope of ½ `weight_decay` ‖θ‖².

    Each row is a parameter of its own to PyTorch's fused kernel: a seed that rests keeps its moments and its
    step count, and the kernel's vector loop never crosses from one seed to the next.

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.
    """
    if active is not None and theta.steps.ndim > 1:
        active = active[:, None].expand_as(theta.steps)
    theta.steps.add_(1 if active is None else active)
    lists = (theta.rows[0], list(gradient.flatten(0, -2).unbind(0)), *theta.rows[1:])
    if active is not None:
        chosen = active.flatten().nonzero().flatten().tolist()
        if not chosen:
            return
        lists = tuple([rows[s] for s in chosen] for rows in lists)
    parameters, gradients, firsts, seconds, steps = lists
    # The kernel itself: `torch.optim.adam.adam` spends three times the kernel's time before it calls it.
    torch._fused_adam_(
        parameters,
        gradients,
        firsts,
        seconds,
        [],
        steps,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=learning_rate,
        weight_decay=weight_decay,
        eps=epsilon,
        maximize=False,
    )


def rmsprop_step(
    theta: Theta,
    gradient: Float[Tensor, "S P"],
    *,
    learning_rate: float,
    decay: float,
    epsilon: float,
    inside: bool = False,
) -> None:
    """One step of RMSProp, in place; its running mean square is `theta.second`.

        v ← α v + (1 − α) g²,    θ ← θ − η g / (√v + ε),    or, with ε `inside`, θ ← θ − η g / √(v + ε)

    Hinton, Srivastava and Swersky 2012, "Neural networks for machine learning", lecture 6e.
    """
    theta.second.mul_(decay).add_(gradient * gradient * (1 - decay))
    root = sqrt(theta.second + epsilon) if inside else sqrt(theta.second) + epsilon
    theta.matrix.sub_(learning_rate * gradient / root)


def global_norm(*gradients: Float[Tensor, "S _"]) -> Float[Tensor, " S"]:
    """The Euclidean norm of all gradients of a seed taken as one vector."""
    return sqrt(reduce(torch.add, [(gradient * gradient).sum(1) for gradient in gradients]))


def clip_coefficient(norm: Float[Tensor, " S"], *, limit: float) -> Float[Tensor, "S 1"]:
    """What to multiply a gradient of that norm by, so that the norm is at most `limit`.

    The 1e-6 in the denominator is that of `torch.nn.utils.clip_grad_norm_`.
    """
    return (limit / (norm + 1e-6)).clamp(max=1.0)[:, None]
