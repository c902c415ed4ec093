"""Main effects and interactions of a two-level design: estimates, families of tests, and their words."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from matters.reports.page.formatting import interval_text, number, plural, signed
from matters.reports.page.sentences import place_text, turned, why_no_claim
from matters.reports.questions.factorial.designs import Design, Term
from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL
from matters.reports.study.pairwise import remarks
from matters.reports.study.study import AGGREGATE, Study

FREEDOM = 2 * (MINIMUM_FOR_INTERVAL - 1)
"""Pooled degrees of freedom that an interval needs: as many as two cells of five runs have."""


@dataclass(frozen=True)
class Effect:
    """One effect on one environment (raw return) or averaged over environments (normalised score).

    `value` is the point estimate, None where a cell has no run; `runs` is the smallest cell's number of them.
    """

    term: Term
    where: str
    value: float | None
    runs: int
    freedom: int
    found: compare.Difference | None
    adjusted_p: float | None
    word: compare.Word
    claim: bool
    scale: float | None
    seeds_needed: int | None
    notes: tuple[str, ...]
    gaps: str

    @property
    def order(self) -> int:
        """1 for a main effect, 2 for an interaction of two tricks, …"""
        return len(self.term)

    @property
    def reach(self) -> float:
        """The larger bound of the 95 % interval, whose decimals a number beside it takes."""
        return 0.0 if self.found is None else max(map(abs, astuple(self.found.interval95)[:2]))

    @property
    def name(self) -> str:
        """The tricks of the term."""
        return " × ".join(f"`{factor}`" for factor in self.term)


def estimate(study: Study, question: str, design: Design) -> list[Effect]:
    """Every effect in every place, place by place.

    Holm's correction over all main effects, Holm's over all interactions of two, Benjamini and Hochberg's
    over the higher ones, which are exploratory.
    """
    raw = [_effect(study, question, design, term, where) for where in study.places for term in design.terms]
    judged = list(raw)
    for family in (1, 2, 3):
        tested = [k for k, one in enumerate(raw) if min(one.order, 3) == family and one.found is not None]
        p_values = [one.found.p_value for k in tested if (one := raw[k]).found is not None]
        correct = compare.holm if family < 3 else compare.benjamini_hochberg
        for k, adjusted in zip(tested, correct(p_values), strict=True):
            judged[k] = _judged(raw[k], adjusted, len(tested))
    return judged


def _effect(study: Study, question: str, design: Design, term: Term, where: str) -> Effect:
    over = study.comparable if where == AGGREGATE else (where,)
    high, low = design.contrast(term)
    used = tuple(dict.fromkeys((*high, *low)))
    cells = [study.cell(v, e) for v in used for e in over]
    blank = Effect(
        term=term,
        where=where,
        value=None,
        runs=min(cell.n for cell in cells),
        freedom=sum(max(0, cell.n - 1) for cell in cells),
        found=None,
        adjusted_p=None,
        word="blocked",
        claim=False,
        scale=1.0 if where == AGGREGATE else study.scale(where),
        seeds_needed=None,
        notes=(),
        gaps=_several([f"{c.variant}, {c.environment}: {c.gaps}" for c in cells if c.gaps]),
    )
    if where == AGGREGATE:
        reasons = [reason for v in used if (reason := study.blocked(v))]
        margin: float | None = study.suite.aggregate_margin
        x, y = ([s for v in part for s in study.aggregate_samples(v)] for part in (high, low))
    else:
        empty = [f"`{c.variant}`" + (f" ({c.gaps})" if c.gaps else "") for c in cells if c.n == 0]
        reasons = [f"no scored run of {_several(empty)}"] if empty else []
        margin = None if blank.scale is None else study.suite.margin * blank.scale
        x, y = ([study.cell(v, where).scores for v in part] for part in (high, low))
    if reasons:
        return replace(blank, notes=(_several(reasons),))
    value = math.fsum(float(a.mean() - b.mean()) for a, b in zip(x, y, strict=True)) / len(x)
    blank = replace(blank, value=value, word="too few seeds")
    if blank.freedom < FREEDOM:
        return blank
    draw = study.generator(question, *term, where, "permutation")
    found = compare.difference(x, y, margin, draw, minimum=2)
    return replace(blank, found=found, claim=len(term) < 3 and study.claim(used, over))


def _several(texts: Sequence[str], most: int = 3) -> str:
    """The first of some texts, and how many more there are."""
    rest = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + rest


def _judged(one: Effect, adjusted_p: float, family: int) -> Effect:
    found = one.found
    assert found is not None
    word = compare.verdict(found, adjusted_p)
    needed = compare.seeds_to_decide(found, family) if word == "inconclusive" and one.order < 3 else None
    notes = remarks(found, adjusted_p if one.order < 3 else None, family)
    return replace(one, word=word, adjusted_p=adjusted_p, notes=(*one.notes, *notes), seeds_needed=needed)


def sentence(one: Effect, conditional: tuple[float, float] | None = None) -> str:
    """The verdict on one effect that has an interval; what is no claim begins by saying so.

    `conditional` is the effect of an interaction's first trick with its second off and on.
    """
    text = f"{place_text(one.where)}, {_finding(one, conditional)}"
    if one.order > 2:
        text = f"Exploratory: {text[0].lower()}{text[1:]}"
    elif not one.claim:
        seeds = f"{plural(one.runs, 'seed')} a cell, and a claim needs {MINIMUM_FOR_CLAIM}"
        text = f"{why_no_claim(one.runs, one.gaps, seeds)}: {text[0].lower()}{text[1:]}"
    return " ".join([text, *one.notes])


def _finding(one: Effect, conditional: tuple[float, float] | None) -> str:
    found, where = one.found, one.where
    assert found is not None
    unit = " in normalised score" if where == AGGREGATE else ""
    value = found.estimate.value
    margin = "" if found.margin is None else f"±{number(found.margin, where)}"
    main = one.order == 1
    size = number(abs(value), where)
    what = f"effect {signed(value, where, one.reach)}{unit}"
    wide, narrow = interval_text(found.interval95, where), interval_text(found.interval90, where)
    if one.word in ("different", "both"):
        if main:
            lead = f"{one.name} {'raises' if value > 0 else 'lowers'} the score by {size}{unit}"
            wide, narrow = (
                interval_text(turned(each, value), where) for each in (found.interval95, found.interval90)
            )
        else:
            lead = f"{' and '.join(one.name.split(' × '))} interact ({what})"
        tail = "" if conditional is None else f" {_conditional_text(one, conditional)}"
        if one.word == "different":
            return f"{lead}: different (95 % interval {wide}).{tail}"
        return (
            f"{lead}, but within the margin of {margin}: different, and equivalent for practical purposes "
            f"(90 % interval {narrow}).{tail}"
        )
    if one.word == "equivalent":
        same = (
            f"{one.name} on and off are equivalent" if main else f"{one.name} is equivalent to no interaction"
        )
        return f"{same}: {what}, 90 % interval {narrow}, inside the margin of {margin}."
    needed = f" About {one.seeds_needed} seeds a cell would decide." if one.seeds_needed else ""
    against = f", margin {margin}" if margin else ""
    about = one.name if main else f"an interaction {one.name}"
    return (
        f"the runs do not decide about {about}: inconclusive ({what}, 95 % interval {wide}{against}).{needed}"
    )


def _conditional_text(one: Effect, conditional: tuple[float, float]) -> str:
    first, second = (f"`{factor}`" for factor in one.term)
    without, along = (signed(value, one.where) for value in conditional)
    return f"The effect of {first} is {without} with {second} off and {along} with it on."


def unanswered(effects: Sequence[Effect], names: str) -> str:
    """Why effects on one place have no verdicts; `names` them if they are not all effects of the place."""
    one = effects[0]
    place = place_text(one.where)
    if one.word == "blocked":
        what = f"the effect of {names} cannot" if names else "no effect can"
        reasons = dict.fromkeys(note for effect in effects for note in effect.notes)
        return f"{place}, {what} be estimated: {'; '.join(reasons)}."
    return (
        f"{place}, too few seeds for intervals{f' of {names}' if names else ''}: {plural(one.runs, 'seed')} "
        f"in the smallest cell, {plural(one.freedom, 'degree')} of freedom in all (an interval needs "
        f"{FREEDOM}, a claim {MINIMUM_FOR_CLAIM} seeds a cell). The table has the effects that were seen."
    )
