"""The short answer of a question about pairs: of one pair, of each of several, or of all in one sentence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from matters.reports.page.formatting import interval_text, number, signed
from matters.reports.page.sentences import (
    after,
    listed,
    measured,
    no_effect,
    plan_text,
    progress_text,
    seeds_text,
    signs_text,
    turned,
)
from matters.reports.statistics import verdicts as rules
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM
from matters.reports.statistics.verdicts import Reason, Word
from matters.reports.study.compared_pair import Comparison, headline
from matters.reports.study.study import AGGREGATE, Study

NEUTRAL = {
    "different": "`{ahead}` scores {size} than `{behind}`.",
    "equivalent": "`{x}` and `{y}` are equivalent within the margin.",
    "both": "`{ahead}` scores {size} than `{behind}`, less than the margin.",
}
"""Templates of the answer of a question that is no yes or no."""

MOST_ANSWERS = 6
"""With more pairs than this, their answers are one sentence."""

UNSEEN = "no difference beyond the margin seen"
"""What is said for *equivalent* under ten seeds, with which nothing is answered with "no"."""


@dataclass(frozen=True)
class Answer:
    """The answer of a section: its text, its verdict, and whether the seeds support it."""

    text: str
    word: Word
    reason: Reason
    claim: bool


def short_answer(study: Study, found: Sequence[Comparison], templates: Mapping[str, str]) -> Answer:
    """The answer about one pair. `templates` has a text for `different`, `equivalent` and `both`.

    Under ten seeds nothing is answered with "no": what was not seen is said instead.
    """
    first, *rest = headline(found)
    if rest:
        each = [one for one in (first, *rest) if one.where != AGGREGATE]
        parts = [f"{outcome(one)} on {one.where}" for one in each]
        why = f" ({'; '.join(first.notes)})" if first.where == AGGREGATE and first.notes else ""
        text = (
            f"No answer in aggregate for `{first.x}` against `{first.y}`{why}; each environment by itself: "
        )
        text += f"{', '.join(parts)}."
        return Answer(text, "undecided", first.reason or "not decided", False)
    if first.word == "undecided":
        return Answer(_undecided(study, first, found), first.word, first.reason, False)
    assert first.found is not None
    value, where = first.found.estimate.value, first.where
    ahead, behind = (first.x, first.y) if value >= 0 else (first.y, first.x)
    unit = " in normalised score" if where == AGGREGATE else f" on {where}"
    text = templates[first.word].format(
        x=first.x,
        y=first.y,
        ahead=ahead,
        behind=behind,
        size=f"{number(abs(value), where)} more{unit}",
        reach=f"{number(first.found.achieved_margin, where)}{unit}",
    )
    if "{reach}" not in templates[first.word]:
        text = f"{text.removesuffix('.')} ({measured(first)})."
    if first.word == "equivalent" and first.seeds < MINIMUM_FOR_CLAIM:
        text = f"{_largest(first)} was seen between `{first.x}` and `{first.y}` ({seeds_text(first)} seeds)."
    if first.word == "different" and first.seeds < MINIMUM_FOR_CLAIM and text.startswith("No: "):
        # A difference over few seeds is no answer either: the text says what was seen.
        text = text.removeprefix("No: ")
    if first.word == "different" and first.early:
        text += " So far: little has been learnt yet."
    if first.rising:
        text += " Still rising."
    return Answer(text + _stuck(found), first.word, "", first.claim)


def outcome(one: Comparison) -> str:
    """Its word, or its reason; for a difference also who is ahead, and by how much."""
    if one.found is None or one.word not in ("different", "both"):
        return one.reason or one.word
    interval, where = one.found.interval95, one.where
    sure = f", 95 % interval {interval_text(interval, where)}" if interval else ""
    return f"{one.word} ({signed(one.found.estimate.value, where)}{sure})"


def _undecided(study: Study, first: Comparison, found: Sequence[Comparison]) -> str:
    pair, where = (first.x, first.y), first.where
    if first.reason == "no effect possible":
        text = no_effect(first)
        return f"{text[0].upper()}{text[1:]}."
    if first.reason == "no room":
        return (
            f"Cannot be told: every run of `{first.x}` and `{first.y}` has the same score or is at its "
            "task’s ceiling."
        )
    if first.reason == "too few seeds":
        return f"Too few seeds to compare `{first.x}` with `{first.y}`: no interval is given."
    if first.reason == "blocked":
        return f"No answer: {'; '.join(first.notes)}."
    if first.reason == "mixed":
        alone = len({sign for _, sign in first.against}) == 1
        mean = ", and the mean over environments is within the margin" if alone else ""
        return f"It depends on the environment: {signs_text(first)}{mean}."
    if first.reason == "too early":
        places = [progress_text(study, name, pair) for name in first.unlearnt]
        seen = "" if first.found is None else f" {_largest(first)} was seen."
        return (
            f"Too early to tell `{first.x}` from `{first.y}`: {after(first)} neither has made a tenth of the "
            f"way from random actions to the yardstick on {listed(places)}.{_stuck(found)}{seen}"
        )
    assert first.found is not None
    value = signed(first.found.estimate.value, where)
    unit = " in normalised score" if where == AGGREGATE else f" on {where}"
    text = f"Not decided: `{first.x}` minus `{first.y}` is {value}{unit} ({measured(first)})."
    return f"{text} {plan_text(first.plan, 'per variant')}".rstrip() + _stuck(found)


def _largest(one: Comparison) -> str:
    assert one.found is not None
    interval = one.found.interval95
    reach = abs(one.found.estimate.value) if interval is None else max(abs(interval.low), abs(interval.high))
    unit = " in normalised score" if one.where == AGGREGATE else f" in return on {one.where}"
    return f"No difference larger than ±{number(reach, one.where)}{unit}"


def _stuck(found: Sequence[Comparison]) -> str:
    """Which environments left no room, as they are in no aggregate."""
    names = [one.where for one in found if one.reason == "no room" and one.where != AGGREGATE]
    if not names or all(one.reason == "no room" for one in found):
        return ""
    return f" No room on {listed(names)}: every run has the same score or is at the ceiling."


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
    word = rules.of_several([one.word for one in each])
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
