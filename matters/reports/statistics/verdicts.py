"""The rules of verdicts: from what was tested to one of four words, and one reason where it is *undecided*.

Rules take booleans, single ones or arrays of many studies at once, so that the simulations of
`testing.coverage` measure the rules that pages follow, and not a copy of them.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Word = Literal["different", "equivalent", "both", "undecided"]
Reason = Literal[
    "", "blocked", "no effect possible", "no room", "too early", "mixed", "too few seeds", "not decided"
]
WORDS = ("different", "equivalent", "both")
REASONS: tuple[Reason, ...] = (
    "blocked", "no effect possible", "no room", "too early", "mixed", "too few seeds", "not decided",
)  # fmt: skip
"""Why nothing is decided; the first that applies is given.

*Blocked*: runs or constants are missing. *No effect possible*: both sides are the same runs, with equal
episodes and parameters, or what tells them apart hardly acted. *No room*: every run is at the task's ceiling,
or all have one score. *Too early*: no side has made a tenth of the way from random actions to the yardstick;
one score of all runs is that, too, as long as it is as low. *Mixed*: environments contradict each other. *Too
few seeds*: under five.
*Not decided*: the runs leave both answers open.
"""

Flags = NDArray[np.bool_]


def split(outcome: str) -> tuple[Word, Reason]:
    """An outcome, which is a word or a reason, as both."""
    return (outcome, "") if outcome in WORDS else ("undecided", outcome)  # type: ignore[return-value]


def of_several(words: Sequence[Word]) -> Word:
    """The word of an answer about several comparisons: *equivalent* only if all of them are."""
    order: tuple[Word, ...] = ("different", "both", "undecided", "equivalent")
    return next(word for word in order if word in words)


def on_environment(differs: Any, same: Any, early: Any) -> Any:
    """The outcome on one environment that has room, five seeds and a test.

    `differs`: Holm's adjusted p-value is at most 5 %. `same`: so is the adjusted one of the two one-sided
    tests. Before anything is learnt two variants are alike whatever they are, so *too early* replaces
    *equivalent* and *both*, and a difference stays.
    """
    differs, same, early = (np.asarray(flag, bool) for flag in (differs, same, early))
    return np.select(
        [differs & ~same, early, differs & same, same],
        ["different", "too early", "both", "equivalent"],
        "not decided",
    )[()]


def in_aggregate(
    differs: Any, same: Any, place_differs: Flags, place_sign: NDArray[Any], within_gate: Flags, early: Any
) -> Any:
    """The outcome over several environments [..., environments].

    Two variants are equivalent if their mean difference is within its margin (`same`), their difference on
    each environment is within the gate, and they are different on none: else opposite effects would cancel.
    """
    differs, same, early = (np.asarray(flag, bool) for flag in (differs, same, early))
    up = (place_differs & (place_sign > 0)).any(axis=-1)
    down = (place_differs & (place_sign < 0)).any(axis=-1)
    whole = same & within_gate.all(axis=-1)
    both = differs & whole & ~(up & down)
    return np.select(
        [differs & ~both, early, both, whole & ~up & ~down, (up & down) | (same & (up | down))],
        ["different", "too early", "both", "equivalent", "mixed"],
        "not decided",
    )[()]
