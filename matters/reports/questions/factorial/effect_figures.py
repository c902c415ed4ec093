"""Figures of a two-level design: effects, half-normal plot, heat map, runs with and without a trick."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from matters.reports.page.curve_figures import LEFT
from matters.reports.page.formatting import interval_text, number, signed
from matters.reports.page.section import Drawing
from matters.reports.page.style import COLOURS, HOLLOW, INK, MARGIN_SHADE, SOFT, small_multiples, style
from matters.reports.questions.factorial.designs import Design
from matters.reports.questions.factorial.effects import Effect
from matters.reports.statistics.intervals import Array
from matters.reports.study.study import AGGREGATE, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.42  # inches per row
KINDS = {1: "main effect", 2: "interaction of two", 3: "higher interaction"}


def key(design: Design) -> str:
    """Which letter is which trick."""
    return ", ".join(f"{design.letters((factor,))} `{factor}`" for factor in design.factors)


def unit(where: str) -> str:
    """What scores are measured in."""
    return "normalised score" if where == AGGREGATE else "return"


def effects(question: str, design: Design, found: Sequence[Effect]) -> Drawing:
    """Main effects and interactions of two: 95 % (thin) and 90 % (thick) intervals, zero and the margin."""
    shown = [one for one in found if one.order < 3 and one.value is not None]
    places = list(dict.fromkeys(one.where for one in shown))
    rows = max(sum(one.where == where for one in shown) for where in places)
    hollow = " Hollow and thin: an indication." if any(not one.claim for one in shown) else ""
    letters = "" if len(design.factors) == 1 else f" {key(design)}; AB is the interaction of A and B."

    def words(where: str) -> str:
        each = [f"{_label(design, one)} {_words(one)}" for one in shown if one.where == where]
        return f"Effects, {where}: {'; '.join(each)}."

    return small_multiples(
        question,
        places,
        lambda ax, where: _effects(ax, design, [one for one in shown if one.where == where]),
        words,
        height=1.0 + ROW * rows,
        title="Effects against zero and the margin",
        caption="Mean with the trick minus mean without it: thick the 90 % interval, thin the 95 %, shaded "
        f"the margin of equivalence where there is one.{hollow}{letters if design.kind == 'full' else ''}",
    )


def _label(design: Design, one: Effect) -> str:
    if design.kind != "full" or len(design.factors) == 1:
        return one.term[0]
    letters = design.letters(one.term)
    return f"{letters}  {one.term[0]}" if one.order == 1 else letters


def _words(one: Effect) -> str:
    if one.found is None:
        return f"{signed(one.value, one.where)}, {one.word}"
    bounds = one.found.interval95
    return f"{signed(one.value, one.where, one.reach)} ({interval_text(bounds, one.where)})"


def _effects(ax: Axes, design: Design, found: Sequence[Effect]) -> None:
    for k, one in enumerate(found):
        y, weight = -k, 1.0 if one.claim else 0.6
        colour = COLOURS[one.order - 1]
        beside = {"transform": ax.get_yaxis_transform(), "va": "center"}
        ax.text(0, y + 0.36, _label(design, one), fontsize=9.5, **beside)  # type: ignore[arg-type]
        ax.text(1, y + 0.36, _words(one), fontsize=8.5, ha="right", color=SOFT, **beside)  # type: ignore[arg-type]
        if one.found is not None:
            if one.found.margin is not None:
                margin = one.found.margin
                ax.fill_between(
                    [-margin, margin], y - 0.22, y + 0.18, color=MARGIN_SHADE, linewidth=0, zorder=0
                )
            for bounds, width in ((one.found.interval95, 1.4 * weight), (one.found.interval90, 4.2 * weight)):
                if bounds is None:
                    continue
                ax.plot([bounds.low, bounds.high], [y, y], color=colour, linewidth=width)
        face = colour if one.claim else HOLLOW
        assert one.value is not None
        ax.plot(one.value, y, "o", markersize=6, color=colour, markerfacecolor=face)
    ax.axvline(0, color=SOFT, linewidth=1)
    ax.set_ylim(-len(found) + 0.5, 0.65)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False, axis="y")
    reach = max(abs(bound) for bound in ax.get_xlim())
    ax.set_xlim(-reach, reach)
    ax.set_title(found[0].where)
    ax.set_xlabel(f"← better off · {unit(found[0].where)} · better on →")


def half_normal(design: Design, found: Sequence[Effect]) -> Drawing:
    """Daniel's plot: sorted sizes of all effects against what noise alone would give, a line."""
    places = list(
        dict.fromkeys(
            where
            for where in (one.where for one in found)
            if all(one.value is not None for one in found if one.where == where)
        )
    )

    def words(where: str) -> str:
        largest = sorted((one for one in found if one.where == where), key=_size)[-3:]
        each = [f"{design.letters(one.term)} {number(_size(one), where)}" for one in reversed(largest)]
        return f"Half-normal plot, {where}; the largest effects: {', '.join(each)}."

    return small_multiples(
        "half-normal",
        places,
        lambda ax, where: _half_normal(ax, design, [one for one in found if one.where == where]),
        words,
        height=3.1,
        left=LEFT,
        title="Half-normal plot of all effects",
        caption="Sizes of the effects against half-normal quantiles (Daniel 1959). Effects that are only "
        "noise lie along the line, whose slope is their standard error; those that are more lie above it. "
        "Where most lie far below it, runs that share a seed are alike across cells, and intervals are wider "
        f"than need be. {key(design)}.",
    )


def _size(one: Effect) -> float:
    return abs(one.value or 0.0)


def _half_normal(ax: Axes, design: Design, found: Sequence[Effect]) -> None:
    ordered = sorted(found, key=_size)
    at = stats.norm.ppf(0.5 + 0.5 * (np.arange(len(ordered)) + 0.5) / len(ordered))
    error = next((one.found.estimate.standard_error for one in ordered if one.found is not None), None)
    if error:
        ax.plot(
            [0, at[-1] * 1.08], [0, error * at[-1] * 1.08], color=SOFT, linewidth=1, linestyle=(0, (4, 3))
        )
    for family, what in KINDS.items():
        look = style(family - 1)
        mine = [k for k, one in enumerate(ordered) if one.family == family]
        if mine:
            sizes = [_size(ordered[k]) for k in mine]
            ax.plot(at[mine], sizes, look.marker, color=look.colour, markersize=6, linestyle="", label=what)
    for k, one in enumerate(ordered):
        if k >= len(ordered) - 4 or one.word in ("different", "both"):
            ax.annotate(
                design.letters(one.term),
                (at[k], _size(one)),
                xytext=(-6, 3),
                textcoords="offset points",
                ha="right",
                fontsize=9.5,
                color=INK,
            )
    ax.set_xlim(0, at[-1] * 1.1)
    ax.set_ylim(0, None)
    ax.set_title(found[0].where)
    ax.set_xlabel(f"half-normal quantile; vertical: size of effect, {unit(found[0].where)}")
    ax.spines["left"].set_visible(False)
    ax.legend(loc="upper left", fontsize=8.5, handletextpad=0.2, borderaxespad=0.1)


def heat_map(study: Study, design: Design) -> Drawing:
    """The mean of every cell of a full design, one half of the tricks down and the other across."""
    count = len(design.factors)
    down, across = design.factors[count - count // 2 :], design.factors[: count - count // 2]

    def words(environment: str) -> str:
        cells = [study.cell(variant, environment) for variant in design.variants]
        each = [f"{cell.variant} {number(_mean(cell.scores))}" for cell in cells]
        return f"Cell means on {environment}: {', '.join(each)}."

    return small_multiples(
        "factorial-cells",
        study.environments,
        lambda ax, environment: _heat_map(ax, study, design, down, across, environment),
        words,
        height=1.0 + 0.36 * 2 ** len(down),
        left=LEFT,
        title="Means of the cells",
        caption="Mean return of each combination, the darker the higher; the letters are the tricks that are "
        f"on. {key(design)}.",
    )


def _mean(scores: Array) -> float | None:
    return float(scores.mean()) if len(scores) else None


def _heat_map(
    ax: Axes, study: Study, design: Design, down: Sequence[str], across: Sequence[str], environment: str
) -> None:
    from matplotlib.patches import Rectangle

    means = {
        pattern: _mean(study.cell(variant, environment).scores) for pattern, variant in design.cells.items()
    }
    known = [mean for mean in means.values() if mean is not None] or [0.0]
    low, width = min(known), (max(known) - min(known)) or 1.0
    rows, columns = (_combinations(len(part)) for part in (down, across))
    for (i, below), (j, beside) in product(enumerate(rows), enumerate(columns)):
        mean = means[(*beside, *below)]
        share = 0.0 if mean is None else (mean - low) / width
        ax.add_patch(
            Rectangle((j, -i - 1), 1, 1, facecolor=COLOURS[0], alpha=0.06 + 0.6 * share, linewidth=0)
        )
        ax.text(j + 0.5, -i - 0.5, number(mean, like=max(known)), ha="center", va="center", fontsize=9.5)
    ax.set_xlim(0, len(columns))
    ax.set_ylim(-len(rows), 0)
    ax.set_xticks([j + 0.5 for j in range(len(columns))], [_letters(design, across, c) for c in columns])
    ax.set_yticks([-i - 0.5 for i in range(len(rows))], [_letters(design, down, r) for r in rows])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=False)
    ax.set_title(environment)


def _combinations(count: int) -> list[tuple[bool, ...]]:
    return [pattern[::-1] for pattern in product((False, True), repeat=count)]


def _letters(design: Design, part: Sequence[str], pattern: Sequence[bool]) -> str:
    on = tuple(factor for factor, level in zip(part, pattern, strict=True) if level)
    return design.letters(on) or "none"


def shares(study: Study, design: Design, places: Sequence[str]) -> Drawing:
    """1 - CDF of the runs with each trick on and off, as in Engstrom et al. 2020, figure 1."""
    panels = [(where, factor) for where in places for factor in design.factors]

    def words(panel: tuple[str, str]) -> str:
        high, low = (_scores(study, part, panel[0]) for part in design.contrast((panel[1],)))
        on, off = (number(float(np.median(part)), panel[0]) if len(part) else "none" for part in (high, low))
        return f"Runs {panel[0]}, {panel[1]}: median with it on {on}, off {off}."

    return small_multiples(
        "on-and-off",
        panels,
        lambda ax, panel: _shares(ax, study, design, *panel, several=len(places) > 1),
        words,
        height=2.5,
        left=LEFT,
        title="Runs with each trick on and off",
        caption="Share of runs that score more than a threshold (1 − CDF), all runs with the trick on "
        "against all with it off; the curve further right is the better one (Engstrom et al. 2020, "
        "figure 1).",
    )


def _scores(study: Study, variants: Sequence[str], where: str) -> Array:
    over = study.comparable if where == AGGREGATE else (where,)
    cells = [study.cell(v, e) for v in variants for e in over]
    parts = [
        study.normalised(c.environment, c.scores) if where == AGGREGATE else c.scores for c in cells if c.n
    ]
    return np.sort(np.concatenate(parts)) if parts else np.array([])


def _shares(ax: Axes, study: Study, design: Design, where: str, factor: str, *, several: bool) -> None:
    parts = [_scores(study, part, where) for part in design.contrast((factor,))]
    every = np.concatenate(parts)
    if len(every):
        air = 0.04 * (float(np.ptp(every)) or 1.0)
        ends = float(every.min()) - air, float(every.max()) + air
        for k, (scores, label) in enumerate(zip(parts, ("on", "off"), strict=True)):
            if len(scores):
                look = style(k)
                at = np.concatenate([[ends[0]], scores, [ends[1]]])
                share = np.concatenate([[1.0], 1 - np.arange(1, len(scores) + 1) / len(scores), [0.0]])
                ax.step(
                    at, share, where="post", color=look.colour, linestyle=look.line, linewidth=2, label=label
                )
        ax.set_xlim(*ends)
        ax.legend(loc="upper right", fontsize=9, handlelength=2.4, borderaxespad=0.1)
    ax.set_ylim(-0.02, 1.05)
    ax.set_yticks([0, 0.5, 1])
    ax.spines["left"].set_visible(False)
    ax.set_title(f"{factor}, {where}" if several else factor)
    ax.set_xlabel(f"{unit(where)}; vertical: share of runs above")
