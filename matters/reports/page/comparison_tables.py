"""Tables of compared pairs: what verdicts rest on, and what that table has no room for."""

from collections.abc import Sequence

from matters.reports.page.formatting import DASH, ends, interval_text, number, p_text, signed
from matters.reports.page.section import Table
from matters.reports.page.sentences import seeds_text
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.study import AGGREGATE

COLUMNS = (
    "comparison",
    "where",
    "n",
    "verdict",
    "difference",
    "95 % interval",
    "margin ±",
    "p (Holm)",
    "P(improvement)",
)


def comparison_table(question: str, found: Sequence[Comparison]) -> Table:
    """All comparisons of a question: differences in raw return, in normalised score for the aggregate."""
    pairs = list(dict.fromkeys(_pair(one) for one in found))
    # One pair needs no column of its own.
    first = 0 if len(pairs) > 1 else 1
    of = f"{pairs[0]}, i" if first else "I"
    return Table(
        name=question,
        caption=f"{of}n raw return per environment and in normalised score in aggregate. P(improvement) is "
        "the probability that a run of the first scores more than one of the second, with Newcombe’s "
        "interval. The CSV file also has both p-values of equivalence and the numbers of the fold below.",
        columns=COLUMNS[first:],
        rows=tuple(_row(one)[first:] for one in found),
        data=tuple(_data(question, one) for one in found),
        numeric=frozenset(COLUMNS[4:]),
    )


def details_table(question: str, found: Sequence[Comparison]) -> Table:
    """What the table of comparisons has no room for, folded."""
    tested = [one for one in found if one.found is not None]
    columns = (
        "comparison",
        "where",
        "90 % interval",
        "would have passed ±",
        "p (TOST)",
        "Hedges’ g",
        "IQM difference",
    )
    return Table(
        name=f"{question}-details",
        caption="The 90 % interval is what two one-sided tests look at; the margin that would have passed is "
        "the smallest that holds it. Hedges’ g is the difference in standard deviations. The difference of "
        "the IQMs has a stratified bootstrap interval: no verdict rests on it.",
        columns=columns,
        rows=tuple(_details_row(one) for one in tested),
        data=tuple(
            {
                key: value
                for key, value in _data(question, one).items()
                if key in ("x", "y", "where", "low_90", "high_90", "achieved_margin", "p_tost", "effect_size")
                or key.startswith("iqm_")
            }
            for one in tested
        ),
        numeric=frozenset(columns[2:]),
        fold="More numbers: 90 % intervals, effect sizes, differences of the IQM",
    )


def _details_row(one: Comparison) -> tuple[str, ...]:
    d, where = one.found, one.where
    assert d is not None
    middle = DASH
    if one.iqm is not None:
        value, around = one.iqm
        middle = f"{signed(value, where)} ({interval_text(around, where)})"
    return (
        _pair(one),
        where,
        interval_text(d.interval90, where),
        number(d.achieved_margin, where),
        p_text(d.tost_p),
        DASH if one.effect_size is None else signed(one.effect_size, AGGREGATE),
        middle,
    )


def _pair(one: Comparison) -> str:
    return f"`{one.x}` − `{one.y}`"


def _row(one: Comparison) -> tuple[str, ...]:
    d, where = one.found, one.where
    start = (_pair(one), where, seeds_text(one), one.reason or one.word)
    if d is None:
        return (*start, *[DASH] * 5)
    chance = DASH
    if one.improvement is not None:
        value, interval = one.improvement
        chance = f"{value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    return (
        *start,
        signed(d.estimate.value, where),
        interval_text(d.interval95, where),
        number(d.margin, where),
        p_text(one.adjusted_p),
        chance,
    )


def _data(question: str, one: Comparison) -> dict[str, object]:
    d, plan = one.found, one.plan
    chance, spread = one.improvement or (None, None)
    middle, around = one.iqm or (None, None)
    return {
        "question": question,
        "x": one.x,
        "y": one.y,
        "where": one.where,
        "unit": "normalised score" if one.where == AGGREGATE else "return",
        "n_x": one.n_x,
        "n_y": one.n_y,
        "difference": d.estimate.value if d else None,
        "standard_error": d.estimate.standard_error if d else None,
        "degrees_of_freedom": d.estimate.degrees_of_freedom if d else None,
        **ends(d.interval95 if d else None, "low_95", "high_95"),
        **ends(d.interval90 if d else None, "low_90", "high_90"),
        "margin": d.margin if d else None,
        "gate": one.gate,
        "achieved_margin": d.achieved_margin if d else None,
        "p_welch": d.p_value if d else None,
        "p_holm": one.adjusted_p,
        "p_tost": d.tost_p if d else None,
        "p_tost_holm": one.adjusted_tost,
        "p_permutation": d.permutation_p if d else None,
        "improvement": chance,
        **ends(spread, "improvement_low", "improvement_high"),
        "iqm_difference": middle,
        **ends(around, "iqm_low", "iqm_high"),
        "effect_size": one.effect_size,
        "seeds_needed": plan.margin or plan.effect if plan else None,
        "seeds_for_effect": plan.effect if plan else None,
        "seeds_for_margin": plan.margin if plan else None,
        "seeds_equivalent": one.need.equivalent if one.need else None,
        "seeds_different": one.need.different if one.need else None,
        "power_equivalent": one.need.equivalent_now if one.need else None,
        "power_different": one.need.different_now if one.need else None,
        "over": " ".join(one.over),
        "too_early": one.early,
        "still_rising": one.rising,
        "verdict": one.word,
        "reason": one.reason,
        "claim": one.claim and one.word != "undecided",
        "notes": " ".join(one.notes),
    }
