"""Figures of scores, a row for each variant from top to bottom: every run's, and the aggregates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matters.reports.page.curve_figures import below_the_panels
from matters.reports.page.formatting import number
from matters.reports.page.section import Drawing
from matters.reports.page.strips import strips
from matters.reports.page.style import GRID, HOLLOW, MOST_LINES, SOFT, end_at, small_multiples, style
from matters.reports.statistics.intervals import (
    MINIMUM_FOR_CLAIM,
    MINIMUM_FOR_INTERVAL,
    Interval,
    mean_interval,
)
from matters.reports.study.aggregate_scores import AggregateScore
from matters.reports.study.study import AGGREGATE, Study
from matters.reports.study.view import fallen

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = "optimality gap"


@dataclass(frozen=True)
class Rows:
    """How rows are set: with a line of text above each, or, where there are many, labels left of the axes.

    `row` and `left` are inches, `size` is that of the labels. Many rows have no room for numbers; the table
    below the figure has them.
    """

    row: float
    left: float
    size: float
    many: bool

    @property
    def below(self) -> float:
        """How far a row's marks are below its place, in rows: its text is above."""
        return 0.0 if self.many else 0.03

    @property
    def dot(self) -> float:
        """The size of a run's dot, in points."""
        return 3.0 if self.many else 4.0

    def height(self, count: int) -> float:
        """Inches of a panel with `count` rows."""
        return 0.9 + self.row * count


def rows_for(labels: Sequence[str]) -> Rows:
    """The setting for rows with these labels."""
    if len(labels) <= MOST_LINES:
        return Rows(row=0.5, left=0.1, size=9.5, many=False)
    longest = max(map(len, labels))
    size = 8.5 if longest <= 20 else 7.0
    return Rows(row=0.24, left=min(2.2, 0.2 + 0.0085 * size * longest), size=size, many=True)


def run_scores(study: Study) -> Drawing:
    """Every run's score as a point, with its cell's mean and 95 % interval: one panel per environment."""

    def words(environment: str) -> str:
        cells = [study.cell(variant, environment) for variant in study.variants]
        means = [f"{cell.variant} {number(float(cell.scores.mean()))}" for cell in cells if cell.n]
        return f"Run scores on {environment}, means: {', '.join(means) or 'none'}."

    rows = rows_for(study.variants)
    out = {place: _fallen_runs(study, place) for place in study.environments}
    return small_multiples(
        "run-scores",
        study.environments,
        lambda ax, environment: _strip(ax, study, environment, rows, out[environment]),
        words,
        height=rows.height(len(study.variants)),
        left=rows.left,
        title="Every run’s score",
        caption="Dots are runs. The marker is the mean, the bar its 95 % interval (Student’s): hollow and "
        "thin under ten seeds (indicative), none under five. A dotted line is the task’s ceiling; there "
        f"intervals end.{below_the_panels(out)}",
        data="runs",
    )


def _fallen_runs(study: Study, environment: str) -> dict[str, float]:
    """The variants of which a run falls far below the others’, and how far."""
    scores = {name: study.cell(name, environment).scores for name in study.variants}
    return {name: float(scores[name].min()) for name in fallen(scores)}


def _strip(ax: Axes, study: Study, environment: str, rows: Rows, out: Collection[str]) -> None:
    samples = [study.cell(variant, environment).scores for variant in study.variants]
    strips(ax, samples, below=rows.below, size=rows.dot)
    seen: list[float] = []
    for k, variant in enumerate(study.variants):
        cell = study.cell(variant, environment)
        interval = mean_interval(cell.scores) if cell.n >= MINIMUM_FOR_INTERVAL else None
        value = float(cell.scores.mean()) if cell.n else None
        words = "no scored run" if value is None else "" if rows.many else number(value)
        if cell.gaps:
            words += f" ({cell.gaps})"
        _text(ax, k, variant, words, rows)
        _row(ax, k, rows, value, interval, claim=cell.n >= MINIMUM_FOR_CLAIM)
        if variant in out:
            _beyond(ax, k, rows)
        else:
            seen += [*map(float, cell.scores), *([interval.low, interval.high] if interval else ())]
    if out:
        _in_view(ax, seen)
    _rows_done(ax, len(study.variants), rows, environment, "return")
    every = [float(score) for name in study.variants for score in study.cell(name, environment).scores]
    end_at(ax, study.ceiling(environment), every, "x")


def _in_view(ax: Axes, values: Sequence[float]) -> None:
    """End a horizontal axis where these end."""
    low, high = min(values), max(values)
    beside = 0.05 * (high - low) or 1.0
    ax.set_xlim(low - beside, high + beside)


def _beyond(ax: Axes, k: int, rows: Rows, side: float = 0.0) -> None:
    """An arrow at the end of a row, 0 the left and 1 the right one, for what lies beyond it."""
    ax.plot(
        side,
        -k - rows.below,
        ">" if side else "<",
        color=style(k).colour,
        markersize=rows.dot + 2,
        transform=ax.get_yaxis_transform(),
        clip_on=False,
    )


def _text(ax: Axes, k: int, label: str, words: str, rows: Rows) -> None:
    """A row's label, and the words about it."""
    y = -k + (0.0 if rows.many else 0.33)
    beside = {"transform": ax.get_yaxis_transform(), "va": "center"}
    x, side = (-0.02, "right") if rows.many else (0, "left")
    ax.text(x, y, label, fontsize=rows.size, ha=side, **beside)  # type: ignore[arg-type]
    ax.text(1, y, words, fontsize=rows.size - 1, ha="right", color=SOFT, **beside)  # type: ignore[arg-type]
    if rows.many:
        ax.axhline(y, color=GRID, linewidth=0.5, zorder=0)


def _row(
    ax: Axes,
    k: int,
    rows: Rows,
    value: float | None,
    interval: Interval | None,
    *,
    claim: bool,
    plain: Interval | None = None,
) -> None:
    look = style(k)
    y, below, size = (-k - rows.below, 0.3, 5.5) if rows.many else (-k - rows.below, 0.17, 7.5)
    if plain is not None:
        ax.plot([plain.low, plain.high], [y - below, y - below], color=SOFT, linewidth=1.1)
    if interval is not None:
        width = 2.6 if claim else 1.2
        ax.plot([interval.low, interval.high], [y, y], color=look.colour, linewidth=width)
    if value is not None and interval is not None:
        face = look.colour if claim else HOLLOW
        ax.plot(value, y, look.marker, color=look.colour, markersize=size, markerfacecolor=face)


def _rows_done(ax: Axes, count: int, rows: Rows, title: str, what: str) -> None:
    ax.set_ylim(-max(1, count) + (0.45 if rows.many else 0.55), 0.6)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False, axis="y")
    ax.set_title(title)
    ax.set_xlabel(what)


def aggregates(study: Study, scores: Sequence[AggregateScore]) -> Drawing:
    """Aggregate scores with intervals: one panel per metric, rliable's percentile interval below ours."""
    metrics = list(dict.fromkeys(score.metric for score in scores))
    rows = rows_for(study.variants)

    def dots(metric: str) -> list[np.ndarray[Any, Any]]:
        """Single runs beside the IQM; beside another metric the value alone, where it has no interval."""
        rows: list[np.ndarray[Any, Any]] = [np.array([]) for _ in study.variants]
        for score in scores:
            if score.metric == metric == "IQM":
                samples = study.aggregate_samples(score.variant)
                rows[study.variants.index(score.variant)] = np.concatenate(samples)
            elif score.metric == metric and score.interval is None:
                rows[study.variants.index(score.variant)] = np.array([score.value])
        return rows

    dotted = {metric: dots(metric) for metric in metrics}

    def values(score: AggregateScore) -> list[float]:
        """All that a row of its panel shows."""
        bounds = [bound for one in (score.interval, score.plain) if one for bound in (one.low, one.high)]
        runs = dotted[score.metric][study.variants.index(score.variant)]
        return [score.value, *bounds, *map(float, runs)]

    def out_of_view(metric: str) -> dict[str, float]:
        # A gap grows with what a policy lacks: who falls lies on the right.
        sign = -1.0 if metric == GAP else 1.0
        every = {s.variant: [sign * value for value in values(s)] for s in scores if s.metric == metric}
        return {variant: sign * min(every[variant]) for variant in fallen(every)}

    out = {metric: out_of_view(metric) for metric in metrics}

    def draw(ax: Axes, metric: str) -> None:
        strips(ax, dotted[metric], below=rows.below, size=rows.dot)
        seen: list[float] = []
        for score in scores:
            if score.metric != metric:
                continue
            k = study.variants.index(score.variant)
            if score.variant in out[metric]:
                _beyond(ax, k, rows, side=1.0 if metric == GAP else 0.0)
            else:
                seen += values(score)
            _text(ax, k, score.variant, "" if rows.many else _score_words(score), rows)
            _row(
                ax,
                k,
                rows,
                score.value,
                score.interval,
                claim=score.claim,
                plain=score.plain,
            )
        if out[metric]:
            _in_view(ax, seen)
        better = "lower is better" if metric == GAP else "higher is better"
        _rows_done(ax, len(study.variants), rows, metric, f"normalised score, {better}")

    def words(metric: str) -> str:
        each = [f"{s.variant} {_score_words(s)}" for s in scores if s.metric == metric]
        return f"{metric}: {'; '.join(each)}."

    gone = [
        f"`{name}` ({metric} {number(value, AGGREGATE)})"
        for metric in metrics
        for name, value in out[metric].items()
    ]
    left = f" An arrow leads out of view, far from the others: {', '.join(gone)}." if gone else ""
    return small_multiples(
        "aggregates",
        metrics,
        draw,
        words,
        height=rows.height(len(study.variants)),
        left=rows.left,
        title="Aggregate scores",
        caption="Coloured bars: 95 % intervals, Satterthwaite’s of the mean, stratified bootstrap with "
        "expanded percentiles of the others. Grey bars below: rliable’s "
        "plain percentile interval, for comparison with the literature; it covers too little with few seeds. "
        "Dots in the IQM panel are single runs. Hollow: indicative, under ten seeds or with runs left out."
        f"{left}",
        data="aggregates",
    )


def _score_words(score: AggregateScore) -> str:
    if score.interval is None:
        return number(score.value, AGGREGATE)
    low, high = number(score.interval.low, AGGREGATE), number(score.interval.high, AGGREGATE)
    return f"{number(score.value, AGGREGATE)} ({low} to {high})"
