"""Which variants an axis leaves out of its range, so that the others can be seen.

A policy that comes apart can score a thousand times as far below zero as all others are above it. An axis
with room for it would show nothing else, so its panel is drawn for the others, and the caption says who left
it and how far.
"""

from collections.abc import Iterable, Mapping

FAR = 10.0
"""How many times as long the axis would have to be."""


def fallen(rows: Mapping[str, Iterable[float]]) -> tuple[str, ...]:
    """The names whose values fall far below the others', the lowest first: fewer than half of all, or none.

    They have fallen who lie below a gap that makes the axis, from the largest value of the others down, more
    than FAR times as long; of several gaps the uppermost counts.
    """
    ends = {name: (min(values), max(values)) for name, row in rows.items() if (values := list(row))}
    names = sorted(ends, key=lambda name: ends[name][0])
    for count in range((len(names) - 1) // 2, 0, -1):
        top = max(ends[name][1] for name in names[count:])
        if 0 < FAR * (top - ends[names[count]][0]) < top - ends[names[count - 1]][0]:
            return tuple(names[:count])
    return ()
