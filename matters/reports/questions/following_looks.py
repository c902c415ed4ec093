"""A study that grows until its first question is decided: which look it is at, and whether it goes on.

What is *decided* is the headline comparison, of the question's first pair; all else describes. Each
look is computed again from the runs of its seeds, so that a report is a function of the store.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from matters.reports import questions
from matters.reports.page.formatting import interval_text, p_text, signed
from matters.reports.page.section import Table
from matters.reports.statistics.intervals import Interval
from matters.reports.statistics.looks import levels
from matters.reports.study.compared_pair import headline
from matters.reports.study.study import Look, Study
from matters.suites.errors import InputError

OPEN = ("mixed", "not decided", "too few seeds")
"""Reasons for *undecided* that more seeds may end: they make neither room nor faster learning."""


def check(suite: Any) -> None:
    """Raise InputError for a suite whose first question has no headline comparison to decide."""
    if not getattr(suite, "looks", ()):
        return
    able = [
        name
        for name, module in questions.QUESTIONS.items()
        if hasattr(importlib.import_module(module), "compared")
    ]
    first = suite.questions[0] if suite.questions else None
    if first not in able:
        raise InputError(
            f"looks: the suite’s first question, {first}, has no headline comparison to decide; valid: "
            f"{', '.join(able)}"
        )


def follow(study: Study) -> Study:
    """The study at its last look: the first that decides, or the last for which there are runs."""
    planned = getattr(study.suite, "looks", ())
    if not planned or study.foreign:
        return study
    question = study.suite.questions[0]
    at = study
    taken: tuple[Look, ...] = ()
    for number_, (seeds, level) in enumerate(zip(planned, levels(planned), strict=True), start=1):
        blank = Look(question, number_, seeds, level.different, level.equivalent)
        one = study.first(seeds, (*taken, blank))
        before = planned[number_ - 2] if number_ > 1 else 0
        new = one.runs[~one.runs["seed"].isin(study.suite.seeds[:before])]
        if taken and not (new["state"] == "done").any():
            break
        whole = bool(one.runs["state"].isin(["done", "failed"]).all())
        look = _looked(one, replace(blank, whole=whole), last=number_ == len(planned))
        taken = (*taken, look)
        at = replace(one, looks=taken)
        if not look.goes_on or not whole:
            break
    return at


def _looked(study: Study, look: Look, *, last: bool) -> Look:
    found = questions.compared(look.question, study)
    if not found:
        return replace(look, outcome="blocked")
    head = headline([one for one in found if (one.x, one.y) == (found[0].x, found[0].y)])[0]
    outcome = head.reason or head.word
    goes_on = head.word == "undecided" and head.reason in OPEN and look.whole and not last
    look = replace(look, where=head.where, outcome=outcome, goes_on=goes_on)
    if head.found is None:
        return look
    interval = head.found.estimate.interval(1 - look.different)
    return replace(
        look,
        difference=head.found.estimate.value,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        p_value=head.found.p_value,
        tost_p=head.found.tost_p,
    )


def goes_on(study: Study) -> bool:
    """Whether the seeds of the next look are to be trained."""
    return study.look is not None and study.look.goes_on


def looks_table(study: Study) -> Table:
    """Every look that was planned; those taken, with what was found."""
    planned = study.suite.looks
    rows, data = [], []
    for number_, (seeds, level) in enumerate(zip(planned, levels(planned), strict=True), start=1):
        taken = study.looks[number_ - 1] if number_ <= len(study.looks) else None
        rows.append(_row(number_, seeds, level.different, level.equivalent, taken))
        data.append(
            {
                "look": number_,
                "seeds": seeds,
                "taken": taken is not None,
                "level_different": level.different,
                "level_equivalent": level.equivalent,
                "where": taken.where if taken else None,
                "difference": taken.difference if taken else None,
                "low": taken.low if taken else None,
                "high": taken.high if taken else None,
                "p_welch": taken.p_value if taken else None,
                "p_tost": taken.tost_p if taken else None,
                "outcome": taken.outcome if taken else None,
            }
        )
    columns = (
        "look", "seeds", "outcome", "difference", "interval of the look",
        "p", "different if p ≤", "p (TOST)", "equivalent if p ≤",
    )  # fmt: skip
    return Table(
        name="looks",
        caption="Seeds until decided: the headline of the first question, at looks that were declared. "
        "*Different* and *equivalent* each spend their own 5 % over the looks (Lan and DeMets 1983), so that "
        "looking more than once makes no error more frequent. The interval of a look has the level 1 minus "
        "what p may be there. All else on this page describes, as if the number of seeds had been fixed.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[:2] + columns[3:]),
    )


def _row(
    number_: int, seeds: int, different: float, equivalent: float, taken: Look | None
) -> tuple[str, ...]:
    start = (str(number_), str(seeds))
    ends = (f"{different:.5f}", f"{equivalent:.5f}")
    if taken is None:
        return (*start, "not taken", "–", "–", "–", ends[0], "–", ends[1])
    interval = None if taken.low is None or taken.high is None else Interval(taken.low, taken.high)
    return (
        *start,
        taken.outcome if taken.whole else f"{taken.outcome}, runs missing",
        "–" if taken.difference is None else signed(taken.difference, taken.where),
        interval_text(interval, taken.where),
        p_text(taken.p_value),
        ends[0],
        p_text(taken.tost_p),
        ends[1],
    )


def notice(study: Study) -> str:
    """What the page says of the looks before all else."""
    look, planned = study.looks[-1], study.suite.looks
    declared = ", ".join(map(str, planned))
    text = f"Look {look.number} of {len(planned)}, at {look.seeds} seeds (declared: {declared})"
    if not look.whole:
        return f"{text}: runs are missing."
    if look.goes_on:
        following = planned[look.number]
        return f"{text}: not decided, and it goes on to {following} seeds."
    if look.outcome in ("different", "equivalent", "both"):
        rest = planned[-1] - look.seeds
        saved = f"; the other {rest} seeds were not needed" if rest else ""
        return f"{text}: decided{saved}."
    return f"{text}: it ends undecided ({look.outcome})."
