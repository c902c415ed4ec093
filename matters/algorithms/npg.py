"""Natural policy gradient: steepest ascent among distributions, its system solved to convergence.

    F x = g,      θ ← θ + √(2δ / gᵀF⁻¹g) x

The gradient is multiplied by F⁻¹, and the length of the step follows from δ. Both are settings, so that each
can be used alone: with `direction = "gradient"` x is g, with a `step_size` α the step is α x. F is factored
where the policy has few parameters; otherwise conjugate gradient runs until the residual is small, or for
`most_steps`, as on wide tasks; the recorded residual shows which. As everywhere in this family F stands for F
+ λI, in the length of the step too, so that to second order its KL is below δ.

Kakade 2002, "A natural policy gradient"; the normalised step of Peters and Schaal 2008, "Reinforcement
learning of motor skills with policy gradients", and Rajeswaran et al. 2017, "Towards generalization and
simplicity in continuous control", equation 5, whose δ is twice the KL.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Metrics, Rollout, When
from matters.algorithms.maths.conjugate_gradient import (
    Product,
    conjugate_gradient,
    dense,
    dot,
    trust_region_step,
)
from matters.algorithms.maths.kernels import sqrt
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.parts import actor_critic, natural_gradient
from matters.algorithms.parts.actor_critic import ActorCritic, diagnostics, prepare
from matters.algorithms.parts.natural_gradient import (
    SECOND_ORDER,
    NaturalConfig,
    NaturalTricks,
    bound,
    fisher_product,
    standardise_if_asked,
    step_kl,
    surrogate_gradient,
)
from matters.algorithms.parts.value_fit import fit_value

KIND: Literal["on-policy"] = "on-policy"
VERSION = 4
FACTS = replace(natural_gradient.FACTS, bounds=lambda config: bound(config, SECOND_ORDER))

Tricks = NaturalTricks


class Config(NaturalConfig):
    """NPG's hyperparameters: the family's, and how its system is solved."""

    damping: float = Field(1e-3, ge=0, description="λ, added to the Fisher information's diagonal")
    direction: Literal["gradient"] | None = Field(
        None, description="x is g itself, steepest ascent in θ; off: F⁻¹g"
    )
    step_size: PositiveFloat | None = Field(
        None,
        description="α of a step α x (Kakade 2002; mjrl's const_learn_rate); off: the length follows from δ",
    )
    dense_up_to: NonNegativeInt = Field(
        256, description="factor F where the policy has at most this many parameters, else conjugate gradient"
    )
    tolerance: PositiveFloat = Field(
        1e-4, description="relative residual at which conjugate gradient has converged"
    )
    most_steps: PositiveInt = Field(500, description="steps of conjugate gradient at most")


PRESETS: dict[str, Config] = {"npg": Config()}

NO_EFFECT = natural_gradient.NO_EFFECT | {
    "kl": When("step_size is given", lambda config: config.step_size is not None),
    "tricks.kl_final": When("step_size is given", lambda config: config.step_size is not None),
    **dict.fromkeys(
        ("damping", "fisher_fraction", "tricks.kl_per_action"),
        When(
            "direction is 'gradient' and step_size is given: F is not used",
            lambda config: config.direction == "gradient" and config.step_size is not None,
        ),
    ),
    "dense_up_to": When(
        "conjugate gradient converges: both solve the same system, to rounding and tolerance"
    ),
    "tolerance": When("F is factored"),
    "most_steps": When("F is factored"),
}

init, observe, act = actor_critic.init, actor_critic.observe, actor_critic.act
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


@DIVERGING
@torch.inference_mode()
def update(
    state: ActorCritic,
    config: Config,
    rollout: Rollout,
    generators: Sequence[np.random.Generator],
    *,
    progress: float,
) -> Metrics:
    """Learn from one rollout, in place."""
    batch = standardise_if_asked(prepare(state, config, rollout), config)

    objective, g = surrogate_gradient(state, batch)
    x, residual, curvature = g, torch.zeros_like(objective), torch.zeros_like(objective)
    if config.direction is None or config.step_size is None:
        fisher = fisher_product(state, config, batch, generators)
        if config.direction is None:
            x, residual = solve(fisher, g, config, parameters=state.policy.layout.parameters)
        curvature = dot(x, fisher(x))
    if config.step_size is None:
        step, size = trust_region_step(x, curvature, kl=step_kl(config, progress=progress))
    else:
        step, size = config.step_size * x, torch.full_like(residual, config.step_size)
    state.policy.matrix.add_(step)

    value_loss = fit_value(state, config, batch, generators, progress=progress)
    return diagnostics(state, batch) | {
        "policy_loss": -objective,
        "value_loss": value_loss,
        "gradient_norm": sqrt(dot(g, g)),
        "cg_residual": residual,
        "step_size": size,
    }


def solve(
    fisher: Product, g: Float[Tensor, "S P"], config: Config, *, parameters: int
) -> tuple[Float[Tensor, "S P"], Float[Tensor, " S"]]:
    """F⁻¹g and its relative residual."""
    if parameters > config.dense_up_to:
        return conjugate_gradient(fisher, g, steps=config.most_steps, tolerance=config.tolerance)
    x = torch.zeros_like(g)
    # In double precision: F may be close to singular, and here it is small.
    matrix = dense(fisher, parameters, g).double()
    for s in range(len(g)):  # seed by seed, so that no batched kernel's rounding depends on their number
        solved = np.linalg.solve(matrix[s].numpy(), g[s, :parameters].double().numpy())
        x[s, :parameters] = torch.from_numpy(solved)
    missing = g - fisher(x)
    norm = sqrt(dot(g, g))
    return x, torch.where(norm > 0, sqrt(dot(missing, missing)) / norm.clamp_min(1e-30), 0.0)
