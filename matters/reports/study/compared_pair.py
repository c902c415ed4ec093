"""One pair of variants compared in one place, and which of its comparisons gives the answer about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics import power
from matters.reports.statistics.intervals import Interval
from matters.reports.statistics.looks import Levels
from matters.reports.statistics.verdicts import Reason, Word
from matters.reports.study.study import AGGREGATE


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
