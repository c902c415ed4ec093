"""Rank probabilities: how often each variant comes first, second, …, over bootstrap resamples of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from matters.reports.page.formatting import percent
from matters.reports.page.section import Table
from matters.reports.page.style import COLOURS, Drawing, small_multiples
from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL, resampled
from matters.reports.study.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
ROW = 0.36  # inches a variant


@dataclass(frozen=True)
class Ranks:
    """`shares[v, k]`: how often variant v ranks k-th by the IQM of normalised scores, the best first."""

    variants: tuple[str, ...]
    shares: Array

    @property
    def expected(self) -> Array:
        """The mean rank of each variant, 1 the best."""
        return np.asarray(self.shares @ np.arange(1, len(self.variants) + 1))


def shares_of_ranks(scores: Array) -> Array:
    """[variants, ranks] from scores [variants, draws]; variants that tie share the ranks they take."""
    first, last = (stats.rankdata(-scores, method=method, axis=0) for method in ("min", "max"))
    ranks = np.arange(1, len(scores) + 1)[:, None, None]
    held = (first <= ranks) & (ranks <= last)
    return np.asarray((held / (last - first + 1)).mean(axis=-1).T)


def rank_probabilities(study: Study) -> Ranks | None:
    """Over the variants that have an aggregate with an interval; None with fewer than two."""
    variants = [
        name
        for name in study.variants
        if study.blocked(name) is None and study.seeds([name], study.comparable) >= MINIMUM_FOR_INTERVAL
    ]
    if len(variants) < 2:
        return None
    scores = [
        resampled(study.aggregate_samples(name), aggregates.iqm, study.generator("ranks", name))
        for name in variants
    ]
    return Ranks(tuple(variants), shares_of_ranks(np.stack(scores)))


def rank_table(ranks: Ranks) -> Table:
    """A row a variant, in the order of its mean rank."""
    order = np.argsort(ranks.expected, kind="stable")
    columns = ("variant", "mean rank", *(f"rank {k + 1}" for k in range(len(order))))
    return Table(
        name="ranks",
        caption="How often each variant takes each rank by the IQM of normalised scores, over bootstrap "
        "resamples of the runs within each environment. A description of these runs, not a test.",
        columns=columns,
        rows=tuple(
            (
                f"`{ranks.variants[v]}`",
                f"{ranks.expected[v]:.2f}",
                *(f"{share:.3f}" for share in ranks.shares[v]),
            )
            for v in order
        ),
        data=tuple(
            {
                "variant": ranks.variants[v],
                "mean_rank": float(ranks.expected[v]),
                **{f"rank_{k + 1}": float(share) for k, share in enumerate(ranks.shares[v])},
            }
            for v in order
        ),
        numeric=frozenset(columns[1:]),
    )


def rank_drawing(ranks: Ranks) -> Drawing:
    """A map of the table: the darker, the more often."""
    order = [int(v) for v in np.argsort(ranks.expected, kind="stable")]

    def words(_: str) -> str:
        best = [f"{ranks.variants[v]} {percent(ranks.shares[v, 0])}" for v in order]
        return f"How often each variant ranks first: {', '.join(best)}."

    return small_multiples(
        "ranks",
        ["Rank by IQM"],
        lambda ax, title: _ranks(ax, ranks, order, title),
        words,
        height=1.0 + ROW * len(order),
        left=min(2.4, 0.3 + 0.08 * max(map(len, ranks.variants))),
        title="Rank probabilities",
        caption="How often each variant takes each rank, in per cent of the bootstrap resamples; rank 1 is "
        "the best.",
    )


def _ranks(ax: Axes, ranks: Ranks, order: Sequence[int], title: str) -> None:
    from matplotlib.patches import Rectangle

    count = len(order)
    every = 1 + count // 13  # of more, numbers of two digits would lie over each other
    for row, v in enumerate(order):
        for k, share in enumerate(ranks.shares[v]):
            ax.add_patch(
                Rectangle((k, -row - 1), 1, 1, facecolor=COLOURS[0], alpha=0.04 + 0.6 * share, linewidth=0)
            )
            if share >= 0.005 and every == 1:
                ax.text(k + 0.5, -row - 0.5, f"{100 * share:.0f}", ha="center", va="center", fontsize=8.5)
    ax.set_xlim(0, count)
    ax.set_ylim(-count, 0)
    ax.set_xticks([k + 0.5 for k in range(0, count, every)], [str(k + 1) for k in range(0, count, every)])
    ax.set_yticks([-row - 0.5 for row in range(count)], [ranks.variants[v] for v in order])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=False)
    ax.set_title(title)
    ax.set_xlabel("rank")
