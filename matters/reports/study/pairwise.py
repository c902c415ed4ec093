"""Pairs of variants compared per environment and in aggregate: one family of tests, one set of rules."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.aggregates import iqm
from matters.reports.statistics.intervals import bootstrap, iqm_difference_tail
from matters.reports.study.caveats import SETTLED, diverged, skewed
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.judging import judged
from matters.reports.study.study import AGGREGATE, Study

Margin = Callable[[str], float | None]
"""The margin of equivalence on an environment, in raw return."""

Idle = Callable[[str, str, str], str | None]
"""For a pair and an environment: why what tells the two apart cannot have had an effect there, or None."""


def compare_pairs(
    study: Study,
    question: str,
    pairs: Sequence[tuple[str, str]],
    margin: Margin | None = None,
    idle: Idle = lambda *_: None,
) -> list[Comparison]:
    """Every pair in aggregate and on every environment; Holm over all difference tests of the question.

    The aggregate is over the live environments, those where there is room for a difference. With one of them
    it would test that one twice, and is left out; with none it says why nothing is tested. Equivalence is
    tested with Holm's correction over a pair's environments. `margin` is the study's unless a question asks
    for another. Where `idle` says why no effect is possible, nothing is tested, as where two variants are the
    same runs.
    """
    blocks = [_block(study, question, x, y, margin or study.margin, idle) for x, y in pairs]
    return judged(study, question, blocks)


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
        gate=study.gate(delta),
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
    caveats = skewed(study, x, y, where)
    return replace(
        blank,
        found=found,
        improvement=compare.improvement([left.scores], [right.scores]),
        effect_size=compare.hedges_g(left.scores, right.scores),
        claim=study.claim([x, y], (where,)) and not (caveats and min(left.n, right.n) < SETTLED),
        notes=(*caveats, *lost),
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
    caveats = {name: skewed(study, x, y, name) for name in over}
    notes = [note for name in over for note in (*caveats[name], *diverged(study, x, y, name))]
    return replace(
        blank,
        found=found,
        improvement=compare.improvement(left, right),
        iqm=(float(iqm(left) - iqm(right)), interval),
        claim=study.claim([x, y], over) and not (few and any(caveats.values())),
        notes=tuple(dict.fromkeys(notes)),
    )


def normalised_margin(study: Study, margin: Margin, environment: str) -> float | None:
    """A margin on an environment in normalised score."""
    own, scale = margin(environment), study.scale(environment)
    return None if own is None or scale is None else own / scale


def pooled_margin(study: Study, margin: Margin, over: Sequence[str]) -> float | None:
    """The margin of a mean over environments, in normalised score: the suite's, or the mean of a question's.

    None where the question has none on some environment.
    """
    if margin == study.margin:
        return float(study.suite.aggregate_margin)
    known = [share for name in over if (share := normalised_margin(study, margin, name)) is not None]
    return sum(known) / len(known) if known and len(known) == len(over) else None


def _gaps(study: Study, x: str, y: str, places: Sequence[str]) -> str:
    return "; ".join(
        f"{v}, {e}: {study.cell(v, e).gaps}" for v in (x, y) for e in places if study.cell(v, e).gaps
    )
