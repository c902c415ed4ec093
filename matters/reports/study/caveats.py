"""What a reader should know of a comparison beside its verdict, in sentences: spreads, collapses, gaps."""

import math
from collections.abc import Sequence

import numpy as np

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import Array
from matters.reports.statistics.looks import Levels
from matters.reports.study.study import LEARNT, Study

UNEQUAL = 3.0  # times: above it the error rates of a comparison of few, skewed runs are no longer known
SETTLED = 20  # from this many runs on, a difference of such cells may be claimed

UNEQUAL_MEANS = (
    "With spreads so unequal a test can err more often than its 5 %, and nothing is claimed under "
    f"{SETTLED} runs."
)
COLLAPSE_MEANS = "Where a mean rests on such rare collapses, so many runs can miss or catch one by chance."
MEANINGS = (UNEQUAL_MEANS, COLLAPSE_MEANS)
"""What such a fact does to a verdict: the same for every pair, so that a section says each only once."""
SIDES_MEAN = (
    "With sides so unequal, or on such collapses, a test can err more often than its 5 %, and nothing is "
    f"claimed under {SETTLED} runs a side."
)
"""As `MEANINGS`, for the two sides of a contrast of cells."""


def skewed(study: Study, x: str, y: str, where: str) -> tuple[str, ...]:
    """Why the error rates of a comparison are worse than they should be: the facts, then what they mean.

    Welch's test keeps its level for means of normal runs, and of skewed ones with equal spreads; where
    spreads differ by more than three times, or a mean rests on rare collapses, it does not
    (docs/coverage.md). A cell without any spread is the extreme: what it may do besides was not seen.
    """
    facts, meanings = [], []
    cells = {name: study.cell(name, where).scores for name in (x, y)}
    (low, narrow), (high, wide) = sorted((_spread(scores), name) for name, scores in cells.items())
    if high > UNEQUAL * low:
        how = (
            f"the runs of `{wide}` spread {high / low:.0f} times as wide as those of `{narrow}`"
            if low
            else f"every run of `{narrow}` has the same score, and those of `{wide}` differ"
        )
        facts.append(f"On {where} {how}.")
        meanings.append(UNEQUAL_MEANS)
    for name, scores in cells.items():
        if lost := collapses(study, where, scores):
            facts.append(
                f"{lost} of {len(scores)} runs of `{name}` on {where} "
                f"{'has' if lost == 1 else 'have'} less than half of what its median run gained."
            )
            meanings.append(COLLAPSE_MEANS)
    return (*facts, *dict.fromkeys(meanings))


def lopsided(study: Study, high: Sequence[str], low: Sequence[str], where: str) -> tuple[str, ...]:
    """In what the two sides of a contrast of cells are too unequal, or rest on rare collapses: the facts.

    What `skewed` is for a pair; what it means for a test is `SIDES_MEAN`. A side's variance is the mean of
    its cells': that of the mean over them is in proportion to it.
    """
    sides = [[study.cell(name, where).scores for name in side] for side in (high, low)]
    narrow, wide = sorted(
        math.sqrt(math.fsum(_spread(cell) ** 2 for cell in side) / len(side)) for side in sides
    )
    facts = []
    if wide > UNEQUAL * narrow:
        facts.append(
            f"On {where} one of its sides spreads {wide / narrow:.0f} times as wide as the other."
            if narrow
            else f"On {where} the runs of each cell of one of its sides have the same score."
        )
    if any(collapses(study, where, cell) for side in sides for cell in side):
        facts.append(f"On {where} it rests on a cell with rare collapses.")
    return tuple(facts)


def _spread(scores: Array) -> float:
    """The standard deviation; exactly 0 for equal scores, whose mean may be rounded."""
    return float(scores.std(ddof=1)) if np.ptp(scores) > 0 else 0.0


def collapses(study: Study, where: str, scores: Array) -> int | None:
    """How many runs gained less than half of what the median run gained, and lie far from the others.

    Far is below the lower quartile by more than one and a half interquartile ranges (Tukey's fence), so
    that a wide cell has no collapses, nor one where many runs are low. None where that means nothing: there
    is no run, what random actions score is not known, or the median run has learnt nothing that it could
    lose.
    """
    if where not in study.constants or not len(scores):
        return None
    gained = study.normalised(where, scores)
    low, middle, high = np.quantile(gained, [0.25, 0.5, 0.75])
    far = gained < min(middle / 2, low - 1.5 * (high - low))
    return int(far.sum()) if middle >= LEARNT else None


def diverged(study: Study, x: str, y: str, where: str) -> tuple[str, ...]:
    """How many runs diverged on an environment and what they count with, in sentences."""
    counts = [(name, study.cell(name, where)) for name in (x, y)]
    return tuple(
        f"{cell.diverged} of {cell.declared} runs of `{name}` on {where} diverged and "
        f"{'counts' if cell.diverged == 1 else 'count'} with "
        + ("the random policy’s score." if where in study.constants else "the last score before.")
        for name, cell in counts
        if cell.diverged
    )


def remarks(
    found: compare.Difference, adjusted_p: float | None, family: int, levels: Levels | None = None
) -> list[str]:
    """What a reader should know of a difference beside its verdict, in sentences."""
    notes = []
    if found.interval95 is None:
        notes.append("No run differs from the mean of its cell, so there is no interval.")
    if levels is not None:
        if levels.different < found.p_value <= compare.ALPHA:
            notes.append(
                f"The 95 % interval excludes 0, but p = {found.p_value:.4f} is above this look’s level of "
                f"{levels.different:.4f}."
            )
        if found.tost_p is not None and levels.equivalent < found.tost_p <= compare.ALPHA:
            notes.append(
                f"The 90 % interval lies inside the margin, but p = {found.tost_p:.4f} is above this look’s "
                f"level of {levels.equivalent:.4f}."
            )
    elif found.p_value <= compare.ALPHA and adjusted_p is not None and adjusted_p > compare.ALPHA:
        notes.append(
            "The 95 % interval excludes 0, but the difference does not survive Holm’s correction over "
            f"{family} tests."
        )
    if found.permutation_p is not None and (
        (found.permutation_p <= compare.ALPHA) != (found.p_value <= compare.ALPHA)
    ):
        notes.append(
            f"A permutation test of this difference alone has {_p(found.permutation_p)}, where Welch’s, as "
            f"little corrected, has {_p(found.p_value)}: the two disagree."
        )
    return notes


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
