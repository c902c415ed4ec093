"""The questions a suite may ask, each a module that says what it needs and writes its section.

A question module has `answer(study) -> Section`; one about pairs also has
`compared(study) -> list[Comparison]`. What its section says of itself stands at its head.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matters.reports.page.section import Section
    from matters.reports.study.compared_pair import Comparison
    from matters.reports.study.study import Study

QUESTIONS: dict[str, str] = {
    "actor-critic-ladder": "matters.reports.questions.actor_critic_ladder",
    "code-level-tricks": "matters.reports.questions.code_level_tricks",
    "comparison": "matters.reports.questions.comparison",
    "natural-ladder": "matters.reports.questions.natural_ladder",
    "natural-square": "matters.reports.questions.natural_square",
    "published": "matters.reports.questions.published",
    "reproduction": "matters.reports.questions.reproduction",
    "seeds": "matters.reports.questions.seeds.seeds",
    "trick-factorial": "matters.reports.questions.factorial.trick_factorial",
    "trust-region": "matters.reports.questions.trust_region.trust_region",
}


def check(questions: Sequence[str]) -> None:
    """Raise InputError for a question that no module answers."""
    from matters.suites.errors import InputError, nearest

    for question in questions:
        if question not in QUESTIONS:
            raise InputError(f"suite.questions: unknown question {question!r}{nearest(question, QUESTIONS)}")


def compared(question: str, study: Study) -> list[Comparison]:
    """The comparisons of a question about pairs, its first pair first."""
    found: list[Comparison] = importlib.import_module(QUESTIONS[question]).compared(study)
    return found


def answer(question: str, study: Study) -> Section:
    """The section of one question."""
    section: Section = importlib.import_module(QUESTIONS[question]).answer(study)
    return section
