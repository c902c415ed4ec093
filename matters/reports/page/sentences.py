"""Verdicts as sentences: what every question says in the same words."""

from collections.abc import Collection, Sequence

from matters.reports.page.formatting import interval_text, number, percent, signed, thousands
from matters.reports.statistics.comparisons import Plan
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL, Interval
from matters.reports.statistics.power import FEWEST, MOST
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.study import AGGREGATE, Study

MARGIN_PLAN = "whether it is within the margin"


def place_text(where: str) -> str:
    """How a sentence about a place begins."""
    return "In aggregate" if where == AGGREGATE else f"On {where}"


def at_place(where: str) -> str:
    """The same within a sentence."""
    return "in aggregate" if where == AGGREGATE else f"on {where}"


def turned(interval: Interval | None, sign: float) -> Interval | None:
    """The interval of minus the quantity, if the sign is negative."""
    if interval is None or sign > 0:
        return interval
    return Interval(-interval.high, -interval.low, interval.level)


def own_margins(questions: Sequence[str]) -> str:
    """What a statement of the suite's margins ends with where one of its questions has others."""
    return "; `reproduction` has margins of its own, which it states" if "reproduction" in questions else ""


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def seeds_text(one: Comparison) -> str:
    """The number of seeds of both cells, or that of the first and that of the second."""
    return str(one.n_x) if one.n_x == one.n_y else f"{one.n_x} and {one.n_y}"


def plan_text(plan: Plan | None, unit: str) -> str:
    """How many seeds would decide, by both plans; empty without anything to plan by."""
    if plan is None:
        return ""
    parts = []
    asked = ((plan.effect, "if the difference is as large as seen"), (plan.margin, MARGIN_PLAN))
    for count, what in asked:
        if count is not None:
            parts.append((str(count) if count <= MOST else f"more than {MOST}", what))
    if not parts:
        return ""
    if all(seeds.startswith("more") for seeds, _ in parts):
        return f"Not to be decided by more seeds: either plan asks for more than {MOST} {unit}."
    (seeds, what), *rest = parts
    text = f"{seeds} seeds {unit} would decide {what}"
    text = ", ".join([text, *(f"{more} {what}" for more, what in rest)])
    return f"{'About ' if text[0].isdigit() else ''}{text[0].upper()}{text[1:]}."


def need_text(one: Comparison) -> str:
    """How many seeds the rules of the headline ask for, in words; empty where nothing was tested."""
    need = one.need
    if need is None:
        return ""

    def enough(seeds: int | None) -> str:
        few = "already with" if seeds == FEWEST else "with about"
        return f"in 80 % with more than {MOST}" if seeds is None else f"in 80 % {few} {seeds}"

    def share(value: float) -> str:
        # Of some thousand simulated studies, all of them is not always.
        return percent(min(max(value, 1e-6), 1 - 1e-6))

    learnt = " that have learnt enough" if one.early else ""
    return (
        f"With spreads like those of `{one.x}` and `{one.y}`, two alike variants{learnt} are called "
        f"*equivalent* in {share(need.equivalent_now)} of studies with {need.seeds} seeds, and "
        f"{enough(need.equivalent)}; a difference as large as the margin is found in "
        f"{share(need.different_now)}, and {enough(need.different)}."
    )


def measured(one: Comparison) -> str:
    """`95 % interval 2147 to 2866, 20 seeds`: how sure a finding is, counted as its sentence counts.

    A difference counts from the one behind; one within the margin has the 90 % interval that shows it.
    """
    assert one.found is not None
    different = one.word not in ("both", "equivalent")
    interval = one.found.interval95 if different else one.found.interval90
    if one.word in ("different", "both"):
        interval = turned(interval, one.found.estimate.value)
    level = 95 if different else 90
    shown = [f"{level} % interval {interval_text(interval, one.where)}"] if interval else []
    return ", ".join([*shown, f"{seeds_text(one)} seeds"])


def after(one: Comparison) -> str:
    """`after 50 000 steps`, as taken."""
    return f"after {thousands(one.steps)} steps" if one.steps else "so far"


def sentence(one: Comparison, said: Collection[str] = ()) -> str:
    """The verdict in words, without those notes that were said already."""
    text = f"{place_text(one.where)}, {_finding(one)}"
    if one.rising and one.word in ("equivalent", "both"):
        text += " Still rising."
    if one.found is not None and not one.claim and one.gaps:
        # Under ten seeds there is no claim anyway, and a diverged run, which has a score, keeps none away.
        no_claim = "No claim, for runs" if one.lost and one.seeds >= MINIMUM_FOR_CLAIM else "Runs"
        text += f" {no_claim} are not whole: {one.gaps}."
    notes = [note for note in one.notes if note not in said]
    return " ".join([text, *notes]) if one.found is not None else text


def _finding(one: Comparison) -> str:
    if one.found is None:
        return _untested(one)
    found, where = one.found, one.where
    unit = " in normalised score" if where == AGGREGATE else ""
    value = found.estimate.value
    margin = "" if found.margin is None else f"±{number(found.margin, where)}"
    # A sentence about who is ahead counts from the one behind, so that all its numbers have one sign.
    ahead, behind, turn = (one.x, one.y, 1) if value >= 0 else (one.y, one.x, -1)
    gain = f"`{ahead}` scores {number(abs(value), where)} more{unit} than `{behind}`"
    apart = f"`{one.x}` minus `{one.y}` is {signed(value, where)}{unit}"
    wide = interval_text(found.interval95, where)
    narrow = interval_text(turned(found.interval90, turn), where)
    if one.word == "different":
        far = " so far" if one.early else ""
        interval = turned(found.interval95, turn)
        shown = f" (95 % interval {interval_text(interval, where)})" if interval else ""
        return f"{gain}{far}: different{shown}.{_others(one)}"
    if one.word == "both":
        return f"{gain}: a difference, and one within the margin of {margin} (90 % interval {narrow})."
    if one.word == "equivalent":
        return (
            f"`{one.x}` and `{one.y}` are equivalent {after(one)}: {apart}, 90 % interval "
            f"{interval_text(found.interval90, where)}, inside the margin of {margin}."
        )
    if one.reason == "too early":
        return f"it is too early to tell: {after(one)} {_unlearnt(one)}{_not_seen(one)}."
    if one.reason == "mixed":
        return f"no one answer: {signs_text(one)}; their mean hides it ({apart}, 95 % interval {wide})."
    against = f", margin {margin}" if margin else ""
    text = f"the runs do not decide between `{one.x}` and `{one.y}` ({apart}, 95 % interval {wide}{against})."
    return f"{text} {plan_text(one.plan, 'per variant')}".rstrip()


def _untested(one: Comparison) -> str:
    pair = f"`{one.x}` and `{one.y}`"
    if one.reason == "blocked":
        return f"no verdict on `{one.x}` against `{one.y}`: {'; '.join(one.notes)}."
    if one.reason == "no effect possible":
        return f"{no_effect(one)}."
    notes = "".join(f" {note}" for note in one.notes)
    if one.reason == "no room":
        return (
            f"there is no room for a difference: every run of {pair} has the same score or is at the ceiling."
            f"{notes}"
        )
    if one.reason == "too early":
        return f"it is too early to tell: {after(one)} {_unlearnt(one)}.{notes}"
    return (
        f"too few seeds to compare `{one.x}` with `{one.y}` "
        f"({seeds_text(one)}; an interval needs {MINIMUM_FOR_INTERVAL}, a claim {MINIMUM_FOR_CLAIM}).{notes}"
    )


def no_effect(one: Comparison) -> str:
    """Why nothing is tested where what tells a pair apart did not act, without the full stop.

    That it did not act is a fact of these runs; that it cannot matter is not said.
    """
    pair = f"`{one.x}` and `{one.y}`"
    if not one.notes:
        return (
            f"{pair} are the same runs, with equal episodes and parameters: what tells them apart did nothing"
        )
    why = " ".join(one.notes).removesuffix(".")
    return f"nothing is tested between {pair}, for what tells them apart hardly acted: {why}"


def _unlearnt(one: Comparison) -> str:
    where = f" on {listed(one.unlearnt)}" if one.where == AGGREGATE else ""
    return (
        f"neither `{one.x}` nor `{one.y}` has made a tenth of the way from random actions to the yardstick"
        f"{where}"
    )


def _not_seen(one: Comparison) -> str:
    if one.found is None or one.found.interval95 is None:
        return ""
    interval, where = one.found.interval95, one.where
    reach = max(abs(interval.low), abs(interval.high))
    unit = " in normalised score" if where == AGGREGATE else ""
    return (
        f"; no difference larger than ±{number(reach, where)}{unit} was seen (`{one.x}` minus `{one.y}` is "
        f"{signed(one.found.estimate.value, where)}, 95 % interval {interval_text(interval, where)})"
    )


def signs_text(one: Comparison) -> str:
    """Who scores more where, of the environments on which a pair is different."""
    up = [where for where, sign in one.against if sign > 0]
    down = [where for where, sign in one.against if sign < 0]
    parts = [f"`{one.x}` scores more on {listed(up)}"] if up else []
    parts += [f"`{one.y}` scores more on {listed(down)}"] if down else []
    return " and ".join(parts)


def _others(one: Comparison) -> str:
    """Where a difference has the opposite sign to the one in aggregate."""
    if one.found is None:
        return ""
    other = [where for where, sign in one.against if sign * one.found.estimate.value < 0]
    return f" The other way round on {listed(other)}." if other else ""


def progress_text(study: Study, where: str, variants: Sequence[str]) -> str:
    """`Hopper-v5 (at most 13 %, still rising)`: how much of the way to the yardstick the better one made."""
    cells = [study.cell(variant, where).scores for variant in variants]
    best = max(
        (float(study.normalised(where, scores).mean()) for scores in cells if len(scores)), default=0.0
    )
    made = f"at most {percent(best)}" if best > 0 else "no better than random actions"
    return f"{where} ({made}{', still rising' if study.rising(where, variants) else ''})"
