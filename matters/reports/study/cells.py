"""Cells of scores: the runs of one variant on one environment, what they score and what they lack."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from matters.reports.statistics.intervals import Array


@dataclass(frozen=True)
class CellScores:
    """All declared runs of one variant on one environment.

    `scores` are the finite primary endpoints of the runs that are done, by seed. A diverged run has the
    random policy's score, where that is known, otherwise its last. `unscored` counts runs that are done but
    have no score. `outcomes` are hashes of what each of the runs played and learnt, by seed.
    """

    variant: str
    environment: str
    scores: Array
    declared: int
    failed: int
    diverged: int
    missing: int
    unscored: int
    outcomes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Runs that have a score."""
        return len(self.scores)

    @property
    def gaps(self) -> str:
        """What is wrong with the cell's runs, in words; empty if nothing is."""
        parts = (
            (self.failed, "failed"),
            (self.diverged, "diverged"),
            (self.missing, "missing"),
            (self.unscored, "without a score"),
        )
        return ", ".join(f"{count} {word}" for count, word in parts if count)

    @property
    def without_score(self) -> int:
        """Declared runs that no number of the report counts."""
        return self.declared - self.n


def with_diverged(runs: pd.DataFrame, constants: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """The runs with a column `sound_score` for what a diverged run scored before, and its score random.

    An unstable variant would be flattered by the score from before it blew up. Without constants nobody knows
    what random actions score, and the last score stands.
    """
    random = runs["environment"].map({name: pair[0] for name, pair in constants.items()}).astype(float)
    diverged = (runs["state"] == "done") & runs["diverged_at"].notna()
    score = runs["score"].astype(float)
    return runs.assign(
        sound_score=score.where(diverged), score=score.where(~diverged | random.isna(), random)
    )


def of_cell(rows: pd.DataFrame, variant: str, environment: str) -> pd.DataFrame:
    """The rows of any table that are about one variant on one environment."""
    return rows[(rows["variant"] == variant) & (rows["environment"] == environment)]


def cells_of(runs: pd.DataFrame) -> dict[tuple[str, str], CellScores]:
    """Every cell of a table of runs, by variant and environment, in the order of the table."""
    return {
        (str(variant), str(environment)): cell_of(str(variant), str(environment), group)
        for (variant, environment), group in runs.groupby(["variant", "environment"], sort=False)
    }


def cell_of(variant: str, environment: str, group: pd.DataFrame) -> CellScores:
    """The cell of these runs, which are all of one variant on one environment."""
    group = group.sort_values("seed")
    done = group[group["state"] == "done"]
    scores = done["score"].astype(float).to_numpy()
    finite = np.isfinite(scores)
    return CellScores(
        variant=variant,
        environment=environment,
        scores=scores[finite],
        declared=len(group),
        failed=int((group["state"] == "failed").sum()),
        diverged=int(done["diverged_at"].notna().sum()),
        missing=int((~group["state"].isin(["done", "failed"])).sum()),
        unscored=int((~finite).sum()),
        outcomes=tuple(str(outcome) for outcome in done["outcome"].dropna()),
    )
