"""The figure of ranks: between which places each variant may stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matters.reports.page.section import Drawing
from matters.reports.page.sentences import listed
from matters.reports.page.style import small_multiples, style
from matters.reports.study.rank_intervals import Ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.36  # inches per variant


def rank_drawing(ranks: Ranks, variants: tuple[str, ...]) -> Drawing:
    """A bar from the best to the worst rank of each variant, the best mean on top."""

    def words(_: str) -> str:
        each = [f"{ranks.variants[v]} {ranks.low[v]} to {ranks.high[v]}" for v in ranks.order]
        return f"Ranks by mean normalised score: {', '.join(each)}."

    return small_multiples(
        "ranks",
        ["Rank by mean score"],
        lambda ax, title: _ranks(ax, ranks, variants, title),
        words,
        height=1.0 + ROW * len(ranks.variants),
        left=min(2.4, 0.3 + 0.08 * max(map(len, ranks.variants))),
        title="Ranks",
        caption="From which to which rank each variant may come: simultaneous 95 % intervals from tests of "
        "all pairs with Holm’s correction. The dot is its place by the mean; rank 1 is the best."
        f"{unranked(ranks)}",
        data="ranks",
    )


def unranked(ranks: Ranks) -> str:
    """Which variants have no rank, with a space before; empty if all have one."""
    if not ranks.left_out:
        return ""
    names = listed([f"`{name}`" for name in ranks.left_out])
    return (
        f" Without {names}, for want of an aggregate with an interval: a rank is among the others, and none "
        "of these is said to be worse."
    )


def _ranks(ax: Axes, ranks: Ranks, variants: tuple[str, ...], title: str) -> None:
    count = len(ranks.variants)
    for row, v in enumerate(ranks.order):
        look = style(variants.index(ranks.variants[v]))
        ax.plot([ranks.low[v], ranks.high[v]], [-row, -row], color=look.colour, linewidth=5, alpha=0.45)
        ax.plot(row + 1, -row, look.marker, color=look.colour, markersize=7)
    ax.set_xlim(0.5, count + 0.5)
    ax.set_ylim(-count + 0.5, 0.5)
    every = 1 + count // 13  # with more, numbers of two digits would overlap
    ax.set_xticks(range(1, count + 1, every))
    ax.set_yticks([-row for row in range(count)], [ranks.variants[v] for v in ranks.order])
    ax.spines["left"].set_visible(False)
    ax.set_title(title)
    ax.set_xlabel("rank, 1 the best")
