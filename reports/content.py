"""What a report says, computed once: the page, the Markdown and the JSON are three views of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports import areas, curves, figures, forests, questions, ranks, tables
from reports.drawing import Drawing
from reports.intervals import CURVE_RESAMPLES, MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL, RESAMPLES
from reports.pairs import AGGREGATE
from reports.scores import AggregateScore, aggregate_scores
from reports.section import Section, Table
from reports.study import Study
from reports.text import number, plural, thousands


@dataclass(frozen=True)
class Content:
    """All of a report."""

    title: str
    summary: str
    notices: tuple[str, ...]
    sections: tuple[Section, ...]
    cells: Table
    run_scores: Drawing
    curves: tuple[Drawing, ...]
    curve_data: tuple[dict[str, Any], ...]
    areas: Table | None
    scores: tuple[AggregateScore, ...]
    aggregate_table: Table | None
    aggregate_drawing: Drawing | None
    ranks: Table | None
    rank_drawing: Drawing | None
    profiles: tuple[Drawing, ...]
    aggregate_notes: tuple[str, ...]
    diagnostics: tuple[Drawing, ...]
    diagnostic_notes: tuple[str, ...]
    incomplete: Table
    protocol: tuple[tuple[str, str], ...]
    constants: Table | None
    provenance: Table
    runs: Table
    command: str

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """Every drawing, in the order of the page."""
        asked = [drawing for section in self.sections for drawing in section.drawings]
        rest = [self.run_scores, *self.curves, self.aggregate_drawing, self.rank_drawing, *self.profiles]
        rest += self.diagnostics
        return (*asked, *(drawing for drawing in rest if drawing is not None))

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in the order of the page."""
        asked = [table for section in self.sections for table in section.tables]
        rest = [self.cells, self.areas, self.aggregate_table, self.ranks]
        rest += [self.constants, self.provenance, self.runs]
        return (*asked, *(table for table in rest if table is not None))


def compose(study: Study, command: str) -> Content:
    """Answer the suite's questions and fill every part of the report."""
    sections = tuple(questions.answer(question, study) for question in study.suite.questions)
    scores, blocked = aggregate_scores(study)
    ranked = ranks.rank_probabilities(study)
    under = areas.areas(study)
    found = [
        (variant, environment, curve)
        for environment in study.environments
        for variant in study.variants
        if (curve := curves.learning_curve(study, variant, environment)) is not None
    ]
    found += [
        (variant, AGGREGATE, curve)
        for variant in study.variants
        if (curve := curves.aggregate_curve(study, variant)) is not None
    ]
    shares = [
        (variant, curve)
        for variant in study.variants
        if (curve := curves.performance_profile(study, variant)) is not None
    ]
    traces = [
        (key, variant, environment, trace)
        for key in curves.DIAGNOSTICS
        for environment in study.environments
        for variant in study.variants
        if (trace := curves.trace(study, variant, environment, key)) is not None
    ]
    return Content(
        title=study.suite.title,
        summary=_summary(study),
        notices=_notices(study),
        sections=sections,
        cells=tables.cells(study),
        run_scores=forests.run_scores(study),
        curves=tuple(figures.learning_curves(study, found)),
        curve_data=tuple(curves.curve_rows(study, found)),
        areas=areas.area_table(under) if under else None,
        scores=tuple(scores),
        aggregate_table=tables.aggregate_table(scores) if scores else None,
        aggregate_drawing=forests.aggregates(study, scores) if scores else None,
        ranks=ranks.rank_table(ranked) if ranked else None,
        rank_drawing=ranks.rank_drawing(ranked) if ranked else None,
        profiles=tuple(figures.profiles(study, shares)),
        aggregate_notes=_aggregate_notes(study, blocked),
        diagnostics=tuple(figures.diagnostics(study, traces)),
        diagnostic_notes=_diagnostic_notes(study, {(key, variant) for key, variant, _, _ in traces}),
        incomplete=tables.incomplete(study),
        protocol=_protocol(study),
        constants=tables.constants(study) if study.comparable else None,
        provenance=tables.provenance(study),
        runs=tables.run_list(study),
        command=command,
    )


def _totals(study: Study) -> tuple[int, int]:
    return sum(cell.declared for cell in study.cells.values()), int((study.runs["state"] == "done").sum())


def _summary(study: Study) -> str:
    declared, done = _totals(study)
    return " · ".join(
        (
            plural(len(study.variants), "variant"),
            plural(len(study.environments), "environment"),
            plural(study.runs["seed"].nunique(), "seed"),
            f"{thousands(study.suite.steps)} steps a run",
            f"{done} of {declared} runs done",
        )
    )


def _notices(study: Study) -> tuple[str, ...]:
    notices = []
    smallest = study.seeds(study.variants, study.environments)
    if smallest < MINIMUM_FOR_CLAIM:
        notices.append(
            f"Few seeds: the smallest cell has {plural(smallest, 'scored run')}, and a claim needs "
            f"{MINIMUM_FOR_CLAIM}. "
            "Runs are drawn as points, intervals are indicative, and the answers are indications."
        )
    gaps = [f"`{c.variant}` on {c.environment} ({c.gaps})" for c in study.cells.values() if c.gaps]
    if gaps:
        use = (
            "`--allow-missing` was given: aggregates use the runs that have a score, diverged ones with "
            "their last."
            if study.allow_missing
            else "They block their aggregates; `--allow-missing` computes these from the other runs."
        )
        notices.append(f"Not every run is whole: {', '.join(gaps)}. {use}")
    if study.left_out:
        notices.append(
            f"Left out of aggregates, for want of normalising constants: {', '.join(study.left_out)}."
        )
    if doubles := study.doubles():
        notices.append(f"The same runs stand under two names, by their digests: {', '.join(doubles)}.")
    prints = tables.fingerprints(study)
    if len(prints) > 1:
        each = ", ".join(f"`{name[:12]}` ({plural(count, 'run')})" for name, count in prints.items())
        notices.append(
            f"Runs of different training code are mixed: {each}. Differences may come from the code."
        )
    return tuple(notices)


def _aggregate_notes(study: Study, blocked: dict[str, str]) -> tuple[str, ...]:
    notes = [f"No aggregate for `{variant}`: {reason}." for variant, reason in blocked.items()]
    if study.left_out and study.comparable:
        notes.append(f"Over {', '.join(study.comparable)}; left out: {', '.join(study.left_out)}.")
    if study.allow_missing:
        for variant in study.variants:
            lost = sum(study.cell(variant, name).without_score for name in study.comparable)
            if lost and variant not in blocked:
                notes.append(
                    f"`{variant}`: {plural(lost, 'run')} without a score left out (`--allow-missing`)."
                )
    return tuple(notes)


def _diagnostic_notes(study: Study, found: set[tuple[str, str]]) -> tuple[str, ...]:
    notes = []
    for key, what in curves.DIAGNOSTICS.items():
        without = [f"`{variant}`" for variant in study.variants if (key, variant) not in found]
        if without:
            notes.append(f"{what[0].upper()}{what[1:]} is not recorded for {', '.join(without)}.")
    return tuple(notes)


def _protocol(study: Study) -> tuple[tuple[str, str], ...]:
    suite, evaluation = study.suite, study.suite.evaluation
    seeds = sorted(int(seed) for seed in study.runs["seed"].unique())
    return (
        ("Suite", f"`{suite.name}`"),
        ("Variants", ", ".join(f"`{name}`" for name in study.variants)),
        ("Environments", ", ".join(study.environments)),
        (
            "Seeds",
            f"{_ranges(seeds)} ({len(seeds)}). The unit of every statistic is the run, one seed of one "
            "variant.",
        ),
        ("Training", f"{thousands(suite.steps)} environment steps a run"),
        (
            "Evaluation",
            f"{plural(evaluation.points, 'point')}, equally spaced, the last at the end; "
            f"{plural(evaluation.episodes, 'episode')} "
            "a point, deterministic policy, own environments, normalisers frozen",
        ),
        (
            "Primary endpoint",
            "mean evaluation return over the last 10 % of the points, at least the last two; never a maximum",
        ),
        (
            "Margins",
            f"±{number(suite.margin, AGGREGATE)} per environment, "
            f"±{number(suite.aggregate_margin, AGGREGATE)} "
            "in aggregate, in normalised score",
        ),
        (
            "Families",
            "Holm’s correction over all difference tests of a question, at 5 %; equivalence tests "
            "at 5 % each (90 % intervals)",
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
            f"`{study.identity[:16]}` and "
            "the draw’s name",
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
