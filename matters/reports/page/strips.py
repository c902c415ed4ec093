"""Runs as dots in rows: seaborn's strip plot, and the same picture for the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from matters.reports.page.style import style
from matters.reports.statistics.rliable_intervals import global_seed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

JITTER = 0.1
"""How far dots are moved up or down at most, in rows, so that equal runs are seen."""


def strips(ax: Axes, rows: Sequence[NDArray[np.float64]], *, below: float, size: float) -> None:
    """The runs of each row as dots in the row's colour, row k at -k - `below`; `size` is in points."""
    import seaborn

    filled = [k for k, runs in enumerate(rows) if len(runs)]
    if not filled:
        return
    row = np.repeat(filled, [len(rows[k]) for k in filled])
    # seaborn draws its jitter from NumPy's global generator.
    with global_seed(len(row)):
        seaborn.stripplot(
            x=np.concatenate([rows[k] for k in filled]),
            y=-row - below,
            hue=row,
            palette={k: style(k).colour for k in filled},
            orient="h",
            native_scale=True,
            jitter=JITTER,
            legend=False,
            size=size,
            alpha=0.5,
            linewidth=0,
            ax=ax,
        )
