"""Tables of scores per environment: cells, pairs, lower tails, and the constants that normalise them."""

from collections.abc import Sequence
from typing import Any

from matters.reports.page.formatting import DASH, ends, interval_text, number, percent, signed
from matters.reports.page.section import Table
from matters.reports.page.sentences import own_margins
from matters.reports.statistics.intervals import Interval, deviation
from matters.reports.study.all_pairs import Effect
from matters.reports.study.run_tails import Tail
from matters.reports.study.study import AGGREGATE, Study


def cells(study: Study) -> Table:
    """Raw returns per environment and variant, with what is missing from them."""
    columns = (
        "environment",
        "variant",
        "mean",
        "standard deviation",
        "lowest",
        "highest",
        "n",
        "failed",
        "diverged",
        "missing",
    )
    rows, data = [], []
    for environment in study.environments:
        for variant in study.variants:
            cell = study.cell(variant, environment)
            if not cell.declared:
                continue
            n, s = cell.n, cell.scores
            facts: dict[str, Any] = {
                "environment": environment,
                "variant": variant,
                "mean": float(s.mean()) if n else None,
                "standard_deviation": deviation(s),
                "lowest": float(s.min()) if n else None,
                "highest": float(s.max()) if n else None,
                "n": n,
                "declared": cell.declared,
                "failed": cell.failed,
                "diverged": cell.diverged,
                "missing": cell.missing,
                "unscored": cell.unscored,
                "normalised_mean": float(study.normalised(environment, s).mean())
                if n and environment in study.constants
                else None,
            }
            data.append(facts)
            rows.append(
                (
                    environment,
                    f"`{variant}`",
                    number(facts["mean"]),
                    number(facts["standard_deviation"]),
                    number(facts["lowest"]),
                    number(facts["highest"]),
                    str(n) if n == cell.declared else f"{n} of {cell.declared}",
                    str(cell.failed),
                    str(cell.diverged),
                    str(cell.missing),
                )
            )
    return Table(
        name="cells",
        caption="Primary endpoint in raw return. n counts runs with a score; a diverged one has the random "
        "policy’s where that is known, else its last.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[2:]),
    )


def pairs_table(found: Sequence[Effect]) -> Table:
    """Every variant beside every other: effects, no verdicts."""
    columns = ("pair", "where", "n", "difference", "95 % interval", "P(improvement)", "Hedges’ g")
    return Table(
        name="all-pairs",
        caption="Every variant minus every other, in raw return per environment and in normalised score in "
        "aggregate: Welch’s intervals, each by itself and without correction, Newcombe’s of P(improvement), "
        "and the difference in standard deviations (Hedges 1981); no interval where both are the same runs. "
        "Effects only: what is compared by a question has its verdict there.",
        columns=columns,
        rows=tuple(
            (
                f"`{one.x}` − `{one.y}`",
                one.where,
                str(one.n),
                signed(one.difference, one.where),
                interval_text(one.interval, one.where),
                f"{one.chance:.2f}" + _around(one.chance_interval),
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
                **ends(one.interval),
                "improvement": one.chance,
                **ends(one.chance_interval, "improvement_low", "improvement_high"),
                "effect_size": one.effect_size,
            }
            for one in found
        ),
        numeric=frozenset(columns[2:]),
        fold=f"All pairs of variants: {len(found)} effects, no verdicts",
    )


def _around(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval.low:.2f} to {interval.high:.2f})"


def tail_table(found: Sequence[Tail]) -> Table:
    """The lower tail of every cell, folded: for those who ask what the next run may do."""
    columns = (
        "environment",
        "variant",
        "lower half",
        "nine of ten above",
        "nine of ten within",
        "collapsed",
        "share of collapses",
        "n",
    )
    return Table(
        name="run-tails",
        caption="The lower tail in raw return: the mean of the worse half of the runs; the bound above "
        "which, and the interval within which, nine runs of ten lie, with 95 % confidence, if runs are "
        "normal (of the next run, not of the mean); runs far below the others that gained less than half of "
        "what the median run did, with the exact 95 % interval of their share; a dash where the median run "
        "has not made a tenth of the way from random actions to the yardstick, so that nothing can collapse, "
        "or where these are not known.",
        columns=columns,
        rows=tuple(
            (
                one.environment,
                f"`{one.variant}`",
                number(one.lower_half),
                number(one.bound),
                interval_text(one.within),
                DASH if one.collapsed is None else str(one.collapsed),
                DASH if one.share is None else f"{percent(one.share.low)} to {percent(one.share.high)}",
                str(one.n),
            )
            for one in found
        ),
        data=tuple(
            {
                "environment": one.environment,
                "variant": one.variant,
                "lower_half": one.lower_half,
                "bound": one.bound,
                **ends(one.within, "within_low", "within_high"),
                "collapsed": one.collapsed,
                **ends(one.share, "share_low", "share_high"),
                "n": one.n,
            }
            for one in found
        ),
        numeric=frozenset(columns[2:]),
        fold="The lower tail: what the next run may do",
    )


def constants(study: Study) -> Table:
    """What scores are normalised by, and the margins in raw return."""
    from matters.suites.tasks.yardsticks import ENVIRONMENTS

    columns = ("environment", "random", "yardstick", "ceiling", "margin ±", "gate ±", "source")
    rows, data = [], []
    for name in study.comparable:
        random, yardstick = study.constants[name]
        known = ENVIRONMENTS.get(name)
        found = [] if known is None else [known.random, known.yardstick(study.suite.scale)]
        # Constants that the caller handed in have no source here.
        sources = [
            one for one, value in zip(found, (random, yardstick), strict=False) if one and one.value == value
        ]
        texts = [
            number(value)
            + next((f" ± {number(one.standard_error)}" for one in sources if one.value == value), "")
            for value in (random, yardstick)
        ]
        # An environment of the suite's own has its own constants.
        own = getattr(study.suite, "own", {}).get(name)
        margin, ceiling = study.margin(name), study.ceiling(name)
        gate = study.gate(margin)
        rows.append(
            (
                name,
                *texts,
                number(ceiling),
                number(margin),
                number(gate),
                "; ".join(dict.fromkeys(one.source for one in sources))
                or (f"given by the suite: {own.source}" if own else DASH),
            )
        )
        data.append(
            {
                "environment": name,
                "random": random,
                "reference": yardstick,
                "ceiling": ceiling,
                "margin": margin,
                "gate": gate,
            }
        )
    return Table(
        name="constants",
        caption="Normalised score = (return − random) / (yardstick − random), with these constants (± "
        f"standard error); the yardstick is `{study.suite.scale}`. Margin and gate are in raw return, "
        f"absolute where a task has a ceiling{own_margins(study.suite.questions)}.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[1:6]),
    )
