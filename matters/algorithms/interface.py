"""What an algorithm is: the shapes that all parts agree on.

| symbol | axis          | symbol | axis                                   |
|--------|---------------|--------|----------------------------------------|
| S      | seed          | O      | observation                            |
| T      | time          | A      | action                                 |
| N      | environment   | B      | sample: T · N of them, or a minibatch  |
| P      | parameter     |        |                                        |

Axes stand in the order S, T, N, features, and are always there: S = 1 for a single seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor

Metrics = dict[str, Tensor]
"""Diagnostics of one update, each [S]."""


class Frozen(BaseModel):
    """A config: declared once, validated, immutable. Unknown fields and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Problem:
    """What a learning rule may know of its environment."""

    observation_size: int
    action_size: int
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]


@dataclass
class Rollout:
    """What S seeds saw in T steps of N environments each. Observations are as the policy saw them."""

    observation: Float[Tensor, "S T N O"]
    successor: Float[Tensor, "S T N O"]
    """The true successor of each step: at an episode's end its last observation, not the next one's first."""
    action: Float[Tensor, "S T N A"]
    """As the policy drew it, before any clipping to the bounds."""
    reward: Float[Tensor, "S T N"]
    """As the environment gave it."""
    terminated: Bool[Tensor, "S T N"]
    truncated: Bool[Tensor, "S T N"]
    record: Float[Tensor, "S T N R"]
    """What acting recorded of each action."""


@dataclass
class ReplayBatch:
    """B steps of each of S seeds, drawn from its replay."""

    observation: Float[Tensor, "S B O"]
    action: Float[Tensor, "S B A"]
    """As the policy drew it, in ±1."""
    reward: Float[Tensor, "S B"]
    """As the environment gave it."""
    terminated: Bool[Tensor, "S B"]
    truncated: Bool[Tensor, "S B"]
    successor: Float[Tensor, "S B O"]
    """The true successor: at an episode's end its last observation."""
    record: Float[Tensor, "S B R"]
    """What acting recorded of each action; 0 where the action was drawn uniformly, in the warm-up."""
    discount: Float[Tensor, "S B"] | None = None
    """With n-step returns: the factor that discounts the successor's value. `reward` is then the discounted
    sum of the rewards up to it, and `terminated` and `truncated` are those of the last of these steps."""


@dataclass(frozen=True)
class When:
    """When a config field changes nothing: in words, and as a test where the config alone decides."""

    reason: str
    holds: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Bound:
    """A bound on one recorded quantity of an update. It may move, from `start` at the first update to `end`
    after the last.

    `means` says what the algorithm does about it. A bound `per_action` is on the KL averaged over the
    action's dimensions.
    """

    quantity: Literal["mean_kl", "max_ratio"]
    symbol: str
    start: float
    means: str
    end: float | None = None
    per_action: bool = False


@dataclass(frozen=True)
class Twin:
    """The reference of an algorithm, and the preset that does what it does by default.

    `fields` pairs settings of ours with the reference's that mean the same and may be changed on both sides;
    every other setting of a twin stays as preset.
    """

    reference: str
    preset: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cost:
    """Microseconds that a step of S seeds takes besides the simulator's: `shared` + S · `own`.

    Measured on one slow core. Only proportions matter: they decide which runs start first and how many train
    together, but no result.
    """

    shared: float
    own: float


@dataclass(frozen=True)
class Facts:
    """What an algorithm is, for whoever schedules, measures, checks or compares it: nobody needs to guess.

    It learns from rollouts, whose length in steps is the product of the config fields `rollout`; or, where
    there are none, from a replay, which the field `replay` sizes, after the steps of the field `warmup`.
    """

    cost: Cost
    rollout: tuple[str, ...] = ()
    warmup: str | None = None
    replay: str | None = None
    lag: str | None = None
    """The config field that says how many updates old the acting parameters are."""
    group: str | None = None
    """The config field that says how many of a seed's environments begin each of their episodes alike."""
    schedules: tuple[str, ...] = ()
    """The config fields, by dotted name and off unless given, that move a setting over the whole run: with
    one of them, a run depends on its length."""
    begins_anew: Callable[[Any], bool] = lambda config: False  # noqa: ARG005
    """Whether under a config every rollout begins with new episodes."""
    learns_at_ends: Callable[[Any], bool] = lambda config: False  # noqa: ARG005
    """Whether under a config gradient steps follow an episode's end, as many as the episode had steps, and no
    other step."""
    portable_bits: bool = False
    """Whether its results are the same on every processor that holds its libraries to the same loops, since
    it computes with `maths.kernels` and with the parts of PyTorch and NumPy that docs/portability.md lists.
    The results of a rule that uses autograd are not portable: they depend on MKL.
    """
    alone: bool = False
    """Whether it trains one seed at a time."""
    bounded_actions: bool = False
    """Whether it needs bounded actions."""
    bounds: Callable[[Any], tuple[Bound, ...]] = lambda config: ()  # noqa: ARG005
    """What keeps the new policy near the old one under a config."""
    scratch: Callable[[Any, Any], int] = lambda config, state: 0  # noqa: ARG005
    """Bytes per seed that an update takes besides a few copies of the state and what it learns from."""
    twin: Twin | None = None

    def rollout_steps(self, config: Any) -> int:
        """Environment steps of a rollout; 1 for an algorithm that learns from a replay."""
        return prod(getattr(config, field) for field in self.rollout)

    def warmup_steps(self, config: Any) -> int:
        """Environment steps before anything is learnt, apart from a first rollout."""
        return 0 if self.warmup is None else int(getattr(config, self.warmup))

    def lag_updates(self, config: Any) -> int:
        """How many updates old the acting parameters are."""
        return 0 if self.lag is None else int(getattr(config, self.lag))

    def group_size(self, config: Any) -> int:
        """How many of a seed's environments begin each of their episodes alike."""
        return 1 if self.group is None else int(getattr(config, self.group))

    def replay_size(self, config: Any) -> int:
        """Transitions that are kept to learn from again."""
        return 0 if self.replay is None else int(getattr(config, self.replay))


class Sizes(NamedTuple):
    """How many numbers an action takes as noise, keeps as memory until the episode ends, and has recorded."""

    noise: int
    memory: int = 0
    record: int = 0


class Acted(NamedTuple):
    """What acting gave: actions, the memory for the next ones, and what to record of these."""

    action: Float[Tensor, "S N A"]
    memory: Float[Tensor, "S N M"]
    record: Float[Tensor, "S N R"]


class Rule(Protocol):
    """A learning rule for a population of seeds. A module is one.

    `State` is a dataclass of tensors with the seed axis first (`parts.population` slices and joins it).
    """

    VERSION: int
    """Raised by hand when the same config would give different results; part of a run's identity."""
    FACTS: Facts
    Config: type[Any]
    """A `Frozen` model; has `tricks`."""
    PRESETS: dict[str, Any]
    NO_EFFECT: dict[str, When]
    """Config fields that change nothing under a condition."""

    def init(self, config: Any, problem: Problem, generators: Sequence[np.random.Generator], /) -> Any:
        """A first state, one row per generator."""

    def observe(
        self, state: Any, config: Any, observation: Float[Tensor, "S N O"], /, *, learn: bool
    ) -> Float[Tensor, "S N O"]:
        """What the policy sees of a raw observation; with `learn`, running moments take it in first."""

    def sizes(self, config: Any, problem: Problem, /) -> Sizes:
        """How many numbers each action takes and leaves behind."""

    def act(
        self,
        state: Any,
        config: Any,
        observation: Float[Tensor, "S N O"],
        noise: Float[Tensor, "S N E"] | None,
        memory: Float[Tensor, "S N M"],
        /,
    ) -> Acted:
        """An action for each observation: sampled with standard normal `noise`, the mode without.

        `memory` is what the last action left, and 0 at an episode's beginning. Without noise nothing is
        recorded.
        """

    def to_environment(
        self, config: Any, problem: Problem, action: Float[Tensor, "S N A"], /
    ) -> Float[Tensor, "S N A"]:
        """What is sent to the environment for an action."""

    def parameters(self, state: Any, /) -> dict[str, Tensor]:
        """The tensors that make up the policy in use, each [S, …]: a finished run keeps and digests them."""


@runtime_checkable
class OnPolicy(Rule, Protocol):
    """A rule that alternates rollouts with updates. Its config has `horizon` (T) and `environments` (N)."""

    KIND: Literal["on-policy"]

    def update(
        self,
        state: Any,
        config: Any,
        rollout: Rollout,
        generators: Sequence[np.random.Generator],
        /,
        *,
        progress: float,
    ) -> Metrics:
        """Learn from one rollout, in place. `progress` is the fraction of all updates already made."""


@runtime_checkable
class OffPolicy(Rule, Protocol):
    """A rule that learns from a replay of all it saw, one gradient step every few steps of each seed's one
    environment. Its actions are in ±1; `to_environment` scales them to the bounds.

    Its config has `batch_size`, `buffer_size`, `warmup`, `train_every` and `gradient_steps`. Actions are
    uniform in ±1 for `warmup` steps, and nothing is learnt; then `gradient_steps` updates follow each step
    whose number, counted from 1 at the run's beginning, is a multiple of `train_every`; unless the rule
    learns at episode ends (`Facts.learns_at_ends`). `experience` sees to these and to `buffer_size`.
    """

    KIND: Literal["off-policy"]

    def update(
        self, state: Any, config: Any, batch: ReplayBatch, generators: Sequence[np.random.Generator], /
    ) -> Metrics:
        """One gradient step, in place. What it did not compute this time is not among the metrics."""


ActFunction = Callable[[np.ndarray], np.ndarray]
"""Raw observations [B, O] to the deterministic policy's actions [B, A]."""

OnUpdate = Callable[[int, Mapping[str, float], ActFunction], None]
"""Called by a reference with the step it has reached, diagnostics of what it learnt, and its policy.

Empty diagnostics mean that it learnt nothing, or did not measure this time.
"""


class NotFinite(ArithmeticError):
    """Raised in training once numbers have stopped being finite: a parameter of a network, or an action.

    A reference raises it with the step it had reached and its final `parameters` by name.
    """

    def __init__(
        self, what: str, *, step: int = 0, parameters: Mapping[str, np.ndarray] | None = None
    ) -> None:
        super().__init__(what)
        self.step = step
        self.parameters = dict(parameters or {})


@dataclass(frozen=True)
class Reference:
    """Somebody else's implementation behind the same run contract. It trains itself and reports progress."""

    name: str
    VERSION: int
    FACTS: Facts
    Config: type[Frozen]
    PRESETS: dict[str, Any]
    build: Callable[..., Any]
    """`build(config, environment, *, seed)` gives a model of the library's own, ready to learn."""
    train: Callable[..., dict[str, np.ndarray]]
    """`train(config, environment, *, seed, steps, ends, updated)` gives the final parameters by name.

    `updated` is called at step 0 and at each of the steps `ends`, the last of which is `steps`; where a
    rollout passes some of them, it is called after that rollout's update. It may be called in between. Raises
    `NotFinite` where the run has diverged, whatever the library does about it.
    """
    KNOWN_DIFFERENCES: tuple[str, ...]
    KIND: Literal["reference"] = "reference"
