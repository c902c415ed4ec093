"""Sensitivity curves: the score of each variant against one of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matters.reports.page.curve_figures import LEFT
from matters.reports.page.formatting import ends, number
from matters.reports.page.section import Drawing
from matters.reports.page.style import SOFT, crowds, small_multiples, style
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, deviation, mean_interval
from matters.reports.study.sensitivity import Line
from matters.reports.study.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DECADE = 10  # the ratio of largest to smallest value from which the axis is logarithmic


def sensitivity(study: Study, lines: Sequence[Line], name: str) -> list[Drawing]:
    """One drawing per setting, in parts where there are many variants; one panel per environment."""
    found = []
    for setting in dict.fromkeys(one.setting for one in lines):
        mine = [one for one in lines if one.setting == setting]
        every = tuple(dict.fromkeys(one.variant for one in mine))
        for k, crowd in enumerate(crowds(every)):
            ending = ("" if setting == lines[0].setting else f"-{setting.replace('.', '-')}") + (
                f"-{k + 1}" if k else ""
            )
            found.append(
                _drawing(study, setting, [one for one in mine if one.variant in crowd], name, ending)
            )
    return found


def _drawing(study: Study, setting: str, lines: Sequence[Line], name: str, ending: str) -> Drawing:
    places = list(dict.fromkeys(one.environment for one in lines))

    def draw(ax: Axes, place: str) -> None:
        for one in lines:
            if one.environment == place:
                _line(ax, study.variants.index(one.variant), one)
        values = [value for one in lines if one.environment == place for value in one.values]
        if min(values) > 0 and max(values) >= DECADE * min(values):
            ax.set_xscale("log")
        ax.set_title(place)
        ax.set_xlabel(f"{setting}; vertical: mean return")
        ax.spines["left"].set_visible(False)

    def words(place: str) -> str:
        each = [
            f"{one.variant} "
            + ", ".join(
                f"{number(float(s.mean()))} at {v:g}" for v, s in zip(one.values, one.samples, strict=True)
            )
            for one in lines
            if one.environment == place
        ]
        return f"Mean return against {setting}, {place}: {'; '.join(each)}."

    return small_multiples(
        f"{name}{ending}",
        places,
        draw,
        words,
        height=3.1,
        left=LEFT,
        title=f"Sensitivity to {setting}",
        caption=f"Mean primary endpoint against {setting}, with 95 % intervals of Student’s (none under "
        f"{MINIMUM_FOR_INTERVAL} runs, whose points are drawn). Ringed: the value as declared.",
        variants=[v for v in study.variants if any(one.variant == v for one in lines)],
        data=name,
    )


def _line(ax: Axes, index: int, one: Line) -> None:
    look = style(index)
    means = [float(scores.mean()) for scores in one.samples]
    ax.plot(
        one.values, means, color=look.colour, linestyle=look.line, linewidth=2.0, marker=look.marker,
        markersize=5, label=one.variant,
    )  # fmt: skip
    for value, scores in zip(one.values, one.samples, strict=True):
        interval = mean_interval(scores) if len(scores) >= MINIMUM_FOR_INTERVAL else None
        if interval is not None:
            ax.plot([value, value], [interval.low, interval.high], color=look.colour, linewidth=1.2)
        elif len(scores) < MINIMUM_FOR_INTERVAL:
            ax.plot([value] * len(scores), scores, ".", color=look.colour, alpha=0.5, markersize=4)
    if one.own in one.values:
        k = one.values.index(one.own)
        ax.plot(one.own, means[k], "o", markersize=10, markerfacecolor="none", markeredgecolor=SOFT)


def sensitivity_rows(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The numbers of the figure: one row per variant, environment and value."""
    rows = []
    for one in lines:
        for value, scores in zip(one.values, one.samples, strict=True):
            interval = mean_interval(scores) if len(scores) >= MINIMUM_FOR_INTERVAL else None
            rows.append(
                {
                    "variant": one.variant,
                    "environment": one.environment,
                    "setting": one.setting,
                    "value": value,
                    "n": len(scores),
                    "mean": float(scores.mean()),
                    "standard_deviation": deviation(scores),
                    **ends(interval),
                    "declared": value == one.own,
                    "chosen": value == one.best,
                }
            )
    return rows
