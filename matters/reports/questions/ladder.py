"""Ladders: variants in a declared order, each compared with the one below it and with no other.

Only adjacent steps are tested: they are what the papers claim, and a small family loses little to correction.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from matters.reports.page.comparison_tables import comparison_table, details_table
from matters.reports.page.formatting import signed
from matters.reports.page.section import Section, Table
from matters.reports.page.sentences import listed, place_text
from matters.reports.questions.differing_settings import Contrast, Role, cast, notices, settings_table
from matters.reports.questions.pairwise_section import METHOD, section_of_pairs, verdicts
from matters.reports.questions.short_answers import Answer
from matters.reports.statistics import verdicts as verdict_rules
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM
from matters.reports.statistics.verdicts import Reason
from matters.reports.study.compared_pair import Comparison, headline
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import Study

ESTIMAND = (
    "The difference of mean primary endpoints between a rung and the one below it, per environment in raw "
    "return, and in aggregate as the mean over environments of the normalised differences."
)

Idle = Callable[[Study, str, str], str | None]
"""For a study, a variant and an environment: why what it adds did nothing; None where it did something."""


@dataclass(frozen=True)
class Rung:
    """A role, what it adds to the rung below, and the settings in which it may differ from that.

    `idle` says for a variant and an environment why what the rung adds cannot have had an effect there.
    """

    role: Role
    adds: str
    may_differ: frozenset[str] = frozenset()
    idle: Idle | None = None

    @property
    def name(self) -> str:
        """The preset of the role."""
        return self.role.preset


@dataclass(frozen=True)
class Step:
    """One comparison: what `upper` has and `lower` lacks. `skipped` are the absent rungs between."""

    lower: str
    upper: str
    adds: str
    may_differ: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()
    idle: Idle | None = None


@dataclass(frozen=True)
class Ladder:
    """A question about a ladder: its rungs from the lowest up, and single parts compared beside it."""

    question: str
    title: str
    needs: str
    source: str
    rungs: tuple[Rung, ...]
    parts: tuple[Step, ...] = ()
    roles: tuple[Role, ...] = ()
    """The parts that are not rungs."""


def steps(rungs: Sequence[Rung], present: Collection[str]) -> tuple[Step, ...]:
    """Each rung at hand against the one at hand below. What absent rungs between them add is listed too."""
    found: list[Step] = []
    lower: str | None = None
    between: list[Rung] = []
    for rung in rungs:
        if rung.name not in present:
            between.append(rung)
            continue
        if lower is not None:
            added = (*between, rung)
            found.append(
                Step(
                    lower,
                    rung.name,
                    "; ".join(one.adds for one in added),
                    frozenset[str]().union(*(one.may_differ for one in added)),
                    tuple(one.name for one in between),
                    # What several rungs add at once is idle only if all of it is: nothing says so.
                    None if between else rung.idle,
                )
            )
        lower, between = rung.name, []
    return tuple(found)


def contrasts(study: Study, ladder: Ladder) -> list[Contrast]:
    """The steps and parts that the variants at hand make, under their names."""
    return _contrasts(*_at_hand(study, ladder))


def _at_hand(study: Study, ladder: Ladder) -> tuple[dict[str, str], tuple[Step, ...], tuple[Step, ...]]:
    """The variant in each role, the steps between rungs, and the parts."""
    at_hand = cast(study, (*(rung.role for rung in ladder.rungs), *ladder.roles))
    parts = tuple(part for part in ladder.parts if part.lower in at_hand and part.upper in at_hand)
    return at_hand, steps(ladder.rungs, at_hand), parts


def _contrasts(at_hand: Mapping[str, str], rungs: Sequence[Step], parts: Sequence[Step]) -> list[Contrast]:
    return [
        Contrast(at_hand[step.upper], at_hand[step.lower], step.adds, step.may_differ)
        for step in (*rungs, *parts)
    ]


def compared(study: Study, ladder: Ladder) -> list[Comparison]:
    """Every step at hand compared, the lowest one first."""
    return _compared(study, ladder, *_at_hand(study, ladder))


def _compared(
    study: Study, ladder: Ladder, at_hand: Mapping[str, str], rungs: Sequence[Step], parts: Sequence[Step]
) -> list[Comparison]:
    idles = {at_hand[step.upper]: step.idle for step in rungs if step.idle is not None}

    def idle(x: str, _: str, where: str) -> str | None:
        return idles[x](study, x, where) if x in idles else None

    pairs = [(one.x, one.y) for one in _contrasts(at_hand, rungs, parts)]
    return compare_pairs(study, ladder.question, pairs, idle=idle)


def climb(study: Study, ladder: Ladder) -> Section:
    """Compare the steps that the variants at hand make; the aggregates give the short answer."""
    at_hand, rungs, parts = _at_hand(study, ladder)
    chosen = _contrasts(at_hand, rungs, parts)
    found = _compared(study, ladder, at_hand, rungs, parts)
    first = [one for one in found if _is_headline(one, found)]
    return section_of_pairs(
        study,
        ladder.question,
        _answer(found),
        found,
        title=ladder.title,
        needs=ladder.needs,
        estimand=ESTIMAND,
        method=METHOD + ladder.source,
        tested="each step in aggregate and on each environment, and no pair that is not a step",
        shown=verdicts(first),
        lacks=(
            *notices(study, chosen),
            *(() if study.foreign else _lacks(ladder, at_hand, rungs, parts)),
        ),
        tables=_tables(study, ladder, chosen, found),
        more=verdicts([one for one in found if one not in first]),
        variants=tuple(dict.fromkeys(name for one in chosen for name in (one.x, one.y))),
    )


def _tables(
    study: Study, ladder: Ladder, chosen: Sequence[Contrast], found: Sequence[Comparison]
) -> tuple[Table, ...]:
    """The comparisons, and the settings in which each differs: those of imported variants are unknown."""
    if not found:
        return ()
    compared = comparison_table(ladder.question, found)
    if study.foreign:
        return (compared,)
    upwards = [replace(one, x=one.y, y=one.x) for one in chosen]
    table = settings_table(ladder.question, study, upwards, name="steps", link="→")
    ends = [{"lower": row["x"], "upper": row["y"], "adds": row["tells"]} for row in table.data]
    data = tuple({**row, **end} for row, end in zip(table.data, ends, strict=True))
    return compared, replace(table, data=data), details_table(ladder.question, found)


def _is_headline(one: Comparison, found: Sequence[Comparison]) -> bool:
    """Whether a comparison is for everybody: what gives the answer about its pair."""
    return one in headline([o for o in found if (o.x, o.y) == (one.x, one.y)])


def _answer(found: Sequence[Comparison]) -> Answer:
    """The answer from the aggregates, or from what stands in for those that cannot be given."""
    if not found:
        text = "Nothing to compare: the suite has no two neighbouring rungs of this ladder."
        return Answer(text, "undecided", "blocked", False)
    first = [one for one in found if _is_headline(one, found)]
    judged = [one for one in first if one.found is not None]
    if not judged:
        # Of several reasons the last, so that no badge says of all rungs that they cannot differ.
        reasons = [one.reason for one in first]
        reason: Reason = next(reason for reason in reversed(verdict_rules.REASONS) if reason in reasons)
        return Answer(_no_answer(reason, first), "undecided", reason, False)
    parts = []
    for where in dict.fromkeys(one.where for one in judged):
        lost = [one for one in first if one.where == where and one.found is None]
        parts.append(f"{place_text(where)}, {_short([one for one in judged if one.where == where], lost)}.")
    word = verdict_rules.of_several([one.word for one in judged])
    why: Reason = ""
    if word == "undecided":
        open_ = [one.reason for one in judged if one.word == word]
        why = next(reason for reason in verdict_rules.REASONS if reason in open_)
    return Answer(" ".join(parts), word, why, word != "undecided" and all(one.claim for one in judged))


def _no_answer(reason: Reason, first: Sequence[Comparison]) -> str:
    if len({one.reason for one in first}) > 1:
        kinds: dict[str, list[str]] = {}
        for one in first:
            kinds.setdefault(one.reason, []).append(f"`{one.x}` against `{one.y}`")
        parts = [f"{kind}: {', '.join(pairs)}" for kind, pairs in kinds.items()]
        text = "; ".join(parts)
        return f"No rung is judged. {text[0].upper()}{text[1:]}."
    notes = list(dict.fromkeys(note for one in first for note in one.notes))
    if reason == "blocked":
        return f"No answer: {'; '.join(notes)}."
    if reason == "no effect possible" and notes:
        return f"No rung is judged, for what it adds hardly acted: {' '.join(notes)}"
    unlearnt = listed(list(dict.fromkeys(where for one in first for where in one.unlearnt)))
    return {
        "too few seeds": "Too few seeds to compare any two rungs: no interval is given.",
        "no room": "Cannot be told: every run of every rung has the same score or is at its task’s ceiling.",
        "no effect possible": "The rungs are the same runs, with equal episodes and parameters: what they "
        "add did nothing.",
        "too early": "Too early to tell: no rung has made a tenth of the way from random actions to the "
        f"yardstick on {unlearnt}.",
    }[reason]


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
    for one in lost:
        pair = f"`{one.x}` against `{one.y}`"
        idle = one.reason == "no effect possible"
        parts.append(f"{pair} is not tested, for nothing acted" if idle else f"no verdict on {pair}")
    return "; ".join(parts)


def _kind(one: Comparison) -> str:
    """Its word or its reason; under ten seeds nothing is called equivalent in an answer."""
    return "unseen" if one.word == "equivalent" and one.seeds < MINIMUM_FOR_CLAIM else one.reason or one.word


def _value(one: Comparison) -> float:
    assert one.found is not None
    return one.found.estimate.value


def _lacks(
    ladder: Ladder, at_hand: Collection[str], rungs: Sequence[Step], parts: Sequence[Step]
) -> tuple[str, ...]:
    lines = [
        f"Without {_names(step.skipped)}, `{step.upper}` against `{step.lower}` is "
        f"{len(step.skipped) + 1} steps at once: {step.adds}."
        for step in rungs
        if step.skipped
    ]
    inside = {name for step in rungs for name in (step.lower, step.upper, *step.skipped)}
    outside = [rung.name for rung in ladder.rungs if rung.name not in inside | set(at_hand)]
    if outside:
        lines.append(f"Rungs of the ladder that no variant of this suite is: {_names(outside)}.")
    absent = [part for part in ladder.parts if part not in parts]
    if absent:
        each = [f"`{part.upper}` against `{part.lower}` ({part.adds})" for part in absent]
        lines.append(f"Not compared, for want of a variant: {'; '.join(each)}.")
    return tuple(lines)


def _names(variants: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in variants)
