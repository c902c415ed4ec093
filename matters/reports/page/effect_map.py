"""A heat map of all pairs: how likely a run of one variant scores more than one of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from matters.reports.page.section import Drawing
from matters.reports.page.style import small_multiples
from matters.reports.study.all_pairs import Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST, MOST = 3, 20  # variants: two make a single number, and with more nobody can read a cell
CELL = 0.42  # inches


def effect_map(found: Sequence[Effect], variants: Sequence[str]) -> Drawing | None:
    """P(improvement) of the row over the column: one panel per place; None for few or very many variants."""
    names = [name for name in variants if any(name in (one.x, one.y) for one in found)]
    if not FEWEST <= len(names) <= MOST:
        return None
    places = list(dict.fromkeys(one.where for one in found))

    def chances(place: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        grid = np.full((len(names), len(names)), np.nan)
        for one in found:
            if one.where == place:
                row, column = names.index(one.x), names.index(one.y)
                grid[row, column], grid[column, row] = one.chance, 1 - one.chance
        return grid

    def draw(ax: Axes, place: str) -> None:
        import seaborn

        grid = chances(place)
        seaborn.heatmap(
            grid,
            ax=ax,
            vmin=0,
            vmax=1,
            cmap="PuOr_r",
            annot=len(names) <= 10,
            fmt=".2f",
            annot_kws={"fontsize": 8},
            mask=np.isnan(grid),
            cbar=False,
            linewidths=1,
            linecolor="none",
            # Set below: seaborn would look whether they overlap, with a canvas of the whole figure for each.
            xticklabels=False,
            yticklabels=False,
        )
        middles = np.arange(len(names)) + 0.5
        ax.set_xticks(middles, names)
        ax.set_yticks(middles, names)
        ax.tick_params(axis="x", rotation=90 if len(names) > 4 else 30)
        ax.tick_params(axis="y", rotation=0)
        ax.grid(visible=False)
        ax.set_title(place)

    longest = max(map(len, names))
    foot = 0.075 * longest if len(names) > 4 else 0.045 * longest

    def words(place: str) -> str:
        best = max((one for one in found if one.where == place), key=lambda one: abs(one.chance - 0.5))
        ahead, behind, chance = (
            (best.x, best.y, best.chance) if best.chance >= 0.5 else (best.y, best.x, 1 - best.chance)
        )
        return f"P(improvement) of all pairs, {place}: the clearest is {ahead} over {behind}, {chance:.2f}."

    return small_multiples(
        "all-pairs",
        places,
        draw,
        words,
        height=0.9 + CELL * len(names) + foot,
        left=0.2 + 0.085 * longest,
        foot=foot,
        title="All pairs of variants",
        caption="How likely a run of the row scores more than one of the column; 0.5 is a coin. Effects, no "
        "verdicts.",
        data="all-pairs",
    )
