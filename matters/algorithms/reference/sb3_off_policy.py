"""Stable-Baselines3's off-policy algorithms as references: their own code, their own loop and defaults.

A reference is handed an environment and trains itself. As it learns after every step, it reports only at
given steps, with means over what it learnt since the last one. It cannot be interrupted: it starts again from
its beginning.
"""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from stable_baselines3 import DDPG, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import NormalActionNoise

from matters.algorithms.interface import Cost, Facts, Frozen, OnUpdate, Reference
from matters.algorithms.reference import sb3


class DdpgConfig(Frozen):
    """The arguments of Stable-Baselines3's DDPG under its own names, with its defaults."""

    learning_rate: PositiveFloat = Field(1e-3, description="Adam's step size, of actor and critic")
    buffer_size: PositiveInt = Field(1_000_000, description="transitions that the replay holds")
    learning_starts: NonNegativeInt = Field(100, description="steps of uniform actions before learning")
    batch_size: PositiveInt = Field(256, description="transitions per gradient step")
    tau: float = Field(0.005, gt=0, le=1, description="τ of the targets' averaging")
    gamma: float = Field(0.99, ge=0, le=1, description="γ")
    train_freq: PositiveInt = Field(1, description="environment steps from one training to the next")
    gradient_steps: PositiveInt = Field(1, description="gradient steps per training")
    n_steps: PositiveInt = Field(1, description="rewards in a critic's target before it bootstraps")
    action_noise: PositiveFloat | None = Field(
        None, description="σ of the Gaussian noise added to actions in ±1; off by default"
    )
    net_arch: tuple[PositiveInt, ...] = Field((400, 300), description="hidden widths (in policy_kwargs)")


class Td3Config(DdpgConfig):
    """The arguments of Stable-Baselines3's TD3 under its own names, with its defaults."""

    policy_delay: PositiveInt = Field(2, description="gradient steps of the critics per step of the actor")
    target_policy_noise: PositiveFloat = Field(0.2, description="σ of the target's smoothing noise")
    target_noise_clip: NonNegativeFloat = Field(0.5, description="bound of the smoothing noise")


class SacConfig(DdpgConfig):
    """The arguments of Stable-Baselines3's SAC under its own names, with its defaults."""

    learning_rate: PositiveFloat = Field(
        3e-4, description="Adam's step size, of actor, critics and temperature"
    )
    ent_coef: Literal["auto"] | NonNegativeFloat = Field("auto", description="temperature α; auto: learned")
    target_update_interval: PositiveInt = Field(
        1, description="gradient steps between averagings of the targets"
    )
    target_entropy: Literal["auto"] | float = Field(
        "auto", description="entropy that a learned temperature aims at; auto: −A"
    )
    net_arch: tuple[PositiveInt, ...] = Field((256, 256), description="hidden widths (in policy_kwargs)")


def build(library: type[Any], config: DdpgConfig, environment: Any, *, seed: int) -> Any:
    """A model of theirs with the networks and the noise of the config."""
    arguments = config.model_dump(exclude={"net_arch", "action_noise"})
    if config.action_noise is not None:
        still = np.zeros(environment.action_space.shape)
        arguments["action_noise"] = NormalActionNoise(still, still + config.action_noise)
    arguments["policy_kwargs"] = {"net_arch": list(config.net_arch)}
    return sb3.model(library, environment, seed=seed, **arguments)


def _train(
    library: type[Any],
    config: DdpgConfig,
    environment: Any,
    *,
    seed: int,
    steps: int,
    ends: Iterable[int],
    updated: OnUpdate,
) -> dict[str, np.ndarray]:
    """Train for `steps` environment steps, rounded up to `train_freq`; the final parameters by name."""
    # A replay larger than the run never fills: one that just holds the run gives the same draws.
    config = config.model_copy(update={"buffer_size": min(config.buffer_size, steps + config.train_freq)})
    model = build(library, config, environment, seed=seed)
    return sb3.trained(model, steps, _OffPolicyListener(updated, sb3.ReportPoints(ends)))


LOGGED = {
    "critic_loss": "train/critic_loss",
    "actor_loss": "train/actor_loss",
    "temperature": "train/ent_coef",
}
"""From our name of a metric to theirs."""


class _OffPolicyListener(BaseCallback):
    """Gathers what each gradient step logs; reports the means at each of the steps `ends`."""

    def __init__(self, updated: OnUpdate, ends: sb3.ReportPoints) -> None:
        super().__init__()
        self.updated = updated
        self.ends = ends
        self.seen: dict[str, list[float]] = {}
        self.q: list[torch.Tensor] = []

    def _on_training_start(self) -> None:
        self.updated(0, {}, sb3.greedy(self.model))
        model: Any = self.model
        self.seen = {name: [] for name in LOGGED if name != "temperature" or isinstance(model, SAC)}
        model.critic.register_forward_hook(self._watch)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._learnt()

    def _on_training_end(self) -> None:
        self._learnt()

    def _watch(self, _critic: Any, inputs: tuple[Any, ...], values: tuple[torch.Tensor, ...]) -> None:
        """Gathers the critics' values of the replay's actions; those of the policy require a gradient."""
        if not inputs[1].requires_grad:
            self.q.append(torch.stack([value.detach().mean() for value in values]).mean())

    def _learnt(self) -> None:
        """Stable-Baselines3 learns between a collection's end and the next one's start."""
        logged = self.model.logger.name_to_value
        for name, values in self.seen.items():
            # Removed, since a delayed actor's loss would otherwise stay and be counted again.
            value = logged.pop(LOGGED[name], None)
            if value is not None:
                values.append(float(value))
        if not self.ends.reached(self.num_timesteps):
            return
        sb3.refuse_not_finite(self.model)
        metrics = {name: _mean(values) for name, values in self.seen.items()}
        metrics["q_mean"] = _mean([float(value) for value in self.q])
        learnt = bool(self.q)
        self.seen = {name: [] for name in self.seen}
        self.q = []
        self.ends.leave(self.num_timesteps)
        self.updated(self.num_timesteps, metrics if learnt else {}, sb3.greedy(self.model))


def _mean(values: list[float]) -> float:
    """Their mean; nan where there is none, as for an actor that was not updated."""
    return sum(values) / len(values) if values else math.nan


SHARED_DIFFERENCES = (
    sb3.RANDOM_NUMBERS,
    "The first parameters are drawn by other generators, uniform in ±1/√inputs in both.",
    "The optimiser runs one parameter tensor after another there, one row a network here: equal up to "
    "rounding.",
    "Targets are scaled and then added to there, interpolated here: equal up to rounding.",
    "Slopes are autograd's there, written out here: equal up to rounding. The policy's loss has slopes to "
    "the critics' weights too there, thrown away before the critics' next step; here they are not computed.",
    "Actions are scaled to the bounds in single precision and back again for the replay there; here they "
    "are kept in ±1 and scaled in double precision once: equal up to rounding.",
    "Exploration noise is added to the warm-up's uniform actions too there, which are clipped to the bounds "
    "again; here they stay uniform. By default there is none.",
    "The replay keeps each next observation a second time there, once here; the same transitions.",
)

FACTS = Facts(
    cost=Cost(shared=0.0, own=12_000.0),
    warmup="learning_starts",
    replay="buffer_size",
    alone=True,
    bounded_actions=True,
)

ddpg = Reference(
    name="sb3-ddpg",
    VERSION=2,
    FACTS=FACTS,
    Config=DdpgConfig,
    PRESETS={"sb3-ddpg": DdpgConfig()},
    build=partial(build, DDPG),
    train=partial(_train, DDPG),
    KNOWN_DIFFERENCES=(
        *SHARED_DIFFERENCES,
        "It is their TD3 with one critic, a delay of 1, and smoothing noise that is drawn and clipped to 0; "
        "here none is drawn.",
    ),
)

td3 = Reference(
    name="sb3-td3",
    VERSION=2,
    FACTS=FACTS,
    Config=Td3Config,
    PRESETS={"sb3-td3": Td3Config()},
    build=partial(build, TD3),
    train=partial(_train, TD3),
    KNOWN_DIFFERENCES=SHARED_DIFFERENCES,
)

sac = Reference(
    name="sb3-sac",
    VERSION=2,
    FACTS=FACTS,
    Config=SacConfig,
    PRESETS={"sb3-sac": SacConfig()},
    build=partial(build, SAC),
    train=partial(_train, SAC),
    KNOWN_DIFFERENCES=(
        *SHARED_DIFFERENCES,
        "The density's logarithm of 1 − tanh² u + 1e-6, log α in front of the temperature's loss, and log σ "
        "between −20 and 2: tricks here, which `sac-sb3` has on.",
        "ε is found again as (u − μ) / σ there, and kept here: the density is equal up to rounding.",
        "The policy's last layer is two layers there, of μ and of log σ, and one here: the same numbers.",
        "The temperature's step comes first there, last here; both use the temperature before it throughout.",
    ),
)
