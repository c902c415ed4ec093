"""Main effects and interactions of a two-level design: estimates, families of tests, and their words."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from matters.reports.page.formatting import interval_text, number, plural, signed
from matters.reports.page.sentences import place_text, plan_text, turned
from matters.reports.questions.factorial.designs import Design, Term
from matters.reports.statistics import comparisons as compare
from matters.reports.statistics import verdicts
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL
from matters.reports.statistics.verdicts import Reason, Word
from matters.reports.study.caveats import SETTLED, SIDES_MEAN, lopsided, remarks
from matters.reports.study.study import AGGREGATE, Study

FREEDOM = 2 * (MINIMUM_FOR_INTERVAL - 1)
"""Pooled degrees of freedom that an interval needs: as many as two cells of five runs have."""


@dataclass(frozen=True)
class Effect:
    """One effect on one environment (raw return) or averaged over environments (normalised score).

    `value` is the point estimate, None where a cell has no run; `runs` is the number in the smallest cell;
    `unlearnt` are the environments on which no cell has learnt a tenth of the yardstick.
    """

    term: Term
    where: str
    runs: int
    freedom: int
    scale: float | None
    gate: float | None
    unlearnt: tuple[str, ...]
    gaps: str
    value: float | None = None
    found: compare.Difference | None = None
    adjusted_p: float | None = None
    word: Word = "undecided"
    reason: Reason = "blocked"
    claim: bool = False
    plan: compare.Plan | None = None
    notes: tuple[str, ...] = ()

    @property
    def early(self) -> bool:
        """Whether nothing has been learnt yet, on some environment."""
        return bool(self.unlearnt)

    @property
    def order(self) -> int:
        """1 for a main effect, 2 for an interaction of two tricks, …"""
        return len(self.term)

    @property
    def family(self) -> int:
        """1, 2 or, for all higher interactions, 3: what is corrected together."""
        return min(self.order, 3)

    @property
    def reach(self) -> float:
        """The larger bound of the 95 % interval, whose decimals a number beside it takes."""
        interval = None if self.found is None else self.found.interval95
        return 0.0 if interval is None else max(abs(interval.low), abs(interval.high))

    @property
    def name(self) -> str:
        """The tricks of the term."""
        return " × ".join(f"`{factor}`" for factor in self.term)


def live(study: Study, design: Design) -> tuple[str, ...]:
    """The comparable environments where there is room for an effect: those an aggregate is taken over."""
    return tuple(name for name in study.comparable if not _no_room(study, design, name))


def _no_room(study: Study, design: Design, where: str) -> bool:
    cells = [study.cell(variant, where).scores for variant in design.variants]
    # Equal scores before anything is learnt are no ceiling.
    early = study.early(where, design.variants)
    return all(map(len, cells)) and not early and study.no_room(where, cells[0], np.concatenate(cells[1:]))


def estimate(study: Study, question: str, design: Design) -> list[Effect]:
    """Every effect in every place, place by place.

    Holm's correction over all main effects, Holm's over all interactions of two, Benjamini and Hochberg's
    over the higher ones, which are exploratory. For equivalence, Holm's over the environments of an effect.
    """
    over = live(study, design)
    everywhere = (*([AGGREGATE] if len(over) > 1 else []), *study.environments)
    raw = [_effect(study, question, design, term, at, over) for at in everywhere for term in design.terms]
    judged = list(raw)
    for family in (1, 2, 3):
        tested = [k for k, one in enumerate(raw) if one.family == family and one.found is not None]
        p_values = [one.found.p_value for k in tested if (one := raw[k]).found is not None]
        correct = compare.holm if family < 3 else compare.benjamini_hochberg
        for k, adjusted in zip(tested, correct(p_values), strict=True):
            judged[k] = replace(raw[k], adjusted_p=adjusted)
    sizes = family_sizes(raw)
    for term in design.terms:
        mine = [k for k, one in enumerate(judged) if one.term == term]
        size = sizes[judged[mine[0]].family]
        each = [k for k in mine if judged[k].where != AGGREGATE]
        values = {k: one.found.tost_p for k in each if (one := judged[k]).found is not None}
        known = {k: value for k, value in values.items() if value is not None}
        tost = dict(zip(known, compare.holm(list(known.values())), strict=True))
        for k in each:
            judged[k] = _judged_place(judged[k], tost.get(k, 1.0), size)
        for k in set(mine) - set(each):
            places = [judged[j] for j in each if judged[j].where in over]
            judged[k] = _judged_aggregate(judged[k], places, size)
    return judged


def family_sizes(found: Sequence[Effect]) -> Counter[int]:
    """How many effects of each family are tested."""
    return Counter(one.family for one in found if one.found is not None)


def _effect(
    study: Study, question: str, design: Design, term: Term, where: str, live: Sequence[str]
) -> Effect:
    over = tuple(live) if where == AGGREGATE else (where,)
    high, low = design.contrast(term)
    used = tuple(dict.fromkeys((*high, *low)))
    cells = [study.cell(v, e) for v in used for e in over]
    blank = Effect(
        term=term,
        where=where,
        runs=min(cell.n for cell in cells),
        freedom=sum(max(0, cell.n - 1) for cell in cells),
        scale=1.0 if where == AGGREGATE else study.scale(where),
        gate=study.suite.gate if where == AGGREGATE else study.gate(study.margin(where)),
        unlearnt=tuple(name for name in over if study.early(name, used)),
        gaps=_several([f"{c.variant}, {c.environment}: {c.gaps}" for c in cells if c.gaps]),
    )
    if where == AGGREGATE:
        reasons = [reason for v in used if (reason := study.blocked(v))]
        margin: float | None = study.suite.aggregate_margin
        x, y = ([s for v in part for s in study.aggregate_samples(v, over)] for part in (high, low))
    else:
        empty = [f"`{c.variant}`" + (f" ({c.gaps})" if c.gaps else "") for c in cells if c.n == 0]
        reasons = [f"no scored run of {_several(empty)}"] if empty else []
        margin = study.margin(where)
        x, y = ([study.cell(v, where).scores for v in part] for part in (high, low))
    if reasons:
        return replace(blank, notes=(_several(reasons),))
    value = math.fsum(float(a.mean() - b.mean()) for a, b in zip(x, y, strict=True)) / len(x)
    blank = replace(blank, value=value, reason="too early" if blank.early else "too few seeds")
    if where != AGGREGATE and _no_room(study, design, where):
        return replace(blank, reason="no room")
    if blank.freedom < FREEDOM:
        return blank
    draw = study.generator(question, *term, where, "permutation")
    found = compare.difference(x, y, margin, draw, minimum=2)
    # A pair's rule (reports/study/caveats.py), for the runs that stand on each side of the contrast.
    few = min(sum(map(len, side)) for side in (x, y)) < SETTLED * len(over)
    facts = [fact for name in over for fact in lopsided(study, high, low, name)] if few and found else []
    return replace(
        blank,
        found=found,
        claim=len(term) < 3 and study.claim(used, over) and not facts,
        notes=(*facts, SIDES_MEAN) if facts else (),
    )


def _several(texts: Sequence[str], most: int = 3) -> str:
    """The first of some texts, and how many more there are."""
    rest = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + rest


def _judged_place(one: Effect, adjusted_tost: float, family: int) -> Effect:
    if one.found is None or one.adjusted_p is None:
        return one
    outcome = verdicts.on_environment(
        one.adjusted_p <= compare.ALPHA, adjusted_tost <= compare.ALPHA, one.early
    )
    return _worded(one, str(outcome), family)


def _judged_aggregate(one: Effect, places: Sequence[Effect], family: int) -> Effect:
    found = one.found
    if found is None or one.adjusted_p is None:
        return one
    known = [place for place in places if place.found is not None]
    outcome = verdicts.in_aggregate(
        one.adjusted_p <= compare.ALPHA,
        found.within(found.margin),
        np.array([(place.adjusted_p or 0.0) <= compare.ALPHA for place in known]),
        np.sign([place.found.estimate.value for place in known if place.found]),
        np.array([place.found.within(place.gate) for place in known if place.found]),
        one.early,
    )
    return _worded(one, str(outcome), family)


def _worded(one: Effect, outcome: str, family: int) -> Effect:
    assert one.found is not None
    word, reason = verdicts.split(outcome)
    plan = compare.plan(one.found, family) if reason == "not decided" and one.order < 3 else None
    notes = remarks(one.found, one.adjusted_p if one.order < 3 else None, family)
    return replace(one, word=word, reason=reason, notes=(*one.notes, *notes), plan=plan)


def sentence(one: Effect, conditional: tuple[float, float] | None = None, said: Collection[str] = ()) -> str:
    """The verdict on one effect that has an interval, without those notes that were said already.

    `conditional` is the effect of an interaction's first trick with its second off and on.
    """
    text = f"{place_text(one.where)}, {_finding(one, conditional)}"
    if one.order > 2:
        text = f"Exploratory: {text[0].lower()}{text[1:]}"
    elif not one.claim and one.gaps and one.runs >= MINIMUM_FOR_CLAIM:
        text += f" No claim, for runs are not whole: {one.gaps}."
    return " ".join([text, *(note for note in one.notes if note not in said)])


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
            return f"{lead}{' so far' if one.early else ''}: different (95 % interval {wide}).{tail}"
        return f"{lead}: a difference, and one within the margin of {margin} (90 % interval {narrow}).{tail}"
    if one.word == "equivalent":
        same = (
            f"{one.name} on and off are equivalent" if main else f"{one.name} is equivalent to no interaction"
        )
        return f"{same}: {what}, 90 % interval {narrow}, inside the margin of {margin}."
    about = one.name if main else f"an interaction {one.name}"
    if one.reason == "too early":
        place = f" on {_several(list(one.unlearnt))}" if where == AGGREGATE else ""
        return (
            f"it is too early to tell of {about}: no cell has made a tenth of the way from random actions to "
            f"the yardstick{place} ({what}, 95 % interval {wide})."
        )
    if one.reason == "mixed":
        return (
            f"no one answer about {about}: environments contradict each other ({what}, 95 % interval {wide})."
        )
    against = f", margin {margin}" if margin else ""
    text = f"the runs do not decide about {about} ({what}, 95 % interval {wide}{against})."
    return f"{text} {plan_text(one.plan, 'per cell')}".rstrip()


def _conditional_text(one: Effect, conditional: tuple[float, float]) -> str:
    first, second = (f"`{factor}`" for factor in one.term)
    without, along = (signed(value, one.where) for value in conditional)
    return f"The effect of {first} is {without} with {second} off and {along} with it on."


def unanswered(effects: Sequence[Effect], names: str) -> str:
    """Why effects on one place have no verdicts; `names` says which, if not all of the place."""
    one = effects[0]
    place = place_text(one.where)
    if one.reason == "no room":
        return f"{place}, there is no room for an effect: every run has the same score or is at the ceiling."
    if one.reason == "blocked":
        what = f"the effect of {names} cannot" if names else "no effect can"
        reasons = dict.fromkeys(note for effect in effects for note in effect.notes)
        return f"{place}, {what} be estimated: {'; '.join(reasons)}."
    return (
        f"{place}, too few seeds for intervals{f' of {names}' if names else ''}: {plural(one.runs, 'seed')} "
        f"in the smallest cell, {plural(one.freedom, 'degree')} of freedom in all (an interval needs "
        f"{FREEDOM}, a claim {MINIMUM_FOR_CLAIM} seeds a cell). The table has the effects that were seen."
    )
