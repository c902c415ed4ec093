"""Truncated natural policy gradient: k steps of conjugate gradient and nothing after.

    x ≈ F⁻¹g by k steps of conjugate gradient,      θ ← θ + √(2δ / xᵀFx) x

One line differs from `npg`: the system is not solved to convergence, so a step costs k Fisher-vector
products however many parameters there are. There is no line search. Duan et al.'s code has λ = 1e-5, and
takes the whole step or none: `tnpg-reject`, a preset of `trpo`, has that check.

Duan et al. 2016, "Benchmarking deep reinforcement learning for continuous control", section 4.1.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt

from matters.algorithms.interface import Metrics, Rollout
from matters.algorithms.maths.conjugate_gradient import conjugate_gradient, dot, trust_region_step
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
    """TNPG's hyperparameters: the family's, and the truncation."""

    cg_steps: PositiveInt = Field(10, description="k, steps of conjugate gradient")


PRESETS: dict[str, Config] = {"tnpg": Config()}

NO_EFFECT = natural_gradient.NO_EFFECT

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
    fisher = fisher_product(state, config, batch, generators)
    x, residual = conjugate_gradient(fisher, g, steps=config.cg_steps, tolerance=0.0)
    step, size = trust_region_step(x, dot(x, fisher(x)), kl=step_kl(config, progress=progress))
    state.policy.matrix.add_(step)

    value_loss = fit_value(state, config, batch, generators, progress=progress)
    return diagnostics(state, batch) | {
        "policy_loss": -objective,
        "value_loss": value_loss,
        "gradient_norm": sqrt(dot(g, g)),
        "cg_residual": residual,
        "step_size": size,
    }
