"""Deep deterministic policy gradient: Q-learning for a deterministic policy that climbs its critic.

With targets Q′ and μ′ that follow the critic Q and the policy μ slowly, a gradient step on a batch of
transitions (s, a, r, s′) from the replay is

    y = r + γ Q′(s′, μ′(s′))
    Q descends   E[ (Q(s, a) − y)² ]  with weight decay
    μ ascends    E[ Q(s, μ(s)) ]                                               (equation 6)
    θ′ ← τ θ + (1 − τ) θ′             for both targets

Lillicrap, Hunt, Pritzel, Heess, Erez, Tassa, Silver and Wierstra 2016, "Continuous control with deep
reinforcement learning", arXiv 1509.02971, algorithm 1 and section 7.

`ddpg` leaves out batch normalisation (section 3) and that actions enter Q at its second layer (section 7), as
most published code does; they are tricks, which `ddpg-batch-norm` has on. `ddpg-tuned` is what TD3's paper
compares with: DDPG with TD3's batch, rates, first parameters and exploration.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from matters.algorithms.interface import Metrics, Problem, ReplayBatch, Twin
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.targets import bootstrapped
from matters.algorithms.parts import critics, deterministic_policy
from matters.algorithms.parts.critics import critic_step, discount_of, no_bootstrap, q_values, reward_of
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
FACTS = replace(critics.FACTS, twin=Twin("sb3-ddpg", "ddpg-sb3", critics.TWIN_FIELDS))

Tricks = DeterministicTricks
State = Deterministic


class Config(DeterministicConfig):
    """DDPG's hyperparameters; the defaults are the paper's (section 7)."""

    batch_size: PositiveInt = Field(64, description="B, transitions per gradient step")
    warmup: PositiveInt = Field(
        1000, description="steps of uniformly random actions before learning; the paper names none"
    )
    target_rate: float = Field(0.001, gt=0, le=1, description="τ, how far targets move to θ each time")
    hidden: Widths = Field((400, 300), description="widths of the hidden layers", strict=False)
    learning_rate: PositiveFloat = Field(1e-4, description="Adam's step size for the policy")
    critic_learning_rate: PositiveFloat = Field(1e-3, description="Adam's step size for Q")
    critic_weight_decay: NonNegativeFloat = Field(1e-2, description="weight of ½‖θ‖² in the loss of Q")
    exploration: Literal["gaussian", "ornstein-uhlenbeck"] | None = Field(
        "ornstein-uhlenbeck", description="noise added to actions to explore; off: none"
    )
    exploration_scale: PositiveFloat = Field(0.2, description="σ of that noise")
    last_layer: PositiveFloat | None = Field(
        3e-3,
        description="first parameters of the last layers are uniform in ± this; off: as in the other layers",
    )


TUNED: dict[str, Any] = {
    "target_rate": 0.005,
    "learning_rate": 1e-3,
    "critic_learning_rate": 1e-3,
    "critic_weight_decay": 0.0,
    "last_layer": None,
}
"""What TD3's paper and Stable-Baselines3 have in common."""

PRESETS: dict[str, Config] = {
    "ddpg": Config(),
    "ddpg-batch-norm": Config(tricks=Tricks(batch_norm=True, late_actions=True)),
    # "Our DDPG" of TD3's paper (table 3), which its table 2 calls AHE.
    "ddpg-tuned": Config(
        **TUNED, batch_size=100, warmup=10_000, exploration="gaussian", exploration_scale=0.1
    ),
    "ddpg-sb3": Config(**TUNED, batch_size=256, warmup=100, exploration=None),
}

NO_EFFECT = deterministic_policy.NO_EFFECT

observe, to_environment = critics.observe, critics.to_environment
act, sizes, parameters = deterministic_policy.act, deterministic_policy.sizes, deterministic_policy.parameters


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> State:
    """A first state, one row per generator. Raises ValueError for unbounded actions."""
    return deterministic_policy.init_state(config, problem, generators, dtype, number=1)


@DIVERGING
def update(
    state: State,
    config: Config,
    batch: ReplayBatch,
    generators: Sequence[np.random.Generator],  # noqa: ARG001 - nothing is random here
) -> Metrics:
    """One gradient step, in place."""
    return gradient_step(state, config, batch).metrics


@torch.inference_mode()
def gradient_step(state: State, config: Config, batch: ReplayBatch) -> DeterministicStep:
    """One step of critic, policy and targets, in place."""
    state.updates.add_(1)
    action = target_action(state, batch.successor)
    value = q_values(state.critics, state.critics.target.arrays, batch.successor, action).value[:, 0]
    target = bootstrapped(
        reward_of(config, batch), value, no_bootstrap(config, batch), discount=discount_of(config, batch)
    )
    step = DeterministicStep(target, critic_step(state.critics, config, batch, target))
    step.actor_loss = policy_step(state, config, batch)
    follow_targets(state, config)
    return step
