"""The difference of two variants over training: a panel per environment, with a band for the whole curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matters.reports.page.curve_figures import LEFT, over_training
from matters.reports.page.formatting import number, signed
from matters.reports.page.section import Drawing
from matters.reports.page.style import COLOURS, MARGIN_SHADE, SOFT, small_multiples
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.difference_curves import DifferenceCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def differences(question: str, found: Sequence[Comparison], curves: Sequence[DifferenceCurve]) -> Drawing:
    """Mean of the first minus mean of the second over training, against zero and the margin."""
    x, y = curves[0].x, curves[0].y
    by = {curve.environment: curve for curve in curves}
    margins = {one.where: one.margin for one in found if (one.x, one.y) == (x, y)}

    def draw(ax: Axes, environment: str) -> None:
        curve, margin = by[environment], margins.get(environment)
        if margin is not None:
            ax.axhspan(-margin, margin, color=MARGIN_SHADE, linewidth=0, zorder=0)
        ax.axhline(0, color=SOFT, linewidth=1)
        band = curve.band
        ax.fill_between(curve.steps, band.low, band.high, color=COLOURS[0], alpha=0.2, linewidth=0)
        ax.plot(curve.steps, band.value, color=COLOURS[0], linewidth=2.2, marker="o", markersize=4.5)
        over_training(ax, environment, f"{x} − {y}, return")

    def words(environment: str) -> str:
        band = by[environment].band
        return (
            f"{x} minus {y} over training on {environment}: ends at {signed(float(band.value[-1]))} "
            f"({number(float(band.low[-1]))} to {number(float(band.high[-1]))})."
        )

    return small_multiples(
        f"{question}-over-training",
        list(by),
        draw,
        words,
        height=2.7,
        left=LEFT,
        title="The difference over training",
        caption=f"`{x}` minus `{y}`, mean return over training, against zero and the margin. The band holds "
        "the whole curve with 95 % confidence (max-t over whole runs): look for zero anywhere in it. The "
        "verdict is on the primary endpoint alone, the mean of the last evaluations.",
        data=f"{question}-over-training",
    )
