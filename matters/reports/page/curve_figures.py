"""Figures of curves: over training, and of performance profiles. They draw numbers computed elsewhere.

Where there are more variants than a panel can hold, a figure comes in parts, each with some of them; the
scales of an environment are the same in all parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from matters.reports.page.formatting import number, percent
from matters.reports.page.section import Drawing
from matters.reports.page.sentences import at_place
from matters.reports.page.style import crowds, end_at, small_multiples, style
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL, Array
from matters.reports.study.curves import DIAGNOSTICS, Curve, Trace
from matters.reports.study.study import AGGREGATE, Study
from matters.reports.study.view import fallen

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT = 0.58  # inches for the tick labels
WIDE = 20  # the ratio of largest to smallest from which a scale is logarithmic

Item = TypeVar("Item", bound=tuple[Any, ...])


def in_parts(study: Study, items: Sequence[Item], at: int) -> list[tuple[str, str, list[Item]]]:
    """(ending of the name, ending of the title, its items) of each part; item[at] is its variant."""
    parts = [[item for item in items if item[at] in crowd] for crowd in crowds(study.variants)]
    filled = [part for part in parts if part]
    if len(filled) < 2:
        return [("", "", part) for part in filled]
    return [
        (f"-{k}" if k > 1 else "", f", {k} of {len(filled)}", part) for k, part in enumerate(filled, start=1)
    ]


def learning_curves(study: Study, curves: Sequence[tuple[str, str, Curve]]) -> list[Drawing]:
    """Mean evaluation return over training: one panel per environment, all variants, whole-run bands."""
    return [_learning_curves(study, curves, *part) for part in in_parts(study, curves, 0)]


def _learning_curves(
    study: Study,
    every: Sequence[tuple[str, str, Curve]],
    ending: str,
    title: str,
    curves: Sequence[tuple[str, str, Curve]],
) -> Drawing:
    places = list(dict.fromkeys(environment for _, environment, _ in curves))
    out = {environment: _out_of_view(every, environment) for environment in places}

    def draw(ax: Axes, environment: str) -> None:
        for variant, where, curve in curves:
            if where == environment:
                _curve(ax, study.variants.index(variant), curve, variant)
        if len(curves) < len(every) or out[environment]:
            seen = [one for one in every if one[1] == environment and one[0] not in out[environment]]
            reach(ax, (line for _, _, curve in seen for line in _lines(curve)))
        drawn = [curve for _, where, curve in every if where == environment]
        tops = [float(line.max()) for curve in drawn for line in (curve.centre, *curve.runs)]
        end_at(ax, study.ceiling(environment), tops, "y")
        over_training(
            ax, environment, "mean return" if environment != AGGREGATE else "normalised score (IQM)"
        )

    few = any(_few(curve) for _, _, curve in curves)
    thin = " Thin lines are single runs; with fewer than ten the bands are indicative." if few else ""
    return small_multiples(
        f"learning-curves{ending}",
        places,
        draw,
        lambda environment: _curve_alt(environment, curves),
        height=3.1,
        left=LEFT,
        title=f"Learning curves{title}",
        caption=f"Mean return of the {study.returns_of} over training. Bands: 95 % intervals, pointwise over "
        "whole runs (Student’s of a mean, bootstrap of an IQM; none under "
        f"{MINIMUM_FOR_INTERVAL} runs).{thin}{below_the_panels(out)}",
        variants=[name for name in study.variants if any(name == variant for variant, _, _ in curves)],
        data="learning-curves",
    )


def _out_of_view(curves: Sequence[tuple[str, str, Curve]], environment: str) -> dict[str, float]:
    """The variants that fall far below the others on an environment, and how far."""
    drawn = {
        variant: np.concatenate(_lines(curve)) for variant, where, curve in curves if where == environment
    }
    return {variant: float(drawn[variant].min()) for variant in fallen(drawn)}


def below_the_panels(out: Mapping[str, Mapping[str, float]]) -> str:
    """A sentence on who leaves the panel of which place, and how low they come; empty if nobody does."""
    each = [
        f"`{variant}` {at_place(place)} (down to {number(value, place)})"
        for place, variants in out.items()
        for variant, value in variants.items()
    ]
    return f" Out of view, far below the others: {', '.join(each)}." if each else ""


def _few(curve: Curve) -> bool:
    return 0 < len(curve.runs) < MINIMUM_FOR_CLAIM


def _lines(curve: Curve) -> list[Array]:
    """All lines that are drawn of a curve."""
    band = [line for line in (curve.low, curve.high) if line is not None]
    return [curve.centre, *band, *(curve.runs if _few(curve) else ())]


def reach(ax: Axes, lines: Iterable[Array]) -> None:
    """Give the vertical axis the range of these lines, drawn here or in another part of the figure."""
    every = np.concatenate(list(lines))
    low, high = float(every.min()), float(every.max())
    if ax.get_yscale() == "log":
        margin = (high / low) ** 0.05
        ax.set_ylim(low / margin, high * margin)
    elif low < high:
        ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def wide(lines: Iterable[Array]) -> bool:
    """Whether positive numbers spread so far that their scale should be logarithmic."""
    every = np.concatenate(list(lines))
    return bool(every.min() > 0 and every.max() > WIDE * every.min())


def _curve(ax: Axes, index: int, curve: Curve, label: str) -> None:
    look = style(index)
    few = _few(curve)
    if few:
        for run in curve.runs:
            ax.plot(curve.steps, run, color=look.colour, linewidth=0.7, alpha=0.35)
    if curve.low is not None and curve.high is not None:
        ax.fill_between(
            curve.steps, curve.low, curve.high, color=look.colour, alpha=0.10 if few else 0.2, linewidth=0
        )
    ax.plot(
        curve.steps,
        curve.centre,
        color=look.colour,
        linestyle=look.line,
        linewidth=2.2,
        marker=look.marker,
        markersize=4.5,
        markevery=max(1, len(curve.steps) // 10),
        label=label,
    )


def _curve_alt(environment: str, curves: Sequence[tuple[str, str, Curve]]) -> str:
    ends = [
        f"{variant} ends at {number(float(curve.centre[-1]), environment)}"
        for variant, where, curve in curves
        if where == environment
    ]
    return f"Learning curves, {environment}: {', '.join(ends)}."


def over_training(ax: Axes, title: str, what: str) -> None:
    """Title and axes of a panel whose horizontal axis is training."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.set_title(title)
    ax.set_xlabel(f"environment steps; vertical: {what}")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(_steps))
    ax.spines["left"].set_visible(False)


def _steps(value: float, _: Any) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def profiles(study: Study, found: Sequence[tuple[str, Curve]]) -> list[Drawing]:
    """Performance profiles: the share of runs that score more than a threshold."""
    return [_profiles(study, *part) for part in in_parts(study, found, 0)]


def _profiles(study: Study, ending: str, part: str, found: Sequence[tuple[str, Curve]]) -> Drawing:

    def draw(ax: Axes, title: str) -> None:
        for variant, curve in found:
            look = style(study.variants.index(variant))
            if curve.low is not None and curve.high is not None:
                ax.fill_between(
                    curve.steps,
                    curve.low,
                    curve.high,
                    color=look.colour,
                    alpha=0.12,
                    linewidth=0,
                    step="post",
                )
            ax.step(
                curve.steps,
                curve.centre,
                where="post",
                color=look.colour,
                linestyle=look.line,
                linewidth=2,
                label=variant,
            )
        ax.set_title(title)
        ax.set_xlabel("normalised score")
        ax.spines["left"].set_visible(False)

    def words(_: str) -> str:
        # A share is of the runs above one of the thresholds: between two of them it is not known.
        thresholds = found[0][1].steps
        k = int(np.abs(thresholds - 0.5).argmin())
        shares = [f"{variant} {percent(float(curve.centre[k]))}" for variant, curve in found]
        return f"Runs above {number(float(thresholds[k]), AGGREGATE)}: {', '.join(shares)}."

    return small_multiples(
        f"performance-profiles{ending}",
        ["Share of runs above a score"],
        draw,
        words,
        height=3.1,
        left=LEFT,
        title=f"Performance profiles{part}",
        caption="Share of runs that score more than a threshold, all environments weighing the same; higher "
        "is better. Bands: 95 %, pointwise, whole runs resampled.",
        variants=[variant for variant, _ in found],
        data="performance-profiles",
    )


def diagnostics(study: Study, traces: Sequence[tuple[str, str, str, Trace]]) -> list[Drawing]:
    """KL, largest ratio and clip fraction over training: one drawing for each, one panel per environment."""
    return [
        _diagnostic(study, key, every, *part)
        for key in DIAGNOSTICS
        for every in [[t for t in traces if t[0] == key]]
        for part in in_parts(study, every, 1)
    ]


def _diagnostic(
    study: Study,
    key: str,
    every: Sequence[tuple[str, str, str, Trace]],
    ending: str,
    part: str,
    traces: Sequence[tuple[str, str, str, Trace]],
) -> Drawing:
    places = list(dict.fromkeys(environment for _, _, environment, _ in traces))
    what = DIAGNOSTICS[key]

    def draw(ax: Axes, environment: str) -> None:
        for _, variant, where, found in traces:
            if where != environment:
                continue
            look = style(study.variants.index(variant))
            ax.fill_between(found.steps, found.low, found.high, color=look.colour, alpha=0.13, linewidth=0)
            ax.plot(
                found.steps,
                found.centre,
                color=look.colour,
                linestyle=look.line,
                linewidth=1.8,
                label=variant,
            )
        here = [line for t in every if t[2] == environment for line in (t[3].low, t[3].high)]
        if wide(here):
            ax.set_yscale("log")
        if len(traces) < len(every):
            reach(ax, here)
        over_training(ax, environment, what)

    def words(environment: str) -> str:
        ends = [f"{v} {found.centre[-1]:.3g}" for _, v, where, found in traces if where == environment]
        return f"{what} on {environment}, last: {', '.join(ends)}."

    title, name = what[0].upper() + what[1:], key.replace("_", "-")
    return small_multiples(
        f"{name}{ending}",
        places,
        draw,
        words,
        height=2.6,
        left=LEFT,
        title=f"{title}{part}",
        caption=f"{title} at each update. Line: median run; band: lowest to highest.",
        variants=[v for v in study.variants if any(t[1] == v for t in traces)],
        data=name,
    )
