"""Rows of numbers that stand beside each other without being compared: ours in colour, others' in grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matters.reports.page.formatting import number
from matters.reports.page.section import Drawing
from matters.reports.page.style import SOFT, small_multiples
from matters.reports.page.style import style as look_of
from matters.reports.statistics.intervals import Array, deviation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


ROW, AROUND = 0.42, 0.9  # inches per row, and around them


@dataclass(frozen=True)
class Mark:
    """One row: its label, its words, its value with `bounds`, and single runs as `points`.

    `style` is the place of one of our variants among them; without it the row shows others' results,
    and `shape` is its marker.
    """

    label: str
    words: str
    value: float | None
    bounds: tuple[float, float] | None
    points: tuple[float, ...] = ()
    style: int | None = None
    shape: str = "o"


def mark(label: str, scores: Array, *, style: int | None = None, shape: str = "o") -> Mark:
    """The row of a cell of runs: mean, standard deviation (from two runs on), and every run."""
    mean = float(scores.mean()) if len(scores) else None
    spread = deviation(scores)
    words = "no scored run" if mean is None else number(mean)
    if mean is not None and spread is not None:
        words += f" ± {number(spread)} sd"
    return Mark(
        label=label,
        words=words,
        value=mean,
        bounds=None if mean is None or spread is None else (mean - spread, mean + spread),
        points=tuple(float(score) for score in scores),
        style=style,
        shape=shape,
    )


def drawing(
    name: str,
    title: str,
    panels: Sequence[tuple[str, Sequence[Mark]]],
    *,
    caption: str,
    folded: bool = False,
) -> Drawing:
    """One panel per environment: (its name, its rows), from top to bottom, in raw return."""

    def words(panel: tuple[str, Sequence[Mark]]) -> str:
        environment, marks = panel
        return f"{title}, {environment}: {'; '.join(f'{mark.label} {mark.words}' for mark in marks)}."

    drawn = small_multiples(
        name,
        panels,
        lambda ax, panel: _rows(ax, *panel),
        words,
        height=lambda panel: AROUND + ROW * len(panel[1]),
        title=title,
        caption=caption,
    )
    return replace(drawn, folded=folded)


def _rows(ax: Axes, environment: str, marks: Sequence[Mark]) -> None:
    for k, mark in enumerate(marks):
        look = None if mark.style is None else look_of(mark.style)
        colour, shape = (SOFT, mark.shape) if look is None else (look.colour, look.marker)
        side: Any = {"transform": ax.get_yaxis_transform(), "va": "center"}
        ax.text(0, -k + 0.33, mark.label, fontsize=9 if look else 8.5, **side)
        ax.text(1, -k + 0.33, mark.words, fontsize=8.5, ha="right", color=SOFT, **side)
        # A fixed zigzag instead of random jitter: the same runs give the same picture.
        offsets = np.resize([0.0, 0.09, -0.09, 0.045, -0.045], len(mark.points))
        ax.plot(
            mark.points,
            -k - 0.05 + offsets,
            shape,
            color=colour,
            markersize=3,
            alpha=0.45,
            markeredgewidth=0,
            linestyle="",
        )
        if mark.bounds is not None:
            ax.plot(mark.bounds, [-k - 0.05] * 2, color=colour, linewidth=2 if look else 1.3)
        if mark.value is not None:
            ax.plot(mark.value, -k - 0.05, shape, color=colour, markersize=6.5 if look else 5)
    # As many rows as there is room for, so that rows are as far apart in every panel of a figure.
    high = ax.bbox.height / ax.figure.dpi
    ax.set_ylim(0.65 - high / ROW, 0.65)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False, axis="y")
    ax.set_title(environment)
    ax.set_xlabel("return")
