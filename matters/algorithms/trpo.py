"""Trust region policy optimisation: a truncated natural step, taken as far as it keeps its promise.

    maximise E[ρ Â]  subject to  E[ KL(π_old ‖ π) ] ≤ δ

The step of `tnpg` solves this to second order. TRPO then backtracks along it, θ_old + κʲ Δ for j = 0, 1, …,
to the first θ at which the surrogate has really improved and the KL is really at most δ; without one, the
policy stays. These lines are all that it adds to `tnpg`. π_old is the policy that acted, in the constraint
too: where that lags, the updates in between use up a part of δ, which the paper counts from the present θ.

Schulman, Levine, Moritz, Jordan and Abbeel 2015, "Trust region policy optimization", equation 14 and
appendix C.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Metrics, Rollout, Twin, When
from matters.algorithms.maths.conjugate_gradient import backtrack, conjugate_gradient, dot, trust_region_step
from matters.algorithms.maths.kernels import exp, sqrt
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.parts import actor_critic, natural_gradient
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, diagnostics, prepare
from matters.algorithms.parts.natural_gradient import (
    CHECKED,
    SECOND_ORDER,
    NaturalConfig,
    NaturalTricks,
    bound,
    fisher_product,
    kl_scale,
    standardise_if_asked,
    step_kl,
    surrogate_gradient,
)
from matters.algorithms.parts.value_fit import fit_value

KIND: Literal["on-policy"] = "on-policy"
VERSION = 4
FACTS = replace(
    natural_gradient.FACTS,
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
    accept_ratio: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the improvement promised by the gradient that a length must exceed to be "
        "accepted; off: any improvement (Engstrom's code: 0.1)",
    )


_RELEASED = Tricks(
    observation_normalisation=True,
    sample_moments=True,
    tanh_activations=True,
    advantage_normalisation=True,
    adam_epsilon=1e-5,
    time_limit_terminal=True,
    last_step_bootstraps_itself=True,
    value_loss_excludes_ends=True,
    reset_each_rollout=True,
)
_PLUS: dict[str, Any] = {
    "reward_scaling": True,
    "reward_clip": 10.0,
    "observation_clip": 10.0,
    "orthogonal_init": True,
}


def _released(tricks: dict[str, Any], **settings: Any) -> Config:
    chosen = _RELEASED.model_copy(update=tricks)
    return Config(fisher_fraction=0.1, accept_ratio=0.1, **settings, tricks=chosen)


PER_TASK: dict[str, dict[str, Config]] = {
    # What Engstrom et al.'s released TRPO runs, though their paper says "no optimisations": MadryLab's
    # implementation-matters, commit 5ee6ecb, steps.py, with configs/{walker,hopper,humanoid}_trpo.py and
    # _trpo_plus.py. There δ moves before an update, here after it; the bound on the gradient's norm in
    # TRPO+'s configs is used nowhere.
    "trpo-released": {
        "Walker2d-v5": _released({}, kl=0.04, value_learning_rate=3e-4),
        "Hopper-v5": _released({}, kl=0.13, value_learning_rate=2e-4),
        "Humanoid-v5": _released({}, kl=0.07, value_learning_rate=3e-4),
    },
    "trpo+-released": {
        "Walker2d-v5": _released({**_PLUS, "kl_final": 0.04}, kl=0.07, value_learning_rate=1e-4),
        "Hopper-v5": _released({**_PLUS, "kl_final": 0.07}, kl=0.04, value_learning_rate=2e-4),
        "Humanoid-v5": _released(
            {**_PLUS, "kl_final": 0.05, "orthogonal_init": False, "value_clip": 0.2},
            kl=0.1,
            value_learning_rate=5e-5,
            gae_lambda=0.85,
        ),
    },
}
"""Presets whose source has settings for each task. On any other task they are as on Walker2d."""

PRESETS: dict[str, Config] = {
    "trpo": Config(),
    # Duan et al.'s TNPG (rllab's ConjugateGradientOptimizer with one backtrack): the whole step, or none.
    "tnpg-reject": Config(line_search_steps=1),
    # The square of step and tricks: TRPO with no trick, and with every one that PPO has, at one δ.
    "trpo-plain": Config(kl=0.07),
    "trpo-tricks": Config(
        kl=0.07,
        tricks=Tricks(
            value_clip=0.2,
            reward_scaling=True,
            orthogonal_init=True,
            anneal_lr=True,
            reward_clip=10.0,
            observation_normalisation=True,
            observation_clip=10.0,
            tanh_activations=True,
            gradient_clip=0.5,
            advantage_normalisation=True,
            adam_epsilon=1e-5,
            action_clip=True,
        ),
    ),
    **{name: tasks["Walker2d-v5"] for name, tasks in PER_TASK.items()},
    # Engstrom et al.'s TRPO+ on Walker2d: PPO's optimisations and δ falling over training. Actions are
    # clipped and time limits bootstrapped, as in published PPO; what their code does is `trpo+-released`.
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
    "accept_ratio": When("line_search_steps is 0", lambda config: not config.line_search_steps),
    "line_search_shrink": When("line_search_steps is 0 or 1", lambda config: config.line_search_steps <= 1),
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
    kl = step_kl(config, progress=progress)

    objective, g = surrogate_gradient(state, batch)
    fisher = fisher_product(state, config, batch, generators)
    x, residual = conjugate_gradient(fisher, g, steps=config.cg_steps, tolerance=0.0)
    step, size = trust_region_step(x, dot(x, fisher(x)), kl=kl)

    def keeps_its_promise(theta: Float[Tensor, "S P"]) -> Bool[Tensor, " S"]:
        gain, moved = surrogate_and_kl(state, batch, theta)
        promised = 0.0 if config.accept_ratio is None else config.accept_ratio * dot(g, theta - start)
        return (gain - objective > promised) & (moved * kl_scale(config, batch) <= kl)

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
        "policy_loss": -objective,
        "value_loss": value_loss,
        "gradient_norm": sqrt(dot(g, g)),
        "cg_residual": residual,
        "step_size": size * factor,
        "line_search_factor": factor,
    }


def surrogate_and_kl(
    state: ActorCritic, batch: Batch, theta: Float[Tensor, "S P"]
) -> tuple[Float[Tensor, " S"], Float[Tensor, " S"]]:
    """The surrogate E[ρ Â] and the mean KL(π_old ‖ π) of each seed with θ for its parameters."""
    new, _ = state.actor.forward(state.policy.layout.arrays(theta), batch.observation)
    ratio = exp(state.actor.log_prob(new, batch.action) - batch.log_prob)
    return (ratio * batch.advantage).mean(1), state.actor.kl(batch.old, new).mean(1)
