"""Panels cut from a drawing: each with all that it refers to, and nothing of its neighbours."""

import io
import re
from xml.etree import ElementTree

import pytest

from matters.reports.page.style import ABOVE, BELOW, PANEL_WIDTH, small_multiples
from matters.reports.page.svg_panels import cut


@pytest.fixture(scope="module")
def svg():
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4))
    for k in (1, 2):
        ax = figure.add_subplot(1, 2, k)
        # The same marker in both, which Matplotlib defines once; a band, which it clips.
        ax.plot([1, 2, 3], [k, 3, 1], "o-", label=f"line {k}")
        ax.fill_between([1, 2, 3], [0, 1, 2], [k, 4, 5], alpha=0.2)
        ax.set_title(f"panel number {k}")
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "x"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


BOXES = [(0, 0, 288, 288), (288, 0, 288, 288)]


def test_each_panel_is_an_svg_of_its_own_axes_in_its_box(svg):
    first, second = cut(svg, BOXES)
    assert ElementTree.fromstring(first).get("viewBox") == "0 0 288 288"
    assert ElementTree.fromstring(second).get("viewBox") == "288 0 288 288"
    assert "panel number 1" in first
    assert "panel number 2" not in first
    assert "panel number 2" in second


def test_every_reference_of_a_panel_is_defined_in_it_once(svg):
    whole = set(re.findall(r'id="([^"]+)"', svg.decode()))
    for part in cut(svg, BOXES):
        ids = re.findall(r'\bid="([^"]+)"', part)
        assert len(ids) == len(set(ids))
        references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', part))
        assert references
        assert references <= set(ids) <= whole


def test_the_second_panel_brings_the_marker_that_the_first_defined(svg):
    plain = ElementTree.fromstring(svg)
    groups = {group.get("id"): ElementTree.tostring(group, encoding="unicode") for group in plain.iter()}
    marker = next(
        name for name in re.findall(r'href="#(m[0-9a-f]+)"', groups["axes_2"]) if name in groups["axes_1"]
    )
    assert f'id="{marker}"' not in groups["axes_2"]
    assert f'id="{marker}"' in cut(svg, BOXES)[1]


def test_panels_have_the_heights_that_were_asked_for_and_the_files_the_largest():
    drawing = small_multiples(
        "x",
        [1, 3],
        lambda ax, place: ax.plot([0, place], [0, 1]),
        lambda place: f"panel {place}",
        height=lambda place: ABOVE + BELOW + place,
        title="X",
        caption="x",
    )
    boxes = [re.search(r'viewBox="([^"]+)"', panel.svg)[1] for panel in drawing.panels]
    wide, tall = 72 * PANEL_WIDTH, 72 * (ABOVE + BELOW + 3)
    first, second = ([float(number) for number in box.split()] for box in boxes)
    assert first == pytest.approx([0, 0, wide, 72 * (ABOVE + BELOW + 1)], abs=0.01)
    assert second == pytest.approx([wide, 0, wide, tall], abs=0.01)
    whole = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing.svg.decode())
    assert [float(size) for size in whole.groups()] == pytest.approx([2 * wide, tall], abs=0.01)
    assert [panel.alt for panel in drawing.panels] == ["panel 1", "panel 3"]
