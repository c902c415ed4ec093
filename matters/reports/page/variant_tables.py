"""What the variants are: the preset that each is based on, and every setting with its value and source."""

import json
from collections.abc import Mapping
from typing import Any

from matters import algorithms
from matters.algorithms.sources import SOURCES
from matters.reports.page.formatting import DASH
from matters.reports.page.section import Table
from matters.reports.study.study import Study
from matters.suites.settings import difference_text, nearest_preset, sources, value_text
from matters.suites.variant import Variant


def bases(study: Study) -> Table:
    """One row per variant: its algorithm, the preset that it differs least from, and what differs."""
    rows, data = [], []
    for name in study.variants:
        variant = study.suite.variants.get(name)
        if not isinstance(variant, Variant):
            continue
        preset, differs = nearest_preset(variant)
        told = difference_text(differs) or "nothing"
        if variant.environments:
            told += f"; and has settings of its own on {', '.join(variant.environments)}"
        source = SOURCES.get(preset, "")
        rows.append((f"`{name}`", variant.algorithm, f"`{preset}`", told, source or DASH))
        data.append(
            {
                "variant": name,
                "algorithm": variant.algorithm,
                "preset": preset,
                "differs": {field: [value_text(a), value_text(b)] for field, (a, b) in differs.items()},
                "environments": list(variant.environments),
                "source": source,
            }
        )
    return Table(
        name="variants",
        caption="Each variant by its settings, whatever its name: the preset that it differs least from, and "
        "every setting in which it differs.",
        columns=("variant", "algorithm", "based on", "differs in", "whose that is"),
        rows=tuple(rows),
        data=tuple(data),
    )


def settings(study: Study) -> Table:
    """One row per setting, as the runs were trained: those that differ between variants first."""
    known = _known(study)
    described = _sources(known)
    names = dict.fromkeys(name for values in known.values() for name in values)
    differing = [name for name in names if len({values.get(name) for values in known.values()}) > 1]
    rows, data = [], []
    for name in (*differing, *(name for name in names if name not in differing)):
        values: dict[str, list[str]] = {}
        for cell, of in known.items():
            values.setdefault(value_text(json.loads(of[name])) if name in of else "–", []).append(
                " on ".join(f"`{part}`" if k == 0 else part for k, part in enumerate(cell))
            )
            data.append(
                {
                    "setting": name,
                    "variant": cell[0],
                    "environment": cell[1] if len(cell) > 1 else "",
                    "value": json.loads(of[name]) if name in of else None,
                    "absent": name not in of,
                    "differs": name in differing,
                    "source": described.get(name, ""),
                }
            )
        shown = "; ".join(f"{value}: {', '.join(cells)}" for value, cells in values.items())
        rows.append((name, shown if name in differing else next(iter(values)), described.get(name, "")))
    return Table(
        name="settings",
        caption="Every setting as the runs were trained with it, from their stored specs: first those in "
        "which variants differ, then those that all share. A dash is an algorithm without that setting.",
        columns=("setting", "value", "what it is, and its source"),
        rows=tuple(rows),
        data=tuple(data),
        fold=f"{len(rows)} settings, {len(differing)} of which differ",
    )


def _known(study: Study) -> dict[tuple[str, ...], Mapping[str, str]]:
    """Values as JSON by setting: of each variant, or of each cell of one that varies over environments."""
    found: dict[tuple[str, ...], Mapping[str, str]] = {}
    for variant, own in study.settings.groupby("variant", sort=False):
        cells = {
            str(environment): dict(zip(cell["setting"], cell["value"], strict=True))
            for environment, cell in own.groupby("environment", sort=False)
        }
        first = next(iter(cells.values()))
        if all(values == first for values in cells.values()):
            found[(str(variant),)] = first
        else:
            found |= {(str(variant), environment): values for environment, values in cells.items()}
    return found


def _sources(known: Mapping[tuple[str, ...], Mapping[str, str]]) -> dict[str, str]:
    """What each setting is, as the algorithms that have it describe it."""
    found: dict[str, dict[str, None]] = {}
    for values in known.values():
        algorithm: Any = json.loads(values["algorithm"])
        if algorithm in algorithms.ALGORITHMS:
            for name, text in sources(algorithms.load(algorithm).Config).items():
                found.setdefault(name, {})[text] = None
    return {name: " / ".join(texts) for name, texts in found.items()}
