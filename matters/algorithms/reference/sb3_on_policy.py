"""Stable-Baselines3's on-policy algorithms as references: their own code, their own loop, their own defaults.

A reference is handed an environment and trains itself. After each of its updates it reports, so that it is
evaluated and recorded under the same protocol as ours. It cannot be interrupted: it starts again from its
beginning.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from sb3_contrib import TRPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from matters.algorithms.interface import Bound, Cost, Facts, Frozen, OnUpdate, Reference
from matters.algorithms.maths.distributions import gaussian_entropy, gaussian_kl, gaussian_log_prob
from matters.algorithms.parts.actor_critic import RATIO_BOUND
from matters.algorithms.parts.bounds import clip_bound, stop_bound
from matters.algorithms.reference import sb3


class PpoConfig(Frozen):
    """The arguments of Stable-Baselines3's PPO under its own names, with its defaults."""

    learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size")
    n_steps: PositiveInt = Field(2048, description="steps of a rollout")
    batch_size: PositiveInt = Field(64, description="samples per gradient step")
    n_epochs: PositiveInt = Field(10, description="passes over each rollout")
    gamma: float = Field(0.99, ge=0, le=1, description="γ")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="λ of the advantage estimate")
    clip_range: PositiveFloat = Field(0.2, description="ε of the clipped objective")
    clip_range_vf: PositiveFloat | None = Field(
        None, description="clip of the value's change; off by default"
    )
    normalize_advantage: bool = Field(True, description="standardise advantages in each minibatch")
    ent_coef: NonNegativeFloat = Field(0.0, description="weight of the entropy bonus")
    vf_coef: NonNegativeFloat = Field(0.5, description="weight of the value loss")
    max_grad_norm: PositiveFloat = Field(0.5, description="largest norm of the whole gradient")
    target_kl: PositiveFloat | None = Field(
        None, description="KL at which an update ends early; off by default"
    )


class A2cConfig(Frozen):
    """The arguments of Stable-Baselines3's A2C under its own names, with its defaults."""

    learning_rate: PositiveFloat = Field(7e-4, description="RMSProp's step size")
    n_steps: PositiveInt = Field(5, description="steps of a rollout")
    gamma: float = Field(0.99, ge=0, le=1, description="γ")
    gae_lambda: float = Field(1.0, ge=0, le=1, description="λ of the advantage estimate")
    ent_coef: NonNegativeFloat = Field(0.0, description="weight of the entropy bonus")
    vf_coef: NonNegativeFloat = Field(0.5, description="weight of the value loss")
    max_grad_norm: PositiveFloat = Field(0.5, description="largest norm of the whole gradient")
    rms_prop_eps: PositiveFloat = Field(1e-5, description="RMSProp's ε")
    use_rms_prop: bool = Field(True, description="RMSProp; off: Adam")
    normalize_advantage: bool = Field(False, description="standardise advantages over the batch")


class TrpoConfig(Frozen):
    """The arguments of sb3-contrib's TRPO under its own names, with its defaults."""

    learning_rate: PositiveFloat = Field(1e-3, description="Adam's step size for the value function")
    n_steps: PositiveInt = Field(2048, description="steps of a rollout")
    batch_size: PositiveInt = Field(128, description="samples per step of the value function's fit")
    gamma: float = Field(0.99, ge=0, le=1, description="γ")
    cg_max_steps: PositiveInt = Field(15, description="steps of conjugate gradient")
    cg_damping: NonNegativeFloat = Field(0.1, description="added to the Fisher information's diagonal")
    line_search_shrinking_factor: float = Field(0.8, gt=0, lt=1, description="from one length to the next")
    line_search_max_iter: PositiveInt = Field(10, description="lengths that the line search tries")
    n_critic_updates: PositiveInt = Field(10, description="passes over the rollout to fit the value function")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="λ of the advantage estimate")
    normalize_advantage: bool = Field(True, description="standardise advantages over the batch")
    target_kl: PositiveFloat = Field(0.01, description="δ, the KL of a step")
    sub_sampling_factor: PositiveInt = Field(1, description="the policy's step uses one sample in this many")


def build(library: type[Any], config: Frozen, environment: Any, *, seed: int) -> Any:
    """A model of theirs with its default networks."""
    return sb3.model(library, environment, seed=seed, **config.model_dump())


def _train(
    library: type[Any],
    config: Frozen,
    environment: Any,
    *,
    seed: int,
    steps: int,
    ends: Iterable[int],
    updated: OnUpdate,
) -> dict[str, np.ndarray]:
    """Train for `steps` environment steps, rounded up to whole rollouts; the final parameters by name."""
    model = build(library, config, environment, seed=seed)
    return sb3.trained(model, steps, _OnPolicyListener(updated, sb3.ReportPoints(ends)))


class _OnPolicyListener(BaseCallback):
    """Measures an update as ours are measured: over the whole rollout, old policy against new.

    Only updates that first reach one of the steps `ends` are measured: all of them, unless rollouts are
    short.
    """

    def __init__(self, updated: OnUpdate, ends: sb3.ReportPoints) -> None:
        super().__init__()
        self.updated = updated
        self.ends = ends
        self.before: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    def _on_training_start(self) -> None:
        self.updated(0, {}, sb3.greedy(self.model))

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if not self.ends.reached(self.num_timesteps):
            return
        buffer = self.model.rollout_buffer  # type: ignore[attr-defined]
        observation = torch.as_tensor(buffer.observations).flatten(0, 1)[None]
        action = torch.as_tensor(buffer.actions).flatten(0, 1)[None]
        self.before = (observation, action, *self._gaussian(observation))

    def _on_rollout_start(self) -> None:
        self._tell()

    def _on_training_end(self) -> None:
        self._tell()

    def _tell(self) -> None:
        """Stable-Baselines3 updates between a rollout's end and the next one's start."""
        if not self.num_timesteps:
            return
        sb3.refuse_not_finite(self.model)
        metrics = {} if self.before is None else self._measured(*self.before)
        self.before = None
        self.ends.leave(self.num_timesteps)
        self.updated(self.num_timesteps, metrics, sb3.greedy(self.model))

    def _measured(
        self, observation: Tensor, action: Tensor, mean_old: Tensor, log_std_old: Tensor
    ) -> dict[str, float]:
        mean, log_std = self._gaussian(observation)
        log_ratio = gaussian_log_prob(action, mean, log_std) - gaussian_log_prob(
            action, mean_old, log_std_old
        )
        ratio = log_ratio.exp()
        clip = getattr(self.model, "clip_range", lambda _progress: RATIO_BOUND)(1.0)
        logged = self.model.logger.name_to_value
        policy_losses = ("train/policy_gradient_loss", "train/policy_loss")
        policy_loss = next((logged[name] for name in policy_losses if name in logged), None)
        if policy_loss is None:
            policy_loss = -logged["train/policy_objective"]
        return {
            "mean_kl": float(gaussian_kl(mean_old, log_std_old, mean, log_std).mean()),
            "max_ratio": float(ratio.max()),
            "clip_fraction": float(((ratio - 1).abs() > clip).float().mean()),
            "entropy": float(gaussian_entropy(log_std).mean()),
            "explained_variance": float(logged["train/explained_variance"]),
            "policy_loss": float(policy_loss),
            "value_loss": float(logged["train/value_loss"]),
            "learning_rate": float(logged["train/learning_rate"]),
        }

    @torch.no_grad()
    def _gaussian(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [1, B, A] and log σ [1, 1, A] of the policy as it now is."""
        policy: Any = self.model.policy
        mean = policy.get_distribution(observation[0]).distribution.mean
        return mean[None], policy.log_std.detach().clone()[None, None]


SHARED_DIFFERENCES = (
    "A time limit's bootstrap γ V(s_T) is added to the reward there, and is the successor's value here; "
    "the advantage is the same up to rounding.",
    "γλ is rounded to single precision there, double here: equal up to rounding.",
    "The old values come from acting, one observation at a time; here from one pass over the rollout: equal "
    "up to rounding.",
    "The optimiser runs one parameter tensor after another there, one row here: equal up to rounding.",
    sb3.RANDOM_NUMBERS,
    "The first parameters are drawn by other generators (orthogonal with the same gains in both).",
)

FACTS = Facts(cost=Cost(shared=0.0, own=750.0), rollout=("n_steps",), alone=True)


def _ppo_bounds(config: Any) -> tuple[Bound, ...]:
    stop = () if config.target_kl is None else (stop_bound(config.target_kl),)
    return clip_bound(config.clip_range), *stop


def _trpo_bounds(config: Any) -> tuple[Bound, ...]:
    means = "a step is taken only if KL(new ‖ old) is below it"
    return (Bound("mean_kl", "δ", config.target_kl, means, per_action=True),)


ppo = Reference(
    name="sb3-ppo",
    VERSION=2,
    FACTS=replace(FACTS, bounds=_ppo_bounds),
    Config=PpoConfig,
    PRESETS={"sb3-ppo": PpoConfig()},
    build=partial(build, PPO),
    train=partial(_train, PPO),
    KNOWN_DIFFERENCES=(
        *SHARED_DIFFERENCES,
        "train/clip_fraction and train/approx_kl are means over minibatches there; the diagnostics "
        "recorded for both are measured over the whole rollout after the update.",
    ),
)

a2c = Reference(
    name="sb3-a2c",
    VERSION=2,
    FACTS=FACTS,
    Config=A2cConfig,
    PRESETS={"sb3-a2c": A2cConfig()},
    build=partial(build, A2C),
    train=partial(_train, A2C),
    KNOWN_DIFFERENCES=SHARED_DIFFERENCES,
)

trpo = Reference(
    name="sb3-trpo",
    VERSION=2,
    FACTS=replace(FACTS, bounds=_trpo_bounds),
    Config=TrpoConfig,
    PRESETS={"sb3-trpo": TrpoConfig()},
    build=partial(build, TRPO),
    train=partial(_train, TRPO),
    KNOWN_DIFFERENCES=(
        *SHARED_DIFFERENCES,
        "Conjugate gradient starts from Gaussian noise of scale 1e-4 there, from 0 here; parity lends "
        "theirs 0.",
        "Conjugate gradient ends early there where the squared residual is below 1e-10; here only at the "
        "relative tolerance 0, so always after its number of steps.",
        "Damping is 0.1 in both. The KL is averaged over the action's dimensions there, which makes δ and "
        "the damping A times as large; here it is summed, and the trick kl_per_action follows theirs.",
        "The line search measures KL(new ‖ old) there, KL(old ‖ new) here, the paper's direction; the two "
        "differ in the third order of the step, so that near δ one may accept what the other does not.",
        "The line search asks for KL < δ there and KL ≤ δ here; both ask for a better surrogate, neither "
        "for a share of the expected gain.",
        "One Adam holds all parameters there, with gradients for the value function's alone.",
    ),
)
