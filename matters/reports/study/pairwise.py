"""Pairs of variants compared per environment and in aggregate: one family of tests, one set of rules."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics import power, verdicts
from matters.reports.statistics.aggregates import iqm
from matters.reports.statistics.intervals import Interval, bootstrap, iqm_difference_tail
from matters.reports.statistics.looks import Levels
from matters.reports.statistics.verdicts import Reason, Word
from matters.reports.study.caveats import SETTLED, diverged, remarks, skewed
from matters.reports.study.study import AGGREGATE, Look, Study

FIXED = Levels(compare.ALPHA, compare.ALPHA)
"""The levels where the number of seeds was fixed beforehand."""

Margin = Callable[[str], float | None]
"""The margin of equivalence on an environment, in raw return."""

Idle = Callable[[str, str, str], str | None]
"""For a pair and an environment: why what tells the two apart cannot have had an effect there, or None."""


@dataclass(frozen=True)
class Comparison:
    """One pair on one environment (in raw return) or over its live environments (in normalised score).

    `over` are the environments that it is about. `improvement` is P(improvement) with its interval; `iqm` the
    difference of the IQMs of normalised scores, in aggregate only. `against` are the environments, with the
    sign of their difference, on which the pair is different; `unlearnt` those where neither has learnt a
    tenth of the yardstick; `rising`, whether one still gains. `gaps` says which runs are not whole, and
    `lost` counts those without a score. `levels` are those of the look at which it is the headline; `need`,
    how many seeds the rules ask for, is known for what gives an answer.
    """

    x: str
    y: str
    where: str
    over: tuple[str, ...]
    n_x: int
    n_y: int
    scale: float | None
    gaps: str
    found: compare.Difference | None = None
    adjusted_p: float | None = None
    adjusted_tost: float | None = None
    gate: float | None = None
    word: Word = "undecided"
    reason: Reason = "too few seeds"
    claim: bool = False
    improvement: tuple[float, Interval] | None = None
    iqm: tuple[float, Interval | None] | None = None
    effect_size: float | None = None
    plan: compare.Plan | None = None
    lost: int = 0
    unlearnt: tuple[str, ...] = ()
    rising: bool = False
    against: tuple[tuple[str, int], ...] = ()
    steps: int = 0
    levels: Levels | None = None
    need: power.Need | None = None
    notes: tuple[str, ...] = ()

    @property
    def margin(self) -> float | None:
        """The margin in the units of the difference."""
        return self.found.margin if self.found else None

    @property
    def seeds(self) -> int:
        """The smaller of the two numbers of seeds."""
        return min(self.n_x, self.n_y)

    @property
    def early(self) -> bool:
        """Whether nothing has been learnt yet, on some environment."""
        return bool(self.unlearnt)


def compare_pairs(
    study: Study,
    question: str,
    pairs: Sequence[tuple[str, str]],
    margin: Margin | None = None,
    idle: Idle = lambda *_: None,
) -> list[Comparison]:
    """Every pair in aggregate and on every environment; Holm over all difference tests of the question.

    The aggregate is over the live environments, those where there is room for a difference; with fewer than
    two it would test one environment twice, and is left out. Equivalence is tested with Holm's correction
    over a pair's environments. `margin` is the study's unless a question asks for another. Where `idle` says
    why no effect is possible, nothing is tested, as where two variants are the same runs.
    """
    blocks = [_block(study, question, x, y, margin or study.margin, idle) for x, y in pairs]
    look = study.look if study.look is not None and study.look.question == question else None
    head = headline(blocks[0])[0] if look is not None and blocks else None
    tested = [one.found for block in blocks for one in block if one.found is not None and one is not head]
    adjusted = iter(compare.holm([found.p_value for found in tested]))
    judged = []
    for block in blocks:
        block = [_adjusted(one, head, look, adjusted) for one in block]
        places = _with_tost([one for one in block if one.where != AGGREGATE])
        places = [_judged_place(study, one, len(tested)) for one in places]
        whole = [_judged_aggregate(one, places, len(tested)) for one in block if one.where == AGGREGATE]
        judged += _needed([*whole, *places])
    return judged


def _needed(found: list[Comparison]) -> list[Comparison]:
    """A pair's comparisons, with how many seeds the rules ask for at its headline, if that was tested."""
    head = headline(found)[0] if found else None
    if head is None or head.found is None or head.found.margin is None:
        return found
    live = [one for one in found if one.where in head.over and one.where != AGGREGATE]
    if any(not one.found or not one.found.margin or not one.gate or not one.scale for one in live):
        return found
    question = power.Question(
        deviations=tuple(one.found.deviation / one.scale for one in live if one.found and one.scale),
        margins=tuple(
            one.found.margin / one.scale for one in live if one.found and one.found.margin and one.scale
        ),
        gates=tuple(one.gate / one.scale for one in live if one.gate and one.scale),
        margin=head.found.margin if head.where == AGGREGATE else head.found.margin / (head.scale or 1.0),
    )
    need = power.need(question, head.seeds)
    plan = head.plan
    if plan is not None and head.where == AGGREGATE:
        # It is not enough that the mean lies within its margin: every environment has its gate.
        asked = [power.MOST + 1 if n is None else n for n in (need.equivalent, need.different)]
        plan = replace(plan, margin=max(*asked, head.seeds + 1))
    return [replace(one, need=need, plan=plan) if one is head else one for one in found]


def headline(found: Sequence[Comparison]) -> list[Comparison]:
    """What gives the answer about one pair: its aggregate, or its one live environment, or all of them.

    Where just one environment has constants, it is that one: what has none is in no aggregate either.
    """
    aggregate = [one for one in found if one.where == AGGREGATE]
    if aggregate and aggregate[0].reason != "blocked":
        return aggregate
    stuck = ("no room", "no effect possible")
    live = [one for one in found if one.where != AGGREGATE and one.reason not in stuck]
    scaled = [one for one in live if one.scale is not None]
    for few in (live, scaled):
        if len(few) == 1 and not aggregate:
            return few
    return [*aggregate, *live] or list(found[:1])


def _adjusted(
    one: Comparison, head: Comparison | None, look: Look | None, adjusted: Iterator[float]
) -> Comparison:
    """With its p-value adjusted; at a look the headline is tested by itself, and all else describes."""
    if look is None:
        return replace(one, adjusted_p=next(adjusted)) if one.found else one
    if one is head:
        levels = Levels(look.different, look.equivalent)
        return replace(one, adjusted_p=one.found.p_value if one.found else None, levels=levels)
    return replace(one, adjusted_p=next(adjusted) if one.found else None, claim=False)


def _block(study: Study, question: str, x: str, y: str, margin: Margin, idle: Idle) -> list[Comparison]:
    """A pair's comparisons without their words, the aggregate first if there is one."""
    places = [
        _compared(study, question, x, y, where, margin, idle)
        for where in study.environments
        if study.cell(x, where).declared and study.cell(y, where).declared
    ]
    pooled = [one for one in places if one.where in study.comparable]
    live = [one.where for one in pooled if one.reason not in ("no effect possible", "no room", "blocked")]
    if len(study.environments) > 1 and (len(live) > 1 or (not live and len(pooled) > 1) or not pooled):
        return [_pooled(study, x, y, live, pooled, margin), *places]
    return places


def _compared(
    study: Study, question: str, x: str, y: str, where: str, margin: Margin, idle: Idle
) -> Comparison:
    left, right = study.cell(x, where), study.cell(y, where)
    scale, delta = study.scale(where), margin(where)
    blank = Comparison(
        x=x,
        y=y,
        where=where,
        over=(where,),
        n_x=left.n,
        n_y=right.n,
        scale=scale,
        gaps=_gaps(study, x, y, (where,)),
        lost=left.without_score + right.without_score,
        gate=None if delta is None else delta * study.suite.gate / study.suite.margin,
        unlearnt=(where,) if study.early(where, (x, y)) else (),
        rising=study.rising(where, (x, y)),
        steps=study.steps_taken(where, (x, y)),
    )
    if why := study.apart(where, x, y):
        return replace(blank, reason="blocked", notes=(why,))
    if study.same_runs(where, x, y):
        return replace(blank, reason="no effect possible")
    if left.n and right.n and (why := idle(x, y, where)):
        return replace(blank, reason="no effect possible", notes=(why,))
    lost = diverged(study, x, y, where)
    if study.no_room(where, left.scores, right.scores):
        # Equal scores before anything is learnt are no ceiling: there is room, and nothing to test yet.
        return replace(blank, reason="too early" if blank.early else "no room", notes=lost)
    rng = study.generator(question, x, y, where, "permutation")
    found = compare.difference([left.scores], [right.scores], delta, rng)
    if found is None:
        early = blank.early and left.n and right.n
        return replace(blank, reason="too early" if early else "too few seeds", notes=lost)
    return replace(
        blank,
        found=found,
        improvement=compare.improvement([left.scores], [right.scores]),
        effect_size=compare.hedges_g(left.scores, right.scores),
        claim=study.claim([x, y], (where,))
        and not (skewed(study, x, y, where) and min(left.n, right.n) < SETTLED),
        notes=(*skewed(study, x, y, where), *lost),
    )


def _pooled(
    study: Study, x: str, y: str, live: list[str], pooled: list[Comparison], margin: Margin
) -> Comparison:
    over = tuple(live)
    every = over or tuple(one.where for one in pooled)
    blank = Comparison(
        x=x,
        y=y,
        where=AGGREGATE,
        over=over,
        n_x=study.seeds([x], every),
        n_y=study.seeds([y], every),
        scale=1.0,
        gaps=_gaps(study, x, y, study.comparable),
        lost=sum(study.cell(name, where).without_score for name in (x, y) for where in every),
        gate=study.suite.gate,
        unlearnt=tuple(one.where for one in pooled if one.where in over and one.early),
        rising=any(one.rising for one in pooled if one.where in over),
        steps=max((one.steps for one in pooled), default=0),
    )
    if reasons := list(dict.fromkeys(reason for v in (x, y) if (reason := study.blocked(v)))):
        return replace(blank, reason="blocked", notes=tuple(reasons))
    if not over:
        same = all(one.reason == "no effect possible" for one in pooled)
        why = tuple(dict.fromkeys(note for one in pooled for note in one.notes)) if same else ()
        return replace(blank, reason="no effect possible" if same else "no room", notes=why)
    left, right = (study.aggregate_samples(variant, over) for variant in (x, y))
    found = compare.difference(left, right, pooled_margin(study, margin, over))
    if found is None:
        return replace(blank, reason="too early" if blank.early else "too few seeds")
    middle = len(left)
    rng = study.generator("iqm difference", x, y)
    interval = bootstrap(
        [*left, *right], lambda s: iqm(s[:middle]) - iqm(s[middle:]), rng, tail=iqm_difference_tail
    )
    few = min(len(sample) for sample in (*left, *right)) < SETTLED
    notes = [note for name in over for note in (*skewed(study, x, y, name), *diverged(study, x, y, name))]
    return replace(
        blank,
        found=found,
        improvement=compare.improvement(left, right),
        iqm=(float(iqm(left) - iqm(right)), interval),
        claim=study.claim([x, y], over) and not (few and any(skewed(study, x, y, name) for name in over)),
        notes=tuple(notes),
    )


def pooled_margin(study: Study, margin: Margin, over: Sequence[str]) -> float | None:
    """The margin of a mean over environments, in normalised score: the suite's, or the mean of a question's.

    None where the question has none on some environment.
    """
    if margin == study.margin:
        return float(study.suite.aggregate_margin)
    shares = [(margin(name), study.scale(name)) for name in over]
    known = [m / s for m, s in shares if m is not None and s is not None]
    return sum(known) / len(known) if known and len(known) == len(over) else None


def _gaps(study: Study, x: str, y: str, places: Sequence[str]) -> str:
    return "; ".join(
        f"{v}, {e}: {study.cell(v, e).gaps}" for v in (x, y) for e in places if study.cell(v, e).gaps
    )


def _with_tost(places: Sequence[Comparison]) -> list[Comparison]:
    """The places of one pair with Holm's adjusted p-values of equivalence."""
    if alone := [one for one in places if one.levels is not None]:
        # The headline of a look is tested by itself.
        rest = iter(_with_tost([one for one in places if one.levels is None]))
        own = alone[0].found.tost_p if alone[0].found else None
        return [replace(one, adjusted_tost=own) if one is alone[0] else next(rest) for one in places]
    tested = [one for one in places if one.found is not None and one.found.tost_p is not None]
    values = [one.found.tost_p for one in tested if one.found is not None and one.found.tost_p is not None]
    adjusted = dict(zip((one.where for one in tested), compare.holm(values), strict=True))
    return [replace(one, adjusted_tost=adjusted.get(one.where)) for one in places]


def _judged_place(study: Study, one: Comparison, family: int) -> Comparison:
    found = one.found
    if found is None or one.adjusted_p is None:
        return one
    levels = one.levels or FIXED
    same = one.adjusted_tost is not None and one.adjusted_tost <= levels.equivalent
    outcome = verdicts.on_environment(one.adjusted_p <= levels.different, same, one.early)
    word, reason = verdicts.split(str(outcome))
    notes = [*one.notes, *remarks(found, one.adjusted_p, family, one.levels)]
    if found.within(found.margin) and not same and not one.levels:
        notes.append(
            "The 90 % interval lies inside the margin, but equivalence does not survive Holm’s correction "
            "over "
            "the environments."
        )
    if found.margin is None:
        notes.append(
            "No normalising constants, so no margin: equivalence cannot be assessed."
            if one.where not in study.constants
            else "No frozen reference at this budget, so no margin: equivalence cannot be assessed."
        )
    plan = compare.plan(found, family) if reason == "not decided" else None
    return replace(one, word=word, reason=reason, notes=tuple(notes), plan=plan)


def _judged_aggregate(one: Comparison, places: Sequence[Comparison], family: int) -> Comparison:
    found = one.found
    if found is None or one.adjusted_p is None:
        return one
    live = [place for place in places if place.where in one.over and place.found is not None]
    levels = one.levels or FIXED
    inside_margin = found.tost_p is not None and found.tost_p <= levels.equivalent
    differs = np.array([(place.adjusted_p or 0.0) <= compare.ALPHA for place in live])
    signs = np.sign([place.found.estimate.value for place in live if place.found])
    within = np.array([place.found.within(place.gate) for place in live if place.found])
    outcome = verdicts.in_aggregate(
        one.adjusted_p <= levels.different, inside_margin, differs, signs, within, one.early
    )
    word, reason = verdicts.split(str(outcome))
    against = tuple(
        (place.where, int(sign)) for place, hit, sign in zip(live, differs, signs, strict=True) if hit
    )
    notes = [*one.notes, *remarks(found, one.adjusted_p, family, one.levels)]
    beyond = [place.where for place, inside in zip(live, within, strict=True) if not inside]
    if inside_margin and beyond and reason == "not decided":
        notes.append(
            "The mean is within the margin, but not every environment is within the gate: "
            f"{', '.join(beyond)}."
        )
    if one.iqm is not None and one.iqm[0] * found.estimate.value < 0:
        notes.append(f"The interquartile means say otherwise: their difference is {one.iqm[0]:+.3f}.")
    plan = compare.plan(found, family) if reason == "not decided" else None
    return replace(one, word=word, reason=reason, against=against, notes=tuple(notes), plan=plan)
