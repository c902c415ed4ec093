"""Verdicts as sentences: what every question says in the same words."""

from matters.reports.page.formatting import interval_text, number, signed
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL, Interval
from matters.reports.study.pairwise import Comparison
from matters.reports.study.study import AGGREGATE


def place_text(where: str) -> str:
    """How a sentence about a place begins."""
    return "In aggregate" if where == AGGREGATE else f"On {where}"


def why_no_claim(runs: int, gaps: str, what: str) -> str:
    """Why a verdict is an indication only. `what` is said of the smallest number of runs."""
    if runs < MINIMUM_FOR_CLAIM:
        return f"Indication ({what})"
    return f"Indication (runs are left out: {gaps})"


def turned(interval: Interval, sign: float) -> Interval:
    """The interval of minus the quantity, if the sign is negative."""
    return interval if sign > 0 else Interval(-interval.high, -interval.low, interval.level)


def seeds_text(one: Comparison) -> str:
    """The number of seeds in the smaller and the larger of the two cells."""
    return str(one.n_x) if one.n_x == one.n_y else f"{min(one.n_x, one.n_y)} and {max(one.n_x, one.n_y)}"


def sentence(one: Comparison) -> str:
    """The verdict in words. What is no claim begins by saying so."""
    place = place_text(one.where)
    if one.word == "blocked":
        return f"{place}, no verdict on `{one.x}` against `{one.y}`: {'; '.join(one.notes)}."
    if one.found is None:
        return (
            f"{place}, too few seeds to compare `{one.x}` with `{one.y}` "
            f"({seeds_text(one)}; an interval needs {MINIMUM_FOR_INTERVAL}, a claim {MINIMUM_FOR_CLAIM})."
        )
    text = f"{place}, {_finding(one)}"
    if not one.claim:
        n = min(one.n_x, one.n_y)
        why = why_no_claim(n, one.gaps, f"{n} seeds are fewer than the {MINIMUM_FOR_CLAIM} a claim needs")
        text = f"{why}: {text[0].lower()}{text[1:]}"
    return " ".join([text, *one.notes])


def _finding(one: Comparison) -> str:
    found, where = one.found, one.where
    assert found is not None
    unit = " in normalised score" if where == AGGREGATE else ""
    value = found.estimate.value
    margin = "" if found.margin is None else f"±{number(found.margin, where)}"
    # A sentence about who is ahead counts from the one behind, so that all its numbers have one sign.
    ahead, behind, turn = (one.x, one.y, 1) if value >= 0 else (one.y, one.x, -1)
    gain = f"`{ahead}` scores {number(abs(value), where)} more{unit} than `{behind}`"
    apart = f"`{one.x}` minus `{one.y}` is {signed(value, where)}{unit}"
    wide, narrow = interval_text(found.interval95, where), interval_text(found.interval90, where)
    if one.word == "different":
        return f"{gain}: different (95 % interval {interval_text(turned(found.interval95, turn), where)})."
    if one.word == "both":
        narrow = interval_text(turned(found.interval90, turn), where)
        return (
            f"{gain}, but within the margin of {margin}: different, and equivalent for practical purposes "
            f"(90 % interval {narrow})."
        )
    if one.word == "equivalent":
        return (
            f"`{one.x}` and `{one.y}` are equivalent: {apart}, 90 % interval {narrow}, "
            f"inside the margin of {margin}."
        )
    needed = f" About {one.seeds_needed} seeds a variant would decide." if one.seeds_needed else ""
    against = f", margin {margin}" if margin else ""
    return (
        f"the runs do not decide between `{one.x}` and `{one.y}`: inconclusive "
        f"({apart}, 95 % interval {wide}{against}).{needed}"
    )
