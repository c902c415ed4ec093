"""What an algorithm is: the shapes that all parts agree on.

| symbol | axis          | symbol | axis                                   |
|--------|---------------|--------|----------------------------------------|
| S      | seed          | O      | observation                            |
| T      | time          | A      | action                                 |
| N      | environment   | B      | sample: T · N of them, or a minibatch  |
| P      | parameter     |        |                                        |

Axes stand in the order S, T, N, features, and are always there: S = 1 for a seed alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

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
    """As the environment paid it."""
    terminated: Bool[Tensor, "S T N"]
    truncated: Bool[Tensor, "S T N"]


@runtime_checkable
class OnPolicy(Protocol):
    """A learning rule that alternates rollouts with updates, for a population of seeds. A module is one.

    `State` is a dataclass of tensors with the seed axis first (`parts.population` slices and joins it).
    """

    KIND: Literal["on-policy"]
    VERSION: int
    """Raised by hand when the same config would give other results; part of a run's identity."""
    Config: type[Any]
    """A `Frozen` model; has `horizon` (T), `environments` (N) and `tricks`."""
    PRESETS: dict[str, Any]
    INERT: dict[str, str]
    """Config fields that change nothing under a named condition."""
    IDLE: dict[str, Callable[[Any], bool]]
    """Those whose condition is on the config alone: whether a config leaves them without effect."""

    def init(self, config: Any, problem: Problem, generators: Sequence[np.random.Generator], /) -> Any:
        """A first state, one row a generator."""

    def observe(
        self, state: Any, config: Any, observation: Float[Tensor, "S N O"], /, *, learn: bool
    ) -> Float[Tensor, "S N O"]:
        """What the policy sees of a raw observation; with `learn`, running moments take it in first."""

    def act(
        self,
        state: Any,
        config: Any,
        observation: Float[Tensor, "S N O"],
        noise: Float[Tensor, "S N A"] | None,
        /,
    ) -> Float[Tensor, "S N A"]:
        """An action for each observation: sampled with standard normal `noise`, the mode without."""

    def executed(
        self, config: Any, problem: Problem, action: Float[Tensor, "S N A"], /
    ) -> Float[Tensor, "S N A"]:
        """What of an action is sent to the environment."""

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

    def parameters(self, state: Any, /) -> dict[str, Tensor]:
        """What makes up the policy in use, each [S, …]: what a finished run keeps and is digested by."""


@dataclass
class Transitions:
    """B steps of each of S seeds, drawn from its replay."""

    observation: Float[Tensor, "S B O"]
    action: Float[Tensor, "S B A"]
    """As the policy drew it, in ±1."""
    reward: Float[Tensor, "S B"]
    """As the environment paid it."""
    terminated: Bool[Tensor, "S B"]
    truncated: Bool[Tensor, "S B"]
    successor: Float[Tensor, "S B O"]
    """The true successor: at an episode's end its last observation."""


@runtime_checkable
class OffPolicy(Protocol):
    """A learning rule that learns from a replay of all it saw, a gradient step every few steps of each seed's
    one environment. A module is one. Its actions are in ±1; `executed` scales them to the bounds.
    """

    KIND: Literal["off-policy"]
    VERSION: int
    """Raised by hand when the same config would give other results; part of a run's identity."""
    Config: type[Any]
    """A `Frozen` model; has `batch_size`, `buffer_size`, `warmup`, `train_every`, `gradient_steps`, `tricks`.

    Actions are uniform in ±1 for `warmup` steps, and nothing is learnt; then `gradient_steps` updates follow
    each step whose number, counted from 1 at the run's beginning, `train_every` divides. The loop sees to
    these three and to `buffer_size`.
    """
    PRESETS: dict[str, Any]
    INERT: dict[str, str]
    """Config fields that change nothing under a named condition."""
    IDLE: dict[str, Callable[[Any], bool]]
    """Those whose condition is on the config alone: whether a config leaves them without effect."""

    def init(self, config: Any, problem: Problem, generators: Sequence[np.random.Generator], /) -> Any:
        """A first state, one row a generator."""

    def observe(
        self, state: Any, config: Any, observation: Float[Tensor, "S N O"], /, *, learn: bool
    ) -> Float[Tensor, "S N O"]:
        """What the policy sees of a raw observation."""

    def act(
        self,
        state: Any,
        config: Any,
        observation: Float[Tensor, "S N O"],
        noise: Float[Tensor, "S N A"] | None,
        /,
    ) -> Float[Tensor, "S N A"]:
        """An action in ±1 for each observation: exploring with standard normal `noise`, the mode without.

        Noise that has a memory moves on, in place.
        """

    def ended(self, state: Any, config: Any, ended: Bool[Tensor, "S N"], /) -> None:
        """Told after each step which episodes ended: what lasts an episode only begins anew, in place."""

    def executed(
        self, config: Any, problem: Problem, action: Float[Tensor, "S N A"], /
    ) -> Float[Tensor, "S N A"]:
        """What of an action is sent to the environment: scaled from ±1 to the bounds."""

    def update(
        self, state: Any, config: Any, batch: Transitions, generators: Sequence[np.random.Generator], /
    ) -> Metrics:
        """One gradient step, in place. What it did not compute this time is not among the metrics."""

    def parameters(self, state: Any, /) -> dict[str, Tensor]:
        """What makes up the policy in use, each [S, …]: what a finished run keeps and is digested by."""


Act = Callable[[np.ndarray], np.ndarray]
"""Raw observations [B, O] to the deterministic policy's actions [B, A]."""

Updated = Callable[[int, Mapping[str, float], Act], None]
"""Told by a reference where it stands: the step, diagnostics of what it learnt, the policy as it now is.

Without diagnostics it learnt nothing, or did not measure it this time.
"""


@dataclass(frozen=True)
class Reference:
    """Somebody else's implementation behind the same run contract. It trains itself and reports meanwhile."""

    name: str
    VERSION: int
    Config: type[Frozen]
    PRESETS: dict[str, Any]
    train: Callable[..., dict[str, np.ndarray]]
    """`train(config, environment, *, seed, steps, ends, updated)` gives the final parameters by name.

    `updated` is told at each of the steps `ends`, the last of which is `steps`; where a rollout passes some
    of them, after its update. It may be told in between.
    """
    KNOWN_DIFFERENCES: tuple[str, ...]
    KIND: Literal["reference"] = "reference"
