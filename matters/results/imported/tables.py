"""An imported set as the tables that a report reads, and as the subject of its own report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from matters.results.imported import budgets
from matters.results.imported.declared import Declared
from matters.results.imported.runs import RETURNS_OF, ForeignRun, ForeignSet
from matters.results.schema import Columns, primary_endpoint
from matters.results.snapshot import Snapshot, joined, run_table
from matters.suites.tasks.yardsticks import Yardstick

GATE_IN_MARGINS = 2.5
"""How far, in margins, an environment may differ without contradicting an aggregate: a suite's default."""
WINDOWS = 20
"""In how many windows training returns are averaged, and returns of runs with different steps."""


@dataclass(frozen=True)
class ForeignSuite:
    """What a report asks of a suite, for imported results alone. No protocol of ours is claimed for them."""

    name: str
    title: str
    steps: int
    returns_of: str
    questions: tuple[str, ...] = ()
    margin: float = 0.10
    aggregate_margin: float = 0.10
    gate: float = 0.25
    scale: Yardstick = "off-policy-1M"  # the higher one, since nobody knows what the variants are
    variants: Mapping[str, Any] = field(default_factory=dict)
    evaluation: None = None
    tuning: None = None
    sweep: None = None
    design: None = None
    comparisons: tuple[tuple[str, str], ...] = ()  # what `compare` of a suite declares; here it is `pairs`
    pairs: tuple[tuple[str, str], ...] = ()
    asked_margin: bool = False
    pooled: str = ""
    protocols: tuple[tuple[str, Declared], ...] = ()
    ends: tuple[tuple[tuple[str, str], tuple[budgets.Budget, ...]], ...] = ()

    def apart(self, x: str, y: str, environment: str) -> str | None:
        """Why two variants cannot be compared on an environment, or None if they can."""
        return budgets.apart(dict(self.ends), x, y, environment)


def suite(
    found: ForeignSet,
    questions: Sequence[str] = (),
    *,
    pairs: Sequence[tuple[str, str]] = (),
    margin: float | None = None,
    pooled: str = "",
    protocols: Sequence[tuple[str, Declared]] = (),
) -> ForeignSuite:
    """The set as a report's subject, with the pairs that are to be compared.

    `margin` is a share of the yardstick, in place of the default. `pooled` is the reason that was given for
    comparing runs of several protocols, `protocols` what their owners declare of each.
    """
    subject = ForeignSuite(
        name=f"imported-{found.name}",
        title=f"Imported results: {found.name}",
        steps=max(run.steps[-1] for run in found.runs),
        returns_of=RETURNS_OF[found.returns_of],
        questions=tuple(questions),
        pairs=tuple(pairs),
        asked_margin=margin is not None,
        pooled=pooled,
        protocols=tuple(protocols),
        ends=tuple(budgets.of_cells(found.runs).items()),
    )
    if margin is None:
        return subject
    return replace(subject, margin=margin, aggregate_margin=margin, gate=GATE_IN_MARGINS * margin)


def score(run: ForeignRun, until: int | None = None) -> float:
    """The mean of the last tenth of the run's returns (rounded up), at least the last two, up to a step."""
    count = len(run.steps) if until is None else int(np.searchsorted(run.steps, until, side="right"))
    returns = np.array(run.returns[: max(count, 1)])
    return primary_endpoint({"point": np.arange(1, len(returns) + 1), "return": returns})


def cells(found: ForeignSet) -> dict[tuple[str, str], list[ForeignRun]]:
    """The set's runs by variant and environment."""
    grouped: dict[tuple[str, str], list[ForeignRun]] = {}
    for run in found.runs:
        grouped.setdefault((run.variant, run.environment), []).append(run)
    return grouped


def snapshot(found: ForeignSet) -> Snapshot:
    """The set's runs and learning curves. There are no episodes and no updates, for none were read."""
    runs = found.runs
    ends = budgets.budgets(runs)
    curves = [pair for cell in cells(found).values() for pair in _curves(cell)]
    return Snapshot(
        identity=found.identity,
        runs=run_table([{**_keys(run), **_status(run, ends[run.run_id])} for run in runs]),
        evaluations=joined(
            [(_keys(run), curve) for run, curve in curves],
            {"point": "int64", "step": "int64", "score": "float64"},
        ),
        episodes=joined([], {"step": "int64", "return": "float64", "length": "int64"}),
        updates=joined([], {"step": "int64"}),
        provenance=pd.DataFrame(
            [
                {
                    "run_id": run.run_id,
                    "protocol": "foreign",
                    "file": run.file,
                    "file_sha256": run.sha256,
                    "notes": "; ".join(run.notes),
                }
                for run in runs
            ]
        ),
    )


def _keys(run: ForeignRun) -> dict[str, Any]:
    names = ("run_id", "variant", "environment", "seed")
    return {name: getattr(run, name) for name in names}


def _status(run: ForeignRun, budget: budgets.Budget) -> dict[str, Any]:
    return {
        "state": "done",
        "steps": run.steps[-1],
        "digest": run.curve_digest,
        "score": score(run, budget[0]),
        "diverged_at": run.diverged_at,
        "error": None,
    }


def _curves(cell: Sequence[ForeignRun]) -> list[tuple[ForeignRun, Columns]]:
    """Each run's curve, at steps that all runs of its cell share."""
    if len({run.steps for run in cell}) == 1 and cell[0].returns_of != "training":
        points = np.arange(1, len(cell[0].steps) + 1)
        steps = np.array(cell[0].steps)
        return [(run, {"point": points, "step": steps, "score": np.array(run.returns)}) for run in cell]
    longest = max(run.steps[-1] for run in cell)
    ends = np.arange(1, WINDOWS + 1) * longest // WINDOWS
    windows = [_means(run, ends) for run in cell]
    # Until every run has a return, there is no mean over all of them.
    first = max(int(np.argmax(np.isfinite(means))) for means in windows)
    curves = []
    for run, means in zip(cell, windows, strict=True):
        known = np.isfinite(means) & (np.arange(WINDOWS) >= first)
        # A window without an episode keeps the score of the one before, as a run that ended does.
        if not known[first]:
            means[first] = means[:first][np.isfinite(means[:first])][-1]
            known[first] = True
        curves.append((run, {"point": np.flatnonzero(known) + 1, "step": ends[known], "score": means[known]}))
    return curves


def _means(run: ForeignRun, ends: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The mean return in each window, nan in one without any."""
    place = np.searchsorted(ends, np.array(run.steps), side="left")
    counts = np.bincount(place, minlength=len(ends))[: len(ends)]
    sums = np.bincount(place, weights=np.array(run.returns), minlength=len(ends))[: len(ends)]
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.where(counts > 0, counts, np.nan))
