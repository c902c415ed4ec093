"""Trust region policy optimisation: a truncated natural step, taken as far as it keeps its promise.

    maximise E[ρ Â]  subject to  E[ KL(π_old ‖ π) ] ≤ δ

The step of `tnpg` solves this to second order. TRPO then backtracks along it, θ_old + κʲ Δ for j = 0, 1, …,
to the first θ at which the surrogate has really improved and the KL is really at most δ; without one, the
policy stays. These lines are all that it adds to `tnpg`.

Schulman, Levine, Moritz, Jordan and Abbeel 2015, "Trust region policy optimization", equation 14 and
appendix C.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Metrics, Rollout, Twin, When
from matters.algorithms.maths.conjugate_gradient import backtrack, conjugate_gradient, dot, trust_region_step
from matters.algorithms.parts import actor_critic, natural_gradient
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, diagnostics, prepare
from matters.algorithms.parts.natural_gradient import (
    CHECKED,
    SECOND_ORDER,
    NaturalConfig,
    NaturalTricks,
    bound,
    fisher_product,
    fit_value,
    kl_scale,
    standardise_if_asked,
    step_kl,
    surrogate,
)
from matters.algorithms.parts.optimisers import gradient

KIND: Literal["on-policy"] = "on-policy"
VERSION = 2
FACTS = replace(
    actor_critic.FACTS,
    bounds=lambda config: bound(config, CHECKED if config.line_search_steps else SECOND_ORDER),
    twin=Twin(
        "sb3-trpo",
        "trpo-sb3",
        (
            ("kl", "target_kl"),
            ("value_learning_rate", "learning_rate"),
            ("horizon", "n_steps"),
            ("value_minibatch_size", "batch_size"),
            ("value_epochs", "n_critic_updates"),
            ("discount", "gamma"),
            ("gae_lambda", "gae_lambda"),
            ("cg_steps", "cg_max_steps"),
            ("damping", "cg_damping"),
            ("line_search_steps", "line_search_max_iter"),
            ("line_search_shrink", "line_search_shrinking_factor"),
            ("tricks.advantage_normalisation", "normalize_advantage"),
        ),
    ),
)

Tricks = NaturalTricks


class Config(NaturalConfig):
    """TRPO's hyperparameters: the family's, the truncation and the line search."""

    cg_steps: PositiveInt = Field(10, description="k, steps of conjugate gradient")
    line_search_steps: NonNegativeInt = Field(
        10, description="lengths that the line search tries; 0 takes the whole step unseen, which is tnpg"
    )
    line_search_shrink: float = Field(0.5, gt=0, lt=1, description="κ, from one length to the next")


PRESETS: dict[str, Config] = {
    "trpo": Config(),
    # Engstrom et al.'s TRPO+ on Walker2d: PPO's optimisations and δ falling over training.
    "trpo+": Config(
        kl=0.07,
        value_learning_rate=1e-4,
        fisher_fraction=0.1,
        tricks=Tricks(
            reward_scaling=True,
            orthogonal_init=True,
            reward_clip=10.0,
            observation_normalisation=True,
            observation_clip=10.0,
            tanh_activations=True,
            gradient_clip=1.0,
            advantage_normalisation=True,
            adam_epsilon=1e-5,
            action_clip=True,
            kl_final=0.04,
        ),
    ),
    # What their released TRPO runs, though the paper says "no optimisations".
    "trpo-released": Config(
        kl=0.04,
        fisher_fraction=0.1,
        tricks=Tricks(
            observation_normalisation=True,
            tanh_activations=True,
            advantage_normalisation=True,
            adam_epsilon=1e-5,
            time_limit_terminal=True,
        ),
    ),
    "trpo-sb3": Config(
        cg_steps=15,
        line_search_shrink=0.8,
        value_minibatch_size=128,
        value_learning_rate=1e-3,
        tricks=Tricks(
            orthogonal_init=True,
            tanh_activations=True,
            advantage_normalisation=True,
            adam_epsilon=1e-5,
            action_clip=True,
            kl_per_action=True,
        ),
    ),
}

NO_EFFECT = natural_gradient.NO_EFFECT | {
    "line_search_steps": When("every seed accepts a length that both the old and the new number reach"),
    "line_search_shrink": When("line_search_steps is 0 or 1", lambda config: config.line_search_steps <= 1),
}

init, observe, act = actor_critic.init, actor_critic.observe, actor_critic.act
to_environment, parameters = actor_critic.to_environment, actor_critic.parameters


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
    kl = step_kl(config, progress=progress)

    objective = surrogate(state, batch)
    (g,) = gradient(objective, state.policy)
    fisher = fisher_product(state, config, batch, generators)
    x, residual = conjugate_gradient(fisher, g, steps=config.cg_steps, tolerance=0.0)
    step, size = trust_region_step(x, dot(x, fisher(x)), kl=kl)

    def keeps_its_promise(theta: Float[Tensor, "S P"]) -> Bool[Tensor, " S"]:
        gain, moved = surrogate_and_kl(state, batch, theta)
        return (gain > objective) & (moved * kl_scale(config, batch) <= kl)

    start = state.policy.matrix.clone()
    if config.line_search_steps:
        chosen, factor = backtrack(
            keeps_its_promise,
            start,
            step,
            tries=config.line_search_steps,
            shrink=config.line_search_shrink,
        )
    else:
        chosen, factor = start + step, torch.ones_like(size)
    state.policy.matrix.copy_(chosen)

    value_loss = fit_value(state, config, batch, generators, progress=progress)
    return diagnostics(state, batch) | {
        "policy_loss": -objective.detach(),
        "value_loss": value_loss,
        "gradient_norm": dot(g, g).sqrt(),
        "cg_residual": residual,
        "step_size": size * factor,
        "line_search_factor": factor,
    }


@torch.no_grad()
def surrogate_and_kl(
    state: ActorCritic, batch: Batch, theta: Float[Tensor, "S P"]
) -> tuple[Float[Tensor, " S"], Float[Tensor, " S"]]:
    """The surrogate E[ρ Â] and the mean KL(π_old ‖ π) of each seed with θ for its parameters."""
    new = state.actor(state.policy.layout.views(theta), batch.observation)
    ratio = (state.actor.log_prob(new, batch.action) - batch.log_prob).exp()
    return (ratio * batch.advantage).mean(1), state.actor.kl(batch.old, new).mean(1)
