"""Tables of aggregates over environments: every metric, and the ranks."""

from collections.abc import Sequence
from typing import Any

from matters.reports.page.formatting import ends, interval_text, number
from matters.reports.page.rank_figures import unranked
from matters.reports.page.section import Table
from matters.reports.study.aggregate_scores import AggregateScore
from matters.reports.study.rank_intervals import Ranks
from matters.reports.study.study import AGGREGATE


def aggregate_table(scores: Sequence[AggregateScore]) -> Table:
    """Every metric with our interval and rliable's."""
    columns = ("metric", "variant", "value", "95 % interval", "plain percentile (rliable)", "seeds")
    rows = tuple(
        (
            s.metric,
            f"`{s.variant}`",
            number(s.value, AGGREGATE),
            interval_text(s.interval, AGGREGATE),
            interval_text(s.plain, AGGREGATE),
            f"{s.seeds}" + ("" if s.claim else " (indication)"),
        )
        for s in sorted(scores, key=lambda score: [t.metric for t in scores].index(score.metric))
    )
    return Table(
        name="aggregates",
        caption="Normalised scores over all environments with normalising constants. For the optimality gap "
        "lower is better.",
        columns=columns,
        rows=rows,
        data=tuple(aggregate_data(score) for score in scores),
        numeric=frozenset(columns[2:5]),
        fold="These scores as numbers",
    )


def aggregate_data(score: AggregateScore) -> dict[str, Any]:
    """One aggregate as report.json holds it."""
    return {
        "variant": score.variant,
        "metric": score.metric,
        "value": score.value,
        **ends(score.interval),
        **ends(score.plain, "plain_low", "plain_high"),
        "seeds": score.seeds,
        "claim": score.claim,
    }


def rank_table(ranks: Ranks | None) -> Table:
    """One row per variant, the best mean first."""
    columns = ("variant", "rank", "mean score")
    order = ranks.order if ranks else []
    return Table(
        name="ranks",
        caption="The ranks that each variant may have by its mean normalised score, with 95 % confidence "
        f"for all together.{unranked(ranks) if ranks else ''} The CSV file also has how often it takes each "
        "rank by the IQM over bootstrap resamples, which describes these runs and is no probability that a "
        "variant is the best.",
        columns=columns,
        rows=tuple(
            (f"`{ranks.variants[v]}`", _rank_text(ranks, v), number(float(ranks.means[v]), AGGREGATE))
            for v in order
            if ranks
        ),
        data=tuple(
            {
                "variant": ranks.variants[v],
                "low": int(ranks.low[v]),
                "high": int(ranks.high[v]),
                "mean": float(ranks.means[v]),
                "mean_rank": float(ranks.expected[v]),
                **{f"rank_{k + 1}": float(share) for k, share in enumerate(ranks.shares[v])},
            }
            for v in order
            if ranks
        ),
        numeric=frozenset(columns[1:]),
    )


def _rank_text(ranks: Ranks, v: int) -> str:
    low, high = int(ranks.low[v]), int(ranks.high[v])
    return str(low) if low == high else f"{low} to {high}"
