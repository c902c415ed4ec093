"""Tables of whole trainings: areas under curves, and how soon runs arrive."""

from collections.abc import Sequence

from matters.reports.page.formatting import DASH, ends, interval_text, number, percent, thousands
from matters.reports.page.section import Table
from matters.reports.statistics.intervals import Interval
from matters.reports.study.areas_under_curves import Area
from matters.reports.study.time_to_threshold import Arrival


def area_table(found: Sequence[Area]) -> Table:
    """One row per place and variant."""
    columns = ("where", "variant", "area", "95 % interval", "n")
    return Table(
        name="area-under-curve",
        key="areas",
        caption="Area under each run’s evaluation curve divided by its span: the mean return over training, "
        "a secondary endpoint. In raw return per environment (mean, Student’s interval), as IQM of "
        "normalised scores in aggregate (bootstrap).",
        columns=columns,
        rows=tuple(
            (
                one.where,
                f"`{one.variant}`",
                number(one.value, one.where),
                interval_text(one.interval, one.where),
                str(one.n),
            )
            for one in found
        ),
        data=tuple(
            {
                "where": one.where,
                "variant": one.variant,
                "area": one.value,
                **ends(one.interval),
                "n": one.n,
            }
            for one in found
        ),
        numeric=frozenset(columns[2:]),
        fold="Areas under the curves",
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
        "the median is given where more than half of the runs arrive: a mean of those that did would flatter "
        "whoever rarely does. Thresholds that no run reaches are left out.",
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
                **ends(one.interval),
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
