"""The figures of the page. Each takes numbers that were computed elsewhere and draws them, nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.curves import DIAGNOSTICS, Curve, Trace
from reports.drawing import Drawing, small_multiples, style
from reports.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL
from reports.pairs import AGGREGATE
from reports.study import Study
from reports.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT = 0.58  # inches for the tick labels


def learning_curves(study: Study, curves: Sequence[tuple[str, str, Curve]]) -> Drawing:
    """Mean evaluation return over training: a panel an environment, all variants, whole-run bands."""
    places = list(dict.fromkeys(environment for _, environment, _ in curves))

    def draw(ax: Axes, environment: str) -> None:
        for variant, where, curve in curves:
            if where == environment:
                _curve(ax, study.variants.index(variant), curve, variant)
        _over_training(
            ax, environment, "mean return" if environment != AGGREGATE else "normalised score (IQM)"
        )

    few = any(0 < len(curve.runs) < MINIMUM_FOR_CLAIM for _, _, curve in curves)
    thin = " Thin lines are single runs; with fewer than ten the bands are indicative." if few else ""
    return small_multiples(
        "learning-curves",
        places,
        draw,
        lambda environment: _curve_alt(environment, curves),
        height=3.1,
        left=LEFT,
        title="Learning curves",
        caption="Mean return of the evaluation episodes over training. Bands: 95 % bootstrap intervals that "
        f"resample whole runs (none under {MINIMUM_FOR_INTERVAL} runs).{thin}",
        variants=study.variants,
    )


def _curve(ax: Axes, index: int, curve: Curve, label: str) -> None:
    look = style(index)
    few = 0 < len(curve.runs) < MINIMUM_FOR_CLAIM
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


def _over_training(ax: Axes, title: str, what: str) -> None:
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


def profiles(study: Study, found: Sequence[tuple[str, Curve]]) -> Drawing:
    """Performance profiles: which share of runs scores more than a threshold."""

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
        shares = [(variant, np.interp(0.5, curve.steps, curve.centre)) for variant, curve in found]
        return f"Runs above 0.5: {', '.join(f'{variant} {share:.0%}' for variant, share in shares)}."

    return small_multiples(
        "performance-profiles",
        ["Share of runs above a score"],
        draw,
        words,
        height=3.1,
        left=LEFT,
        title="Performance profiles",
        caption="Share of runs that score more than a threshold, all environments weighing the same; higher "
        "is better. Bands: 95 %, pointwise, whole runs resampled.",
        variants=[variant for variant, _ in found],
    )


def diagnostics(study: Study, traces: Sequence[tuple[str, str, str, Trace]]) -> list[Drawing]:
    """KL, largest ratio and clip fraction over training: a drawing a diagnostic, a panel an environment."""
    return [
        _diagnostic(study, key, [t for t in traces if t[0] == key])
        for key in DIAGNOSTICS
        if any(t[0] == key for t in traces)
    ]


def _diagnostic(study: Study, key: str, traces: Sequence[tuple[str, str, str, Trace]]) -> Drawing:
    places = list(dict.fromkeys(environment for _, _, environment, _ in traces))
    what = DIAGNOSTICS[key]

    def draw(ax: Axes, environment: str) -> None:
        lows, highs = [], []
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
            lows.append(float(found.low.min()))
            highs.append(float(found.high.max()))
        if min(lows) > 0 and max(highs) > 20 * min(lows):
            ax.set_yscale("log")
        _over_training(ax, environment, what)

    def words(environment: str) -> str:
        ends = [f"{v} {found.centre[-1]:.3g}" for _, v, where, found in traces if where == environment]
        return f"{what} on {environment}, last: {', '.join(ends)}."

    title = what[0].upper() + what[1:]
    return small_multiples(
        key.replace("_", "-"),
        places,
        draw,
        words,
        height=2.6,
        left=LEFT,
        title=title,
        caption=f"{title} at each update. Line: median run; band: lowest to highest.",
        variants=[v for v in study.variants if any(t[1] == v for t in traces)],
    )
