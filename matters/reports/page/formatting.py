"""Numbers as words and tables show them: one rule per kind of number."""

import math

from matters.reports.statistics.intervals import Interval

DASH = "–"


def number(value: float | None, where: str = "", like: float = 0.0) -> str:
    """A return to three digits or the unit, whichever is finer; a normalised score (`aggregate`) to .001.

    `like` is a larger value that stands beside it: both get the decimals of that one.
    """
    if value is None or not math.isfinite(value):
        return DASH
    size = max(abs(value), abs(like))
    if where == "aggregate":
        decimals = 3
    elif size == 0:
        decimals = 0
    else:
        # By the size that three digits leave: 0.09996 is 0.100.
        decimals = min(6, max(0, 2 - math.floor(math.log10(float(f"{size:.3g}")) + 1e-9)))
    text = f"{value:.{decimals}f}"
    if float(text) != 0:
        return text.replace("-", "−")
    return text.replace("-", "") if decimals < 6 else "0"  # what rounding left of a difference of equals


def signed(value: float | None, where: str = "", like: float = 0.0) -> str:
    """`number` with a plus sign where it belongs."""
    text = number(value, where, like)
    return f"+{text}" if value is not None and value > 0 and text.strip("0.") and text[0].isdigit() else text


def ends(interval: Interval | None, low: str = "low", high: str = "high") -> dict[str, float | None]:
    """Both bounds as data under these names, None where there is no interval."""
    return {
        low: None if interval is None else interval.low,
        high: None if interval is None else interval.high,
    }


def interval_text(interval: Interval | None, where: str = "") -> str:
    """`low to high`."""
    if interval is None:
        return DASH
    like = max(abs(interval.low), abs(interval.high))
    return f"{number(interval.low, where, like)} to {number(interval.high, where, like)}"


def p_text(value: float | None) -> str:
    """A p-value with three decimals, never 0."""
    if value is None or not math.isfinite(value):
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def percent(share: float | None, decimals: int = 0) -> str:
    """`42 %`; 0 and 100 only where it is exactly that, else `under 1 %` and `over 99 %`."""
    if share is None:
        return DASH
    text, step = f"{100 * share:.{decimals}f}", 10.0**-decimals
    if share > 0 and float(text) == 0:
        return f"under {step:g} %"
    return f"over {100 - step:g} %" if share < 1 and float(text) == 100 else f"{text} %"


def plural(count: int, word: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def thousands(value: int) -> str:
    """An integer with thin spaces between groups of three digits."""
    return f"{value:,}".replace(",", "\u202f")


def short_steps(value: int) -> str:
    """Environment steps as figures have room for them: `1M`, `1.5M`, `999k`, `500`."""
    if value >= 1_000_000:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 1000 else str(value)
