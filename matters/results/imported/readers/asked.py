"""What the user says about files that do not say it themselves."""

from dataclasses import dataclass
from typing import Literal

from matters.results.imported.curve import ReturnsOf


@dataclass(frozen=True)
class Said:
    """`seeds` has one seed per run, in order. `step`, `returns` and `seed` name columns, `tag` a scalar.

    `every` is the number of steps between two rows where a file has none. `unit` says what one run is where a
    folder holds several monitors or event files: the folder, or each file.
    """

    variant: str | None = None
    environment: str | None = None
    seeds: tuple[int, ...] | None = None
    tag: str | None = None
    returns_of: ReturnsOf | None = None
    step: str | None = None
    returns: str | None = None
    seed: str | None = None
    every: int | None = None
    unit: Literal["file", "folder"] | None = None
