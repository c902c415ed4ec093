"""Soft actor-critic: a stochastic policy that is rewarded for its entropy, with twin critics.

The policy π draws u = μ(s) + σ(s) ε, ε standard normal, and acts with tanh u. With twin critics Q₁, Q₂,
their targets and a temperature α, a gradient step on a batch of transitions (s, a, r, s′) from the replay,
with ã ~ π(·|s) and a′ ~ π(·|s′), is

    y = r + γ ( min(Q₁′(s′, a′), Q₂′(s′, a′)) − α log π(a′|s′) )
    Q₁ and Q₂ descend   ½ E[ (Q₁(s, a) − y)² ] + ½ E[ (Q₂(s, a) − y)² ]        (equation 5)
    π descends          E[ α log π(ã|s) − min(Q₁(s, ã), Q₂(s, ã)) ]            (equation 9)
    α descends          E[ −α (log π(ã|s) + H̄) ]    unless it is fixed        (equation 18)
    θ′ ← τ θ + (1 − τ) θ′                            for both targets

where the policy's step sees the critics after theirs, and α is the same throughout.

Haarnoja, Zhou, Hartikainen, Tucker, Ha, Tan, Kumar, Zhu, Gupta, Abbeel and Levine 2018, "Soft actor-critic
algorithms and applications", arXiv 1812.05905, algorithm 1.

With `value_network` it is their first version, in which V stands for the expectation over a′ and follows with
its own target; α is fixed, and rewards are scaled in its place:

    V descends          ½ E[ (V(s) − min(Q₁(s, ã), Q₂(s, ã)) + α log π(ã|s))² ]   (equation 5 there)
    y = r + γ V′(s′)                                                              (equation 8 there)

then Q₁, Q₂ and π as above. Haarnoja, Zhou, Abbeel and Levine 2018, "Soft actor-critic: off-policy maximum
entropy deep reinforcement learning with a stochastic actor", arXiv 1801.01290, algorithm 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator
from torch import Tensor

from matters.algorithms.interface import Acted, Metrics, Problem, ReplayBatch, Twin, When
from matters.algorithms.maths.distributions import squashed_gaussian_gradients, squashed_gaussian_log_prob
from matters.algorithms.maths.kernels import Array, exp, tanh, tensor
from matters.algorithms.maths.moments import DIVERGING
from matters.algorithms.maths.targets import bootstrapped
from matters.algorithms.parts import critics
from matters.algorithms.parts.critics import (
    EPSILON,
    Critics,
    CriticStep,
    OffPolicyConfig,
    critic_step,
    discount_of,
    gradient_to_action,
    no_bootstrap,
    normal,
    q_values,
    reward_of,
)
from matters.algorithms.parts.mlp import Mlp, uniform
from matters.algorithms.parts.optimisers import adam_step
from matters.algorithms.parts.soft_value import SoftValue, init_value, value_step
from matters.algorithms.parts.theta import Layout, Theta
from matters.algorithms.parts.tricks import OffPolicyTricks

KIND: Literal["off-policy"] = "off-policy"
VERSION = 4
FACTS = replace(
    critics.FACTS,
    twin=Twin(
        "sb3-sac",
        "sac-sb3",
        (*critics.TWIN_FIELDS, ("temperature_learning_rate", "learning_rate")),
    ),
)


class Tricks(OffPolicyTricks):
    """SAC's tricks: those of every off-policy algorithm, and these."""

    log_std_range: tuple[float, float] | None = Field(
        None,
        description="clamp log σ to this range (the authors, Stable-Baselines3: −20 to 2; JAXRL: −10 to 2)",
        strict=False,
    )
    squash_epsilon: PositiveFloat | None = Field(
        None, description="log(1 − tanh² u + this) in place of the exact logarithm (Stable-Baselines3: 1e-6)"
    )
    log_temperature_loss: bool = Field(
        False, description="−log α (log π + H̄) as the temperature's loss, not −α (…) (Stable-Baselines3)"
    )
    value_network: bool = Field(
        False, description="targets from a network V with its own target, as in SAC's first version (2018)"
    )

    @field_validator("log_std_range")
    @classmethod
    def _rises(cls, log_std_range: tuple[float, float] | None) -> tuple[float, float] | None:
        if log_std_range is not None and log_std_range[0] >= log_std_range[1]:
            raise ValueError("should be the smaller bound, then the larger one")
        return log_std_range


class Config(OffPolicyConfig):
    """SAC's hyperparameters; the defaults are the paper's (appendix D) with a learned temperature.

    The length of the warm-up and the first α are those of the authors' code.
    """

    temperature: NonNegativeFloat = Field(1.0, description="α, or where it starts if it is learned")
    learn_temperature: bool = Field(
        True, description="move α so that the entropy comes to its target", validate_default=True
    )
    target_entropy: float | None = Field(None, description="H̄, that target; off: −dim A")
    temperature_learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size for log α")
    tricks: Tricks = Field(Tricks(), description="named switches, off as in the paper")

    @field_validator("learn_temperature")
    @classmethod
    def _can_move(cls, learn_temperature: bool, info: Any) -> bool:
        if learn_temperature and info.data.get("temperature") == 0:
            raise ValueError("a temperature of 0 cannot be learned; start it above 0, or fix it with false")
        return learn_temperature


# That of 2018: since November 2019 (softlearning 48393e5) σ is a softplus there, and nothing is clamped.
CLAMPED = Tricks(log_std_range=(-20.0, 2.0))
"""What the authors' code does."""

PRESETS: dict[str, Config] = {
    "sac": Config(tricks=CLAMPED),
    # 0.2 is Spinning Up's and Tianshou's.
    "sac-fixed": Config(temperature=0.2, learn_temperature=False, tricks=CLAMPED),
    # The reward's scale is 20 on Humanoid there; the policy is the paper's, the code of 2018 has a mixture.
    "sac-v1": Config(
        temperature=1.0,
        learn_temperature=False,
        tricks=CLAMPED.model_copy(update={"value_network": True, "reward_scale": 5.0}),
    ),
    "sac-sb3": Config(
        warmup=100,
        tricks=Tricks(log_std_range=(-20.0, 2.0), squash_epsilon=1e-6, log_temperature_loss=True),
    ),
}

NO_EFFECT = (
    critics.NO_EFFECT
    | {"tricks.log_std_range": When("no log σ leaves the range")}
    | dict.fromkeys(
        ("target_entropy", "temperature_learning_rate", "tricks.log_temperature_loss"),
        When("learn_temperature is off", lambda config: not config.learn_temperature),
    )
)

observe, sizes, to_environment = critics.observe, critics.sizes, critics.to_environment


@dataclass
class State:
    """Policy, critics with their targets, and log α [S, 1] for its optimiser."""

    network: Mlp
    """The policy's: its first A outputs are μ, the others log σ."""
    policy: Theta
    critics: Critics
    log_temperature: Theta
    value: SoftValue | None = None
    """V and its target; only in the first version."""


@dataclass
class SacStep:
    """The terms of one gradient step: each before its part moved, the policy's after the critics had."""

    target: Float[Tensor, "S B"]
    fit: CriticStep
    log_prob: Float[Tensor, "S B"]
    actor_loss: Float[Tensor, " S"]
    temperature: Float[Tensor, " S"]
    temperature_loss: Float[Tensor, " S"] | None = None
    """Only where the temperature is learned."""
    value_loss: Float[Tensor, " S"] | None = None
    """Only where there is a V."""

    @property
    def metrics(self) -> Metrics:
        """Diagnostics, each [S]; the losses of a seed's critics are added up."""
        found = {
            "q_mean": self.fit.value.mean(2).mean(1),
            "target_mean": self.target.mean(1),
            "critic_loss": self.fit.loss.sum(1),
            "actor_loss": self.actor_loss,
            "temperature": self.temperature,
            "entropy": -self.log_prob.mean(1),
        }
        return found if self.value_loss is None else found | {"value_loss": self.value_loss}


def init(
    config: Config,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> State:
    """A first state, one row per generator. Raises ValueError for unbounded actions."""
    critics.refuse_unbounded(problem)
    network = Mlp((problem.observation_size, *config.hidden, 2 * problem.action_size))
    rows = [network.layout.row(network.initial(own, uniform(None))) for own in generators]
    scalar = Layout(("log_temperature",), ((1,),))
    start = np.log(config.temperature) if config.learn_temperature else 0.0
    return State(
        network=network,
        policy=Theta.of(rows, network.layout, dtype),
        critics=critics.init_critics(config, problem, generators, dtype, number=2),
        log_temperature=Theta.of([scalar.row([np.array([start])])] * len(generators), scalar, dtype),
        value=init_value(config, problem, generators, dtype) if config.tricks.value_network else None,
    )


def distribution(
    config: Config, output: Float[Tensor, "S B _"]
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
    """μ(s) and log σ(s) of u, from the output of the policy's network."""
    mean, log_std = output.chunk(2, dim=-1)
    if config.tricks.log_std_range is not None:
        log_std = log_std.clamp(*config.tricks.log_std_range)
    return mean, log_std


def sample_squashed(
    config: Config,
    mean: Float[Tensor, "S B A"],
    log_std: Float[Tensor, "S B A"],
    noise: Float[Tensor, "S B A"],
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B"]]:
    """The action that standard normal noise draws, and its log-probability."""
    u = mean + exp(log_std) * noise
    return tanh(u), squashed_gaussian_log_prob(noise, log_std, u, epsilon=config.tricks.squash_epsilon)


def temperature(state: State, config: Config) -> Float[Tensor, " S"]:
    """α of each seed."""
    log = state.log_temperature.matrix
    if config.learn_temperature:
        return exp(log)[:, 0]
    return torch.full_like(log[:, 0], config.temperature)


@DIVERGING
def act(
    state: State,
    config: Config,
    observation: Float[Tensor, "S N O"],
    noise: Float[Tensor, "S N A"] | None,
    memory: Float[Tensor, "S N M"],
) -> Acted:
    """An action in ±1 for each observation: drawn with standard normal `noise`, tanh μ without."""
    output = tensor(state.network.one_by_one(state.policy.arrays, observation))
    mean, log_std = distribution(config, output)
    action = tanh(mean if noise is None else mean + exp(log_std) * noise)
    return Acted(action, memory, action[..., :0])


@DIVERGING
def update(
    state: State, config: Config, batch: ReplayBatch, generators: Sequence[np.random.Generator]
) -> Metrics:
    """One gradient step, in place."""
    return gradient_step(state, config, batch, normal(generators, 2, *batch.action.shape[1:])).metrics


@torch.inference_mode()
def gradient_step(
    state: State, config: Config, batch: ReplayBatch, noise: Float[Tensor, "S 2 B A"]
) -> SacStep:
    """One step of critics, policy, temperature and targets, in place; `noise` draws ã, then a′."""
    alpha, value_loss = temperature(state, config), None
    if state.value is None:
        value = soft_value(state, config, state.critics.target.arrays, batch.successor, alpha, noise[:, 1])
    else:
        aim = soft_value(state, config, state.critics.theta.arrays, batch.observation, alpha, noise[:, 0])
        value_loss = value_step(state.value, config, batch.observation, aim)
        value = state.value.of_target(batch.successor)
    target = bootstrapped(
        reward_of(config, batch), value, no_bootstrap(config, batch), discount=discount_of(config, batch)
    )
    step = critic_step(state.critics, config, batch, target, factor=0.5)
    log_prob, actor_loss = policy_step(state, config, batch, alpha, noise[:, 0])
    temperature_loss = temperature_step(state, config, alpha, log_prob) if config.learn_temperature else None
    if state.value is None:
        state.critics.target.follow(state.critics.theta, rate=config.target_rate)
    else:
        state.value.target.follow(state.value.theta, rate=config.target_rate)
    return SacStep(target, step, log_prob, actor_loss, alpha, temperature_loss, value_loss)


def soft_value(
    state: State,
    config: Config,
    arrays: Sequence[Array],
    observation: Float[Tensor, "S B O"],
    alpha: Float[Tensor, " S"],
    noise: Float[Tensor, "S B A"],
) -> Float[Tensor, "S B"]:
    """min(Q₁(s, a), Q₂(s, a)) − α log π(a|s) of the action that noise draws, by the arrays' critics."""
    mean, log_std = distribution(config, state.network.forward(state.policy.arrays, observation).output)
    action, log_prob = sample_squashed(config, mean, log_std, noise)
    values = q_values(state.critics, arrays, observation, action).value
    return values.min(1).values - alpha[:, None] * log_prob


def policy_step(
    state: State,
    config: Config,
    batch: ReplayBatch,
    alpha: Float[Tensor, " S"],
    noise: Float[Tensor, "S B A"],
) -> tuple[Float[Tensor, "S B"], Float[Tensor, " S"]]:
    """One step of the policy; returns log π(ã|s) and the loss E[α log π(ã|s) − min Q(s, ã)] before it."""
    forward = state.network.forward(state.policy.arrays, batch.observation)
    mean, log_std = distribution(config, forward.output)
    action, log_prob = sample_squashed(config, mean, log_std, noise)
    q = q_values(state.critics, state.critics.theta.arrays, batch.observation, action)
    value, smaller = q.value.min(1, keepdim=True)
    share = 1 / action.shape[1]
    to_value = torch.zeros_like(q.value).scatter_(1, smaller, -share)
    to_action = gradient_to_action(state.critics, q, to_value, actions=action.shape[2])
    to_mean, to_log_std = squashed_gaussian_gradients(
        noise, log_std, action, to_action, share * alpha[:, None], epsilon=config.tricks.squash_epsilon
    )
    inside = log_std == forward.output[..., action.shape[2] :]  # a clamp has no gradient beyond its range
    gradient = state.network.gradient(forward, torch.cat([to_mean, to_log_std * inside], dim=-1))
    adam_step(state.policy, gradient, learning_rate=config.learning_rate, epsilon=EPSILON)
    return log_prob, (alpha[:, None] * log_prob - value[:, 0]).mean(1)


def temperature_step(
    state: State, config: Config, alpha: Float[Tensor, " S"], log_prob: Float[Tensor, "S B"]
) -> Float[Tensor, " S"]:
    """One step of log α down the temperature's loss, which is returned as it was before.

    The derivative of −α E[log π + H̄] with respect to log α is that loss itself; with −log α in front, it
    lacks the factor α.
    """
    actions = state.network.sizes[-1] // 2
    target_entropy = -actions if config.target_entropy is None else config.target_entropy
    missing = log_prob.mean(1) + target_entropy
    if config.tricks.log_temperature_loss:
        own, loss = -missing, -state.log_temperature.matrix[:, 0] * missing
    else:
        own = loss = -alpha * missing
    gradient = torch.zeros_like(state.log_temperature.matrix)
    gradient[:, 0] = own
    adam_step(
        state.log_temperature, gradient, learning_rate=config.temperature_learning_rate, epsilon=EPSILON
    )
    return loss


def parameters(state: State) -> dict[str, Tensor]:
    """Policy and critic parameters by name, and those of V where there is one."""
    named = critics.named_parameters(state.policy, state.critics)
    return named if state.value is None else named | state.value.named_parameters()
