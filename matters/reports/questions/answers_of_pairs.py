"""The short answer of a question about several pairs: one for each, or all in one sentence."""

from collections.abc import Collection, Mapping, Sequence

from matters.reports.page.formatting import interval_text, number, signed
from matters.reports.page.sentences import turned
from matters.reports.questions.pairwise_section import Answer, short_answer
from matters.reports.statistics import verdicts as rules
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM
from matters.reports.study.compared_pair import Comparison, headline
from matters.reports.study.study import AGGREGATE, Study

MOST_ANSWERS = 6
"""With more pairs than this, their answers are one sentence."""

UNSEEN = "no difference beyond the margin seen"
"""What is said for *equivalent* under ten seeds, with which nothing is answered with "no"."""


def each_answered(
    study: Study, pairs: Sequence[tuple[str, str]], found: Sequence[Comparison], answers: Mapping[str, str]
) -> Answer:
    """The short answer about every pair, one after the other."""
    if not found:
        text = "Nothing to compare: no pair that this question is about has runs of both variants."
        return Answer(text, "undecided", "blocked", False)
    of = [[it for it in found if (it.x, it.y) == pair] for pair in pairs]
    each = [short_answer(study, own, answers) for own in of]
    text = " ".join(one.text for one in each) if len(each) <= MOST_ANSWERS else _grouped(of, each)
    order: tuple[rules.Word, ...] = ("different", "both", "undecided", "equivalent")
    word = next(word for word in order if any(one.word == word for one in each))
    reasons = [one.reason for one in each if one.word == word]
    claim = word != "undecided" and all(one.claim for one in each if one.word != "undecided")
    return Answer(text, word, reasons[0], claim)


def _grouped(of: Sequence[Sequence[Comparison]], each: Sequence[Answer]) -> str:
    """Many answers in one sentence: which pairs have which, by their first side if they share the second."""
    groups: dict[str, list[str]] = {}
    heads = [headline(own)[0] for own in of]
    others = {head.y for head in heads}
    shared = others.pop() if len(others) == 1 else None
    for head, one in zip(heads, each, strict=True):
        few = one.word == "equivalent" and head.seeds < MINIMUM_FOR_CLAIM
        groups.setdefault(UNSEEN if few else one.reason or one.word, []).append(_named(head, one, shared))
    against = "" if shared is None else f" against `{shared}`, by the variant named first"
    order = sorted(groups, key=[*rules.WORDS, UNSEEN, *rules.REASONS].index)
    parts = [f"{kind}: {', '.join(groups[kind])}" for kind in order]
    text = f"Of {len(each)} pairs{against}: {'; '.join(parts)}."
    sized = {head.where for head, one in zip(heads, each, strict=True) if _sized(head, one)}
    return f"{text} Differences are in {_unit(sized)}, with 95 % intervals." if sized else text


def _named(head: Comparison, one: Answer, shared: str | None) -> str:
    """A pair, or its first side if all pairs share the second; where they differ, also by how much.

    The difference of a first side alone has a sign; that of a pair counts from the one behind.
    """
    if not _sized(head, one):
        return f"`{head.x}`" if shared else f"`{head.x}` − `{head.y}`"
    assert head.found is not None
    value, interval, where = head.found.estimate.value, head.found.interval95, head.where
    if shared:
        sure = f", {interval_text(interval, where)}" if interval else ""
        return f"`{head.x}` ({signed(value, where)}{sure})"
    ahead, behind = (head.x, head.y) if value >= 0 else (head.y, head.x)
    sure = f" ({interval_text(turned(interval, value), where)})" if interval else ""
    return f"`{ahead}` over `{behind}` by {number(abs(value), where)}{sure}"


def _sized(head: Comparison, one: Answer) -> bool:
    """Whether a pair differs, so that the answer says by how much."""
    return one.word in ("different", "both") and head.found is not None


def _unit(places: Collection[str]) -> str:
    """What differences in these places are measured in."""
    if len(places) == 1:
        (place,) = places
        return "normalised score" if place == AGGREGATE else f"return on {place}"
    return "normalised score in aggregate, else in return"
