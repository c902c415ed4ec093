"""Imported results beside ours: shown with the file they came from, never pooled and never tested."""

import numpy as np

from matters.reports.page import side_by_side
from matters.reports.page.formatting import number, plural, short_steps, thousands
from matters.reports.page.section import Drawing, Section, Table
from matters.reports.page.side_by_side import Mark
from matters.reports.statistics.intervals import deviation
from matters.reports.study.study import Study
from matters.results.imported.runs import RETURNS_OF, ForeignRun, ForeignSet
from matters.results.imported.tables import cells, score

QUESTION = "imported"
TITLE = "Imported results"


def answer(study: Study) -> Section:
    """All imported sets of the study, each cell on the environment that its owner names."""
    sets = study.imported
    runs = sum(len(one.runs) for one in sets)
    groups = sum(len(cells(one)) for one in sets)
    return Section(
        question=QUESTION,
        title=TITLE,
        answer=f"{plural(runs, 'imported run')} in {plural(groups, 'cell')} stand beside ours. Their "
        "protocol is foreign: they are in no table, aggregate or test of our runs.",
        word="no test",
        claim=False,
        verdicts=(),
        lacks=tuple(_note(one) for one in sets),
        needs="Results that `matters import` has read.",
        estimand="Of an imported run, the mean of the last tenth of its returns, at least the last two.",
        family="None: nothing is tested.",
        margin="None.",
        method="What was read is kept as it was, each run with the SHA-256 of its file; how the runs were "
        "trained and evaluated is what their owner says. So they stand beside ours in a figure and tables of "
        "their own.",
        drawings=(_drawing(study),),
        tables=(_table(sets), _runs(sets)),
    )


def _note(one: ForeignSet) -> str:
    return f"`{one.name}`: {plural(len(one.runs), 'run')}, returns of {RETURNS_OF[one.returns_of]}."


def _drawing(study: Study) -> Drawing:
    panels: dict[str, list[Mark]] = {}
    for one in study.imported:
        for (variant, environment), runs in cells(one).items():
            panels.setdefault(environment, []).append(_theirs(one, variant, runs))
    return side_by_side.drawing(
        QUESTION,
        "Ours and imported",
        [(name, [*_ours(study, name), *marks]) for name, marks in panels.items()],
        caption="Coloured: ours on the same environment, mean and standard deviation (sd) over seeds of the "
        "primary endpoint. Grey: imported, mean and standard deviation over runs of the mean of the last "
        "tenth of their returns; squares are training episodes. Small marks are runs.",
    )


def _ours(study: Study, environment: str) -> list[Mark]:
    found = [(k, study.cell(variant, environment)) for k, variant in enumerate(study.variants)]
    return [side_by_side.mark(cell.variant, cell.scores, style=k) for k, cell in found if cell.declared]


def _theirs(one: ForeignSet, variant: str, runs: list[ForeignRun]) -> Mark:
    scores = np.array([score(run) for run in runs])
    longest = short_steps(max(run.steps[-1] for run in runs))
    shape = "s" if one.returns_of == "training" else "o"
    return side_by_side.mark(f"{one.name}: {variant}, {longest}", scores, shape=shape)


def _table(sets: tuple[ForeignSet, ...]) -> Table:
    columns = (
        "set",
        "environment",
        "variant",
        "mean",
        "standard deviation",
        "runs",
        "steps",
        "points",
        "returns of",
    )
    rows, data = [], []
    for one in sets:
        for (variant, environment), runs in cells(one).items():
            scores = np.array([score(run) for run in runs])
            spread = deviation(scores)
            steps, points = sorted({run.steps[-1] for run in runs}), sorted({len(run.steps) for run in runs})
            rows.append(
                (
                    f"`{one.name}`",
                    environment,
                    f"`{variant}`",
                    number(float(scores.mean())),
                    number(spread),
                    str(len(runs)),
                    " to ".join(dict.fromkeys((thousands(steps[0]), thousands(steps[-1])))),
                    " to ".join(dict.fromkeys((str(points[0]), str(points[-1])))),
                    RETURNS_OF[one.returns_of],
                )
            )
            data.append(
                {
                    "set": one.name,
                    "environment": environment,
                    "variant": variant,
                    "mean": float(scores.mean()),
                    "standard_deviation": spread,
                    "runs": len(runs),
                    "returns_of": one.returns_of,
                    "protocol": "foreign",
                }
            )
    return Table(
        name=QUESTION,
        caption="Imported cells, as their owner names them. The mean is over runs, of each the mean of the "
        "last tenth of its returns.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[3:8]),
    )


def _runs(sets: tuple[ForeignSet, ...]) -> Table:
    columns = ("run", "set", "variant", "environment", "seed", "score", "file", "SHA-256 of the file")
    every = [(one, run) for one in sets for run in one.runs]
    return Table(
        name="imported-runs",
        caption="Every imported run: its identity is the hash of what was read.",
        columns=columns,
        rows=tuple(
            (
                f"`{run.run_id}`",
                f"`{one.name}`",
                f"`{run.variant}`",
                run.environment,
                str(run.seed),
                number(score(run)),
                run.file,
                f"`{run.sha256[:12]}`",
            )
            for one, run in every
        ),
        data=tuple(
            {
                "run_id": run.run_id,
                "set": one.name,
                "variant": run.variant,
                "environment": run.environment,
                "seed": run.seed,
                "score": score(run),
                "file": run.file,
                "file_sha256": run.sha256,
            }
            for one, run in every
        ),
        numeric=frozenset({"seed", "score"}),
    )
