"""What questions about pairs share: their verdicts, the words of their method, and the one-line answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matters.reports.page.formatting import interval_text, number, signed
from matters.reports.page.section import Drawing, Verdict
from matters.reports.page.sentences import (
    after,
    listed,
    measured,
    need_text,
    no_effect,
    plan_text,
    progress_text,
    seeds_text,
    sentence,
    signs_text,
)
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM
from matters.reports.statistics.verdicts import Reason, Word
from matters.reports.study.caveats import MEANINGS
from matters.reports.study.compared_pair import Comparison, headline
from matters.reports.study.difference_curves import difference_curve, difference_rows
from matters.reports.study.study import AGGREGATE, Study

METHOD = (
    "Verdicts are on differences of means: Welch’s intervals and tests per environment, Satterthwaite’s "
    "for the "
    "aggregate. *Different* is a Holm-adjusted p ≤ 0.05 within the question’s family. *Equivalent* on an "
    "environment are two one-sided tests within its margin, with Holm’s correction over the environments; in "
    "aggregate the mean must be within its margin, every live environment within the gate, and none "
    "different. "
)


@dataclass(frozen=True)
class Answer:
    """The answer of a section: its text, its verdict, and whether the seeds support it."""

    text: str
    word: Word
    reason: Reason
    claim: bool


def verdicts(found: Sequence[Comparison]) -> tuple[Verdict, ...]:
    """One sentence per comparison, the aggregate first, and those in which nothing was tested last."""
    found = sorted(found, key=lambda one: one.found is None)
    shown: list[Verdict] = []
    said: set[str] = set()
    for one in found:
        shown.append(
            Verdict(
                statement=sentence(one, said),
                verdict=one.word,
                claim=one.claim and one.word != "undecided",
                where=one.where,
                x=one.x,
                y=one.y,
                reason=one.reason,
            )
        )
        if one.found is not None:
            said.update(note for note in one.notes if note in MEANINGS)
    return tuple(shown)


def family(found: Sequence[Comparison], what: str) -> str:
    """The families of tests of a question about pairs."""
    count = sum(one.found is not None for one in found)
    if not count:
        return "No difference was tested."
    tested = "The one difference test" if count == 1 else f"All {count} difference tests"
    return (
        f"{tested} of this question: {what}; an environment without room is not tested. Equivalence has "
        "Holm’s correction over the environments of a pair. Other questions on the same page are families of "
        "their own."
    )


def figures(
    study: Study, question: str, found: Sequence[Comparison]
) -> tuple[tuple[Drawing, ...], dict[str, list[dict[str, object]]]]:
    """The forest of all pairs, and the first pair's difference over training, with the numbers of that."""
    from matters.reports.page import difference_figures, forests

    if not found:
        return (), {}
    drawn = (forests.forest(question, found),)
    first = [one for one in found if (one.x, one.y) == (found[0].x, found[0].y) and one.found is not None]
    curves = [
        curve
        for one in first
        if one.where != AGGREGATE and (curve := difference_curve(study, one.x, one.y, one.where)) is not None
    ]
    if not curves:
        return drawn, {}
    one = difference_figures.differences(question, found, curves)
    return (*drawn, one), {f"{question}-over-training": difference_rows(curves)}


def needed(found: Sequence[Comparison]) -> str:
    """How many seeds the headline of the first pair needs, in words, and that of others more are asked."""
    text = next((need_text(one) for one in found if one.need is not None), "")
    several = len({(one.x, one.y) for one in found if one.found is not None}) > 1
    more = " That is of this pair by itself: Holm’s correction over all pairs asks for more."
    return text + more if text and several else text


def margins(study: Study) -> str:
    """The margins, declared in the suite."""
    suite = study.suite
    return (
        f"±{number(suite.aggregate_margin, AGGREGATE)} in aggregate and ±{number(suite.margin, AGGREGATE)} "
        "per "
        f"environment, with a gate of ±{number(suite.gate, AGGREGATE)}, in units of normalised score; "
        "absolute "
        "where a task has a ceiling (the table of constants has each in return)."
    )


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
