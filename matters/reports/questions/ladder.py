"""Ladders: variants in a declared order, each compared with the one below it and with no other.

Only adjacent steps are tested: they are what the papers claim, and a small family loses little to correction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matters.reports.page.formatting import DASH, signed
from matters.reports.page.section import Drawing, Section, Table
from matters.reports.page.sentences import listed, place_text
from matters.reports.questions import pairwise_section
from matters.reports.questions.pairwise_section import Answer, comparison_table, family, margins, verdicts
from matters.reports.statistics import verdicts as verdict_rules
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM
from matters.reports.statistics.verdicts import Reason, Word
from matters.reports.study.pairwise import Comparison, compare_pairs
from matters.reports.study.study import Study

ESTIMAND = (
    "The difference of mean primary endpoints between a rung and the one below it, per environment in raw "
    "return, and in aggregate as the mean over environments of the normalised differences."
)
METHOD = pairwise_section.METHOD


@dataclass(frozen=True)
class Rung:
    """A variant, and what it adds to the rung below."""

    variant: str
    adds: str


@dataclass(frozen=True)
class Step:
    """One comparison: what `upper` has that `lower` has not. `skipped` are the absent rungs between."""

    lower: str
    upper: str
    adds: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ladder:
    """A question about a ladder: its rungs from the lowest up, and single parts compared beside it."""

    question: str
    title: str
    needs: str
    source: str
    rungs: tuple[Rung, ...]
    parts: tuple[Step, ...] = ()


def steps(rungs: Sequence[Rung], present: Sequence[str]) -> tuple[Step, ...]:
    """Each rung at hand against the one at hand below. What absent rungs between them add is listed too."""
    found: list[Step] = []
    lower: str | None = None
    between: list[Rung] = []
    for rung in rungs:
        if rung.variant not in present:
            between.append(rung)
            continue
        if lower is not None:
            adds = "; ".join(one.adds for one in (*between, rung))
            found.append(Step(lower, rung.variant, adds, tuple(one.variant for one in between)))
        lower, between = rung.variant, []
    return tuple(found)


def climb(study: Study, ladder: Ladder) -> Section:
    """Compare the steps that the variants at hand make; the aggregates give the short answer."""
    rungs = steps(ladder.rungs, study.variants)
    parts = tuple(part for part in ladder.parts if {part.lower, part.upper} <= set(study.variants))
    taken = list(dict.fromkeys((*rungs, *parts)))
    found = compare_pairs(study, ladder.question, [(step.upper, step.lower) for step in taken])
    given = _answer(found)
    first = [one for one in found if _is_headline(one, found)]
    return Section(
        question=ladder.question,
        title=ladder.title,
        answer=given.text,
        word=given.word,
        reason=given.reason,
        claim=given.claim,
        verdicts=verdicts(first),
        lacks=() if study.foreign else _lacks(study, ladder, rungs, parts),
        needs=ladder.needs,
        estimand=ESTIMAND,
        family=family(
            found, "each step in aggregate and on each environment, and no pair that is not a step"
        ),
        margin=margins(study),
        method=METHOD + ladder.source,
        drawings=_drawings(ladder, found),
        tables=_tables(study, ladder, taken, found),
        more=verdicts([one for one in found if one not in first]),
    )


def _tables(
    study: Study, ladder: Ladder, taken: Sequence[Step], found: Sequence[Comparison]
) -> tuple[Table, ...]:
    """The comparisons, and what each step adds: of imported variants nobody here knows that."""
    if not found:
        return ()
    compared = comparison_table(ladder.question, found)
    return (compared,) if study.foreign else (compared, _table(study, ladder, taken))


def _drawings(ladder: Ladder, found: Sequence[Comparison]) -> tuple[Drawing, ...]:
    from matters.reports.page.forests import forest

    return (forest(ladder.question, found),) if found else ()


def _is_headline(one: Comparison, found: Sequence[Comparison]) -> bool:
    """Whether a comparison is for everybody: what gives the answer about its pair."""
    return one in pairwise_section.headline([o for o in found if (o.x, o.y) == (one.x, one.y)])


def _answer(found: Sequence[Comparison]) -> Answer:
    """The answer from the aggregates, or from what stands in for those that cannot be given."""
    if not found:
        text = "Nothing to compare: the suite has no two neighbouring rungs of this ladder."
        return Answer(text, "undecided", "blocked", False)
    headline = [one for one in found if _is_headline(one, found)]
    judged = [one for one in headline if one.found is not None]
    if not judged:
        reasons = [one.reason for one in headline]
        reason: Reason = next(reason for reason in verdict_rules.REASONS if reason in reasons)
        return Answer(_no_answer(reason, headline), "undecided", reason, False)
    parts = []
    for where in dict.fromkeys(one.where for one in judged):
        lost = [one for one in headline if one.where == where and one.found is None]
        parts.append(f"{place_text(where)}, {_short([one for one in judged if one.where == where], lost)}.")
    order: tuple[Word, ...] = ("different", "both", "undecided", "equivalent")
    word = next(word for word in order if any(one.word == word for one in judged))
    why: Reason = ""
    if word == "undecided":
        open_ = [one.reason for one in judged if one.word == word]
        why = next(reason for reason in verdict_rules.REASONS if reason in open_)
    return Answer(" ".join(parts), word, why, word != "undecided" and all(one.claim for one in judged))


def _no_answer(reason: Reason, headline: Sequence[Comparison]) -> str:
    if reason == "blocked":
        return f"No answer: {'; '.join(dict.fromkeys(note for one in headline for note in one.notes))}."
    return {
        "too few seeds": "Too few seeds to compare any two rungs: no interval is given.",
        "no room": "Cannot be told: every run of every rung has the same score or is at its task’s ceiling.",
        "no effect possible": "No effect is possible: the rungs are the same runs, by their digests.",
    }.get(
        reason, "Too early to tell: no rung has made a tenth of the way from random actions to the yardstick."
    )


def _short(judged: Sequence[Comparison], lost: Sequence[Comparison]) -> str:
    """What was found in one place: each step once, in the order of the ladder within each kind of verdict."""

    def steps_of(ones: Sequence[Comparison], link: str) -> str:
        return listed([f"`{one.x}` ({signed(_value(one), one.where)} {link} `{one.y}`)" for one in ones])

    by = {word: [one for one in judged if one.word == word] for word in ("different", "both")}
    parts = []
    if up := [one for one in by["different"] if _value(one) > 0]:
        parts.append(
            f"{steps_of(up, 'over')} {'scores' if len(up) == 1 else 'score'} more than the rung below"
        )
    if down := [one for one in by["different"] if _value(one) <= 0]:
        parts.append(f"{steps_of(down, 'against')} {'scores' if len(down) == 1 else 'score'} less")
    if near := by["both"]:
        differs = "differs" if len(near) == 1 else "differ"
        parts.append(f"{steps_of(near, 'against')} {differs} by less than the margin")
    for which, says in (
        ("equivalent", "{x} is equivalent to {y}"),
        ("unseen", "no difference beyond the margin was seen between {x} and {y}"),
        ("too early", "it is too early to tell {x} from {y}"),
        ("mixed", "{x} and {y} differ in both directions, by environment"),
        ("not decided", "between {x} and {y} the runs do not decide"),
    ):
        each = [says.format(x=f"`{one.x}`", y=f"`{one.y}`") for one in judged if which == _kind(one)]
        parts += [listed(each)] if each else []
    parts += [f"no verdict on `{one.x}` against `{one.y}`" for one in lost]
    return "; ".join(parts)


def _kind(one: Comparison) -> str:
    """Its word or its reason; under ten seeds nothing is called equivalent in an answer."""
    return "unseen" if one.word == "equivalent" and one.seeds < MINIMUM_FOR_CLAIM else one.reason or one.word


def _value(one: Comparison) -> float:
    assert one.found is not None
    return one.found.estimate.value


def _lacks(study: Study, ladder: Ladder, rungs: Sequence[Step], parts: Sequence[Step]) -> tuple[str, ...]:
    lines = [
        f"Without {_names(step.skipped)}, `{step.upper}` against `{step.lower}` is "
        f"{len(step.skipped) + 1} steps at once: {step.adds}."
        for step in rungs
        if step.skipped
    ]
    inside = {name for step in rungs for name in (step.lower, step.upper, *step.skipped)}
    outside = [rung.variant for rung in ladder.rungs if rung.variant not in inside | set(study.variants)]
    if outside:
        lines.append(f"Rungs of the ladder that are not in this suite: {_names(outside)}.")
    absent = [part for part in ladder.parts if part not in parts]
    if absent:
        each = [f"`{part.upper}` against `{part.lower}` ({part.adds})" for part in absent]
        lines.append(f"Not compared, for want of a variant: {'; '.join(each)}.")
    return tuple(lines)


def _names(variants: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in variants)


def _table(study: Study, ladder: Ladder, taken: Sequence[Step]) -> Table:
    """What each step adds, and the settings in which its two variants differ beside that."""
    rows, data = [], []
    for step in taken:
        differs = _differences(study, step)
        shown = "; ".join(f"{name} {_word(a)} → {_word(b)}" for name, (a, b) in differs.items())
        rows.append((f"`{step.lower}` → `{step.upper}`", step.adds, shown or DASH))
        data.append(
            {
                "question": ladder.question,
                "lower": step.lower,
                "upper": step.upper,
                "adds": step.adds,
                "settings": {name: [_word(a), _word(b)] for name, (a, b) in differs.items()},
            }
        )
    return Table(
        name=f"{ladder.question}-steps",
        caption="The steps, and every setting that both variants have and that differs between them. A "
        "difference in score belongs to all of a line together. Settings that only one of the two has belong "
        "to its algorithm.",
        columns=("step", "adds", "settings that differ"),
        rows=tuple(rows),
        data=tuple(data),
    )


def _differences(study: Study, step: Step) -> dict[str, tuple[Any, Any]]:
    """The settings that both variants of a step have and that differ: (lower's, upper's) by dotted name."""
    lower, upper = (_settings(study.suite.variants.get(name)) for name in (step.lower, step.upper))
    both = {name: (a, upper[name]) for name, a in lower.items() if name in upper}
    return {name: (a, b) for name, (a, b) in both.items() if _word(a) != _word(b)}


def _settings(variant: Any) -> dict[str, Any]:
    config = getattr(variant, "config", None)
    return {} if config is None else _flat(config.model_dump(mode="json"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def _word(value: Any) -> str:
    """A setting's value as the page shows it."""
    if value is None or value is False:
        return "off"
    return "on" if value is True else f"{value:g}" if isinstance(value, float) else str(value)
