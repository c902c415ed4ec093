"""Which variants an axis leaves out of its range, so that the others can be seen.

A policy that comes apart can score a thousand times as far below zero as all others are above it. An axis
with room for it would show nothing else, so its panel is drawn for the others, and the caption says who left
it and how far.
"""

from collections.abc import Mapping

FAR = 10.0
"""How many times as long the axis would have to be."""


def fallen(lowest: Mapping[str, float], top: float) -> tuple[str, ...]:
    """The names that fall far below the others, the lowest first: fewer than half of all, or none.

    `lowest` has the smallest value of each name, `top` is the largest of all. They have fallen who lie below
    a gap that makes the way down from `top` more than FAR times as long; of several the uppermost counts.
    """
    names = sorted(lowest, key=lowest.__getitem__)
    for count in range((len(names) - 1) // 2, 0, -1):
        last, first = lowest[names[count - 1]], lowest[names[count]]
        if 0 < FAR * (top - first) < top - last:
            return tuple(names[:count])
    return ()
