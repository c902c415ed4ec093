"""Twin delayed deep deterministic policy gradient: DDPG with three cures for critics that overestimate.

With twin critics Q₁, Q₂, a policy μ and their targets, a gradient step on a batch of transitions
(s, a, r, s′) from the replay is

    a′ = clip(μ′(s′) + clip(σ ε, −c, c), −1, 1)      target policy smoothing   (equation 14)
    y = r + γ min(Q₁′(s′, a′), Q₂′(s′, a′))          clipped double Q          (equation 10)
    Q₁ and Q₂ descend   E[ (Q₁(s, a) − y)² ] + E[ (Q₂(s, a) − y)² ]
    and every d-th time                              delayed policy updates    (section 5.2)
    μ ascends           E[ Q₁(s, μ(s)) ]
    θ′ ← τ θ + (1 − τ) θ′                            for all three targets

Each of the three is a switch. With all off, these are the steps of `ddpg`.

Fujimoto, van Hoof and Meger 2018, "Addressing function approximation error in actor-critic methods", arXiv
1802.09477, algorithm 1 and section 6.1.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Metrics, Problem, ReplayBatch, Twin, When
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.targets import bootstrapped, smoothed
from matters.algorithms.parts import critics, deterministic_policy
from matters.algorithms.parts.critics import (
    critic_step,
    discount_of,
    no_bootstrap,
    normal,
    q_values,
    reward_of,
)
from matters.algorithms.parts.deterministic_policy import (
    Deterministic,
    DeterministicConfig,
    DeterministicStep,
    follow_targets,
    policy_step,
    target_action,
)
from matters.algorithms.parts.tricks import DeterministicTricks
from matters.algorithms.parts.widths import Widths

KIND: Literal["off-policy"] = "off-policy"
VERSION = 4
FACTS = replace(
    critics.FACTS,
    twin=Twin(
        "sb3-td3",
        "td3-sb3",
        (
            *critics.TWIN_FIELDS,
            ("tricks.policy_delay", "policy_delay"),
            ("tricks.target_noise", "target_policy_noise"),
            ("target_noise_clip", "target_noise_clip"),
        ),
    ),
)

State = Deterministic


class Tricks(DeterministicTricks):
    """TD3's three parts, and DDPG's tricks. All off, it is DDPG."""

    clipped_double_q: bool = Field(False, description="two critics, and the smaller one in targets")
    policy_delay: int | None = Field(
        None, ge=2, description="d, critic steps per step of policy and targets; off: 1"
    )
    target_noise: PositiveFloat | None = Field(
        None, description="σ of the noise on the target policy's actions"
    )
    shared_target_noise: bool = Field(
        False,
        description="one number of that noise per transition, for all dimensions of its action (the authors' "
        "code of 2018, commit 32c6d47); off: one per dimension",
    )


PARTS = Tricks(clipped_double_q=True, policy_delay=2, target_noise=0.2)
"""As in sections 5 and 6.1 of the paper."""


class Config(DeterministicConfig):
    """TD3's hyperparameters; the defaults are those of section 6.1, with all tricks off."""

    batch_size: PositiveInt = Field(100, description="B, transitions per gradient step")
    warmup: PositiveInt = Field(
        10_000,
        description="steps of uniformly random actions before learning; 1000 except in HalfCheetah and Ant",
    )
    hidden: Widths = Field((400, 300), description="widths of the hidden layers", strict=False)
    learning_rate: PositiveFloat = Field(1e-3, description="Adam's step size for the policy")
    critic_learning_rate: PositiveFloat = Field(1e-3, description="Adam's step size for Q")
    target_noise_clip: PositiveFloat = Field(
        0.5, description="c, largest noise on the target policy's actions"
    )
    tricks: Tricks = Field(Tricks(), description="named switches; the paper's TD3 has its three parts on")


_SIZES: dict[str, Any] = {
    "hidden": (256, 256),
    "batch_size": 256,
    "learning_rate": 3e-4,
    "critic_learning_rate": 3e-4,
}


def _of_2018(warmup: int) -> Config:
    tricks = PARTS.model_copy(update={"shared_target_noise": True, "episode_end_updates": True})
    return Config(warmup=warmup, tricks=tricks)


PER_TASK: dict[str, dict[str, Config]] = {
    # The authors' code of 2018, commit 32c6d47. There σ of the exploration is 0.1 in the action's own units,
    # here in half ranges; and every d-th step is counted anew at each episode's end, here it is counted on.
    "td3-2018": {task: _of_2018(10_000) for task in ("HalfCheetah-v5", "Ant-v5")},
}
"""Presets whose source has settings for each task."""

PRESETS: dict[str, Config] = {
    "td3": Config(tricks=PARTS),
    "td3-2018": _of_2018(1000),
    "td3-sb3": Config(batch_size=256, warmup=100, exploration=None, tricks=PARTS),
    # Table 2 of the paper: without one part (TD3 − CDQ, − DP, − TPS), and with one alone (AHE + CDQ, …).
    "td3-no-cdq": Config(tricks=PARTS.model_copy(update={"clipped_double_q": False})),
    "td3-no-delay": Config(tricks=PARTS.model_copy(update={"policy_delay": None})),
    "td3-no-smoothing": Config(tricks=PARTS.model_copy(update={"target_noise": None})),
    "td3-only-cdq": Config(tricks=Tricks(clipped_double_q=True)),
    "td3-only-delay": Config(tricks=Tricks(policy_delay=2)),
    "td3-only-smoothing": Config(tricks=Tricks(target_noise=0.2)),
    # In SAC's sizes and rates, which are also those of sfujim/TD3 since 2020 (34770cc; it warms up for 25 000
    # steps): the rungs between td3 and sac.
    "td3-256": Config(**_SIZES, tricks=PARTS),
    "td3-256-only-cdq": Config(**_SIZES, tricks=Tricks(clipped_double_q=True)),
}

NO_EFFECT = deterministic_policy.NO_EFFECT | {
    **dict.fromkeys(
        ("target_noise_clip", "tricks.shared_target_noise"),
        When("tricks.target_noise is off", lambda config: config.tricks.target_noise is None),
    )
}

observe, to_environment = critics.observe, critics.to_environment
act, sizes, parameters = deterministic_policy.act, deterministic_policy.sizes, deterministic_policy.parameters


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> State:
    """A first state, one row per generator. Raises ValueError for unbounded actions."""
    return deterministic_policy.init_state(
        config, problem, generators, dtype, number=2 if config.tricks.clipped_double_q else 1
    )


@DIVERGING
def update(
    state: State, config: Config, batch: ReplayBatch, generators: Sequence[np.random.Generator]
) -> Metrics:
    """One gradient step, in place."""
    size, actions = batch.action.shape[1:]
    drawn = 1 if config.tricks.shared_target_noise else actions
    noise = None if config.tricks.target_noise is None else normal(generators, size, drawn)
    return gradient_step(state, config, batch, noise).metrics


@torch.inference_mode()
def gradient_step(
    state: State, config: Config, batch: ReplayBatch, noise: Float[Tensor, "S B A"] | None
) -> DeterministicStep:
    """One step of the critics, every d-th time of policy and targets, in place; `noise` smooths targets."""
    state.updates.add_(1)
    action = target_action(state, batch.successor)
    if config.tricks.target_noise is not None:
        assert noise is not None, "target_noise is on"
        action = smoothed(action, noise, scale=config.tricks.target_noise, clip=config.target_noise_clip)
    value = q_values(state.critics, state.critics.target.arrays, batch.successor, action).value.min(1).values
    target = bootstrapped(
        reward_of(config, batch), value, no_bootstrap(config, batch), discount=discount_of(config, batch)
    )
    step = DeterministicStep(target, critic_step(state.critics, config, batch, target))
    if int(state.updates[0]) % (config.tricks.policy_delay or 1) == 0:  # a population's seeds step together
        step.actor_loss = policy_step(state, config, batch)
        follow_targets(state, config)
    return step
