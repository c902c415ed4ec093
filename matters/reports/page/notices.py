"""What a page opens with beside its answers: the study in a line, and what a reader of it must not miss."""

from collections import Counter
from collections.abc import Sequence

from matters.reports.page.formatting import plural, thousands
from matters.reports.page.section import Section
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL
from matters.reports.study.study import Study

FINGERPRINT = "training_code"
WARNINGS = "simulator_warnings"
MOST_NOTES = 6
"""How many notes on how files were read, or variants with few seeds, a notice names; tables have them all."""


def summary(study: Study) -> str:
    """The study in a line: how many variants, environments, seeds, steps and runs."""
    declared = sum(cell.declared for cell in study.cells.values())
    done = int((study.runs["state"] == "done").sum())
    tuned = ""
    if study.tuning is not None and len(study.tuning):
        tuned = f", {int((study.tuning['state'] == 'done').sum())} of {len(study.tuning)} of the tuning"
    return " · ".join(
        (
            plural(len(study.variants), "variant"),
            plural(len(study.environments), "environment"),
            _seeds(study),
            f"{'up to ' if study.foreign else ''}{thousands(study.suite.steps)} steps a run",
            f"{declared} imported runs" if study.foreign else f"{done} of {declared} runs done{tuned}",
        )
    )


def _seeds(study: Study) -> str:
    """How many seeds were declared: of every cell, or from the smallest to the largest."""
    counts = [cell.declared for cell in study.cells.values()]
    few, many = min(counts), max(counts)
    return plural(many, "seed") if few == many else f"{few} to {many} seeds"


def notices(study: Study) -> tuple[str, ...]:
    """What every reader must know of the runs: which are few, not whole, left out, doubled or mixed."""
    said = _foreign_notices(study) if study.foreign else []
    said += _few_seeds(study)
    if gaps := _gaps(study):
        use = (
            "`--allow-missing` was given: aggregates use the runs that have a score; a diverged one has the "
            "random policy’s."
            if study.allow_missing
            else "They block their aggregates; `--allow-missing` computes these from the runs that have a "
            "score, a diverged one with the random policy’s."
        )
        said.append(f"Not every run is whole: {', '.join(gaps)}. {use}")
    if study.left_out:
        said.append(
            f"Left out of aggregates, for want of normalising constants: {', '.join(study.left_out)}."
        )
    if twice := doubles(study):
        said.append(f"The same runs stand under two names, by their digests: {', '.join(twice)}.")
    if warned := simulator_warnings(study):
        said.append(f"MuJoCo warned, as it does of an unstable simulation: {', '.join(warned)}.")
    if prints := fingerprints(study):
        each = [
            f"of {algorithm} "
            + ", ".join(f"`{name[:12]}` ({plural(count, 'run')})" for name, count in counts.items())
            for algorithm, counts in prints.items()
        ]
        said.append(
            f"Runs of different training code are mixed: {'; '.join(each)}. Differences may come from the "
            "code."
        )
    return tuple(said)


def _gaps(study: Study) -> list[str]:
    """The cells that are not whole, those together that lack the same on one environment."""
    together: dict[tuple[str, str], list[str]] = {}
    for cell in study.cells.values():
        if cell.gaps:
            together.setdefault((cell.environment, cell.gaps), []).append(f"`{cell.variant}`")
    return [
        f"{', '.join(names)} on {where} ({gaps}{' each' if len(names) > 1 else ''})"
        for (where, gaps), names in together.items()
    ]


def _few_seeds(study: Study) -> list[str]:
    """Which cells carry no claim for want of seeds; the others are spoken of as they deserve.

    Of a cell without any scored run nothing is said; that it has none is told with the gaps.
    """
    declared = [cell for cell in study.cells.values() if cell.declared]
    few = [cell for cell in declared if 0 < cell.n < MINIMUM_FOR_CLAIM]
    if not few:
        return []
    smallest = min(cell.n for cell in few)
    if len(few) == len(declared):
        return [
            f"Few seeds: the smallest cell has {plural(smallest, 'scored run')}, and a claim needs "
            f"{MINIMUM_FOR_CLAIM}. Runs are drawn as points, intervals are indicative and need "
            f"{MINIMUM_FOR_INTERVAL}, and the answers are indications."
        ]
    places: dict[str, list[str]] = {}
    for cell in few:
        places.setdefault(cell.variant, []).append(f"{cell.environment}: {cell.n}")
    each = [f"`{name}` ({', '.join(where)})" for name, where in places.items()]
    more = f" and {len(each) - MOST_NOTES} more variants" if len(each) > MOST_NOTES else ""
    return [
        f"Few seeds in {len(few)} of {len(declared)} cells: a claim needs {MINIMUM_FOR_CLAIM} scored runs, "
        f"an interval {MINIMUM_FOR_INTERVAL}, and there are fewer of {', '.join(each[:MOST_NOTES])}{more}. "
        "What is said of these is an indication."
    ]


def _foreign_notices(study: Study) -> list[str]:
    lines = [
        "Imported results of a foreign protocol: Matters has neither trained nor evaluated these runs. Their "
        f"returns are of {study.returns_of}; nothing here is pooled with runs of ours."
    ]
    ends = sorted(int(steps) for steps in study.runs["steps"].unique())
    if len(ends) > 1:
        lines.append(
            f"Runs end at different steps ({thousands(ends[0])} to {thousands(ends[-1])}): a score is of the "
            "run’s own end, or of the first of the ends that differ by at most 2 %."
        )
    said = Counter(note for text in study.provenance["notes"] for note in text.split("; ") if note)
    if said:
        each = "; ".join(f"{note} ({plural(n, 'run')})" for note, n in said.most_common(MOST_NOTES))
        more = f"; and {plural(len(said) - MOST_NOTES, 'other remark')}" if len(said) > MOST_NOTES else ""
        lines.append(f"How the files were read: {each}{more}.")
    return lines


def doubles(study: Study) -> list[str]:
    """Where one digest appears twice on an environment, in words: the two runs are the same run."""
    counts: dict[str, int] = {}
    recorded = study.runs[study.runs["digest"].notna()]
    for (environment, _), group in recorded.groupby(["environment", "digest"], sort=False):
        first, *others = group.to_dict("records")
        for other in others:
            names = f"`{first['variant']}` and `{other['variant']}`"
            if first["variant"] == other["variant"]:
                names = f"seeds {first['seed']} and {other['seed']} of `{first['variant']}`"
            counts[f"{names} on {environment}"] = counts.get(f"{names} on {environment}", 0) + 1
    return [f"{names} ({count})" for names, count in counts.items()]


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


def fingerprints(study: Study) -> dict[str, dict[str, int]]:
    """How many runs were trained by each version of the training code, for each algorithm that has several.

    Each algorithm has its own code that decides a run's bits: two algorithms differ in it anyway.
    """
    if FINGERPRINT not in study.provenance.columns:
        return {}
    variant = study.runs.set_index("run_id")["variant"]
    names = study.provenance["run_id"].map(variant)
    known = {name: getattr(one, "algorithm", name) for name, one in study.suite.variants.items()}
    grouped = study.provenance[FINGERPRINT].groupby(names.map(known).fillna(names))
    found = {str(algorithm): prints.value_counts().sort_index() for algorithm, prints in grouped}
    return {
        algorithm: {str(name): int(count) for name, count in counts.items()}
        for algorithm, counts in found.items()
        if len(counts) > 1
    }


def unasked(study: Study, sections: Sequence[Section]) -> list[str]:
    """Which variants no question is about, if any question is asked."""
    about = {name for one in sections for name in (study.variants if one.variants is None else one.variants)}
    names = [f"`{name}`" for name in study.variants if name not in about]
    if not sections or not names:
        return []
    return [
        f"No question of this suite is about {', '.join(names)}. With a pair in `compare`, or a `baseline`, "
        "the question `comparison` is."
    ]
