"""How far the updates of each cell went, one number per run, and what that says about a bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from matters.reports.questions.trust_region.bounds import Bound, actions, bounds
from matters.reports.statistics.comparisons import ALPHA
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, Array, Interval, contrast
from matters.reports.study.cells import of_cell
from matters.reports.study.study import Study

ROUNDING = 1e-6
"""Diagnostics are single precision: what is above a bound by less than this share of it is on it."""

Shown = tuple[float | None, Interval | None]
"""A value and its interval, where there are any."""


@dataclass(frozen=True)
class Updates:
    """One cell's updates, one number per run: mean KL, the median and the largest of their largest ratios.

    nan where a run has no such diagnostic. `beyond` has, for each bound that can be judged here, the share
    of each run's updates that went beyond it.
    """

    variant: str
    environment: str
    counts: Array
    kl: Array
    ratio: Array
    largest: Array
    beyond: dict[Bound, Array]
    held_out_kl: Array | None = None
    """As `kl` and `ratio`, of what was held out; None where nothing was."""
    held_out_ratio: Array | None = None


def measure(study: Study, variant: str, environment: str) -> Updates | None:
    """What the updates of one cell did, or None if none is recorded."""
    rows = of_cell(study.updates, variant, environment)
    if rows.empty or not {"mean_kl", "max_ratio"} <= set(rows.columns):
        return None
    rows = rows.assign(**{name: pd.to_numeric(rows[name]) for name in ("mean_kl", "max_ratio")})
    runs = rows.groupby("seed", sort=True)
    size = actions(environment)
    beyond = {}
    for bound in bounds(study.suite.variants.get(variant)):
        if (bound.per_action and size is None) or rows[bound.quantity].isna().all():
            continue
        limit = bound.at(rows["step"].to_numpy(float), study.suite.steps, size or 1)
        over = (rows[bound.quantity] > limit * (1 + ROUNDING)).where(rows[bound.quantity].notna())
        beyond[bound] = over.astype(float).groupby(rows["seed"], sort=True).mean().dropna().to_numpy(float)
    return Updates(
        variant=variant,
        environment=environment,
        counts=runs.size().to_numpy(float),
        kl=runs["mean_kl"].mean().to_numpy(float),
        ratio=runs["max_ratio"].median().to_numpy(float),
        largest=runs["max_ratio"].max().to_numpy(float),
        beyond=beyond,
        held_out_kl=_held_out(rows, "mean_kl", "mean"),
        held_out_ratio=_held_out(rows, "max_ratio", "median"),
    )


def _held_out(rows: pd.DataFrame, quantity: str, statistic: str) -> Array | None:
    name = f"{quantity}_held_out"
    if name not in rows or rows[name].isna().all():
        return None
    found: Array = rows.groupby("seed", sort=True)[name].agg(statistic).to_numpy(float)
    return found


def average(samples: Sequence[Array]) -> Shown:
    """Mean over environments of the mean over runs, with Satterthwaite's interval from five runs on.

    The interval of what is nowhere negative, a KL or a ratio, ends at 0. (None, None) where a run has no
    finite number.
    """
    if not samples or any(len(one) == 0 or not np.isfinite(one).all() for one in samples):
        return None, None
    value = float(np.mean([one.mean() for one in samples]))
    if min(len(one) for one in samples) < MINIMUM_FOR_INTERVAL:
        return value, None
    # Equal numbers from the updates of all runs are no rare chance, and no claim rests on their average.
    interval = contrast(samples, [1 / len(samples)] * len(samples)).interval()
    if interval is None:
        return value, Interval(value, value)
    least = 0.0 if min(float(one.min()) for one in samples) >= 0 else interval.low
    return value, Interval(max(least, interval.low), interval.high, interval.level)


def share(samples: Sequence[Array]) -> Shown:
    """`average` of shares, its interval kept within 0 and 1.

    Where all runs have a share of 0, or all of 1, Student's interval would be a point. A mean share is at
    most the chance that a run has any, whose exact bound after n runs without any is 1 - .025^(1/n) (Clopper
    and Pearson's); likewise for 1.
    """
    value, interval = average(samples)
    if value is None or interval is None:
        return value, None
    if value in (0.0, 1.0):
        n = len(samples) * min(len(one) for one in samples)
        bound = (ALPHA / 2) ** (1 / n)
        return value, Interval(0.0, 1 - bound) if value == 0 else Interval(bound, 1.0)
    return value, Interval(max(0.0, interval.low), min(1.0, interval.high))


@dataclass(frozen=True)
class Finding:
    """One bound of one variant over its environments; `bound` is None for a variant without any.

    `word`: *kept* if no update of any run was beyond it, *exceeded* if the share of those beyond it is above
    one half by the whole of its interval, else *mixed*; *no bound*, *too few seeds* or *blocked*.
    """

    variant: str
    bound: Bound | None
    word: str
    share: Shown
    cells: tuple[Updates, ...]
    seeds: int
    claim: bool
    gaps: str

    @property
    def runs(self) -> int:
        """How many runs the share is taken over."""
        return sum(len(cell.counts) for cell in self.cells)


def judge(
    study: Study, variant: str, bound: Bound | None, cells: Mapping[tuple[str, str], Updates]
) -> Finding:
    """Hold a bound against the updates of all the variant's cells that can be judged by it."""
    declared = [cell for name in study.environments if (cell := study.cell(variant, name)).declared]
    mine = [cells[key] for cell in declared if (key := (variant, cell.environment)) in cells]
    mine = [one for one in mine if bound is None or bound in one.beyond]
    gaps = "; ".join(f"{cell.environment}: {cell.gaps}" for cell in declared if cell.gaps)
    found: Shown = (None, None) if bound is None else share([one.beyond[bound] for one in mine])
    return Finding(
        variant=variant,
        bound=bound,
        word="blocked" if gaps and not study.allow_missing else _word(bound, found),
        share=found,
        cells=tuple(mine),
        seeds=min((len(one.counts) for one in mine), default=0),
        claim=bool(mine) and study.claim([variant], [cell.environment for cell in declared]),
        gaps=gaps,
    )


def _word(bound: Bound | None, found: Shown) -> str:
    value, interval = found
    if bound is None:
        return "no bound"
    if value is None:
        return "blocked"
    if interval is None:
        return "too few seeds"
    if value == 0:
        return "kept"
    return "exceeded" if interval.low > 0.5 else "mixed"
