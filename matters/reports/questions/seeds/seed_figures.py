"""The figure of the question `seeds`: what N seeds would show, against N."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from matters.reports.page.curve_figures import LEFT
from matters.reports.page.section import Drawing
from matters.reports.page.sentences import place_text
from matters.reports.page.style import SOFT, small_multiples, style
from matters.reports.questions.seeds.outlooks import GRID, Outlook, Plan
from matters.reports.study.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pick = Callable[[Outlook], float | None]
# Title, which number of an outlook (a wrong order is not one variant's), and the level to look for.
PANELS: tuple[tuple[str, Pick | None, float | None], ...] = (
    ("Half the 95 % interval", lambda one: one.half_width, None),
    ("A difference of the margin is found", lambda one: one.found, 0.8),
    ("Equivalence is shown", lambda one: one.equivalent, 0.8),
    ("Two variants the wrong way round", None, None),
    ("False positives", lambda one: one.false_positive, 0.05),
)


def seed_curves(study: Study, plan: Plan) -> Drawing:
    """One panel per number, one line per variant; the dotted upright line is the number of seeds at hand."""
    panels = [
        panel
        for panel in PANELS
        if any(value is not None for values in _lines(plan, panel[1]).values() for value in values)
    ]

    def words(panel: tuple[str, Pick | None, float | None]) -> str:
        at = list(plan.outlooks).index(plan.n)
        each = [
            f"{variant} {values[at]:.3g}"
            for variant, values in _lines(plan, panel[1]).items()
            if values[at] is not None
        ]
        return f"{panel[0]}, with {plan.n} seeds: {', '.join(each)}."

    return small_multiples(
        "seeds",
        panels,
        lambda ax, panel: _draw(ax, study, plan, *panel),
        words,
        height=2.6,
        left=LEFT,
        title="What N seeds would show",
        caption=f"{place_text(plan.where)}, each number against the seeds per variant, drawn from the runs "
        f"at hand. Dotted: the {plan.n} seeds at hand, and the level to look for (80 % power, 5 % false "
        "positives).",
        variants=list(plan.outlooks[plan.n]),
    )


def _lines(plan: Plan, pick: Pick | None) -> dict[str, list[float | None]]:
    return {
        variant: [
            plan.wrong[n][variant] if pick is None else pick(each[variant])
            for n, each in plan.outlooks.items()
        ]
        for variant in plan.outlooks[plan.n]
    }


def _draw(ax: Axes, study: Study, plan: Plan, title: str, pick: Pick | None, level: float | None) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    counts = list(plan.outlooks)
    for variant, values in _lines(plan, pick).items():
        look = style(study.variants.index(variant))
        known = [(n, value) for n, value in zip(counts, values, strict=True) if value is not None]
        ax.plot(
            [n for n, _ in known],
            [value for _, value in known],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker,
            markersize=4.5,
            linewidth=2,
            label=variant,
        )
    for mark, draw in ((plan.n, ax.axvline), (level, ax.axhline)):
        if mark is not None:
            draw(mark, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
    ax.set_xscale("log")
    # The number at hand has its line: a label of its own could overlap that of a neighbour.
    ax.xaxis.set_major_locator(FixedLocator(GRID))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([str(n) for n in GRID])
    share = pick is not PANELS[0][1]
    ax.set_ylim(0, 1.02 if level == 0.8 else None)
    ax.set_title(title)
    ax.set_xlabel(f"seeds per variant; vertical: {'share of draws' if share else plan.unit}")
    ax.spines["left"].set_visible(False)
