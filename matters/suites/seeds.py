"""Seeds and looks as people type them."""

import re

from matters.suites.errors import InputError
from matters.suites.spec import MAX_SEED

MOST_SEEDS = 100_000
"""Of a suite. More is a slip, and would fill the memory before anything can be said of it."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds that "10" (0 to 9) or "3:5" (3 and 4) mean. Raises InputError."""
    match = re.fullmatch(r"(?:(\d+):)?(\d+)", text.strip(), flags=re.ASCII)
    first, end = (int(match[1] or 0), int(match[2])) if match else (0, 0)
    if first >= end or end > MAX_SEED or end - first > MOST_SEEDS:
        raise InputError(f"seeds = {text!r}: should be a number of seeds (10) or a range (3:5 is 3 and 4)")
    return tuple(range(first, end))


def parse_looks(text: str) -> tuple[int, ...]:
    """The looks that "10,20" means. Raises InputError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise InputError(f"looks = {text!r}: should be numbers of seeds, such as 10,20")
    return tuple(map(int, parts))
