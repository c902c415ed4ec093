"""Room on the store's disk: said before it runs out, and training pauses while a checkpoint still fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matters.results.files import free_bytes

LEAST = 1 << 20
"""Bytes that a population leaves free, however small it is."""
EARLY = 5
"""It is said that room gets short when there is this many times as much as training pauses at."""
GROWS = (".rows", ".ends")
"""Unfinished state that is only appended to. So are kept policies, but the end writes them all once more."""


class NoRoom(OSError):
    """Training pauses: the disk has too little room to go on without the risk of losing what was done."""


@dataclass
class Room:
    """How much room the runs of a population have, looked at each time before their checkpoints are taken.

    Attributes:
        store: where they lie.
        directories: those of the runs.
    """

    store: Path
    directories: Sequence[Path]
    said: bool = False
    """Whether it was said that room gets short."""
    grown: int = 0
    """Bytes of what is appended to, at the last look."""

    def look(self) -> str:
        """What to say of it, once, where it gets short. Raises NoRoom where nothing more should be written.

        What is needed is about twice what the runs write anew for a checkpoint or for their end, and as much
        as they have appended since the last look.
        """
        sizes = {path: path.stat().st_size for one in self.directories for path in one.glob("checkpoint.*")}
        grown = sum(size for path, size in sizes.items() if path.suffix in GROWS)
        anew = sum(size for path, size in sizes.items() if path.suffix not in GROWS)
        needed = LEAST + 2 * anew + max(grown - self.grown, 0)
        self.grown = grown
        free = free_bytes(self.store)
        if free < needed:
            raise NoRoom(
                f"paused: the store's disk has {megabytes(free)} left, and {megabytes(needed)} are needed to "
                "go on; make room"
            )
        if free >= EARLY * needed:
            self.said = False
        elif not self.said:
            self.said = True
            return (
                f"room gets short: the store's disk has {megabytes(free)} left, below {megabytes(needed)} "
                "training pauses"
            )
        return ""


def megabytes(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
