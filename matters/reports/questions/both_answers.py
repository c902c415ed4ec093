"""A question asked twice, where the suite tunes: at equal settings, and with each variant at its own best.

The second answer is the first one's twin on other variants, with names of its own for tables and figures.
"""

from __future__ import annotations

from dataclasses import replace

from matters.reports import questions
from matters.reports.page.section import Drawing, Section, Table
from matters.reports.page.style import renamed
from matters.reports.study.own_best import equal_settings, own_best
from matters.reports.study.study import Study
from matters.suites.tuning import AT_BEST

ASKED_TWICE = (
    "comparison",
    "code-level-tricks",
    "trick-factorial",
    "natural-ladder",
    "natural-square",
    "actor-critic-ladder",
)
"""The questions that compare variants of ours; others describe the runs, or compare with references."""

EQUAL, BEST = "at equal settings", "each at its own best"
ENDING = "-at-best"


def answers(question: str, study: Study) -> list[Section]:
    """The answer to a question, or its two answers."""
    if study.suite.tuning is None or question not in ASKED_TWICE:
        return [questions.answer(question, study)]
    equal, best = equal_settings(study), own_best(study)
    tuned = questions.answer(question, best)
    untuned = [name for name in equal.variants if not {name, name + AT_BEST} & set(best.variants)]
    if untuned and not tuned.verdicts:
        names = ", ".join(f"`{name}`" for name in untuned)
        # What the question lacks of variants is the tuning's to bring.
        tuned = replace(tuned, answer=f"No answer yet: the tuning has chosen nothing for {names}.", lacks=())
    first = questions.answer(question, equal)
    if tuned.method == first.method:
        tuned = replace(tuned, method="Verdicts are found as at equal settings.")
    return [_marked(first, EQUAL, ""), _marked(tuned, BEST, ENDING)]


def _marked(section: Section, at: str, ending: str) -> Section:
    return replace(
        section,
        title=f"{section.title} ({at})",
        at=at,
        ending=ending,
        drawings=tuple(_drawing(one, ending) for one in section.drawings),
        tables=tuple(_table(one, at, ending) for one in section.tables),
        data={f"{name}{ending}": rows for name, rows in section.data.items()},
    )


def _drawing(one: Drawing, ending: str) -> Drawing:
    made = renamed(one, one.name + ending)
    return replace(made, data=one.data + ending) if one.data else made


def _table(one: Table, at: str, ending: str) -> Table:
    return replace(one, name=one.name + ending, data=tuple({**row, "at": at} for row in one.data))
