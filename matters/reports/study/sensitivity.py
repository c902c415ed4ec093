"""How a variant's score depends on one setting: what a tuning tried, or a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass

from matters.reports.statistics.intervals import Array
from matters.reports.study.own_best import Choice, Tried
from matters.reports.study.study import Study


@dataclass(frozen=True)
class Line:
    """The scores of one variant on one environment at several values of a setting, smallest value first.

    `own` is the value that the variant was declared with, `best` the one that tuning chose; None if none.
    """

    variant: str
    environment: str
    setting: str
    values: tuple[float, ...]
    samples: tuple[Array, ...]
    own: float | None = None
    best: float | None = None


def of_tuning(study: Study, points: Sequence[Tried], choices: Sequence[Choice]) -> list[Line]:
    """One line per variant, environment and number that was tuned, the other settings at their best."""
    from matters.suites.settings import settings

    best = {
        (one.variant, place): one.values for one in choices if one.values is not None for place in one.places
    }
    found = []
    for variant, place in dict.fromkeys((one.variant, one.environment) for one in points):
        cells = [one for one in points if (one.variant, one.environment) == (variant, place)]
        values = best.get((variant, place), cells[0].values)
        declared = settings(study.suite.variants[variant], (place,))
        for setting in cells[0].values:
            others = [name for name in cells[0].values if name != setting]
            line = [one for one in cells if all(one.values[name] == values[name] for name in others)]
            pairs = [(one.values[setting], one.scores) for one in line if len(one.scores)]
            chosen = values[setting] if (variant, place) in best else None
            if made := _line(variant, place, setting, pairs, declared.get(setting), chosen):
                found.append(made)
    return found


def of_sweep(study: Study) -> list[Line]:
    """One line per cell of the suite's sweep and environment."""
    sweep = study.suite.sweep
    if sweep is None:
        return []
    found = []
    for line in dict.fromkeys(point.line for point in sweep.points):
        points = [point for point in sweep.points if point.line == line]
        own = next((point.value for point in points if point.variant == line), None)
        for place in study.environments:
            pairs = [(point.value, study.cell(point.variant, place).scores) for point in points]
            known = [(value, scores) for value, scores in pairs if len(scores)]
            if made := _line(line, place, sweep.setting, known, own, None):
                found.append(made)
    return found


def _line(
    variant: str,
    environment: str,
    setting: str,
    pairs: Sequence[tuple[object, Array]],
    own: object,
    best: object,
) -> Line | None:
    """None where a value is not a number, or where there are fewer than two."""
    if len(pairs) < 2 or not all(_is_number(value) for value, _ in pairs):
        return None
    order = sorted(pairs, key=lambda pair: float(str(pair[0])))
    return Line(
        variant=variant,
        environment=environment,
        setting=setting,
        values=tuple(float(str(value)) for value, _ in order),
        samples=tuple(scores for _, scores in order),
        own=float(str(own)) if _is_number(own) else None,
        best=float(str(best)) if _is_number(best) else None,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
