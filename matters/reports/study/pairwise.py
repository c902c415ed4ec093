"""Pairs of variants compared per environment and in aggregate: one family of tests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import Interval
from matters.reports.study.study import AGGREGATE, Study


@dataclass(frozen=True)
class Comparison:
    """One pair on one environment (in raw return) or on their aggregate (in normalised score)."""

    x: str
    y: str
    where: str
    n_x: int
    n_y: int
    found: compare.Difference | None
    adjusted_p: float | None
    word: compare.Word
    claim: bool
    scale: float | None
    improvement: tuple[float, Interval] | None
    seeds_needed: int | None
    notes: tuple[str, ...]
    gaps: str

    @property
    def margin(self) -> float | None:
        """The margin in the units of the difference."""
        return self.found.margin if self.found else None


def compare_pairs(study: Study, question: str, pairs: Sequence[tuple[str, str]]) -> list[Comparison]:
    """Every pair on every environment, then in aggregate; Holm over all difference tests of the question."""
    raw = [
        _compare(study, question, x, y, where)
        for x, y in pairs
        for where in (AGGREGATE, *study.environments)
        if where == AGGREGATE or (study.cell(x, where).declared and study.cell(y, where).declared)
    ]
    tested = [k for k, one in enumerate(raw) if one.found is not None]
    adjusted = dict(zip(tested, compare.holm([_p(raw[k]) for k in tested]), strict=True))
    return [_judge(one, adjusted.get(k), len(tested)) for k, one in enumerate(raw)]


def _p(one: Comparison) -> float:
    assert one.found is not None
    return one.found.p_value


def _compare(study: Study, question: str, x: str, y: str, where: str) -> Comparison:
    places = study.comparable if where == AGGREGATE else (where,)
    gaps = "; ".join(
        f"{v}, {e}: {study.cell(v, e).gaps}" for v in (x, y) for e in places if study.cell(v, e).gaps
    )
    blank = Comparison(
        x=x,
        y=y,
        where=where,
        n_x=study.seeds([x], places),
        n_y=study.seeds([y], places),
        found=None,
        adjusted_p=None,
        word="too few seeds",
        claim=False,
        scale=1.0 if where == AGGREGATE else study.scale(where),
        improvement=None,
        seeds_needed=None,
        notes=(),
        gaps=gaps,
    )
    if where == AGGREGATE:
        reasons = list(dict.fromkeys(reason for v in (x, y) if (reason := study.blocked(v))))
        if reasons:
            return replace(blank, word="blocked", notes=tuple(reasons))
        left, right = study.aggregate_samples(x), study.aggregate_samples(y)
        margin: float | None = study.suite.aggregate_margin
        if len(places) == 1:
            blank = replace(blank, notes=(f"The aggregate is over {places[0]} alone.",))
    else:
        left, right = [study.cell(x, where).scores], [study.cell(y, where).scores]
        margin = None if blank.scale is None else study.suite.margin * blank.scale
    draw = (question, x, y, where)
    found = compare.difference(left, right, margin, study.generator(*draw, "permutation"))
    if found is None:
        return blank
    return replace(
        blank,
        found=found,
        claim=study.claim([x, y], places),
        improvement=compare.improvement(left, right, study.generator(*draw, "improvement")),
    )


def _judge(one: Comparison, adjusted_p: float | None, family: int) -> Comparison:
    found = one.found
    if found is None:
        return one
    word = compare.verdict(found, adjusted_p)
    notes = [*one.notes, *remarks(found, adjusted_p, family)]
    if found.margin is None:
        notes.append("No normalising constants, so no margin: equivalence cannot be assessed.")
    needed = compare.seeds_to_decide(found, family) if word == "inconclusive" else None
    return replace(one, word=word, adjusted_p=adjusted_p, notes=tuple(notes), seeds_needed=needed)


def remarks(found: compare.Difference, adjusted_p: float | None, family: int) -> list[str]:
    """What a reader should know of a difference beside its verdict, in sentences."""
    notes = []
    if found.estimate.standard_error == 0:
        notes.append("No run differs from the mean of its cell, so the interval is a point.")
    if found.p_value <= compare.ALPHA and adjusted_p is not None and adjusted_p > compare.ALPHA:
        notes.append(
            "The 95 % interval excludes 0, but the difference does not survive Holm’s correction over "
            f"{family} tests."
        )
    if found.permutation_p is not None and (
        (found.permutation_p <= compare.ALPHA) != (found.p_value <= compare.ALPHA)
    ):
        notes.append(f"A permutation test disagrees with Welch’s (p = {found.permutation_p:.3f}).")
    return notes
