"""The short answer of a question about several pairs: one for each, or all in one sentence."""

from collections.abc import Mapping, Sequence

from matters.reports.questions.differing_settings import Contrast
from matters.reports.questions.pairwise_section import Answer, short_answer
from matters.reports.statistics import verdicts as rules
from matters.reports.study.pairwise import Comparison
from matters.reports.study.study import Study

MOST_ANSWERS = 6
"""With more pairs than this, their answers are one sentence."""


def each_answered(
    study: Study, chosen: Sequence[Contrast], found: Sequence[Comparison], answers: Mapping[str, str]
) -> Answer:
    """The short answer about every pair, one after the other."""
    if not found:
        text = "Nothing to compare: no pair that this question is about has runs of both variants."
        return Answer(text, "undecided", "blocked", False)
    each = [
        short_answer(study, [it for it in found if (it.x, it.y) == (one.x, one.y)], answers) for one in chosen
    ]
    text = (
        " ".join(one.text for one in each) if len(each) <= MOST_ANSWERS else _grouped(chosen, each, answers)
    )
    order: tuple[rules.Word, ...] = ("different", "both", "undecided", "equivalent")
    word = next(word for word in order if any(one.word == word for one in each))
    reasons = [one.reason for one in each if one.word == word]
    claim = word != "undecided" and all(one.claim for one in each if one.word != "undecided")
    return Answer(text, word, reasons[0], claim)


def _grouped(chosen: Sequence[Contrast], each: Sequence[Answer], answers: Mapping[str, str]) -> str:
    """Many answers in one sentence: which pairs have which, by their first side if they share the second."""
    groups: dict[str, list[str]] = {}
    others = {pair.y for pair in chosen}
    for pair, one in zip(chosen, each, strict=True):
        name = f"`{pair.x}`" if len(others) == 1 else f"`{pair.x}` − `{pair.y}`"
        groups.setdefault(one.reason or one.word, []).append(name)
    against = f" against `{others.pop()}`, by the variant named first" if len(others) == 1 else ""
    order = sorted(groups, key=[*answers, *rules.REASONS].index)
    parts = [f"{kind}: {', '.join(groups[kind])}" for kind in order]
    return f"Of {len(each)} pairs{against}: {'; '.join(parts)}."
