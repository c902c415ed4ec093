"""Seeds and looks as people type them."""

import re

from matters.suites.errors import InputError
from matters.suites.spec import MAX_SEED

MOST_SEEDS = 100_000
"""Of a suite. More is a slip, and would fill the memory before anything can be said of it."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds that "10" (0 to 9), "3:5" (3 and 4) or "1,4,6:8" (1, 4, 6 and 7) mean. Raises InputError."""
    parts = text.split(",")
    ranges = [_range(part, alone=len(parts) == 1) for part in parts]
    if not all(ranges) or sum(map(len, ranges)) > MOST_SEEDS:
        raise InputError(
            f"seeds = {text!r}: should be a number of seeds (10), a range (3:5 is 3 and 4) or a list (1,4)"
        )
    seeds = tuple(seed for one in ranges for seed in one)
    if len(set(seeds)) < len(seeds):
        raise InputError(f"seeds = {text!r}: has a seed twice")
    return seeds


def _range(text: str, *, alone: bool) -> range:
    """What one part means, empty if nothing: a number is that many, or itself among others, as in a suite."""
    match = re.fullmatch(r"(?:(\d{1,19}):)?(\d{1,19})", text.strip(), flags=re.ASCII)
    if match is None:
        return range(0)
    end = int(match[2])
    found = range(int(match[1] or 0), end) if match[1] or alone else range(end, end + 1)
    # Beyond there is no seed, and len() could not count such a range.
    return range(0) if found.stop > MAX_SEED else found


def parse_looks(text: str) -> tuple[int, ...]:
    """The looks that "10,20" means. Raises InputError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"0*[1-9]\d{0,8}", part, flags=re.ASCII) for part in parts):
        raise InputError(f"looks = {text!r}: should be numbers of seeds, such as 10,20")
    return tuple(map(int, parts))
