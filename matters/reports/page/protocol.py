"""What a reader must know about how the numbers came about, as pairs of a name and a text."""

from matters.reports.page.formatting import number, plural, thousands
from matters.reports.page.sentences import own_margins
from matters.reports.statistics.intervals import (
    CURVE_RESAMPLES,
    MINIMUM_FOR_CLAIM,
    MINIMUM_FOR_INTERVAL,
    RESAMPLES,
)
from matters.reports.study.study import AGGREGATE, Study


def protocol(study: Study) -> tuple[tuple[str, str], ...]:
    """The suite's protocol and the report's methods; of imported runs only what their files say."""
    return (
        *_subject(study),
        *(_foreign(study) if study.foreign else _ours(study)),
        *_methods(study),
        *(
            (f"Imported, {one.name}", f"{plural(len(one.runs), 'run')}, `{one.identity[:16]}`")
            for one in study.imported
        ),
    )


def _subject(study: Study) -> tuple[tuple[str, str], ...]:
    seeds = sorted(int(seed) for seed in study.runs["seed"].unique())
    return (
        ("Suite", f"`{study.suite.name}`"),
        ("Variants", ", ".join(f"`{name}`" for name in study.variants)),
        ("Environments", ", ".join(study.environments)),
        (
            "Seeds",
            f"{_ranges(seeds)} ({len(seeds)}). The unit of every statistic is the run, one seed of one "
            "variant.",
        ),
    )


def _ours(study: Study) -> tuple[tuple[str, str], ...]:
    evaluation = study.suite.evaluation
    return (
        ("Training", _steps(study)),
        (
            "Evaluation",
            f"{plural(evaluation.points, 'point')}, at the first update after each equal share of the steps, "
            f"the last at the end; {plural(evaluation.episodes, 'episode')} a point, deterministic policy, "
            "own environments, normalisers frozen",
        ),
        (
            "Primary endpoint",
            "mean evaluation return over the last 10 % of the points, at least the last two; never a maximum",
        ),
    )


def _steps(study: Study) -> str:
    """The steps that were asked for, and those taken where a last update took more."""
    done = study.runs[study.runs["state"] == "done"]["steps"]
    text = f"{thousands(study.suite.steps)} environment steps a run"
    taken = sorted({int(steps) for steps in done})
    if taken in ([], [int(study.suite.steps)]):
        return text
    most = thousands(taken[-1])
    return (
        f"{text}; taken were {most if len(taken) == 1 else f'{thousands(taken[0])} to {most}'}, by "
        "whole updates"
    )


def _foreign(study: Study) -> tuple[tuple[str, str], ...]:
    return (
        ("Protocol", "foreign: how these runs were trained and evaluated is what their owner says"),
        ("Training", f"up to {thousands(study.suite.steps)} environment steps a run"),
        ("Returns", f"of {study.returns_of}, as they were imported"),
        (
            "Primary endpoint",
            "mean of the last 10 % of a run’s returns, at least the last two; never a maximum",
        ),
    )


def _methods(study: Study) -> tuple[tuple[str, str], ...]:
    suite = study.suite
    return (
        (
            "Margins",
            f"±{number(suite.margin, AGGREGATE)} per environment (absolute where a task has a ceiling), "
            f"±{number(suite.aggregate_margin, AGGREGATE)} in aggregate, with a gate of "
            f"±{number(suite.gate, AGGREGATE)} on every environment, in normalised score"
            + own_margins(suite.questions),
        ),
        (
            "Families",
            "Holm’s correction over all difference tests of a question, at 5 %, and over a pair’s "
            "equivalence tests on its environments, at 5 %; each question is a family of its own",
        ),
        (
            "Intervals",
            "means, their differences and effects: Student’s, with Welch’s and Satterthwaite’s degrees of "
            f"freedom; other aggregates: stratified bootstrap over runs, {thousands(RESAMPLES)} resamples, "
            "expanded percentiles (Hesterberg 2015); aggregate curves and profiles: whole runs, "
            f"{thousands(CURVE_RESAMPLES)} resamples",
        ),
        (
            "Few seeds",
            f"no interval under {MINIMUM_FOR_INTERVAL} runs a cell, no claim under {MINIMUM_FOR_CLAIM}",
        ),
        (
            "Random draws",
            "each draw has its own PCG64 generator, seeded with the SHA-256 of the snapshot "
            f"`{study.identity[:16]}` and the draw’s name",
        ),
        (
            "Incomplete runs",
            "allowed (`--allow-missing`)" if study.allow_missing else "block the aggregates they belong to",
        ),
    )


def _ranges(seeds: list[int]) -> str:
    if seeds and seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(str(seed) for seed in seeds)
