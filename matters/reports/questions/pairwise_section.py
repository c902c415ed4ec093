"""What questions about pairs share: their table, their verdicts, and the one-line answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matters.reports.page.formatting import DASH, ends, interval_text, number, p_text, signed
from matters.reports.page.section import Drawing, Table, Verdict
from matters.reports.page.sentences import (
    after,
    listed,
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
COLUMNS = (
    "comparison",
    "where",
    "n",
    "verdict",
    "difference",
    "95 % interval",
    "margin ±",
    "p (Holm)",
    "P(improvement)",
)


@dataclass(frozen=True)
class Answer:
    """The answer of a section: its text, its verdict, and whether the seeds support it."""

    text: str
    word: Word
    reason: Reason
    claim: bool


NOTHING: Reason = "blocked"


def verdicts(found: Sequence[Comparison]) -> tuple[Verdict, ...]:
    """One sentence per comparison, the aggregate first, and those that could tell nothing last."""
    found = sorted(found, key=lambda one: one.reason in ("no room", "no effect possible"))
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


def tests(found: Sequence[Comparison]) -> int:
    """How many difference tests were made: the size of Holm's family."""
    return sum(one.found is not None for one in found)


def family(found: Sequence[Comparison], what: str) -> str:
    """The families of tests of a question about pairs."""
    count = tests(found)
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
    """How many seeds the headline of the first pair needs, in words."""
    return next((need_text(one) for one in found if one.need is not None), "")


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
    if first.word == "equivalent" and first.seeds < MINIMUM_FOR_CLAIM:
        text = f"{_largest(first)} was seen between `{first.x}` and `{first.y}` ({seeds_text(first)} seeds)."
    if first.word == "different" and first.seeds < MINIMUM_FOR_CLAIM and text.startswith("No: "):
        # A difference over few seeds is no answer either: the text says what was seen.
        text = f"{text.removeprefix('No: ').removesuffix('.')}, with {seeds_text(first)} seeds."
    if first.word == "different" and first.early:
        text += " So far: little has been learnt yet."
    if first.rising:
        text += " Still rising."
    return Answer(text + _stuck(found), first.word, "", first.claim)


def outcome(one: Comparison) -> str:
    """Its word, or its reason; for a difference also who is ahead."""
    if one.found is None or one.word not in ("different", "both"):
        return one.reason or one.word
    return f"{one.word} ({signed(one.found.estimate.value, one.where)})"


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
    text = f"Not decided: `{first.x}` minus `{first.y}` is {value}{unit} ({seeds_text(first)} seeds)."
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


def comparison_table(question: str, found: Sequence[Comparison]) -> Table:
    """All comparisons of a question: differences in raw return, in normalised score for the aggregate."""
    pairs = list(dict.fromkeys(_pair(one) for one in found))
    # One pair needs no column of its own.
    first = 0 if len(pairs) > 1 else 1
    of = f"{pairs[0]}, i" if first else "I"
    return Table(
        name=question,
        caption=f"{of}n raw return per environment and in normalised score in aggregate. P(improvement) is "
        "the "
        "probability that a run of the first scores more than one of the second, with Newcombe’s interval. "
        "The CSV file also has both p-values of equivalence and the numbers of the fold below.",
        columns=COLUMNS[first:],
        rows=tuple(_row(one)[first:] for one in found),
        data=tuple(_data(question, one) for one in found),
        numeric=frozenset(COLUMNS[4:]),
    )


def details_table(question: str, found: Sequence[Comparison]) -> Table:
    """What the table of comparisons has no room for, folded."""
    tested = [one for one in found if one.found is not None]
    columns = (
        "comparison",
        "where",
        "90 % interval",
        "would have passed ±",
        "p (TOST)",
        "Hedges’ g",
        "IQM difference",
    )
    return Table(
        name=f"{question}-details",
        caption="The 90 % interval is what two one-sided tests look at; the margin that would have passed is "
        "the smallest that holds it. Hedges’ g is the difference in standard deviations. The difference of "
        "the IQMs has a stratified bootstrap interval: no verdict rests on it.",
        columns=columns,
        rows=tuple(_details_row(one) for one in tested),
        data=tuple(
            {
                key: value
                for key, value in _data(question, one).items()
                if key in ("x", "y", "where", "low_90", "high_90", "achieved_margin", "p_tost", "effect_size")
                or key.startswith("iqm_")
            }
            for one in tested
        ),
        numeric=frozenset(columns[2:]),
        fold="More numbers: 90 % intervals, effect sizes, differences of the IQM",
    )


def _details_row(one: Comparison) -> tuple[str, ...]:
    d, where = one.found, one.where
    assert d is not None
    middle = DASH
    if one.iqm is not None:
        value, around = one.iqm
        middle = f"{signed(value, where)} ({interval_text(around, where)})"
    return (
        _pair(one),
        where,
        interval_text(d.interval90, where),
        number(d.achieved_margin, where),
        p_text(d.tost_p),
        DASH if one.effect_size is None else signed(one.effect_size, AGGREGATE),
        middle,
    )


def _pair(one: Comparison) -> str:
    return f"`{one.x}` − `{one.y}`"


def _row(one: Comparison) -> tuple[str, ...]:
    d, where = one.found, one.where
    start = (_pair(one), where, seeds_text(one), one.reason or one.word)
    if d is None:
        return (*start, *[DASH] * 5)
    chance = DASH
    if one.improvement is not None:
        value, interval = one.improvement
        chance = f"{value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    return (
        *start,
        signed(d.estimate.value, where),
        interval_text(d.interval95, where),
        number(d.margin, where),
        p_text(one.adjusted_p),
        chance,
    )


def _data(question: str, one: Comparison) -> dict[str, object]:
    d, plan = one.found, one.plan
    chance, spread = one.improvement or (None, None)
    middle, around = one.iqm or (None, None)
    low_95, high_95 = ends(d.interval95 if d else None)
    low_90, high_90 = ends(d.interval90 if d else None)
    return {
        "question": question,
        "x": one.x,
        "y": one.y,
        "where": one.where,
        "unit": "normalised score" if one.where == AGGREGATE else "return",
        "n_x": one.n_x,
        "n_y": one.n_y,
        "difference": d.estimate.value if d else None,
        "standard_error": d.estimate.standard_error if d else None,
        "degrees_of_freedom": d.estimate.degrees_of_freedom if d else None,
        "low_95": low_95,
        "high_95": high_95,
        "low_90": low_90,
        "high_90": high_90,
        "margin": d.margin if d else None,
        "gate": one.gate,
        "achieved_margin": d.achieved_margin if d else None,
        "p_welch": d.p_value if d else None,
        "p_holm": one.adjusted_p,
        "p_tost": d.tost_p if d else None,
        "p_tost_holm": one.adjusted_tost,
        "p_permutation": d.permutation_p if d else None,
        "improvement": chance,
        "improvement_low": ends(spread)[0],
        "improvement_high": ends(spread)[1],
        "iqm_difference": middle,
        "iqm_low": ends(around)[0],
        "iqm_high": ends(around)[1],
        "effect_size": one.effect_size,
        "seeds_needed": plan.margin or plan.effect if plan else None,
        "seeds_for_effect": plan.effect if plan else None,
        "seeds_for_margin": plan.margin if plan else None,
        "seeds_equivalent": one.need.equivalent if one.need else None,
        "seeds_different": one.need.different if one.need else None,
        "power_equivalent": one.need.equivalent_now if one.need else None,
        "power_different": one.need.different_now if one.need else None,
        "over": " ".join(one.over),
        "too_early": one.early,
        "still_rising": one.rising,
        "verdict": one.word,
        "reason": one.reason,
        "claim": one.claim and one.word != "undecided",
        "notes": " ".join(one.notes),
    }
