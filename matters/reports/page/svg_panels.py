"""One drawing's SVG cut into its panels, so that nothing has to be drawn twice."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"#([A-Za-z0-9_.:-]+)")

Box = tuple[float, float, float, float]
"""Left, top, width and height, in points."""


def cut(svg: bytes, boxes: Sequence[Box]) -> list[str]:
    """Each of a figure's axes as an SVG of its own: the part of the drawing that lies in its box.

    `svg` is Matplotlib's: a group `axes_1`, `axes_2`, … for each of the figure's axes, in the order of
    `boxes`. What several axes draw is defined once, where it is first used: each part gets the
    definitions that it refers to.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    root = ElementTree.fromstring(svg)
    defined = {
        element.attrib["id"]: element
        for definitions in root.iter(f"{{{SVG}}}defs")
        for element in definitions
        if "id" in element.attrib
    }
    styles = list(root.iter(f"{{{SVG}}}style"))
    parts = []
    for k, (left, top, width, height) in enumerate(boxes, start=1):
        axes = next(group for group in root.iter(f"{{{SVG}}}g") if group.get("id") == f"axes_{k}")
        part = ElementTree.Element(f"{{{SVG}}}svg", {"viewBox": f"{left:g} {top:g} {width:g} {height:g}"})
        definitions = ElementTree.SubElement(part, f"{{{SVG}}}defs")
        definitions.extend(styles)
        definitions.extend(_needed(axes, defined))
        part.append(axes)
        parts.append(ElementTree.tostring(part, encoding="unicode"))
    return parts


def _needed(axes: ElementTree.Element, defined: dict[str, ElementTree.Element]) -> list[ElementTree.Element]:
    """The definitions that the axes refer to and do not hold, in the order in which they are referred to."""
    held = {element.get("id") for element in axes.iter()}
    needed: dict[str, ElementTree.Element] = {}
    ahead = [axes]
    while ahead:
        for element in ahead.pop().iter():
            for name in (found for value in element.attrib.values() for found in _REFERENCE.findall(value)):
                if name in defined and name not in held and name not in needed:
                    needed[name] = defined[name]
                    ahead.append(defined[name])
    return list(needed.values())
