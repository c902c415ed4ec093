"""The forest of a question about pairs: differences from top to bottom, against zero and the margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matters.reports.page.formatting import number, signed
from matters.reports.page.section import Drawing
from matters.reports.page.style import COLOURS, HOLLOW, MARGIN_SHADE, SOFT, small_multiples
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.study import AGGREGATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.5  # inches per difference


def forest(question: str, found: Sequence[Comparison]) -> Drawing:
    """Differences in normalised score: 95 % (thin) and 90 % (thick) intervals against 0 and the margin."""
    pairs = list(dict.fromkeys((one.x, one.y) for one in found))
    blocks = {pair: [one for one in found if (one.x, one.y) == pair and one.scale] for pair in pairs}
    without = list(dict.fromkeys(one.where for one in found if not one.scale))
    rest = f" Not on this scale, for want of constants: {', '.join(without)}." if without else ""
    hollow = " Hollow and thin: an indication." if any(not one.claim for one in found) else ""

    def words(pair: tuple[str, str]) -> str:
        each = [
            f"{one.where}: {', '.join(dict.fromkeys((_difference_words(one), one.reason or one.word)))}."
            for one in blocks[pair]
        ]
        return f"Differences {pair[0]} minus {pair[1]} in normalised score. {' '.join(each)}"

    return small_multiples(
        question,
        pairs,
        lambda ax, pair: _forest(ax, pair, blocks[pair]),
        words,
        height=1.0 + ROW * max([1, *map(len, blocks.values())]),
        title="Differences against zero and the margin",
        caption="Difference of means in normalised score: thick the 90 % interval, thin the 95 %, shaded the "
        f"margin of equivalence.{hollow}{rest}",
    )


def _difference_words(one: Comparison) -> str:
    if one.found is None or not one.scale:
        return one.reason or one.word
    d = one.found
    value = signed(d.estimate.value / one.scale, AGGREGATE)
    if d.interval95 is None:
        return value
    low, high = d.interval95.low / one.scale, d.interval95.high / one.scale
    return f"{value} ({number(low, AGGREGATE)} to {number(high, AGGREGATE)})"


def _forest(ax: Axes, pair: tuple[str, str], block: Sequence[Comparison]) -> None:
    from matplotlib.ticker import MaxNLocator

    colour = COLOURS[0]
    for k, one in enumerate(block):
        y = -k
        ax.text(0, y + 0.33, one.where, transform=ax.get_yaxis_transform(), fontsize=9.5, va="center")
        ax.text(
            1,
            y + 0.33,
            _difference_words(one),
            transform=ax.get_yaxis_transform(),
            fontsize=8.5,
            va="center",
            ha="right",
            color=SOFT,
        )
        if one.found is None or not one.scale:
            continue
        d, scale, weight = one.found, one.scale, 1.0 if one.claim else 0.6
        if d.margin is not None:
            margin = d.margin / scale
            ax.fill_between([-margin, margin], y - 0.22, y + 0.16, color=MARGIN_SHADE, linewidth=0, zorder=0)
        for bounds, width in ((d.interval95, 1.4 * weight), (d.interval90, 4.2 * weight)):
            if bounds is None:
                continue
            ax.plot([bounds.low / scale, bounds.high / scale], [y, y], color=colour, linewidth=width)
        ax.plot(
            d.estimate.value / scale,
            y,
            marker="o",
            markersize=6.5,
            color=colour,
            markerfacecolor=colour if one.claim else HOLLOW,
        )
    ax.axvline(0, color=SOFT, linewidth=1)
    ax.set_ylim(-max(1, len(block)) + 0.55, 0.6)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False, axis="y")
    reach = max(abs(bound) for bound in ax.get_xlim())
    ax.set_xlim(-reach, reach)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_title(f"{pair[0]} − {pair[1]}")
    ax.set_xlabel(f"← {pair[1]} ahead · normalised score · {pair[0]} ahead →")
