"""Figures of many variants: parts that can be read, on the same scales."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matters.reports.page import curve_figures, score_figures
from matters.reports.page import style as style_module
from matters.reports.page.style import MOST_LINES, crowds, style
from matters.reports.study import curves
from matters.reports.study.aggregate_scores import aggregate_scores
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER = "Hopper-v5"


def study(count):
    cells = {(f"v{k}", HOPPER): Plant(0.1 + 0.3 * k, 0.1, 5) for k in range(count)}
    return prepare(
        planted_suite([v for v, _ in cells], [HOPPER]), planted(cells), constants={HOPPER: CONSTANTS[HOPPER]}
    )


@given(st.integers(0, 100))
def test_variants_are_split_in_order_into_the_fewest_groups_that_panels_can_hold(count):
    names = [f"v{k}" for k in range(count)]
    groups = crowds(names)
    assert [name for group in groups for name in group] == names
    assert len(groups) == max(1, -(-count // MOST_LINES))
    sizes = [len(group) for group in groups]
    assert max(sizes) <= MOST_LINES
    assert max(sizes) - min(sizes) <= 1


def test_no_two_variants_of_a_panel_have_a_colour_or_marker_in_common():
    for group in crowds(range(20)):
        looks = [style(k) for k in group]
        assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks)


def limits(monkeypatch, draw):
    """(name, variants, vertical limits and scale of its one panel) of each drawing that `draw` makes."""
    seen = []

    def caught(name, places, panel, words, *, variants, **options):
        from matplotlib.figure import Figure

        ax = Figure().add_subplot()
        panel(ax, places[0])
        seen.append((name, tuple(variants), ax.get_ylim(), ax.get_yscale()))

    monkeypatch.setattr(curve_figures, "small_multiples", caught)
    draw()
    return seen


@pytest.mark.parametrize("count", [3, MOST_LINES])
def test_few_variants_are_in_one_figure(monkeypatch, count):
    found = study(count)
    every = [(v, HOPPER, curves.learning_curve(found, v, HOPPER)) for v in found.variants]
    ((name, variants, _, _),) = limits(monkeypatch, lambda: curve_figures.learning_curves(found, every))
    assert (name, variants) == ("learning-curves", found.variants)


def test_the_parts_of_a_figure_have_all_variants_once_and_the_same_scale(monkeypatch):
    found = study(MOST_LINES + 1)
    every = [(v, HOPPER, curves.learning_curve(found, v, HOPPER)) for v in found.variants]
    one, other = limits(monkeypatch, lambda: curve_figures.learning_curves(found, every))
    assert (one[0], other[0]) == ("learning-curves", "learning-curves-2")
    assert one[1] + other[1] == found.variants
    assert one[2] == other[2]
    assert one[2][1] > max(curve.high.max() for _, _, curve in every)


def test_a_variant_that_comes_apart_leaves_the_panels_to_the_others_and_is_named() -> None:
    cells = {(f"v{k}", HOPPER): Plant(0.1 + 0.3 * k, 0.1, 5) for k in range(3)}
    found = prepare(
        planted_suite([*[v for v, _ in cells], "apart"], [HOPPER]),
        planted({**cells, ("apart", HOPPER): Plant(-300.0, 200.0, 5)}),
        constants={HOPPER: CONSTANTS[HOPPER]},
    )
    curve_of = {v: curves.learning_curve(found, v, HOPPER) for v in found.variants}
    (curve,) = curve_figures.learning_curves(found, [(v, HOPPER, one) for v, one in curve_of.items()])
    scores, _ = aggregate_scores(found)
    runs, whole = score_figures.run_scores(found), score_figures.aggregates(found, scores)
    assert "Out of view, far below the others: `apart` on Hopper-v5 (down to −" in curve.caption
    assert "Out of view, far below the others: `apart` on Hopper-v5 (down to −" in runs.caption
    assert "An arrow leads out of view, far from the others: `apart` (IQM −" in whole.caption
    profile = curves.performance_profile(found, "v0")
    assert -1.0 < profile.steps[0] <= 0.0, "thresholds among the scores of the others"
    alone = study(3)
    assert "ut of view" not in score_figures.run_scores(alone).caption


def test_diagnostics_of_all_parts_are_logarithmic_if_those_of_one_need_it(monkeypatch):
    found = study(MOST_LINES + 1)
    flat = curves.Trace(np.arange(3.0), *[np.full(3, 0.01)] * 3)
    steep = curves.Trace(np.arange(3.0), *[np.array([0.01, 0.1, 1.0])] * 3)
    traces = [("mean_kl", v, HOPPER, steep if v == "v0" else flat) for v in found.variants]
    one, other = limits(monkeypatch, lambda: curve_figures.diagnostics(found, traces))
    assert one[3] == other[3] == "log"
    assert one[2] == other[2]
    assert one[2][0] < 0.01 < 1.0 < one[2][1]


@pytest.mark.parametrize(("panels", "count"), [(1, 2), (1, 20), (2, 7), (3, 8), (3, 20)])
def test_the_legend_of_a_file_has_room_below_its_panels_and_is_no_wider_than_they_are(panels, count):
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [f"ppo-variant-{k}" for k in range(count)]
    wide = panels * style_module.PANEL_WIDTH
    with rc_context(style_module._rc()):
        figure = Figure(figsize=(wide, 4), dpi=100)
        ax = figure.add_subplot()
        for k, name in enumerate(names):
            ax.plot([0, 1], [0, k], label=name)
        style_module._legend(figure)
        FigureCanvasAgg(figure).draw()
        box = figure.legends[0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert 0 <= box.x0 < box.x1 <= wide
    assert box.y1 < style_module._foot(names, wide)
