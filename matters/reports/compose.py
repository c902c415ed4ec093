"""What a report says, computed once: the page, the Markdown and the JSON are three views of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matters.reports.page import (
    aggregate_tables,
    curve_figures,
    curve_tables,
    rank_figures,
    run_tables,
    score_figures,
    score_tables,
    sensitivity_figures,
    tuning_tables,
    variant_tables,
)
from matters.reports.page.effect_map import effect_map
from matters.reports.page.formatting import plural
from matters.reports.page.notices import notices, summary, unasked
from matters.reports.page.protocol import protocol
from matters.reports.page.section import Block, Drawing, Facts, Part, Section, Table, Text
from matters.reports.questions import both_answers, following_looks, imported, imported_pairs
from matters.reports.study import areas_under_curves, curves, own_best, rank_intervals, sensitivity
from matters.reports.study.aggregate_scores import AggregateScore, aggregate_scores
from matters.reports.study.all_pairs import Effect, all_pairs
from matters.reports.study.curves import Curve, Trace
from matters.reports.study.run_tails import run_tails
from matters.reports.study.study import AGGREGATE, Study
from matters.reports.study.time_to_threshold import arrivals

Progress = Callable[[str, int, int], None]
"""Called with what comes next, and how many of how many parts are done."""


@dataclass(frozen=True)
class Content:
    """All of a report: the answers to its questions, then the parts of what it shows besides, in order."""

    title: str
    summary: str
    notices: tuple[str, ...]
    sections: tuple[Section, ...]
    parts: tuple[Part, ...]
    figure_data: Mapping[str, Sequence[Mapping[str, Any]]]  # by the name of the CSV file
    protocol: tuple[tuple[str, str], ...]
    command: str

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """Every drawing, in the order of the page."""
        asked = [drawing for section in self.sections for drawing in section.drawings]
        return (*asked, *(block for block in self._blocks if isinstance(block, Drawing)))

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table that has rows, in the order of the page."""
        asked = [table for section in self.sections for table in section.tables]
        return (*asked, *(table for table in self.standard if table.rows))

    @property
    def standard(self) -> tuple[Table, ...]:
        """The tables of the parts, those without rows too."""
        return tuple(block for block in self._blocks if isinstance(block, Table))

    @property
    def _blocks(self) -> list[Block]:
        return [block for part in self.parts for block in part.blocks]


def compose(
    study: Study,
    command: str,
    progress: Progress = lambda *_: None,
    remarks: Sequence[str] = (),
    bundle: str | None = None,
) -> Content:
    """Answer the suite's questions and fill every part of the report.

    `remarks` are the caller's notices, `bundle` is the evidence that the runs are of.
    """
    study = following_looks.follow(study)
    now = _counter(progress, len(study.suite.questions) + len(study.variants) + len(study.environments) + 5)
    sections = []
    if study.foreign and study.suite.pairs:
        sections.append(imported_pairs.answer(study))
    for question in study.suite.questions:
        now(f"the question {question}")
        sections += both_answers.answers(question, study)
    if study.imported:
        sections.append(imported.answer(study))
    scores, blocked = aggregate_scores(study, lambda variant: now(f"aggregate scores of {variant}"))
    lines = _lines(study, now)
    effects = [] if study.foreign else all_pairs(study)
    now("the figure of run scores")
    run_scores = _scores(study, effects)
    now("the figure of learning curves")
    learning_curves = _curves(study, lines.curves)
    now("the figures of aggregates")
    aggregates = _aggregates(study, scores, blocked, lines.profiles, effects)
    now("the figures of diagnostics")
    diagnostics = _diagnostics(study, lines.traces)
    now("the pages")
    facts = protocol(study)
    tuned = _tuned(study, sections)
    swept = sensitivity.of_sweep(study)
    parts = (
        Part("looks", "Looks", (following_looks.looks_table(study),) if study.looks else (), "Looks"),
        Part("tuning", "Tuning", tuned.blocks, "Tuning"),
        Part(
            "sensitivity",
            "Sensitivity",
            tuple(sensitivity_figures.sensitivity(study, swept, "sensitivity")),
            "Sensitivity",
        ),
        run_scores,
        learning_curves,
        aggregates,
        diagnostics,
        Part("incomplete", "Failed, diverged and missing runs", (run_tables.incomplete(study),)),
        Part(
            "variants",
            "What the variants are",
            tuple(it for it in (variant_tables.bases(study), variant_tables.settings(study)) if it.rows),
            "Variants",
        ),
        Part(
            "protocol",
            "Protocol",
            (Facts(facts), score_tables.constants(study)),
            "Protocol",
            fold="How runs were trained, evaluated, normalised and judged",
        ),
        Part(
            "provenance",
            "Provenance",
            (run_tables.provenance(study),),
            "Provenance",
            fold="Versions, processors, times",
        ),
        Part("runs", "Runs", (run_tables.run_list(study, bundle),), "Runs"),
    )
    return Content(
        title=study.suite.title,
        summary=summary(study),
        notices=(
            *remarks,
            *([following_looks.notice(study)] if study.looks else []),
            *notices(study),
            *tuned.notices,
            *unasked(study, sections),
        ),
        sections=tuple(sections),
        parts=tuple(part for part in parts if part.blocks),
        figure_data={
            "learning-curves": curves.curve_rows(study, lines.curves),
            "performance-profiles": curves.profile_rows(lines.profiles),
            **curves.trace_rows(lines.traces),
            "sensitivity": sensitivity_figures.sensitivity_rows(swept),
            "tuning-sensitivity": sensitivity_figures.sensitivity_rows(tuned.lines),
        },
        protocol=facts,
        command=command,
    )


@dataclass(frozen=True)
class Lines:
    """What there is to draw over training, and of performance profiles: where there are runs for it."""

    curves: list[tuple[str, str, Curve]]
    profiles: list[tuple[str, Curve]]
    traces: list[tuple[str, str, str, Trace]]


def _lines(study: Study, now: Callable[[str], None]) -> Lines:
    found, traces = [], []
    for environment in study.environments:
        now(f"curves on {environment}")
        for variant in study.variants:
            if (curve := curves.learning_curve(study, variant, environment)) is not None:
                found.append((variant, environment, curve))
            traces += [
                (key, variant, environment, trace)
                for key in curves.DIAGNOSTICS
                if (trace := curves.trace(study, variant, environment, key)) is not None
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
    return Lines(found, shares, traces)


def _scores(study: Study, effects: Sequence[Effect]) -> Part:
    blocks: tuple[Block, ...] = (
        score_figures.run_scores(study),
        score_tables.cells(study),
        *([score_tables.pairs_table(effects)] if effects else []),
        score_tables.tail_table(run_tails(study)),
    )
    return Part("scores", "Scores per environment", blocks, "Scores")


def _curves(study: Study, found: Sequence[tuple[str, str, Curve]]) -> Part:
    drawn = curve_figures.learning_curves(study, found)
    under, soon = areas_under_curves.areas(study), arrivals(study)
    arrived = [curve_tables.arrival_table(soon)] if soon else []
    blocks: tuple[Block, ...] = (*drawn, curve_tables.area_table(under), *arrived) if drawn else ()
    return Part("curves", "Learning curves", blocks, "Learning curves")


def _aggregates(
    study: Study,
    scores: Sequence[AggregateScore],
    blocked: dict[str, str],
    profiles: Sequence[tuple[str, Curve]],
    effects: Sequence[Effect],
) -> Part:
    ranked = rank_intervals.rank_intervals(study)
    mapped = effect_map(effects, study.variants)
    blocks: tuple[Block, ...] = (
        *map(Text, _aggregate_notes(study, blocked)),
        *([score_figures.aggregates(study, scores)] if scores else []),
        aggregate_tables.aggregate_table(scores),
        *([rank_figures.rank_drawing(ranked, study.variants)] if ranked else []),
        aggregate_tables.rank_table(ranked),
        *curve_figures.profiles(study, profiles),
        *([replace(mapped, folded=True)] if mapped else []),
    )
    return Part("aggregates", "Aggregate scores", blocks, "Aggregates")


def _diagnostics(study: Study, traces: Sequence[tuple[str, str, str, Trace]]) -> Part:
    drawn = curve_figures.diagnostics(study, traces)
    # If there are many, only the first is open.
    drawn = [replace(one, folded=k > 0 and len(drawn) > 3) for k, one in enumerate(drawn)]
    return Part(
        "diagnostics",
        "Training diagnostics",
        (*drawn, *_diagnostic_notes(study, traces)) if drawn else (),
        "Diagnostics",
        headings=True,
        fold=" · ".join(one.title for one in drawn),
    )


@dataclass(frozen=True)
class Tuned:
    """What a page says of the suite's tuning: nothing without one."""

    blocks: tuple[Block, ...] = ()
    notices: tuple[str, ...] = ()
    lines: tuple[sensitivity.Line, ...] = ()


def _tuned(study: Study, sections: Sequence[Section]) -> Tuned:
    if study.suite.tuning is None or study.tuning is None:
        return Tuned()
    points = own_best.tried(study.tuning, study.constants)
    choices = own_best.choices(study.suite, study.tuning, study.constants, allow_missing=study.allow_missing)
    lines = tuple(sensitivity.of_tuning(study, points, choices))
    return Tuned(
        blocks=(
            tuning_tables.both(sections),
            tuning_tables.chosen(study, choices, points),
            *sensitivity_figures.sensitivity(study, lines, "tuning-sensitivity"),
            tuning_tables.tried(points, choices),
            tuning_tables.runs(study),
        ),
        notices=tuning_tables.notices(study, choices),
        lines=lines,
    )


def _counter(progress: Progress, parts: int) -> Callable[[str], None]:
    """A function that announces each part as it begins."""
    done = 0

    def now(what: str) -> None:
        nonlocal done
        progress(what, min(done, parts - 1), parts)
        done += 1

    return now


def _aggregate_notes(study: Study, blocked: dict[str, str]) -> tuple[str, ...]:
    why: dict[str, list[str]] = {}
    for variant, reason in blocked.items():
        why.setdefault(reason.removeprefix(f"`{variant}` "), []).append(variant)
    notes = []
    for reason, names in why.items():
        own = len(names) == 1 or blocked[names[0]] == reason
        each = ", ".join(f"`{name}`" for name in names)
        notes.append(f"No aggregate for {each}: {blocked[names[0]] if own else f'each {reason}'}.")
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


def _diagnostic_notes(study: Study, traces: Sequence[tuple[str, str, str, Trace]]) -> list[Text]:
    found = {(key, variant) for key, variant, _, _ in traces}
    notes = []
    for key, what in curves.DIAGNOSTICS.items():
        without = [f"`{variant}`" for variant in study.variants if (key, variant) not in found]
        if without:
            text = f"{what[0].upper()}{what[1:]} is not recorded for {', '.join(without)}."
            notes.append(Text(text, small=True))
    return notes
