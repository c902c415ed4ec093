"""Lockstep parity of the on-policy algorithms: one update of ours and of the reference's.

The reference collects a rollout and trains on it with its own code, while what it computes on the way is
recorded. Ours gets the same parameters, transitions and minibatch order.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from sb3_contrib import TRPO
from sb3_contrib.common.utils import conjugate_gradient_solver
from sb3_contrib.trpo import trpo as sb3_trpo
from stable_baselines3 import A2C, PPO
from torch import Tensor

from matters.algorithms import a2c, ppo, trpo
from matters.algorithms.parts import actor_critic, one_step
from matters.algorithms.parts.actor_critic import Batch
from matters.algorithms.reference import sb3_on_policy
from matters.harness.parity.on_policy_lockstep import Lockstep, parameters, shared_generators, start
from matters.harness.parity.tolerance import Row, rows


def ppo_parity(dtype: torch.dtype, *, seed: int = 0, **changes: Any) -> list[Row]:
    """`ppo-sb3` against Stable-Baselines3's PPO, all minibatches of all epochs.

    `changes` are fields of our config. The same change is made on both sides for `horizon`,
    `minibatch_size` and `epochs`; any other is made on ours alone, which is how the tests show that a
    difference would be seen.
    """
    config = ppo.PRESETS["ppo-sb3"].model_copy(update=changes)
    their_config = sb3_on_policy.PpoConfig(
        n_steps=config.horizon, batch_size=config.minibatch_size, n_epochs=config.epochs
    )
    both = start(PPO, their_config, ppo, config, dtype, seed=seed)
    with shared_generators(dtype, seed) as (watched, order):
        both.model.train()
    batch = actor_critic.prepare(both.state, config, both.rollout)
    steps = list(
        ppo.minibatch_steps(both.state, config, batch, [order], config.learning_rate, config.learning_rate)
    )

    def terms(name: str) -> list[Tensor]:
        return [getattr(step, name)[0] for step in steps]

    losses = [
        policy_loss + config.value_coefficient * value_loss - config.entropy_coefficient * entropy
        for policy_loss, value_loss, entropy in zip(
            terms("policy_loss"), terms("value_loss"), terms("entropy"), strict=True
        )
    ]
    return rows_of(
        both,
        batch,
        {
            "loss, each minibatch": (losses, watched.losses),
            "value loss, each minibatch": (terms("value_loss"), watched.value_losses),
            "policy loss, each minibatch": (terms("policy_loss"), watched.policy_losses),
            "entropy, each minibatch": (terms("entropy"), [-loss for loss in watched.entropy_losses]),
            "gradient norm, each minibatch": (terms("gradient_norm"), watched.norms),
        },
        dtype,
    )


def a2c_parity(dtype: torch.dtype, *, seed: int = 0, **changes: Any) -> list[Row]:
    """`a2c-sb3` against Stable-Baselines3's A2C, one update; `changes` as in `ppo_parity`."""
    config = a2c.PRESETS["a2c-sb3"].model_copy(update={"horizon": 128} | changes)
    both = start(A2C, sb3_on_policy.A2cConfig(n_steps=config.horizon), a2c, config, dtype, seed=seed)
    with shared_generators(dtype, seed) as (watched, order):
        both.model.train()
    batch = actor_critic.prepare(both.state, config, both.rollout)
    (policy_loss, value_loss, entropy), _ = one_step.differentiate(both.state, config, batch)
    loss = policy_loss + config.value_coefficient * value_loss - config.entropy_coefficient * entropy
    metrics = a2c.update(both.state, config, both.rollout, [order], progress=0.0)
    return rows_of(
        both,
        batch,
        {
            "loss": ([loss[0]], watched.losses),
            "value loss": ([value_loss[0]], watched.value_losses),
            "entropy": ([entropy[0]], [-loss for loss in watched.entropy_losses]),
            "gradient norm": ([metrics["gradient_norm"][0]], watched.norms),
        },
        dtype,
    )


def trpo_parity(dtype: torch.dtype, *, seed: int = 0, **changes: Any) -> list[Row]:
    """`trpo-sb3` against sb3-contrib's TRPO, one update; `changes` as in `ppo_parity`.

    Theirs starts conjugate gradient from noise and ends it at a small absolute residual. Here it is given
    zeros to start from and a residual of 0 to end at, so that both take the same steps.
    """
    config = trpo.PRESETS["trpo-sb3"].model_copy(update={"horizon": 512} | changes)
    both = start(TRPO, sb3_on_policy.TrpoConfig(n_steps=config.horizon), trpo, config, dtype, seed=seed)
    to_the_end = partial(conjugate_gradient_solver, residual_tol=0.0)
    with (
        shared_generators(dtype, seed) as (watched, order),
        patch.object(torch, "randn_like", torch.zeros_like),
        patch.object(sb3_trpo, "conjugate_gradient_solver", to_the_end),
    ):
        both.model.train()
    batch = actor_critic.prepare(both.state, config, both.rollout)
    order.permutation(config.horizon)  # theirs shuffles the whole batch for the policy's step, too
    metrics = trpo.update(both.state, config, both.rollout, [order], progress=0.0)
    logged = both.model.logger.name_to_value
    assert logged["train/is_line_search_success"] == 1.0, "theirs rejected its step: choose another seed"
    steps_a_pass = math.ceil(config.horizon / config.value_minibatch_size)
    last_pass = watched.value_losses[-steps_a_pass:]
    return rows_of(
        both,
        batch,
        {"value loss, last pass": ([metrics["value_loss"][0]], [torch.stack(last_pass).mean()])},
        dtype,
    )


def rows_of(
    both: Lockstep,
    batch: Batch,
    terms: Mapping[str, tuple[Sequence[Tensor], Sequence[Tensor]]],
    dtype: torch.dtype,
) -> list[Row]:
    """Estimates of the rollout, terms on the way, parameters after the update: ours against theirs."""
    ours = {
        "values": batch.value,
        "log_probs": batch.log_prob,
        "advantages": batch.advantage,
        "returns": batch.target,
    }
    pairs = {name: (ours[name][0], both.before[name]) for name in ours}
    pairs |= {name: (torch.stack(list(a)), torch.stack(list(b))) for name, (a, b) in terms.items()}
    pairs |= {
        f"{name} after the update": pair for name, pair in parameters(both.model.policy, both.state).items()
    }
    return rows(pairs, dtype)
