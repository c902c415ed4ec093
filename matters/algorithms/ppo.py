"""Proximal policy optimisation: several epochs of minibatch steps on a surrogate of the policy's improvement.

With ratio ρ = π(a|s) / π_old(a|s), advantages Â and value targets V̂ from the rollout, each minibatch step
ascends

    clip:         E[ min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â) ]                      (equation 7)
    kl-fixed:     E[ ρ Â − β KL(π_old ‖ π) ]                                   (equation 8)
    kl-adaptive:  the same, β doubled or halved after each update              (section 4)
    none:         E[ ρ Â ]                                                     (equation 6)

minus c₁ E[ (V − V̂)² ] plus c₂ E[ entropy ] (equation 9).

Schulman, Wolski, Dhariwal, Radford and Klimov 2017, "Proximal policy optimization algorithms", arXiv
1707.06347.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Bound, Metrics, Problem, Rollout, Twin, When
from matters.algorithms.maths.advantages import deviation, standardised, standardised_in_groups
from matters.algorithms.maths.kernels import exp
from matters.algorithms.maths.moments import DIVERGING, include, standardise, start
from matters.algorithms.maths.schedules import adapted_kl_coefficient, linear_decay
from matters.algorithms.maths.surrogates import clipped_surrogate
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.actor_critic import (
    ActorCritic,
    Batch,
    OnPolicyConfig,
    estimate,
    prepare,
    value_gradient,
)
from matters.algorithms.parts.bounds import clip_bound, stop_bound
from matters.algorithms.parts.optimisers import adam_step, clip_coefficient, global_norm
from matters.algorithms.parts.policies import sum_of
from matters.algorithms.parts.tricks import AdamTricks

KIND: Literal["on-policy"] = "on-policy"
VERSION = 4


def _bounds(config: Any) -> tuple[Bound, ...]:
    """Those in use of the clipped ratio, the KL that the penalty aims at, and the KL that ends an update."""
    found = []
    if config.objective == "clip":
        found.append(clip_bound(config.clip))
    if config.objective == "kl-adaptive":
        found.append(Bound("mean_kl", "target", config.kl_target, "the penalty doubles above 1.5 times it"))
    if config.tricks.kl_stop is not None:
        found.append(stop_bound(config.tricks.kl_stop))
    return tuple(found)


FACTS = replace(
    actor_critic.FACTS,
    bounds=_bounds,
    twin=Twin(
        "sb3-ppo",
        "ppo-sb3",
        (
            ("learning_rate", "learning_rate"),
            ("horizon", "n_steps"),
            ("minibatch_size", "batch_size"),
            ("epochs", "n_epochs"),
            ("discount", "gamma"),
            ("gae_lambda", "gae_lambda"),
            ("clip", "clip_range"),
            ("entropy_coefficient", "ent_coef"),
            ("value_coefficient", "vf_coef"),
            ("tricks.gradient_clip", "max_grad_norm"),
            ("tricks.kl_stop", "target_kl"),
        ),
    ),
)


class Tricks(AdamTricks):
    """PPO's tricks: those of every on-policy algorithm, and these."""

    value_clip: bool = Field(
        False, description="clip the change of the value to ± clip and take the larger error [1]"
    )
    value_clip_in_spreads: bool = Field(
        False,
        description="value_clip's ε is in standard deviations of the batch's targets; off: in units of V, so "
        "that its meaning changes with the size of the rewards",
    )
    value_huber: PositiveFloat | None = Field(
        None,
        description="errors of V beyond this count linearly (Huber 1964; Andrychowicz et al. 2021)",
    )
    value_normalisation: bool = Field(
        False,
        description="V's network predicts its targets standardised by their running moments (Andrychowicz et "
        "al. 2021; PopArt, van Hasselt et al. 2016, without its rescaled weights)",
    )
    recompute_advantages: bool = Field(
        False,
        description="new values and advantages before each epoch (Andrychowicz et al. 2021; Tianshou)",
    )
    reverse_kl: bool = Field(
        False,
        description="the KL penalty is on KL(new ‖ old); off: on KL(old ‖ new) (Hsu et al. 2020 compare "
        "them); the adaptive one aims at KL(old ‖ new) all the same",
    )
    decoupled: PositiveFloat | None = Field(
        None,
        description="where actors lag, ratios, clip and KL are to the policy at the update's beginning, and "
        "each sample is weighed with that one's ratio to the policy that acted, at most this (Hilton et al. "
        "2022, their code: 100); off: all are to the policy that acted",
    )
    gradient_clip_of: Literal["each", "policy"] | None = Field(
        None,
        description="gradient_clip bounds the norm of each network, or of the policy alone (Engstrom's "
        "code); off: of both together",
    )
    advantage_normalisation: Literal["minibatch", "batch"] | None = Field(
        None,
        description="standardise advantages in each minibatch (Stable-Baselines3, CleanRL) or once per batch",
    )
    kl_stop: PositiveFloat | None = Field(
        None,
        description="end the update once a minibatch's KL estimate exceeds 1.5 × this (Stable-Baselines3)",
    )


class Config(OnPolicyConfig):
    """PPO's hyperparameters; the defaults are the paper's for MuJoCo (table 3), all tricks off."""

    epochs: PositiveInt = Field(10, description="passes over each rollout")
    minibatch_size: PositiveInt = Field(64, description="samples per gradient step")
    learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size")
    value_learning_rate: PositiveFloat | None = Field(
        None, description="Adam's step size for V; off: learning_rate (Engstrom's code has one)"
    )
    objective: Literal["clip", "kl-adaptive", "kl-fixed", "none"] = Field(
        "clip", description="what keeps the policy near the old one"
    )
    clip: PositiveFloat = Field(0.2, description="ε of the clipped objective and of value clipping")
    kl_target: PositiveFloat = Field(0.01, description="the KL that the adaptive penalty aims at")
    kl_coefficient: PositiveFloat = Field(1.0, description="β of the KL penalty, or its start")
    value_coefficient: PositiveFloat = Field(1.0, description="c₁, weight of the value loss")
    entropy_coefficient: float = Field(
        0.0, description="c₂, weight of the entropy bonus; Engstrom's PPO-NoClip has negative ones"
    )
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the paper")


CODE_LEVEL = Tricks(
    value_clip=True,
    reward_scaling=True,
    orthogonal_init=True,
    anneal_lr=True,
    reward_clip=10.0,
    observation_normalisation=True,
    observation_clip=10.0,
    tanh_activations=True,
    gradient_clip=0.5,
    advantage_normalisation="minibatch",
    adam_epsilon=1e-5,
    action_clip=True,
)
"""The code-level tricks of published PPO, as OpenAI baselines has them. `ppo`, whose value_coefficient of 0.5
is that of later code, bootstraps at time limits; `ppo-baselines` is OpenAI's own."""

RELEASED = Tricks(
    observation_normalisation=True,
    sample_moments=True,
    tanh_activations=True,
    advantage_normalisation="minibatch",
    adam_epsilon=1e-5,
    time_limit_terminal=True,
    last_step_bootstraps_itself=True,
    value_loss_excludes_ends=True,
    reset_each_rollout=True,
)
"""What Engstrom et al.'s released code does whatever its configs say, in PPO-M too, though their paper says
that it "ignores all the code-level optimizations" (section 4): src/MuJoCo.json, agent.py, steps.py, models.py
and torch_utils.py of MadryLab/implementation-matters, commit 5ee6ecb. It also takes an episode's last
observation into the running moments, which is left out here."""

_WITH_ALL: dict[str, Any] = {
    "reward_scaling": True,
    "reward_clip": 10.0,
    "observation_clip": 10.0,
    "orthogonal_init": True,
    "anneal_lr": True,
    "value_clip": True,
}


def _released(tricks: dict[str, Any], **settings: Any) -> Config:
    return Config(**settings, tricks=RELEASED.model_copy(update=tricks))


_NO_CLIP: dict[str, Any] = {**_WITH_ALL, "gradient_clip_of": "policy"}
_BY_REWARDS: dict[str, Any] = {**_NO_CLIP, "reward_scaling": "rewards", "value_clip": False}
PER_TASK: dict[str, dict[str, Config]] = {
    # configs/{walker,hopper,humanoid}_ppo.py, _ppom.py and _ppo_noclip.py.
    "ppo-released": {
        "Walker2d-v5": _released(_WITH_ALL, learning_rate=4e-4, value_learning_rate=3e-4),
        "Hopper-v5": _released(
            {**_WITH_ALL, "value_clip": False}, learning_rate=3e-4, value_learning_rate=2.5e-4
        ),
        "Humanoid-v5": _released(_WITH_ALL, learning_rate=1.5e-4, value_learning_rate=1e-4),
    },
    "ppo-m-released": {
        "Walker2d-v5": _released({}, learning_rate=1e-4, value_learning_rate=2e-4),
        "Hopper-v5": _released({}, learning_rate=1.7e-4, value_learning_rate=4e-4),
        "Humanoid-v5": _released({}, learning_rate=9e-5, value_learning_rate=4e-4),
    },
    "ppo-noclip-released": {
        "Walker2d-v5": _released(
            {**_BY_REWARDS, "reward_clip": 30.0, "observation_clip": None, "gradient_clip": 0.1},
            objective="none",
            learning_rate=7.25e-5,
            value_learning_rate=6e-4,
            gae_lambda=0.85,
            entropy_coefficient=-0.01,
        ),
        "Hopper-v5": _released(
            {**_BY_REWARDS, "reward_clip": 2.5, "gradient_clip": 4.0},
            objective="none",
            learning_rate=6e-5,
            value_learning_rate=4e-4,
            gae_lambda=0.925,
            entropy_coefficient=-0.005,
        ),
        "Humanoid-v5": _released(
            {**_NO_CLIP, "orthogonal_init": False, "anneal_lr": False, "gradient_clip": 0.5},
            objective="none",
            learning_rate=2e-5,
            value_learning_rate=5e-5,
            gae_lambda=0.85,
            entropy_coefficient=0.005,
        ),
    },
}
"""Presets whose source has settings for each task. On any other task they are as on Walker2d."""

PRESETS: dict[str, Config] = {
    "ppo": Config(value_coefficient=0.5, tricks=CODE_LEVEL),
    "ppo-m": Config(),
    # OpenAI baselines' ppo2 with its defaults for MuJoCo, commit ea25b9e: the value loss has a factor of a
    # half of its own besides vf_coef 0.5, and a time limit ends an episode. Its advantages are divided by the
    # standard deviation over n, here over n − 1: a factor of 1.008 in a minibatch of 64.
    "ppo-baselines": Config(
        value_coefficient=0.25, tricks=CODE_LEVEL.model_copy(update={"time_limit_terminal": True})
    ),
    **{name: tasks["Walker2d-v5"] for name, tasks in PER_TASK.items()},
    "ppo-noclip": Config(
        objective="none",
        value_coefficient=0.5,
        tricks=CODE_LEVEL,
    ),
    "ppo-kl": Config(objective="kl-adaptive", value_coefficient=0.5, tricks=CODE_LEVEL),
    "ppo-decoupled": Config(value_coefficient=0.5, tricks=CODE_LEVEL.model_copy(update={"decoupled": 100.0})),
    "ppo-beta": Config(policy="beta", value_coefficient=0.5, tricks=CODE_LEVEL),
    "ppo-discretised": Config(policy="discretised", value_coefficient=0.5, tricks=CODE_LEVEL),
    # What Andrychowicz et al. 2021 recommend in their section 3; the rest is as in the paper of PPO, but for
    # advantages normalised by minibatch, which they found to make no difference. They recommend trying value
    # normalisation, not having it everywhere, and clip the ratio below at 1 / (1 + ε), we at 1 − ε.
    "ppo-recommended": Config(
        clip=0.25,
        gae_lambda=0.9,
        value_hidden=(256, 256),
        tricks=Tricks(
            last_policy_gain=0.01,
            softplus_std=True,
            log_std_init=-0.7,  # σ = 0.5
            action_squash=True,
            tanh_activations=True,
            observation_normalisation=True,
            value_normalisation=True,
            gradient_clip=0.5,
            advantage_normalisation="minibatch",
            recompute_advantages=True,
            anneal_lr=True,
        ),
    ),
    "ppo-sb3": Config(
        value_coefficient=0.5,
        tricks=Tricks(
            orthogonal_init=True,
            tanh_activations=True,
            gradient_clip=0.5,
            advantage_normalisation="minibatch",
            adam_epsilon=1e-5,
            action_clip=True,
        ),
    ),
}

NO_EFFECT = actor_critic.NO_EFFECT | {
    "clip": When(
        "objective is not 'clip' and value_clip is off (the recorded clip fraction alone uses it)",
        lambda config: config.objective != "clip" and not config.tricks.value_clip,
    ),
    "kl_target": When("objective is not 'kl-adaptive'", lambda config: config.objective != "kl-adaptive"),
    "kl_coefficient": When(
        "objective is neither 'kl-adaptive' nor 'kl-fixed'",
        lambda config: config.objective not in ("kl-adaptive", "kl-fixed"),
    ),
    "value_coefficient": When("gradient_clip is off: nothing else is shared, and Adam undoes a factor"),
    "tricks.gradient_clip_of": When(
        "gradient_clip is off", lambda config: config.tricks.gradient_clip is None
    ),
    "tricks.kl_stop": When("no minibatch's KL estimate exceeded 1.5 × kl_stop"),
    "tricks.value_clip_in_spreads": When(
        "tricks.value_clip is off", lambda config: not config.tricks.value_clip
    ),
    "tricks.decoupled": When("lag is 0: the two policies are one", lambda config: not config.lag),
    "tricks.recompute_advantages": When("epochs is 1", lambda config: config.epochs == 1),
    "tricks.reverse_kl": When(
        "objective is neither 'kl-adaptive' nor 'kl-fixed'",
        lambda config: config.objective not in ("kl-adaptive", "kl-fixed"),
    ),
}

observe, act = actor_critic.observe, actor_critic.act
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


@dataclass
class State(ActorCritic):
    """An actor-critic and, for the KL penalty, its coefficient β."""

    kl_coefficient: Float[Tensor, " S"]


@dataclass
class MinibatchStep:
    """One minibatch step, each term [S] and before the step was taken."""

    policy_loss: Tensor
    value_loss: Tensor
    entropy: Tensor
    approximate_kl: Tensor | None
    """E[ρ − 1 − log ρ], which estimates KL(old ‖ new); only where kl_stop needs it."""
    gradient_norm: Tensor
    active: Bool[Tensor, " S"]


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> State:
    """A first state, one row per generator."""
    shared = actor_critic.init(config, problem, generators, dtype)
    if config.tricks.value_normalisation:
        shared.value_moments = start(len(generators), 1)
    return State(**vars(shared), kl_coefficient=torch.full((len(generators),), config.kl_coefficient))


@DIVERGING
@torch.inference_mode()
def update(
    state: State,
    config: Config,
    rollout: Rollout,
    generators: Sequence[np.random.Generator],
    *,
    progress: float,
) -> Metrics:
    """Learn from one rollout, in place."""
    learning_rate, value_rate = config.learning_rate, config.value_learning_rate or config.learning_rate
    if config.tricks.anneal_lr:
        learning_rate = linear_decay(learning_rate, progress=progress)
        value_rate = linear_decay(value_rate, progress=progress)
    batch = prepare(state, config, rollout, keep_reward=config.tricks.recompute_advantages)
    if state.value_moments is not None:
        include(state.value_moments, batch.target.unsqueeze(2).numpy())
    batch = in_units(state, config, batch)
    if config.tricks.decoupled is not None:
        batch = decoupled(state, batch, limit=config.tricks.decoupled)

    steps = list(minibatch_steps(state, config, batch, generators, learning_rate, value_rate, rollout))

    metrics = actor_critic.diagnostics(state, batch, clip=config.clip)
    if config.objective == "kl-adaptive":
        state.kl_coefficient.copy_(
            adapted_kl_coefficient(state.kl_coefficient, metrics["mean_kl"], target=config.kl_target)
        )
    active = torch.stack([step.active for step in steps], dim=1)
    for name in ("policy_loss", "value_loss", "gradient_norm"):
        terms = torch.stack([getattr(step, name) for step in steps], dim=1)
        metrics[name] = torch.where(active, terms, 0.0).sum(1) / active.sum(1)
    metrics["learning_rate"] = torch.full_like(metrics["mean_kl"], learning_rate)
    metrics["kl_coefficient"] = state.kl_coefficient.clone()
    return metrics


def in_units(state: State, config: Config, batch: Batch) -> Batch:
    """The batch with advantages, targets and values in the units that the tricks ask for."""
    if config.tricks.advantage_normalisation == "batch":
        batch.advantage = standardised(batch.advantage)
    if state.value_moments is not None:
        for part in ("target", "value"):
            raw = getattr(batch, part).unsqueeze(2).numpy()
            setattr(batch, part, torch.from_numpy(standardise(state.value_moments, raw)).squeeze(2))
    if config.tricks.value_clip_in_spreads:
        batch.target_spread = deviation(batch.target)
    return batch


def decoupled(state: State, batch: Batch, *, limit: float) -> Batch:
    """The batch with the policy as it now is for the old one, its samples weighed with that one's ratio to
    the policy that acted: E[ (π_now / π_acted) min(ρ Â, clip(ρ) Â) ] with ρ = π / π_now.

    Hilton, Cobbe and Schulman 2022, "Batch size-invariance for policy optimization", section 3.
    """
    policy, _ = state.actor.forward(state.policy.arrays, batch.observation)
    log_prob = state.actor.log_prob(policy, batch.action)
    weight = exp(log_prob - batch.log_prob).clamp(max=limit)
    return replace(batch, old=policy, log_prob=log_prob, weight=weight)


def estimated_anew(state: State, config: Config, batch: Batch, rollout: Rollout) -> Batch:
    """The batch with advantages and targets from V as it now is; the values from the time of acting stay."""
    assert batch.reward is not None, "recompute_advantages is on"
    advantage, value = estimate(state, config, rollout, batch.reward.view_as(rollout.reward))
    learnt = slice(batch.advantage.shape[1])  # what is held out comes last
    advantage, value = (part.flatten(1)[:, learnt].contiguous() for part in (advantage, value))
    anew = replace(batch, advantage=advantage, target=advantage + value)
    anew = in_units(state, config, anew)
    anew.value = batch.value
    return anew


def minibatch_steps(
    state: State,
    config: Config,
    batch: Batch,
    generators: Sequence[np.random.Generator],
    learning_rate: float,
    value_rate: float,
    rollout: Rollout | None = None,
) -> Iterator[MinibatchStep]:
    """Every minibatch step of every epoch, taken as the caller asks for it.

    `rollout` is what the batch was made of; needed only for advantages that are computed anew.
    """
    size = batch.advantage.shape[1]
    active = torch.ones(len(generators), dtype=torch.bool)
    # All orders are drawn first: where a seed stops early must not show in its generator, since others in its
    # population may go on.
    orders = [
        torch.from_numpy(np.stack([generator.permutation(size) for generator in generators]))
        for _ in range(config.epochs)
    ]
    for epoch, order in enumerate(orders):
        if epoch and config.tricks.recompute_advantages:
            assert rollout is not None, "recompute_advantages is on"
            batch = estimated_anew(state, config, batch, rollout)
        shuffled = batch.take(order)
        if config.tricks.advantage_normalisation == "minibatch":
            shuffled.advantage = standardised_in_groups(shuffled.advantage, size=config.minibatch_size)
        for minibatch in shuffled.split(config.minibatch_size):
            step, gradients = differentiate(state, config, minibatch)
            if config.tricks.kl_stop is not None and step.approximate_kl is not None:
                # A seed that has moved too far rests for the others' remaining steps; its update has ended.
                # One whose estimate is not a number goes on, so that its θ shows it.
                active = active & ~(step.approximate_kl > 1.5 * config.tricks.kl_stop)
                step.active = active
            gradients = clipped(gradients, step.gradient_norm, config.tricks)
            thetas, rates = (state.policy, state.value), (learning_rate, value_rate)
            for theta, descent, rate in zip(thetas, gradients, rates, strict=True):
                adam_step(
                    theta,
                    descent,
                    learning_rate=rate,
                    epsilon=config.tricks.adam_epsilon or 1e-8,
                    active=None if config.tricks.kl_stop is None else active,
                )
            yield step
            if not active.any():
                return


def clipped(gradients: list[Tensor], norm: Float[Tensor, " S"], tricks: Tricks) -> list[Tensor]:
    """The gradients of policy and V, their norms bounded as `gradient_clip` and `gradient_clip_of` ask."""
    limit, of = tricks.gradient_clip, tricks.gradient_clip_of
    if limit is None:
        return gradients
    if of is None:
        coefficient = clip_coefficient(norm, limit=limit)
        return [descent * coefficient for descent in gradients]
    bounded = gradients if of == "each" else gradients[:1]
    return [
        *(descent * clip_coefficient(global_norm(descent), limit=limit) for descent in bounded),
        *gradients[len(bounded) :],
    ]


def differentiate(state: State, config: Config, batch: Batch) -> tuple[MinibatchStep, list[Tensor]]:
    """The terms of a minibatch's loss, and its gradient with respect to the θ of policy and value function.

        −E[ L(ρ) ] + β E[ KL(π_old ‖ π) ] + c₁ E[ (V − V_target)² ] − c₂ E[ entropy ],   ∇ρ = ρ ∇log π

    Schulman et al. 2017, equations 6, 7, 8 and 9.
    """
    size = batch.advantage.shape[1]
    policy, forward = state.actor.forward(state.policy.arrays, batch.observation)
    log_ratio = state.actor.log_prob(policy, batch.action) - batch.log_prob
    ratio = exp(log_ratio)
    if config.objective == "clip":
        surrogate, slope = clipped_surrogate(ratio, batch.advantage, clip=config.clip)
    else:
        surrogate, slope = ratio * batch.advantage, batch.advantage
    if batch.weight is not None:
        surrogate, slope = batch.weight * surrogate, batch.weight * slope
    objective = surrogate.mean(1)
    slopes = [state.actor.log_prob_gradient(policy, batch.action, slope * ratio * (-1 / size))]
    if config.objective in ("kl-adaptive", "kl-fixed"):
        reverse = config.tricks.reverse_kl
        kl = state.actor.kl(*((policy, batch.old) if reverse else (batch.old, policy)))
        objective = objective - state.kl_coefficient * kl.mean(1)
        weight = (state.kl_coefficient / size)[:, None].expand_as(kl)
        slope_of = state.actor.reverse_kl_gradient if reverse else state.actor.kl_gradient
        slopes.append(slope_of(batch.old, policy, weight))

    entropy = state.actor.entropy(policy)
    if config.entropy_coefficient:
        weight = torch.full_like(entropy, -config.entropy_coefficient / entropy.shape[1])
        slopes.append(state.actor.entropy_gradient(policy, weight))
    entropy = entropy.mean(1)

    value_loss, value_descent = value_gradient(
        state,
        batch,
        clip=config.clip if config.tricks.value_clip else None,
        huber=config.tricks.value_huber,
        coefficient=config.value_coefficient,
    )
    gradients = [state.actor.gradient(forward, sum_of(slopes)), value_descent]
    step = MinibatchStep(
        policy_loss=-objective,
        value_loss=value_loss,
        entropy=entropy,
        approximate_kl=None if config.tricks.kl_stop is None else (ratio - 1 - log_ratio).mean(1),
        gradient_norm=global_norm(*gradients),
        active=torch.ones(len(objective), dtype=torch.bool),
    )
    return step, gradients
