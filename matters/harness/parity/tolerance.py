"""How far a quantity of ours may be from the reference's, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
NAME = {torch.float32: "float32", torch.float64: "float64"}


@dataclass(frozen=True)
class Row:
    """One quantity: max |ours − theirs| / max |theirs|, over the whole tensor or over all steps.

    For a quantity "in norm" it is ‖ours − theirs‖ / ‖theirs‖.
    """

    quantity: str
    largest_relative_difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance; NaN is not."""
        return self.largest_relative_difference <= self.tolerance


def rows(pairs: Mapping[str, tuple[Tensor, Tensor]], dtype: torch.dtype) -> list[Row]:
    """Ours against theirs, quantity by quantity, with the tolerance of the precision."""
    return [
        Row(f"{name} ({NAME[dtype]})", difference(ours, theirs), TOLERANCE[dtype])
        for name, (ours, theirs) in pairs.items()
    ]


def rows_after_adam(pairs: Mapping[str, tuple[Tensor, Tensor]], dtype: torch.dtype) -> list[Row]:
    """Parameters that Adam has moved: as `rows` in double precision, in norm in single.

    Adam divides a gradient by its size plus ε, 1e-8: where a gradient is as small as that, rounding decides
    how far a single number goes, though not how far the tensor does.
    """
    if dtype == torch.float64:
        return rows(pairs, dtype)
    return [
        Row(f"{name}, in norm ({NAME[dtype]})", distance(ours, theirs), TOLERANCE[dtype])
        for name, (ours, theirs) in pairs.items()
    ]


def difference(ours: Tensor, theirs: Tensor) -> float:
    """max |ours − theirs| / max |theirs|; infinite where the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    scale = theirs.abs().max().double()
    return float((ours.double() - theirs.double()).abs().max() / scale.clamp_min(1e-30))


def distance(ours: Tensor, theirs: Tensor) -> float:
    """‖ours − theirs‖ / ‖theirs‖; infinite where the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm().clamp_min(1e-30))
