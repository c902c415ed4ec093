"""Figures of the trust region: a bounded quantity over training, with its bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from matters.reports.page.curve_figures import LEFT, over_training, wide
from matters.reports.page.section import Drawing
from matters.reports.page.style import COLOURS, SOFT, small_multiples, style
from matters.reports.questions.trust_region.bounds import Bound, Quantity, actions
from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, Array, bootstrap_curve
from matters.reports.study.curves import DIAGNOSTICS, run_traces
from matters.reports.study.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Course:
    """A quantity of one cell over training [T]: its mean over runs, and the band (None under five runs)."""

    variant: str
    environment: str
    steps: Array
    centre: Array
    low: Array | None
    high: Array | None


def courses(study: Study, quantity: str, variants: Sequence[str], *, question: str) -> list[Course]:
    """The quantity over training, in at most sixty stretches; a resampled run brings its whole past.

    Mean over runs; of ratios the geometric one, since they spread over orders of magnitude. A run that
    stopped keeps its last value, as its score does.
    """
    found = []
    for environment in study.environments:
        for variant in variants:
            steps, runs = run_traces(study, variant, environment, quantity)
            whole = pd.DataFrame(runs).ffill(axis=1).bfill(axis=1).to_numpy(float)
            if not len(whole):
                continue
            scale = np.log(whole) if quantity.startswith("max_") else whole
            lines = [scale.mean(axis=0)]
            if len(whole) >= MINIMUM_FOR_INTERVAL:
                rng = study.generator(question, quantity, variant, environment)
                lines += bootstrap_curve([scale], aggregates.mean, rng)
            centre, *band = [np.exp(line) if quantity.startswith("max_") else line for line in lines]
            low, high = band or (None, None)
            found.append(Course(variant, environment, steps, centre, low, high))
    return found


def draw(
    study: Study, question: str, quantity: Quantity, known: Mapping[str, Sequence[Bound]]
) -> tuple[Drawing, list[dict[str, object]]] | None:
    """One quantity over training with the bounds on it, and the same as data; None if none is bounded.

    All variants while their colours last; then only those that bound this quantity.
    """
    bounded = {name: [one for one in mine if one.quantity == quantity] for name, mine in known.items()}
    few = len(study.variants) <= len(COLOURS)
    shown = courses(
        study, quantity, [name for name in study.variants if few or bounded[name]], question=question
    )
    if not shown or not any(bounded.values()):
        return None
    places = list(dict.fromkeys(one.environment for one in shown))
    apart = courses(study, f"{quantity}_held_out", [one.variant for one in shown], question=question)

    def panel(ax: Axes, environment: str) -> None:
        here = [one for one in shown if one.environment == environment]
        for one in here:
            look = style(study.variants.index(one.variant))
            if one.low is not None and one.high is not None:
                ax.fill_between(one.steps, one.low, one.high, color=look.colour, alpha=0.15, linewidth=0)
            ax.plot(
                one.steps,
                one.centre,
                color=look.colour,
                linestyle=look.line,
                linewidth=1.8,
                label=one.variant,
            )
        for one in (course for course in apart if course.environment == environment):
            colour = style(study.variants.index(one.variant)).colour
            ax.plot(one.steps, one.centre, color=colour, linewidth=1.1, linestyle=(0, (4, 2)))
        limits = _limits(study, environment, {one.variant: bounded[one.variant] for one in here})
        for steps, limit, owners in limits:
            colour = style(study.variants.index(owners[0])).colour if len(owners) == 1 else SOFT
            ax.plot(steps, limit, color=colour, linewidth=1.3, linestyle=(0, (1, 1.6)))
        drawn = [line for one in here for line in (one.centre, one.low, one.high) if line is not None]
        if wide([*drawn, *(limit for _, limit, _ in limits)]):
            ax.set_yscale("log")
        over_training(ax, environment, DIAGNOSTICS[quantity])

    def words(environment: str) -> str:
        ends = [f"{one.variant} {one.centre[-1]:.3g}" for one in shown if one.environment == environment]
        return f"{DIAGNOSTICS[quantity]} on {environment}, last: {', '.join(ends)}."

    what = DIAGNOSTICS[quantity]
    name = f"{question}-{'kl' if quantity == 'mean_kl' else 'ratio'}"
    drawing = small_multiples(
        name,
        places,
        panel,
        words,
        height=2.8,
        left=LEFT,
        title=f"{what[0].upper()}{what[1:]} against its bounds",
        caption=f"{what[0].upper()}{what[1:]} of an update over training: "
        f"{'geometric mean' if quantity == 'max_ratio' else 'mean'} over runs. Bands: 95 % bootstrap "
        f"intervals that resample whole runs (none under {MINIMUM_FOR_INTERVAL} runs). Dotted: the bounds, "
        f"grey where several variants share one.{'' if few else ' Only variants that bound it are shown.'}"
        f"{' Dashed: on steps from which nothing was learnt.' if apart else ''}",
        variants=[v for v in study.variants if any(one.variant == v for one in shown)],
    )
    rows = [row for one in shown for row in _rows(one, quantity)]
    return replace(drawing, data=name), rows + [
        row for one in apart for row in _rows(one, f"{quantity}_held_out")
    ]


def _limits(
    study: Study, environment: str, bounded: Mapping[str, Sequence[Bound]]
) -> list[tuple[Array, Array, list[str]]]:
    """Each distinct bound as a line, (steps, values, the variants that have it)."""
    total = study.suite.steps
    found: dict[tuple[float, ...], tuple[Array, Array, list[str]]] = {}
    for variant, mine in bounded.items():
        for bound in mine:
            size = actions(environment)
            if bound.per_action and size is None:
                continue
            steps = np.array([0.0, float(total)])
            limit = bound.at(steps + bound.rollout, total, size or 1)
            found.setdefault(tuple(limit), (steps, limit, []))[2].append(variant)
    return list(found.values())


def _rows(one: Course, quantity: str) -> list[dict[str, object]]:
    return [
        {
            "variant": one.variant,
            "environment": one.environment,
            "quantity": quantity,
            "step": int(one.steps[t]),
            "value": float(one.centre[t]),
            "low": None if one.low is None else float(one.low[t]),
            "high": None if one.high is None else float(one.high[t]),
        }
        for t in range(len(one.steps))
    ]
