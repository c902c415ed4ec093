"""What the off-policy algorithms share: a policy, K critics of it and their targets, and the critics' fit.

Actions are in ±1 everywhere but in the environment. All critics of all seeds are evaluated together, one
matrix product per layer: a seed has K rows of θ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from torch import Tensor

from matters.algorithms.interface import Cost, Facts, Frozen, Problem, ReplayBatch, Sizes, When
from matters.algorithms.maths.kernels import Array
from matters.algorithms.maths.surrogates import huber_error
from matters.algorithms.parts.mlp import Forward, Mlp, uniform
from matters.algorithms.parts.normalised_mlp import Network, follow_moments, forward_to_learn
from matters.algorithms.parts.optimisers import adam_step
from matters.algorithms.parts.theta import Target, Theta
from matters.algorithms.parts.widths import Widths

EPSILON = 1e-8
"""Adam's ε: its paper's, and that of PyTorch and TensorFlow, which all published code here left alone."""


class OffPolicyConfig(Frozen):
    """The settings that every off-policy algorithm has."""

    batch_size: PositiveInt = Field(256, description="B, transitions per gradient step")
    buffer_size: PositiveInt = Field(
        1_000_000, description="transitions that the replay keeps", validate_default=True
    )
    warmup: PositiveInt = Field(10_000, description="steps of uniformly random actions before learning")
    train_every: PositiveInt = Field(1, description="environment steps from one training to the next")
    gradient_steps: PositiveInt = Field(1, description="gradient steps per training")
    discount: float = Field(0.99, ge=0, le=1, description="γ")
    n_step: PositiveInt = Field(
        1,
        description="n, rewards in a target before it bootstraps, as they were collected (Sutton 1988; "
        "Hessel et al. 2018: 3)",
    )
    target_rate: float = Field(0.005, gt=0, le=1, description="τ, how far targets move to θ each time")
    hidden: Widths = Field((256, 256), description="widths of the hidden layers", strict=False)
    learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size for the policy")
    critic_learning_rate: PositiveFloat = Field(3e-4, description="Adam's step size for Q")
    critic_weight_decay: NonNegativeFloat = Field(0.0, description="weight of ½‖θ‖² in the loss of Q")

    @field_validator("buffer_size")
    @classmethod
    def _holds_a_batch(cls, buffer_size: int, info: Any) -> int:
        batch_size = info.data.get("batch_size", 0)
        if buffer_size < batch_size:
            raise ValueError(f"should be at least batch_size, {batch_size}")
        return buffer_size


NO_EFFECT: dict[str, When] = {
    "buffer_size": When("it is no less than the run's steps"),
    "tricks.time_limit_terminal": When("no transition of a batch ended an episode by a time limit"),
    **dict.fromkeys(
        ("train_every", "gradient_steps"),
        When("tricks.episode_end_updates is on", lambda config: config.tricks.episode_end_updates),
    ),
}
"""Fields of every off-policy config that change nothing under a condition."""

LAYERS = 4
"""How many times a batch's layers count: their output, its gradient, and what follows from both (13 KB per
transition, measured with SAC and two hidden layers of 256)."""


def scratch(config: Any, state: Any) -> int:
    """Bytes of a batch on its way through one seed's critics."""
    critics = state.critics
    units = critics.theta.matrix.shape[1] * sum(critics.network.sizes)
    return LAYERS * 4 * int(config.batch_size) * int(units)


FACTS = Facts(
    cost=Cost(shared=800.0, own=8_000.0),
    warmup="warmup",
    replay="buffer_size",
    portable_bits=True,
    bounded_actions=True,
    scratch=scratch,
    learns_at_ends=lambda config: config.tricks.episode_end_updates,
)
"""What every off-policy algorithm is; each adds its twin."""

TWIN_FIELDS = (
    ("learning_rate", "learning_rate"),
    ("critic_learning_rate", "learning_rate"),
    ("buffer_size", "buffer_size"),
    ("warmup", "learning_starts"),
    ("batch_size", "batch_size"),
    ("target_rate", "tau"),
    ("discount", "gamma"),
    ("train_every", "train_freq"),
    ("gradient_steps", "gradient_steps"),
    ("hidden", "net_arch"),
)
"""Settings that Stable-Baselines3's off-policy algorithms have under other names."""


@dataclass
class Critics:
    """θ [S, K, P] of each seed's K critics Q(s, a), and the targets that follow them."""

    network: Network
    theta: Theta
    target: Target


@dataclass
class QValues:
    """The values that K critics give to states and actions."""

    value: Float[Tensor, "S K B"]
    forward: Forward


@dataclass
class CriticStep:
    """One step of the critics, before it was taken."""

    value: Float[Tensor, "S K B"]
    loss: Float[Tensor, "S K"]


def init_critics(
    config: Any,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype,
    *,
    number: int,
    last: float | None = None,
    network: Network | None = None,
) -> Critics:
    """First critics and their targets, `number` of them per seed, drawn one after the other.

    Plain perceptrons unless a network is given.
    """
    if network is None:
        network = Mlp((problem.observation_size + problem.action_size, *config.hidden, 1))
    rows = [
        np.stack([network.layout.row(network.initial(own, uniform(last))) for _ in range(number)])
        for own in generators
    ]
    theta = Theta.of(rows, network.layout, dtype)
    return Critics(network, theta, Target.of(theta))


def q_values(
    critics: Critics,
    arrays: Sequence[Array],
    observation: Float[Tensor, "S B O"],
    action: Float[Tensor, "S B A"],
    *,
    learn: bool = False,
) -> QValues:
    """Q(s, a) of the critics that the arrays belong to: all of θ, its first, or the targets.

    With `learn` it is for a step on this batch: normalised layers then use its moments.
    """
    x = torch.cat([observation, action], dim=-1)
    number = len(arrays[0]) // len(x)
    if number > 1:
        x = x[:, None].expand(-1, number, -1, -1).flatten(0, 1)
    forward = forward_to_learn(critics.network, arrays, x) if learn else critics.network.forward(arrays, x)
    return QValues(forward.output.view(len(action), number, -1), forward)


def gradient_to_action(
    critics: Critics, q: QValues, gradient: Float[Tensor, "S K B"], *, actions: int
) -> Float[Tensor, "S B {actions}"]:
    """The gradient with respect to the action, from that with respect to the values."""
    forward = q.forward
    each = critics.network.backward_to_last_inputs(forward, gradient.view_as(forward.output), number=actions)
    return each.view(*gradient.shape, actions).sum(1)


def critic_step(
    critics: Critics,
    config: Any,
    batch: ReplayBatch,
    target: Float[Tensor, "S B"],
    *,
    factor: float = 1.0,
) -> CriticStep:
    """One step of Adam down `factor` · Σₖ E[ (Qₖ(s, a) − y)² ], for all critics of all seeds at once."""
    q = q_values(critics, critics.theta.arrays, batch.observation, batch.action, learn=True)
    huber = config.tricks.critic_huber
    if huber is None:
        error = q.value - target[:, None]
        loss, to_value = error * error, (2 * factor / target.shape[1]) * error
    else:
        loss, slope = huber_error(q.value, target[:, None], delta=huber)
        to_value = (factor / target.shape[1]) * slope
    gradient = critics.network.gradient(q.forward, to_value.view_as(q.forward.output))
    adam_step(
        critics.theta,
        gradient.view_as(critics.theta.matrix),
        learning_rate=config.critic_learning_rate,
        epsilon=EPSILON,
        weight_decay=config.critic_weight_decay,
    )
    follow_moments(critics.network, q.forward)
    return CriticStep(q.value, factor * loss.mean(2))


def reward_of(config: Any, batch: ReplayBatch) -> Float[Tensor, "S B"]:
    """The rewards to learn from."""
    scale = config.tricks.reward_scale
    return batch.reward if scale is None else scale * batch.reward


def discount_of(config: Any, batch: ReplayBatch) -> float | Float[Tensor, "S B"]:
    """What the value of the successor is discounted by."""
    return float(config.discount) if batch.discount is None else batch.discount


def no_bootstrap(config: Any, batch: ReplayBatch) -> Bool[Tensor, "S B"]:
    """Where a target does not bootstrap: at terminal successors and, with the trick, at time limits too."""
    if config.tricks.time_limit_terminal:
        return batch.terminated | batch.truncated
    return batch.terminated


def normal(generators: Sequence[np.random.Generator], *shape: int) -> Float[Tensor, "S *shape"]:
    """Standard normal numbers, each seed's from its own generator."""
    drawn = [generator.standard_normal(shape, dtype=np.float32) for generator in generators]
    return torch.from_numpy(np.stack(drawn))


def sizes(config: Any, problem: Problem) -> Sizes:  # noqa: ARG001 - a rule's interface
    """Noise for each dimension of the action."""
    return Sizes(noise=problem.action_size)


def observe(
    state: Any,  # noqa: ARG001 - a rule's interface
    config: Any,  # noqa: ARG001
    observation: Float[Tensor, "S N O"],
    *,
    learn: bool,  # noqa: ARG001
) -> Float[Tensor, "S N O"]:
    """What the policy sees of a raw observation: all of it, as it is."""
    return observation


def to_environment(
    config: Any,  # noqa: ARG001 - a rule's interface
    problem: Problem,
    action: Float[Tensor, "S N A"],
) -> Float[Tensor, "S N A"]:
    """The action as the environment gets it: scaled from ±1 to the bounds."""
    middle, half = _range(problem)
    return torch.addcmul(middle, half, action.double()).to(action.dtype)


def refuse_unbounded(problem: Problem) -> None:
    """Raises ValueError for action bounds that are not finite: ±1 cannot be scaled to them."""
    for axis, bounds in enumerate(zip(problem.action_low, problem.action_high, strict=True)):
        if not all(map(math.isfinite, bounds)):
            raise ValueError(
                f"off-policy algorithms need bounded actions; axis {axis} is from {bounds[0]} to {bounds[1]}"
            )


@cache
def _range(problem: Problem) -> tuple[Float[Tensor, " A"], Float[Tensor, " A"]]:
    """Middle and half the width of the bounds, in double precision.

    So no action is rounded past bounds that are given in single precision, as Gymnasium's are.
    """
    low, high = torch.tensor([problem.action_low, problem.action_high], dtype=torch.float64)
    return (low + high) / 2, (high - low) / 2


def named_parameters(policy: Theta, critics: Critics) -> dict[str, Tensor]:
    """The parameters of policy and critics by name, [S, …] and [S, K, …]."""
    named = {f"policy/{n}": view for n, view in zip(policy.layout.names, policy.views, strict=True)}
    seeds = len(policy.matrix)
    own = zip(critics.theta.layout.names, critics.theta.views, strict=True)
    return named | {f"critic/{n}": view.view(seeds, -1, *view.shape[1:]) for n, view in own}
