"""What the on-policy algorithms share: policy, value function, and how a rollout becomes a batch.

A rule without a value function has an `Actor` for its state, all others an `ActorCritic`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, partial
from itertools import repeat
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from matters.algorithms.interface import Acted, Cost, Facts, Frozen, Metrics, Problem, Rollout, Sizes, When
from matters.algorithms.maths.advantages import explained_variance, generalised_advantage
from matters.algorithms.maths.kernels import exp
from matters.algorithms.maths.moments import PRIOR, Moments, restore, start
from matters.algorithms.maths.surrogates import clipped_squared_error, huber_error, squared_error
from matters.algorithms.parts.discretised_policy import DiscretisedPolicy
from matters.algorithms.parts.mlp import Mlp, glorot, orthogonal, scaled_glorot
from matters.algorithms.parts.normalisation import normalise_observation, scale_reward
from matters.algorithms.parts.optimisers import adam_step, clip_coefficient, global_norm
from matters.algorithms.parts.policies import LAST_GAIN, BetaPolicy, Distribution, GaussianPolicy, Policy
from matters.algorithms.parts.theta import Theta
from matters.algorithms.parts.widths import Widths

RATIO_BOUND = 0.2
"""Where an algorithm bounds no ratio, the recorded clip fraction counts against PPO's ε, to compare pages."""


class PolicyConfig(Frozen):
    """The settings of a policy that learns from rollouts."""

    horizon: PositiveInt = Field(2048, description="T, steps of each environment in a rollout")
    environments: PositiveInt = Field(1, description="N, environments of each seed")
    discount: float = Field(0.99, ge=0, le=1, description="γ")
    hidden: Widths = Field((64, 64), description="widths of the hidden layers", strict=False)
    policy: Literal["gaussian", "beta", "discretised"] = Field(
        "gaussian",
        description="distribution of the actions; beta and discretised (Hsu et al. 2020) need bounded ones",
    )
    atoms: int = Field(
        11, ge=2, description="K, values that a discretised policy gives to each dimension of an action"
    )


class CriticConfig(PolicyConfig):
    """Those settings, and those of a value function."""

    gae_lambda: float = Field(
        0.95, ge=0, le=1, description="λ of the advantage estimate; 1 is the reward-to-go"
    )
    value_hidden: Widths | None = Field(
        None,
        description="widths of V's hidden layers; off: the policy's (Andrychowicz et al. 2021: wide ones)",
        strict=False,
    )


class OnPolicyConfig(CriticConfig):
    """The settings that every on-policy algorithm with a value function has, but for those that say so."""

    lag: NonNegativeInt = Field(
        0,
        description="ℓ: the parameters of ℓ updates ago act, as in asynchronous actors; 0: the current ones",
    )
    held_out: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of a rollout, its last steps, from which nothing is learnt and on which KL and "
        "ratio are recorded, too (Engstrom et al. 2020, figure 2, on a rollout of its own)",
    )


NO_EFFECT_ON_A_POLICY: dict[str, When] = {
    "tricks.log_std_init": When(
        "policy is not 'gaussian': it has no log σ", lambda config: config.policy != "gaussian"
    ),
    "atoms": When("policy is not 'discretised'", lambda config: config.policy != "discretised"),
    "tricks.action_clip": When(
        "policy is not 'gaussian' or actions are squashed: they are within the bounds",
        lambda config: config.policy != "gaussian" or config.tricks.action_squash,
    ),
    **dict.fromkeys(
        ("tricks.softplus_std", "tricks.state_dependent_std"),
        When("policy is not 'gaussian': it has no σ", lambda config: config.policy != "gaussian"),
    ),
}
"""Fields of every policy's config that change nothing under a condition."""

NO_EFFECT: dict[str, When] = NO_EFFECT_ON_A_POLICY | {
    "tricks.time_limit_terminal": When("no episode of the rollout ended by a time limit"),
    "tricks.sample_moments": When(
        "neither observations nor rewards are normalised",
        lambda config: not (config.tricks.observation_normalisation or config.tricks.reward_scaling),
    ),
}
"""The same of every actor-critic's."""

FACTS = Facts(
    cost=Cost(shared=140.0, own=30.0),
    rollout=("horizon", "environments"),
    portable_bits=True,
    lag="lag",
    schedules=("tricks.anneal_lr",),
    begins_anew=lambda config: config.tricks.reset_each_rollout,
    scratch=lambda config, state: int(config.lag * state.policy.matrix.nbytes),
)
"""What every on-policy algorithm is; each adds its bounds, its twin and further schedules."""


@dataclass
class Actor:
    """θ of a policy, and the running moments of observations."""

    actor: Policy
    policy: Theta
    observation_moments: Moments


@dataclass
class ActorCritic(Actor):
    """Those, θ of a value function, and the running moments of returns."""

    critic: Mlp
    value: Theta
    return_moments: Moments
    running_return: Float[Tensor, "S N"]
    value_moments: Moments | None = field(default=None, kw_only=True)
    """Of the targets of V, whose network then predicts them standardised; None where it predicts V itself."""


@dataclass
class Batch:
    """A rollout ready to learn from: B = T · N samples per seed, with the view of the policy that acted."""

    observation: Float[Tensor, "S B O"]
    action: Float[Tensor, "S B A"]
    advantage: Float[Tensor, "S B"]
    target: Float[Tensor, "S B"]
    """Advantage + value: what the value function is fitted to."""
    value: Float[Tensor, "S B"]
    log_prob: Float[Tensor, "S B"]
    old: Distribution
    """The policy that acted, for its KL to the new one."""
    fitted: Bool[Tensor, "S B"] | None = None
    """The samples that V is fitted to; None for all."""
    reward: Float[Tensor, "S whole"] | None = None
    """Scaled and clipped, of the whole rollout; only where advantages are to be estimated anew from it."""
    target_spread: Float[Tensor, "S 1"] | None = None
    """The unit of the value clip; None where it is that of V."""
    held_out: "Batch | None" = None
    """The rest of the rollout, of which nothing is learnt."""
    weight: Float[Tensor, "S B"] | None = None
    """How much each sample counts in the policy's step; None where all count alike."""
    reference_log_prob: Float[Tensor, "S B"] | None = None
    """log π of the actions under a reference policy, where the step looks at one."""

    def take(self, index: Tensor) -> "Batch":
        """The samples `index` [S, B'] of each seed."""
        seeds, size = self.advantage.shape
        flat = (index + torch.arange(seeds)[:, None] * size).flatten()

        def taken(part: Any) -> Any:
            if isinstance(part, tuple):
                return tuple(map(taken, part))
            if part is None or isinstance(part, Batch):
                return None
            if not self._varies(part):
                return part
            return part.flatten(0, 1).index_select(0, flat).view(*index.shape, *part.shape[2:])

        return Batch(*(taken(getattr(self, field.name)) for field in fields(self)))

    def split(self, size: int) -> Iterator["Batch"]:
        """Consecutive minibatches of `size` samples; the last one may be smaller."""

        def pieces(part: Any) -> Iterable[Any]:
            if isinstance(part, tuple):
                return zip(*map(pieces, part), strict=False)
            if part is None or isinstance(part, Batch):
                return repeat(None)
            return part.split(size, dim=1) if self._varies(part) else repeat(part)

        parts = [pieces(getattr(self, field.name)) for field in fields(self)]
        return (Batch(*part) for part in zip(*parts, strict=False))

    def between(self, first: int, last: int) -> "Batch":
        """The samples from `first` to just before `last`, copied. Rewards to estimate from anew stay
        whole.
        """

        def cut(part: Any) -> Any:
            if isinstance(part, tuple):
                return tuple(map(cut, part))
            return part[:, first:last].contiguous() if part is not None and self._varies(part) else part

        parts = {one.name: cut(getattr(self, one.name)) for one in fields(self) if one.name != "reward"}
        return Batch(**parts, reward=self.reward)

    def _varies(self, part: Tensor) -> bool:
        """Whether it has a row per sample; what all samples share goes whole into each minibatch."""
        return part.shape[1] == self.advantage.shape[1]


def init_actor(
    config: Any,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> Actor:
    """First parameters of a policy, one row per generator."""
    tricks, actor = config.tricks, _actor(config, problem)
    gain, prior = tricks.last_policy_gain, 0.0 if tricks.sample_moments else PRIOR
    first = (
        orthogonal(LAST_GAIN if gain is None else gain)
        if tricks.orthogonal_init
        else glorot
        if gain is None
        else scaled_glorot(gain)
    )
    rows = [actor.initial(generator, first) for generator in generators]
    return Actor(
        actor=actor,
        policy=Theta.of(rows, actor.layout, dtype),
        observation_moments=start(len(generators), problem.observation_size, count=prior),
    )


def init(
    config: Any,
    problem: Problem,
    generators: Sequence[np.random.Generator],
    dtype: torch.dtype = torch.float32,
) -> ActorCritic:
    """First parameters, one row per generator: the policy's are drawn first, then the value function's."""
    tricks, seeds = config.tricks, len(generators)
    shared = init_actor(config, problem, generators, dtype)
    widths = config.hidden if config.value_hidden is None else config.value_hidden
    critic = Mlp((problem.observation_size, *widths, 1), tricks.tanh_activations)
    first = orthogonal(1.0) if tricks.orthogonal_init else glorot
    rows = [critic.layout.row(critic.initial(generator, first)) for generator in generators]
    return ActorCritic(
        **vars(shared),
        critic=critic,
        value=Theta.of(rows, critic.layout, dtype),
        return_moments=start(seeds, 1, count=0.0 if tricks.sample_moments else PRIOR),
        running_return=torch.zeros(seeds, config.environments, dtype=torch.float64),
    )


def _actor(config: Any, problem: Problem) -> Policy:
    """The policy that the config asks for. Raises ValueError for what needs bounds that the actions lack."""
    tricks, actions = config.tricks, problem.action_size
    if tricks.action_squash:
        _squash_bounds(problem)

    def network(outputs: int) -> Mlp:
        return Mlp((problem.observation_size, *config.hidden, outputs), tricks.tanh_activations)

    if config.policy == "beta":
        return BetaPolicy(network(2 * actions), problem.action_low, problem.action_high)
    if config.policy == "discretised":
        wide = network(config.atoms * actions)
        return DiscretisedPolicy(wide, problem.action_low, problem.action_high, config.atoms)
    return GaussianPolicy(
        network(2 * actions if tricks.state_dependent_std else actions),
        0.0 if tricks.log_std_init is None else tricks.log_std_init,
        of_state=tricks.state_dependent_std,
        softplus=tricks.softplus_std,
    )


def observe(
    state: Actor, config: Any, observation: Float[Tensor, "S N O"], *, learn: bool
) -> Float[Tensor, "S N O"]:
    """What the policy sees of a raw observation; with `learn`, running moments take it in first."""
    return normalise_observation(state.observation_moments, observation, config.tricks, learn=learn)


def sizes(config: Any, problem: Problem) -> Sizes:
    """How many numbers an action takes as noise, and how many of its distribution are recorded."""
    actor = _actor(config, problem)
    return Sizes(noise=actor.noise_size, record=actor.record_size)


def act(
    state: Actor,
    config: Any,  # noqa: ARG001 - other rules may need it to act
    observation: Float[Tensor, "S N O"],
    noise: Float[Tensor, "S N E"] | None,
    memory: Float[Tensor, "S N M"],
) -> Acted:
    """An action for each observation: sampled with standard normal `noise`, the mode without.

    The parameters of the distribution that acted are recorded, so that its probabilities need not be computed
    anew from θ, which may have moved since.
    """
    action, record = state.actor.sample(state.policy, observation, noise)
    return Acted(action, memory, record)


def to_environment(config: Any, problem: Problem, action: Float[Tensor, "S N A"]) -> Float[Tensor, "S N A"]:
    """The action as the environment gets it: unchanged, or squashed or clipped into the bounds."""
    if config.tricks.action_squash:
        middle, half = _squash_bounds(problem)
        return torch.from_numpy(middle + half * np.tanh(action.numpy()))
    if not config.tricks.action_clip:
        return action
    low, high = _bounds(problem)
    return torch.from_numpy(np.minimum(np.maximum(action.numpy(), low), high))


@cache
def _squash_bounds(problem: Problem) -> tuple[Float[np.ndarray, " A"], Float[np.ndarray, " A"]]:
    """Middle and half the width of the action bounds. Raises ValueError for bounds that are not finite."""
    low, high = np.array(problem.action_low, np.float32), np.array(problem.action_high, np.float32)
    if not np.isfinite([low, high]).all():
        raise ValueError("tricks.action_squash: needs bounded actions")
    return (low + high) / 2, (high - low) / 2


@cache
def _bounds(problem: Problem) -> tuple[Float[np.ndarray, " A"], Float[np.ndarray, " A"]]:
    """The action bounds as arrays; made once, since every step needs them."""
    return np.array(problem.action_low, np.float32), np.array(problem.action_high, np.float32)


def parameters(state: Actor) -> dict[str, Tensor]:
    """Policy parameters by name, V's if it has one, and the moments that standardise observations."""
    thetas = [("policy", state.policy)]
    if isinstance(state, ActorCritic):
        thetas.append(("value", state.value))
    named = {
        f"{part}/{name}": view
        for part, theta in thetas
        for name, view in zip(theta.layout.names, theta.views, strict=True)
    }
    moments = state.observation_moments
    return named | {"observation/mean": moments.mean, "observation/variance": moments.variance}


def values(state: ActorCritic, observation: Float[Tensor, "S B O"]) -> Float[Tensor, "S B"]:
    """V(s)."""
    found = state.critic.forward(state.value.arrays, observation).output.flatten(1)
    return found if state.value_moments is None else restore(state.value_moments, found)


def value_gradient(
    state: ActorCritic,
    batch: Batch,
    *,
    clip: float | None = None,
    huber: float | None = None,
    coefficient: float = 1.0,
) -> tuple[Float[Tensor, " S"], Float[Tensor, "S P"]]:
    """E[ (V − V_target)² ], and the gradient of `coefficient` times that with respect to V's θ.

    With `clip` the change of the value is clipped (Engstrom et al. 2020, item 1), with `huber` errors beyond
    it count linearly.
    """
    error_of = squared_error if huber is None else partial(huber_error, delta=huber)
    forward = state.critic.forward(state.value.arrays, batch.observation)
    value = forward.output.flatten(1)
    if clip is None:
        error, slope = error_of(value, batch.target)
    else:
        own = clip if batch.target_spread is None else clip * batch.target_spread
        error, slope = clipped_squared_error(value, batch.value, batch.target, clip=own, error=error_of)
    if batch.fitted is not None:
        size = batch.fitted.sum(1, keepdim=True).clamp_min(1)
        slope *= batch.fitted * (coefficient / size)
        return (error * batch.fitted).sum(1) / size[:, 0], state.critic.gradient(forward, slope.unsqueeze(2))
    slope *= coefficient / value.shape[1]
    return error.mean(1), state.critic.gradient(forward, slope.unsqueeze(2))


@torch.no_grad()
def prepare(
    state: ActorCritic,
    config: Any,
    rollout: Rollout,
    *,
    baseline: bool = True,
    keep_reward: bool = False,
) -> Batch:
    """Rewards scaled and clipped, values, advantages and targets; the running moments are updated.

    Without `baseline`, V is 0 in the advantage: with λ = 1 that is the reward-to-go. With `keep_reward` the
    batch keeps its rewards, so that advantages can be estimated anew. What is held out lies apart in it.
    """
    reward = scaled_reward(state, config, rollout)
    advantage, value = estimate(state, config, rollout, reward, baseline=baseline)
    batch = assemble(state, config, rollout, advantage=advantage, value=value)
    if keep_reward:
        batch.reward = reward.flatten(1)
    return set_apart(batch, config)


def scaled_reward(state: ActorCritic, config: Any, rollout: Rollout) -> Float[Tensor, "S T N"]:
    """The rewards to learn from, scaled and clipped; the running moments are updated."""
    return scale_reward(
        state.return_moments,
        state.running_return,
        rollout.reward,
        rollout.terminated | rollout.truncated,
        config.tricks,
        discount=config.discount,
    )


def assemble(
    state: ActorCritic,
    config: Any,
    rollout: Rollout,
    *,
    advantage: Float[Tensor, "S T N"],
    value: Float[Tensor, "S T N"],
) -> Batch:
    """The rollout as a batch with these advantages, relative to these values."""
    ended = rollout.terminated | rollout.truncated
    action = rollout.action.flatten(1, 2)
    old = state.actor.recorded(rollout.record.flatten(1, 2))
    return Batch(
        observation=rollout.observation.flatten(1, 2),
        action=action,
        advantage=advantage.flatten(1),
        target=(advantage + value).flatten(1),
        value=value.flatten(1),
        log_prob=state.actor.log_prob(old, action),
        old=old,
        fitted=~ended.flatten(1) if config.tricks.value_loss_excludes_ends else None,
    )


def set_apart(batch: Batch, config: Any) -> Batch:
    """The batch without its last samples, if any are to be held out: they lie apart in it."""
    size = batch.action.shape[1]
    if apart := int(config.held_out * size):
        return replace(batch.between(0, size - apart), held_out=batch.between(size - apart, size))
    return batch


def estimate(
    state: ActorCritic,
    config: Any,
    rollout: Rollout,
    reward: Float[Tensor, "S T N"],
    *,
    baseline: bool = True,
) -> tuple[Float[Tensor, "S T N"], Float[Tensor, "S T N"]]:
    """Advantages of a rollout with these rewards, and the values that they are relative to."""
    tricks, ended = config.tricks, rollout.terminated | rollout.truncated
    value, value_next = values_before_and_after(state, config, rollout)
    if not baseline:
        value, value_next = torch.zeros_like(value), torch.zeros_like(value)
    advantage = generalised_advantage(
        reward,
        value,
        value_next,
        ended if tricks.time_limit_terminal else rollout.terminated,
        ended,
        discount=config.discount,
        gae_lambda=config.gae_lambda,
    )
    return advantage, value


def values_before_and_after(
    state: ActorCritic, config: Any, rollout: Rollout
) -> tuple[Float[Tensor, "S T N"], Float[Tensor, "S T N"]]:
    """V of each step's state and of its successor."""
    value = values(state, rollout.observation.flatten(1, 2)).view_as(rollout.reward)
    value_next = values(state, rollout.successor.flatten(1, 2)).view_as(rollout.reward)
    if config.tricks.last_step_bootstraps_itself:
        value_next = torch.cat([value_next[:, :-1], value[:, -1:]], dim=1)
    return value, value_next


def descend(
    theta: Theta, descent: Float[Tensor, "S P"], *, learning_rate: float, tricks: Any
) -> Float[Tensor, " S"]:
    """One step of Adam down the gradient, clipped if that trick is on; returns its norm before clipping."""
    norm = global_norm(descent)
    if tricks.gradient_clip is not None:
        descent = descent * clip_coefficient(norm, limit=tricks.gradient_clip)
    adam_step(theta, descent, learning_rate=learning_rate, epsilon=tricks.adam_epsilon or 1e-8)
    return norm


@torch.no_grad()
def diagnostics(state: Actor, batch: Batch, *, clip: float = RATIO_BOUND) -> Metrics:
    """How far the update moved the policy, over the whole rollout.

    KL(old ‖ new), the largest ratio, the fraction of ratios outside 1 ± `clip`, the entropy; and how much of
    the targets' variance the values before the update explain. KL and ratio also of what was held out. Old is
    the policy that acted: where that lags, the updates in between are part of the distance. Only PPO's
    decoupled objective counts from the update's own beginning.
    """
    new, _ = state.actor.forward(state.policy.arrays, batch.observation)
    ratio = exp(state.actor.log_prob(new, batch.action) - batch.log_prob)
    apart = {}
    if batch.held_out is not None:
        found = diagnostics(state, batch.held_out, clip=clip)
        apart = {f"{name}_held_out": found[name] for name in ("mean_kl", "max_ratio")}
    return apart | {
        "mean_kl": state.actor.kl(batch.old, new).mean(1),
        "max_ratio": ratio.max(1).values,
        "clip_fraction": ((ratio - 1).abs() > clip).to(ratio.dtype).mean(1),
        "entropy": state.actor.entropy(new).mean(1),
        "explained_variance": explained_variance(batch.value, batch.target),
    }
