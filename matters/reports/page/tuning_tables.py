"""What was tuned, from what, at what cost, and what was chosen."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from matters.reports.page.formatting import DASH, number, plural, thousands
from matters.reports.page.section import Table
from matters.reports.page.sentences import listed
from matters.reports.statistics.intervals import deviation
from matters.reports.study.own_best import Choice, Tried
from matters.reports.study.study import AGGREGATE, Study
from matters.suites.candidates import made_by_tuning, tuned_settings
from matters.suites.settings import settings, value_text


def values_text(values: Mapping[str, Any]) -> str:
    """The values of some settings in one line."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())


def chosen(study: Study, choices: Sequence[Choice], points: Sequence[Tried]) -> Table:
    """One row per choice: what was chosen, from how much, at what cost."""
    columns = (
        "variant",
        "where",
        "as declared",
        "at its best",
        "mean there",
        "of",
        "runs",
        "steps",
        "core-hours",
    )
    rows, data = [], []
    for one in choices:
        own = [it for it in points if it.variant == one.variant and it.environment in one.places]
        declared = settings(study.suite.variants[one.variant], one.places)
        before = {name: declared.get(name) for name in own[0].values}
        where = "every environment" if len(one.places) > 1 else one.places[0]
        scaled = set(one.places) <= set(study.constants)
        seconds = sum(it.core_seconds for it in own if it.core_seconds == it.core_seconds)
        facts: dict[str, Any] = {
            "variant": one.variant,
            "environments": list(one.places),
            "declared": {name: value_text(value) for name, value in before.items()},
            "chosen": None if one.values is None else dict(one.values),
            "mean": one.means.get(one.candidate),
            "normalised": scaled,
            "points": len({it.candidate for it in own}),
            "runs": sum(it.declared for it in own),
            "steps": sum(it.steps for it in own),
            "core_hours": seconds / 3600,
            "edges": list(one.edges),
            "reason": one.reason,
        }
        data.append(facts)
        rows.append(
            (
                f"`{one.variant}`",
                where,
                values_text(before),
                f"no choice: {one.reason}" if one.values is None else values_text(one.values),
                number(facts["mean"], AGGREGATE if scaled else ""),
                plural(facts["points"], "point"),
                _count(sum(len(it.scores) for it in own), facts["runs"]),
                thousands(facts["steps"]),
                f"{facts['core_hours']:.3g}",
            )
        )
    rule = "over environments" if study.suite.tuning.rule == "mean" else "on each environment"
    seeds = ", ".join(str(seed) for seed in study.suite.tuning.seeds)
    return Table(
        name="tuning",
        caption=f"What is best {rule} by the mean primary endpoint (normalised where there are constants) of "
        f"the tuning’s own seeds, {seeds}, which no comparison sees.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[4:]),
    )


def tried(points: Sequence[Tried], choices: Sequence[Choice]) -> Table:
    """One row per point of each grid and environment."""
    columns = ("variant", "settings", "environment", "mean", "standard deviation", "n", "chosen")
    best = {(one.candidate, place) for one in choices if one.values is not None for place in one.places}
    rows, data = [], []
    for one in points:
        n, taken = len(one.scores), (one.candidate, one.environment) in best
        mean = float(one.scores.mean()) if n else None
        data.append(
            {
                "variant": one.variant,
                "candidate": one.candidate,
                "values": dict(one.values),
                "environment": one.environment,
                "mean": mean,
                "standard_deviation": deviation(one.scores),
                "n": n,
                "declared": one.declared,
                "gaps": one.gaps,
                "chosen": taken,
                "steps": one.steps,
                "core_seconds": None if one.core_seconds != one.core_seconds else one.core_seconds,
            }
        )
        count = _count(n, one.declared)
        rows.append(
            (
                f"`{one.variant}`",
                values_text(one.values),
                one.environment,
                number(mean),
                number(deviation(one.scores)),
                count + (f" ({one.gaps})" if one.gaps else ""),
                "yes" if taken else DASH,
            )
        )
    return Table(
        name="tuning-points",
        caption="Every point of each grid: primary endpoint in raw return; n counts the runs with a score.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[3:6]),
    )


def _count(scored: int, declared: int) -> str:
    """How many runs have a score, of how many if not all have."""
    return str(declared) if scored == declared else f"{scored} of {declared}"


def runs(study: Study) -> Table:
    """Every run of the tuning."""
    columns = ("run", "variant", "settings", "environment", "seed", "state", "score")
    table = study.tuning
    records = [] if table is None else table.astype(object).where(table.notna(), None).to_dict("records")
    rows = [
        (
            f"`{one['run_id']}`",
            f"`{one['variant']}`",
            values_text(json.loads(one["values"])),
            one["environment"],
            str(one["seed"]),
            "diverged" if one["state"] == "done" and one["diverged_at"] is not None else one["state"],
            number(one["score"]),
        )
        for one in records
    ]
    return Table(
        name="tuning-runs",
        caption="The tuning’s runs: ordinary runs of the store.",
        columns=columns,
        rows=tuple(rows),
        data=tuple({**one, "values": json.loads(one["values"])} for one in records),
        numeric=frozenset(("seed", "score")),
        fold=plural(len(rows), "run"),
    )


def both(sections: Sequence[Any]) -> Table:
    """The two answers to each question, side by side."""
    pairs = [(one, other) for one in sections if one.at and not one.ending for other in sections
             if other.question == one.question and other.ending]  # fmt: skip
    return Table(
        name="both-answers",
        caption="Each question’s two answers, side by side.",
        columns=("question", "at equal settings", "each at its own best"),
        rows=tuple(
            (one.question, f"{one.answer} ({one.badge})", f"{other.answer} ({other.badge})")
            for one, other in pairs
        ),
        data=tuple(
            {
                "question": one.question,
                "equal_settings": one.word,
                "equal_settings_reason": one.reason,
                "own_best": other.word,
                "own_best_reason": other.reason,
                "same": one.word == other.word,
            }
            for one, other in pairs
        ),
    )


def notices(study: Study, choices: Sequence[Choice]) -> tuple[str, ...]:
    """What a reader should know of the choices before any answer."""
    found = []
    edges = [
        f"`{one.variant}`{'' if len(one.places) > 1 else f' on {one.places[0]}'} ({edge})"
        for one in choices
        for edge in one.edges
    ]
    if edges:
        found.append(f"At the edge of the grid, so that a better value may lie beyond: {', '.join(edges)}.")
    if blocked := [one for one in choices if one.values is None]:
        by: dict[tuple[str, ...], list[str]] = {}
        for one in blocked:
            by.setdefault(one.places, []).append(f"`{one.variant}`")
        names = "; ".join(f"{', '.join(each)} on {listed(places)}" for places, each in by.items())
        found.append(
            f"Not tuned, for want of runs of the tuning: {names}. Nothing is said of them at their own best "
            f"there. The first that is wanting: {blocked[0].reason}."
        )
    suites = getattr(study.suite, "suites", (study.suite,))
    without = [
        f"`{name}`"
        for suite in suites
        for name in suite.variants
        if name not in made_by_tuning(suite) and not tuned_settings(suite, name)
    ]
    if without:
        grid = ", ".join(study.suite.tuning.grid)
        found.append(f"Not tuned, and as declared in both answers: {', '.join(without)} (tuned: {grid}).")
    return tuple(found)
