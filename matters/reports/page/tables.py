"""The tables of the page that are not a question's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from matters.reports.page.formatting import DASH, interval_text, number, percent, plural, thousands
from matters.reports.page.section import Table
from matters.reports.statistics.intervals import deviation
from matters.reports.study.aggregate_scores import AggregateScore
from matters.reports.study.areas_under_curves import Area
from matters.reports.study.rank_intervals import Ranks
from matters.reports.study.run_tails import Tail
from matters.reports.study.study import AGGREGATE, Study
from matters.suites.errors import on_one_line

# Facts of a run that differ between any two runs, or say nothing about how its numbers came about.
PERSONAL = ("run_id", "started", "finished", "wall_seconds", "core_seconds", "steps_per_second", "population")
FINGERPRINT = "training_code"
LONGEST = 300
"""Characters of an error that a table shows; its data have the whole line."""
WARNINGS = "simulator_warnings"


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
        "policy’s.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[2:]),
    )


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
        "what the median run did, with the exact 95 % interval of their share.",
        columns=columns,
        rows=tuple(
            (
                one.environment,
                f"`{one.variant}`",
                number(one.lower_half),
                number(one.bound),
                interval_text(one.within),
                str(one.collapsed),
                f"{percent(one.share.low)} to {percent(one.share.high)}",
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
                "within_low": one.within.low if one.within else None,
                "within_high": one.within.high if one.within else None,
                "collapsed": one.collapsed,
                "share_low": one.share.low,
                "share_high": one.share.high,
                "n": one.n,
            }
            for one in found
        ),
        numeric=frozenset(columns[2:]),
        fold="The lower tail: what the next run may do",
    )


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
        "low": score.interval.low if score.interval else None,
        "high": score.interval.high if score.interval else None,
        "plain_low": score.plain.low if score.plain else None,
        "plain_high": score.plain.high if score.plain else None,
        "seeds": score.seeds,
        "claim": score.claim,
    }


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
                "low": one.interval.low if one.interval else None,
                "high": one.interval.high if one.interval else None,
                "n": one.n,
            }
            for one in found
        ),
        numeric=frozenset(columns[2:]),
        fold="Areas under the curves",
    )


def rank_table(ranks: Ranks | None) -> Table:
    """One row per variant, the best mean first."""
    columns = ("variant", "rank", "mean score")
    order = ranks.order if ranks else []
    return Table(
        name="ranks",
        caption="The ranks that each variant may have by its mean normalised score, with 95 % confidence "
        "for all "
        "together. The CSV file also has how often it takes each rank by the IQM over bootstrap resamples, "
        "which "
        "describes these runs and is no probability that a variant is the best.",
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


def run_list(study: Study) -> Table:
    """Every declared run with its identity."""
    columns = ("run", "variant", "environment", "seed", "state", "score", "digest")
    rows, data = [], []
    files = (
        dict(zip(study.provenance["run_id"], study.provenance["file"], strict=True)) if study.foreign else {}
    )
    for run in study.runs.to_dict("records"):
        diverged = present(run["diverged_at"])
        state = run["state"]
        if diverged is not None:
            sound = present(run["sound_score"])
            state += f", diverged at {thousands(int(diverged))}"
            state += "" if sound is None else f" (before that {number(sound)})"
        digest = present(run["digest"])
        said = present(run.get("error"))
        error = None if said is None else on_one_line(str(said))
        if study.foreign:
            state = f"imported from {files[run['run_id']]}"
        rows.append(
            (
                f"`{run['run_id']}`",
                f"`{run['variant']}`",
                run["environment"],
                str(int(run["seed"])),
                f"{state}: {on_one_line(error, LONGEST)}" if error else state,
                number(present(run["score"])),
                f"`{digest[:12]}`" if digest else DASH,
            )
        )
        data.append(
            {
                "run_id": run["run_id"],
                "variant": run["variant"],
                "environment": run["environment"],
                "seed": int(run["seed"]),
                "state": run["state"],
                "steps": int(present(run["steps"]) or 0),
                "score": present(run["score"]),
                "sound_score": present(run["sound_score"]),
                "diverged_at": None if diverged is None else int(diverged),
                "digest": digest,
                "error": error,
            }
        )
    return Table(
        name="runs",
        fold=f"All {len(rows)} runs with their identities",
        caption="Every number above comes from these runs. "
        + (
            "A run’s identity and digest are of what was read from its file."
            if study.foreign
            else "`matters show RUN` prints one, `matters reproduce RUN` trains it again and compares "
            "digests."
        ),
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset({"seed", "score"}),
    )


def present(value: Any) -> Any:
    """The value, or None for any of pandas' ways to say that there is none."""
    return None if value is None or pd.isna(value) else value


def incomplete(study: Study) -> Table:
    """The runs that failed, diverged or are missing."""
    every = run_list(study)
    picked = [
        k
        for k, run in enumerate(every.data)
        if run["state"] != "done" or run["diverged_at"] is not None or run["score"] is None
    ]
    return Table(
        name="incomplete",
        caption="Runs that failed, diverged, have no score, or were never finished.",
        empty="No run failed, diverged or is missing; every one has a score.",
        columns=every.columns,
        rows=tuple(every.rows[k] for k in picked),
        data=tuple(every.data[k] for k in picked),
        numeric=every.numeric,
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
        own = getattr(study.suite, "own", {}).get(
            name
        )  # an environment of the suite's own has its own constants
        margin, ceiling = study.margin(name), study.ceiling(name)
        gate = None if margin is None else margin * study.suite.gate / study.suite.margin
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
        caption="Normalised score = (return − random) / (yardstick − random), with these constants "
        f"(± standard error); the yardstick is `{study.suite.scale}`. Margin and gate are in raw return, "
        "absolute "
        "where a task has a ceiling.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[1:6]),
    )


def provenance(study: Study) -> Table:
    """What the runs were made with: one line per fact, its values and how many runs have each."""
    rows, data = [], []
    frame = study.provenance
    for column in frame.columns:
        if column in PERSONAL:
            continue
        values = frame[column].map(lambda value: DASH if present_any(value) is None else str(value))
        counts: Mapping[str, int] = values.value_counts().sort_index().to_dict()
        shown = [value if len(counts) == 1 else f"{value} ({count} runs)" for value, count in counts.items()]
        text = "; ".join(shown[:4]) + (f"; {len(shown) - 4} more" if len(shown) > 4 else "")
        rows.append((column, text or DASH))
        data.append({"fact": column, "values": dict(counts)})
    return Table(
        name="provenance",
        caption="As recorded with the runs.",
        empty="No run has recorded any.",
        columns=("fact", "value"),
        rows=tuple(rows),
        data=tuple(data),
    )


def present_any(value: Any) -> Any:
    """Like `present`, but lists and dictionaries are present too."""
    return value if isinstance(value, (list, dict, tuple, np.ndarray)) else present(value)


def simulator_warnings(study: Study) -> list[str]:
    """Where MuJoCo warned, as of an unstable simulation: each cell with its steps and runs."""
    if WARNINGS not in study.provenance.columns:
        return []
    counts = study.provenance.set_index("run_id")[WARNINGS].dropna().astype(int)
    found = []
    for (variant, environment), runs in study.runs.groupby(
        ["variant", "environment"], sort=False, observed=True
    ):
        warned = counts[counts.index.isin(runs["run_id"])]
        warned = warned[warned > 0]
        if len(warned):
            steps = plural(int(warned.sum()), "step")
            found.append(f"`{variant}` on {environment} ({steps} of {plural(len(warned), 'run')})")
    return found


def fingerprints(study: Study) -> dict[str, int]:
    """How many runs were trained by each version of the training code, where an algorithm has several.

    Each algorithm has its own code that decides a run's bits: two algorithms differ in it anyway.
    """
    if FINGERPRINT not in study.provenance.columns:
        return {}
    variant = study.runs.set_index("run_id")["variant"]
    names = study.provenance["run_id"].map(variant)
    known = {name: getattr(one, "algorithm", name) for name, one in study.suite.variants.items()}
    found: dict[str, int] = {}
    for _, prints in study.provenance[FINGERPRINT].groupby(names.map(known).fillna(names)):
        counts = prints.value_counts().sort_index()
        if len(counts) > 1:
            for name, count in counts.items():
                found[str(name)] = found.get(str(name), 0) + int(count)
    return found
