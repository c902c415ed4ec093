"""How figures look, and how one drawing becomes an SVG for the page and an SVG and a PDF for papers.

Figures are drawn in fixed colours. For the page each colour is replaced by a CSS variable, so that the same
drawing can be read on a light and on a dark ground; texts stay texts and take the page's font.
Matplotlib is imported on first use: a report that is up to date must not wait for it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from matters.reports.page.section import Drawing, Panel
from matters.reports.page.svg_panels import LINK, SVG, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID, GROUND = "#1b1f24", "#5f6875", "#d9dde2", "#fefefe"
HOLLOW, MARGIN_SHADE = "#fdfdfd", "#cfe8d5"
# Okabe and Ito's palette without black and yellow, which vanish on one of the two grounds. The page gives
# each colour a lighter twin for the dark ground, under the CSS variables --c0 to --c7.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7480", "#8c6d31")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("", "6 2.2", "7 2 1.6 2", "1.6 1.8")
PANEL_WIDTH = 4.5  # inches: 324 units, so that a phone shows a panel at about its own size
ABOVE, BELOW, BESIDE = 0.36, 0.52, 0.14  # inches around the axes: title, tick labels and axis label, air

MOST_LINES = len(COLOURS)  # in one panel: each has a colour of its own

Place = TypeVar("Place")


@dataclass(frozen=True)
class Style:
    """How one variant is drawn: colour, marker and dashes all set it apart."""

    index: int
    colour: str
    marker: str
    dashes: str

    @property
    def line(self) -> Any:
        """Matplotlib's line style."""
        return (0, tuple(float(part) for part in self.dashes.split())) if self.dashes else "-"


def style(index: int) -> Style:
    """The style of the variant with this place in the suite; dashes change once the colours are used up."""
    turn = index + index // len(COLOURS)
    return Style(
        index % len(COLOURS),
        COLOURS[index % len(COLOURS)],
        MARKERS[index % len(MARKERS)],
        DASHES[turn % len(DASHES)],
    )


def crowds(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The names in their order, in as few groups of about the same size as panels need to stay readable."""
    groups = max(1, -(-len(names) // MOST_LINES))
    ends = [round(k * len(names) / groups) for k in range(groups + 1)]
    return [tuple(names[low:high]) for low, high in pairwise(ends)]


def small_multiples(
    name: str,
    places: Sequence[Place],
    draw: Callable[[Axes, Place], None],
    words: Callable[[Place], str],
    *,
    height: float | Callable[[Place], float],
    title: str,
    caption: str,
    left: float = 0.1,
    foot: float = 0.0,
    variants: Sequence[str] = (),
    data: str = "",
) -> Drawing:
    """One panel per place: all in one figure for the files, cut into its panels for the page.

    `draw` fills axes, `words` says what they show. In inches: the `height` of a panel (where it depends on
    the place, the files have the largest), the room `left` of the axes, and the `foot` that long tick labels
    need in addition. `variants` are those that need a legend: the page has its own, the files get one here.
    """
    import matplotlib
    from matplotlib.figure import Figure

    heights = [height(place) if callable(height) else height for place in places]
    columns = 2 if len(places) == 4 else min(3, len(places))
    rows, tall, wide = -(-len(places) // columns), max(heights), columns * PANEL_WIDTH
    high = rows * tall + _foot(variants, wide)
    with matplotlib.rc_context(_rc()):
        # Margins of fixed size: constrained layout would draw everything once more, only to measure it.
        figure = Figure(figsize=(wide, high), facecolor=GROUND)
        boxes = []
        for k, (place, own) in enumerate(zip(places, heights, strict=True)):
            x, top = k % columns * PANEL_WIDTH, k // columns * tall
            below = BELOW + foot
            size = ((PANEL_WIDTH - left - BESIDE) / wide, (own - below - ABOVE) / high)
            draw(figure.add_axes(((x + left) / wide, 1 - (top + own - below) / high, *size)), place)
            boxes.append((72 * x, 72 * top, 72 * PANEL_WIDTH, 72 * own))
        if variants:
            _legend(figure)
        svg = _saved(figure, "svg")
        alts = [words(place) for place in places]
        return Drawing(
            name=name,
            title=title,
            caption=caption,
            panels=tuple(
                Panel(inline(part, f"{name}-{k}", alt), alt)
                for k, (part, alt) in enumerate(zip(cut(svg, boxes), alts, strict=True))
            ),
            svg=svg,
            pdf=_saved(figure, "pdf"),
            variants=tuple(variants),
            data=data,
        )


def end_at(ax: Axes, ceiling: float | None, runs: Iterable[float], axis: str) -> None:
    """End an axis where returns end: at the task's ceiling, which a dotted line marks.

    An interval may reach beyond what is possible, and is cut there; a run never is.
    """
    if ceiling is None:
        return
    top = max([ceiling, *runs])
    low, high = ax.get_ylim() if axis == "y" else ax.get_xlim()
    if high < ceiling:
        return
    end = top + 0.02 * (top - low)
    if axis == "y":
        ax.set_ylim(low, end)
        ax.axhline(ceiling, color=SOFT, linewidth=1, linestyle=":")
    else:
        ax.set_xlim(low, end)
        ax.axvline(ceiling, color=SOFT, linewidth=1, linestyle=":")


def _foot(variants: Sequence[str], wide: float) -> float:
    """Inches for the legend's rows."""
    return 0.18 + 0.22 * -(-len(variants) // _legend_columns(variants, wide)) if variants else 0.0


def _legend_columns(variants: Sequence[str], wide: float) -> int:
    """How many entries stand side by side in a figure that is `wide` inches wide."""
    entry = 0.62 + 0.088 * max(map(len, variants))
    return max(1, min(6, len(variants), int(wide / entry)))


def _legend(figure: Figure) -> None:
    labels: dict[str, Any] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            labels.setdefault(label, handle)
    columns = _legend_columns(list(labels), figure.get_figwidth())
    figure.legend(
        list(labels.values()), list(labels), loc="lower center", ncols=columns, handlelength=3, borderpad=0.2
    )


def _saved(figure: Figure, kind: str) -> bytes:
    """The figure's bytes, without dates."""
    buffer = io.BytesIO()
    none = {"Date": None} if kind == "svg" else {"CreationDate": None, "Producer": None}
    figure.savefig(buffer, format=kind, metadata={"Creator": None, **none})
    return buffer.getvalue()


def _rc() -> Any:
    return {
        "svg.hashsalt": "matters",
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.titley": 1.0,  # where it would be put anyway, after all tick labels are measured
        "axes.titlecolor": INK,
        "axes.labelsize": 9.5,
        "axes.labelcolor": SOFT,
        "axes.edgecolor": GRID,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "text.color": INK,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": SOFT,
        "ytick.labelcolor": SOFT,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "legend.labelcolor": INK,
        "lines.solid_capstyle": "round",
    }


def inline(svg: str, name: str, alt: str) -> str:
    """Turn the SVG of a panel, as `cut` gives it, into one for the page, its inner names under `name`."""
    from markupsafe import escape

    prefix = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', body)
    names = {INK: "currentColor", SOFT: "var(--soft)", GRID: "var(--grid)", GROUND: "none"}
    names |= {MARGIN_SHADE: "var(--margin)", HOLLOW: "var(--card)"}
    names |= {colour: f"var(--c{k})" for k, colour in enumerate(COLOURS)}
    body = re.sub("|".join(names), lambda found: names[found.group()], body)
    # Without a family of its own a text takes the page's. Titles are bold on the page only: in a PDF a second
    # font takes long to embed.
    body = re.sub(r"font-family: [^;\"]+; ", "", body)
    body = body.replace("font-size: 11px", "font-size: 11px; font-weight: 650")
    says = f'role="img" aria-label="{escape(alt)}" xmlns="{SVG}" xmlns:xlink="{LINK}"'
    return re.sub(r'<svg[^>]*(viewBox="[^"]+")[^>]*', lambda found: f"<svg {found[1]} {says}", body, count=1)


def renamed(drawing: Drawing, name: str) -> Drawing:
    """The drawing under another name, its panels' inner names too: a page has each name once."""
    panels = []
    for k, panel in enumerate(drawing.panels):
        old, new = (re.sub(r"[^A-Za-z0-9_-]", "-", f"{one}-{k}") for one in (drawing.name, name))
        svg = re.sub(rf'(\bid="|url\(#|href="#){re.escape(old)}-', rf"\g<1>{new}-", panel.svg)
        panels.append(replace(panel, svg=svg))
    return replace(drawing, name=name, panels=tuple(panels))


_SHAPES = {
    "o": '<circle cx="17" cy="6" r="3.4"/>',
    "s": '<path d="M13.8 2.8h6.4v6.4h-6.4Z"/>',
    "^": '<path d="M17 2 21 9.4H13Z"/>',
    "D": '<path d="M17 1.8 21.2 6 17 10.2 12.8 6Z"/>',
    "v": '<path d="M17 10 13 2.6h8Z"/>',
    "P": '<path d="M15.6 2h2.8v2.6H21v2.8h-2.6V10h-2.8V7.4H13V4.6h2.6Z"/>',
    "X": '<path d="m14 2 3 3 3-3 1 1-3 3 3 3-1 1-3-3-3 3-1-1 3-3-3-3Z"/>',
    "*": '<path d="m17 1.4 1.2 3.2h3.4l-2.7 2.1 1 3.3-2.9-1.9-2.9 1.9 1-3.3-2.7-2.1h3.4Z"/>',
}


def swatch(look: Style) -> str:
    """A variant's line and marker as a small SVG for the page's legend."""
    colour = f"var(--c{look.index})"
    dashes = f' stroke-dasharray="{look.dashes}"' if look.dashes else ""
    line = f'<path d="M1 6h32" stroke="{colour}" stroke-width="2.2"{dashes}/>'
    return (
        f'<svg class="swatch" viewBox="0 0 34 12" width="34" height="12" aria-hidden="true" fill="{colour}">'
        f"{line}{_SHAPES[look.marker]}</svg>"
    )
