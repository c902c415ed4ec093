"""Tables that a page folds away: every pair's effects, and how soon runs arrive."""

from collections.abc import Sequence

from matters.reports.page.formatting import DASH, ends, interval_text, number, percent, signed, thousands
from matters.reports.page.section import Table
from matters.reports.statistics.intervals import Interval
from matters.reports.study.all_pairs import Effect
from matters.reports.study.study import AGGREGATE
from matters.reports.study.time_to_threshold import Arrival


def pairs_table(found: Sequence[Effect]) -> Table:
    """Every variant beside every other: effects, no verdicts."""
    columns = ("pair", "where", "n", "difference", "95 % interval", "P(improvement)", "Hedges’ g")
    return Table(
        name="all-pairs",
        caption="Every variant minus every other, in raw return per environment and in normalised score in "
        "aggregate: Welch’s intervals, each by itself and without correction, Newcombe’s of P(improvement), "
        "and the difference in standard deviations (Hedges 1981). Effects only: what is compared by a "
        "question has its verdict there.",
        columns=columns,
        rows=tuple(
            (
                f"`{one.x}` − `{one.y}`",
                one.where,
                str(one.n),
                signed(one.difference, one.where),
                interval_text(one.interval, one.where),
                f"{one.chance:.2f} ({one.chance_interval.low:.2f} to {one.chance_interval.high:.2f})",
                DASH if one.effect_size is None else signed(one.effect_size, AGGREGATE),
            )
            for one in found
        ),
        data=tuple(
            {
                "x": one.x,
                "y": one.y,
                "where": one.where,
                "n": one.n,
                "difference": one.difference,
                "low": ends(one.interval)[0],
                "high": ends(one.interval)[1],
                "improvement": one.chance,
                "improvement_low": one.chance_interval.low,
                "improvement_high": one.chance_interval.high,
                "effect_size": one.effect_size,
            }
            for one in found
        ),
        numeric=frozenset(columns[2:]),
        fold=f"All pairs of variants: {len(found)} effects, no verdicts",
    )


def arrival_table(found: Sequence[Arrival]) -> Table:
    """Steps to a threshold, where not every run arrives."""
    columns = (
        "environment", "threshold", "variant", "arrived", "median steps", "restricted mean", "95 % interval",
    )  # fmt: skip
    return Table(
        name="time-to-threshold",
        caption="Environment steps until the mean of three evaluations in a row is at a share of the "
        "yardstick. A run that does not arrive counts with all the steps it was given (restricted mean), and "
        "the median is given where half of the runs arrive: a mean of those that did would flatter whoever "
        "rarely does. Thresholds that no run reaches are left out.",
        columns=columns,
        rows=tuple(
            (
                one.environment,
                f"{percent(one.share)} ({number(one.threshold)})",
                f"`{one.variant}`",
                f"{one.arrived} of {one.n}",
                DASH if one.median is None else thousands(round(one.median)),
                thousands(round(one.restricted)),
                _steps(one.interval),
            )
            for one in found
        ),
        data=tuple(
            {
                "environment": one.environment,
                "share": one.share,
                "threshold": one.threshold,
                "variant": one.variant,
                "n": one.n,
                "arrived": one.arrived,
                "steps": one.steps,
                "median": one.median,
                "restricted_mean": one.restricted,
                "low": ends(one.interval)[0],
                "high": ends(one.interval)[1],
            }
            for one in found
        ),
        numeric=frozenset(columns[3:]),
        fold="How soon: steps to a quarter, a half and three quarters of the yardstick",
    )


def _steps(interval: Interval | None) -> str:
    if interval is None:
        return DASH
    return f"{thousands(round(interval.low))} to {thousands(round(interval.high))}"
