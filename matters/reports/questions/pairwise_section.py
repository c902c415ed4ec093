"""What questions about pairs share: their table, their verdicts, and the one-line answer."""

from collections.abc import Iterable, Sequence

from matters.reports.page.formatting import DASH, interval_text, number, p_text, percent, signed
from matters.reports.page.section import Table, Verdict
from matters.reports.page.sentences import seeds_text, sentence
from matters.reports.study.pairwise import Comparison
from matters.reports.study.study import AGGREGATE, Study

COLUMNS = (
    "comparison",
    "where",
    "verdict",
    "difference",
    "95 % interval",
    "90 % interval",
    "margin ±",
    "achieved ±",
    "p (Holm)",
    "p (TOST)",
    "P(improvement)",
    "seeds",
)


def verdicts(found: Sequence[Comparison]) -> tuple[Verdict, ...]:
    """One sentence a comparison, the aggregate first."""
    return tuple(
        Verdict(
            statement=sentence(one),
            verdict=one.word,
            claim=one.claim,
            where=one.where,
            x=one.x,
            y=one.y,
        )
        for one in found
    )


def tests(found: Sequence[Comparison]) -> int:
    """How many difference tests were made: the size of Holm's family."""
    return sum(one.found is not None for one in found)


def margins(study: Study) -> str:
    """The margins, declared in the suite."""
    return (
        f"±{number(study.suite.aggregate_margin, AGGREGATE)} in aggregate and "
        f"±{number(study.suite.margin, AGGREGATE)} per environment, in units of normalised score, "
        "declared in the suite."
    )


def early(study: Study, variants: Iterable[str]) -> list[str]:
    """Where these variants have hardly learnt yet: all nearer to random actions than the margin is wide.

    Differences cannot be larger than the margin there, so that "equivalent" is no finding.
    """
    lines = []
    for where in study.comparable:
        scores = [study.cell(variant, where).scores for variant in dict.fromkeys(variants)]
        means = [float(study.normalised(where, own).mean()) for own in scores if len(own)]
        farthest = max(map(abs, means), default=0.0)
        if len(means) > 1 and farthest < study.suite.margin:
            lines.append(
                f"On {where} all compared variants are within {percent(farthest)} of the way from random "
                f"actions to the reference, less than the margin of {percent(study.suite.margin)}: too early "
                "for any difference as large, so equivalence there says little."
            )
    return lines


def short_answer(
    found: Sequence[Comparison], *, different: str, equivalent: str, both: str, inconclusive: str
) -> tuple[str, str, bool]:
    """(text, verdict word, claim) of one pair from its aggregate, or from its environments without one."""
    templates = {"different": different, "equivalent": equivalent, "both": both, "inconclusive": inconclusive}
    aggregate = next(one for one in found if one.where == AGGREGATE)
    if aggregate.found is None:
        return _without_aggregate(aggregate, [one for one in found if one.where != AGGREGATE])
    value = aggregate.found.estimate.value
    ahead, behind = (aggregate.x, aggregate.y) if value >= 0 else (aggregate.y, aggregate.x)
    text = templates[aggregate.word].format(
        x=aggregate.x,
        y=aggregate.y,
        ahead=ahead,
        behind=behind,
        size=number(abs(value), AGGREGATE),
        difference=f"{signed(value, AGGREGATE)} in normalised score",
        n=seeds_text(aggregate),
    )
    if not aggregate.claim and aggregate.word != "inconclusive":
        text = f"Indication: {text[0].lower()}{text[1:]}"
    return text, aggregate.word, aggregate.claim


def _without_aggregate(aggregate: Comparison, places: Sequence[Comparison]) -> tuple[str, str, bool]:
    judged = [one for one in places if one.found is not None]
    if not judged:
        few = f"Too few seeds to compare `{aggregate.x}` with `{aggregate.y}`: no interval is given."
        return few, "too few seeds", False
    parts = [f"{one.word} on {one.where}" for one in judged]
    lead = "No answer in aggregate" if aggregate.word == "blocked" else "Too few seeds for an aggregate"
    text = f"{lead} for `{aggregate.x}` against `{aggregate.y}`; taken alone: {', '.join(parts)}."
    return text, aggregate.word, False


def comparison_table(question: str, found: Sequence[Comparison]) -> Table:
    """All comparisons of a question: differences in raw return, in normalised score for the aggregate."""
    pairs = list(dict.fromkeys(_pair(one) for one in found))
    # One pair needs no column of its own.
    first = 0 if len(pairs) > 1 else 1
    of = f"{pairs[0]}, i" if first else "I"
    return Table(
        name=question,
        caption=f"{of}n raw return per environment and in normalised score in aggregate. Achieved is "
        "the smallest margin that would have shown equivalence; P(improvement) is the probability that a "
        "run of the first scores more than one of the second.",
        columns=COLUMNS[first:],
        rows=tuple(_row(one)[first:] for one in found),
        data=tuple(_data(question, one) for one in found),
        numeric=frozenset(COLUMNS[3:]),
    )


def _pair(one: Comparison) -> str:
    return f"`{one.x}` − `{one.y}`"


def _row(one: Comparison) -> tuple[str, ...]:
    d, where = one.found, one.where
    if d is None:
        return (_pair(one), where, one.word, *[DASH] * 8, seeds_text(one))
    chance = DASH
    if one.improvement is not None:
        value, interval = one.improvement
        chance = f"{value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    return (
        _pair(one),
        where,
        one.word + ("" if one.claim else " (indication)"),
        signed(d.estimate.value, where),
        interval_text(d.interval95, where),
        interval_text(d.interval90, where),
        number(d.margin, where),
        number(d.achieved_margin, where),
        p_text(one.adjusted_p),
        p_text(d.tost_p),
        chance,
        seeds_text(one),
    )


def _data(question: str, one: Comparison) -> dict[str, object]:
    d = one.found
    improvement = one.improvement
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
        "low_95": d.interval95.low if d else None,
        "high_95": d.interval95.high if d else None,
        "low_90": d.interval90.low if d else None,
        "high_90": d.interval90.high if d else None,
        "margin": d.margin if d else None,
        "achieved_margin": d.achieved_margin if d else None,
        "p_welch": d.p_value if d else None,
        "p_holm": one.adjusted_p,
        "p_tost": d.tost_p if d else None,
        "p_permutation": d.permutation_p if d else None,
        "improvement": improvement[0] if improvement else None,
        "improvement_low": improvement[1].low if improvement else None,
        "improvement_high": improvement[1].high if improvement else None,
        "seeds_needed": one.seeds_needed,
        "verdict": one.word,
        "claim": one.claim,
        "notes": " ".join(one.notes),
    }
