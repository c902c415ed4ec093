"""From what was tested to words: Holm's correction over a question, then the rules of verdicts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics import power, verdicts
from matters.reports.statistics.looks import Levels
from matters.reports.study.caveats import remarks
from matters.reports.study.compared_pair import Comparison, headline
from matters.reports.study.study import AGGREGATE, Look, Study

FIXED = Levels(compare.ALPHA, compare.ALPHA)
"""The levels where the number of seeds was fixed beforehand."""


def judged(study: Study, question: str, blocks: Sequence[list[Comparison]]) -> list[Comparison]:
    """All comparisons with their words, pair by pair, the aggregate of each first.

    `blocks` are each pair's, tested and without words. At a look the headline of the question's first pair is
    tested by itself, and all else describes.
    """
    look = study.look if study.look is not None and study.look.question == question else None
    head = headline(blocks[0])[0] if look is not None and blocks else None
    tested = [one.found for block in blocks for one in block if one.found is not None and one is not head]
    adjusted = iter(compare.holm([found.p_value for found in tested]))
    found = []
    for block in blocks:
        block = [_adjusted(one, head, look, adjusted) for one in block]
        places = _with_tost([one for one in block if one.where != AGGREGATE])
        places = [_judged_place(study, one, len(tested)) for one in places]
        whole = [_judged_aggregate(one, places, len(tested)) for one in block if one.where == AGGREGATE]
        found += _needed([*whole, *places])
    return found


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
            "over the environments."
        )
    if found.margin is None:
        notes.append(
            "No normalising constants, so no margin: equivalence cannot be assessed."
            if one.where not in study.constants
            else "No frozen reference at this budget, so no margin: equivalence cannot be assessed."
        )
    return replace(one, word=word, reason=reason, notes=tuple(notes), plan=_plan(one, reason, family))


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
        notes.append(
            f"The interquartile means say otherwise: their difference is {abs(one.iqm[0]):.3f} the other way."
        )
    plan = _plan(one, reason, family)
    return replace(one, word=word, reason=reason, against=against, notes=tuple(notes), plan=plan)


def _plan(one: Comparison, reason: str, family: int) -> compare.Plan | None:
    """How many seeds would decide what is not decided; the headline of a look is tested by itself."""
    if one.found is None or reason != "not decided":
        return None
    return compare.plan(one.found, 1 if one.levels else family)


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
        # It is not enough that the mean lies within its margin: every environment has its gate. And the rules
        # of one pair do not know the family of all, which the plan does.
        asked = [power.MOST + 1 if n is None else n for n in (need.equivalent, need.different)]
        plan = replace(plan, margin=max(*asked, plan.margin or 0))
    return [replace(one, need=need, plan=plan) if one is head else one for one in found]
