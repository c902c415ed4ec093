"""The widths of a network's hidden layers, as configs declare them."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, PositiveInt

MOST_WEIGHTS = 2**28
"""Of one layer: a gigabyte. More is a slip, and would fill the memory before anything can be said of it."""
WIDEST = 2**16


def _can_be_built(widths: tuple[int, ...]) -> tuple[int, ...]:
    if max(widths, default=0) > WIDEST:
        raise ValueError(f"a layer of more than {WIDEST} units")
    for first, second in pairwise(widths):
        if first * second > MOST_WEIGHTS:
            raise ValueError(f"a layer of {first * second} weights; at most {MOST_WEIGHTS}")
    return widths


Widths = Annotated[tuple[PositiveInt, ...], AfterValidator(_can_be_built)]
