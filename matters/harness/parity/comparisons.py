"""Lockstep parity of every algorithm that has a reference: an update, or ten gradient steps, of both.

Both start from the same parameters and experience, so that what remains is rounding. Each comparison is made
twice: in single precision, as both train, and in double, where rounding cannot hide a difference in method.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from matters.algorithms import load
from matters.algorithms.interface import Reference
from matters.harness.parity.off_policy import ddpg_parity, sac_parity, td3_parity
from matters.harness.parity.on_policy import a2c_parity, ppo_parity, trpo_parity
from matters.harness.parity.tolerance import Row


@dataclass(frozen=True)
class Parity:
    """The table of one lockstep update, and the differences that are known and intended."""

    rows: list[Row]
    known_differences: list[str]

    @property
    def passed(self) -> bool:
        """Whether every quantity agrees."""
        return all(row.passed for row in self.rows)


def parity(name: str) -> Parity:
    """Compare one update of `name` with the reference's. Raises KeyError for a name that is not in NAMES."""
    compare = _COMPARISONS[name]
    found = [row for dtype in (torch.float32, torch.float64) for row in compare(dtype)]
    return Parity(found, list(reference_of(name).KNOWN_DIFFERENCES))


def reference_of(name: str) -> Reference:
    """The reference of an algorithm that has one."""
    twin = load(name).FACTS.twin
    assert twin is not None, name
    reference = load(twin.reference)
    assert isinstance(reference, Reference)
    return reference


_COMPARISONS: dict[str, Callable[[torch.dtype], list[Row]]] = {
    "ppo": ppo_parity,
    "a2c": a2c_parity,
    "trpo": trpo_parity,
    "ddpg": ddpg_parity,
    "td3": td3_parity,
    "sac": sac_parity,
}
"""One for every algorithm that has a reference."""

NAMES: tuple[str, ...] = tuple(_COMPARISONS)
