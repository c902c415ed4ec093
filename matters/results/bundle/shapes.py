"""A bundle's results in the shapes that other tools read."""

import csv
import io
from collections.abc import Callable, Sequence

import numpy as np

from matters.results.bundle.manifest import Run
from matters.results.schema import Columns


def scores_csv(runs: Sequence[Run]) -> bytes:
    """rliable's shape: one row per variant and seed, one column per environment, the run's raw score.

    The rows of one variant are its matrix [runs, tasks]. A cell is empty where the run is missing, failed or
    without a score. That of a diverged run is its last sound score: the manifest says which diverged.
    """
    environments = list(dict.fromkeys(run.environment for run in runs))
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for run in runs:
        row = rows.setdefault((run.variant, run.seed), {})
        if run.score is not None:
            row[run.environment] = run.score
    lines = [[*key, *(_text(row.get(name)) for name in environments)] for key, row in rows.items()]
    return _csv(["variant", "seed", *environments], lines)


def curves_csv(runs: Sequence[Run], evaluations: Callable[[str], Columns]) -> bytes:
    """openrlbenchmark's shape: one row per evaluation point, with CleanRL's column names.

    The return is the mean over the evaluation episodes of the point.
    """
    lines = []
    for run in runs:
        if run.state != "done":
            continue
        found = evaluations(run.run_id)
        points, first = np.unique(found["point"], return_index=True)
        for point, step in zip(points, found["step"][first], strict=True):
            mean = float(found["return"][found["point"] == point].mean())
            lines.append([run.variant, run.environment, run.seed, int(step), _text(mean)])
    return _csv(["exp_name", "env_id", "seed", "global_step", "charts/episodic_return"], lines)


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
