"""The figure of ranks: a map of how often each variant takes each rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from matters.reports.page.formatting import percent
from matters.reports.page.section import Drawing
from matters.reports.page.style import COLOURS, small_multiples
from matters.reports.study.rank_intervals import Ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.36  # inches per variant


def rank_drawing(ranks: Ranks) -> Drawing:
    """A map of the table: the darker, the more often."""
    order = [int(v) for v in np.argsort(ranks.expected, kind="stable")]

    def words(_: str) -> str:
        best = [f"{ranks.variants[v]} {percent(ranks.shares[v, 0])}" for v in order]
        return f"How often each variant ranks first: {', '.join(best)}."

    return small_multiples(
        "ranks",
        ["Rank by IQM"],
        lambda ax, title: _ranks(ax, ranks, order, title),
        words,
        height=1.0 + ROW * len(order),
        left=min(2.4, 0.3 + 0.08 * max(map(len, ranks.variants))),
        title="Rank probabilities",
        caption="How often each variant takes each rank, in per cent of the bootstrap resamples; rank 1 is "
        "the best.",
    )


def _ranks(ax: Axes, ranks: Ranks, order: Sequence[int], title: str) -> None:
    from matplotlib.patches import Rectangle

    count = len(order)
    every = 1 + count // 13  # of more, numbers of two digits would lie over each other
    for row, v in enumerate(order):
        for k, share in enumerate(ranks.shares[v]):
            ax.add_patch(
                Rectangle((k, -row - 1), 1, 1, facecolor=COLOURS[0], alpha=0.04 + 0.6 * share, linewidth=0)
            )
            if share >= 0.005 and every == 1:
                ax.text(k + 0.5, -row - 0.5, f"{100 * share:.0f}", ha="center", va="center", fontsize=8.5)
    ax.set_xlim(0, count)
    ax.set_ylim(-count, 0)
    ax.set_xticks([k + 0.5 for k in range(0, count, every)], [str(k + 1) for k in range(0, count, every)])
    ax.set_yticks([-row - 0.5 for row in range(count)], [ranks.variants[v] for v in order])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=False)
    ax.set_title(title)
    ax.set_xlabel("rank")
