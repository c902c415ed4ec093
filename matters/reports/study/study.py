"""A snapshot prepared for questions: cells of scores, what they lack, and the scale on which they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, generator

if TYPE_CHECKING:
    from matters.results.imported.runs import ForeignSet
    from matters.results.snapshot import Snapshot

Array = NDArray[np.float64]

AGGREGATE = "aggregate"
"""The place of a number that is taken over all comparable environments together."""


@dataclass(frozen=True)
class CellScores:
    """All declared runs of one variant on one environment.

    `scores` are the finite primary endpoints of the runs that are done, diverged ones included, by seed.
    `unscored` counts runs that are done but have no finite score (diverged before their first evaluation).
    """

    variant: str
    environment: str
    seeds: tuple[int, ...]
    scores: Array
    declared: int
    failed: int
    diverged: int
    missing: int
    unscored: int

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


@dataclass(frozen=True)
class Study:
    """Everything a section of the report may use. Variants and environments keep the suite's order.

    `imported` are results of others that stand beside the suite's, in a section of their own.
    """

    suite: Any
    identity: str
    allow_missing: bool
    variants: tuple[str, ...]
    environments: tuple[str, ...]
    cells: Mapping[tuple[str, str], CellScores]
    constants: Mapping[str, tuple[float, float]]
    runs: pd.DataFrame
    evaluations: pd.DataFrame
    updates: pd.DataFrame
    provenance: pd.DataFrame
    settings: pd.DataFrame
    imported: tuple[ForeignSet, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether the runs are imported ones: then nothing of our protocol is claimed for them."""
        return self.suite.evaluation is None

    @property
    def returns_of(self) -> str:
        """What returns are of, in words."""
        return str(self.suite.returns_of) if self.foreign else "evaluation episodes"

    @property
    def comparable(self) -> tuple[str, ...]:
        """The environments with normalising constants: those an aggregate is taken over."""
        return tuple(name for name in self.environments if name in self.constants)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The environments without normalising constants."""
        return tuple(name for name in self.environments if name not in self.constants)

    @property
    def places(self) -> tuple[str, ...]:
        """The aggregate, if it is over several environments, and every environment."""
        return (*([AGGREGATE] if len(self.comparable) > 1 else []), *self.environments)

    def cell(self, variant: str, environment: str) -> CellScores:
        """The cell, empty if nothing was declared for it."""
        empty = CellScores(variant, environment, (), np.array([]), 0, 0, 0, 0, 0)
        return self.cells.get((variant, environment), empty)

    def scale(self, environment: str) -> float | None:
        """Raw return in one unit of normalised score, |reference - random|; None without constants."""
        if environment not in self.constants:
            return None
        random, reference = self.constants[environment]
        return abs(reference - random)

    def normalised(self, environment: str, returns: Array) -> Array:
        """(return - random) / (reference - random)."""
        random, reference = self.constants[environment]
        return (returns - random) / (reference - random)

    def aggregate_samples(self, variant: str) -> list[Array]:
        """Normalised run scores, one vector a comparable environment."""
        return [self.normalised(name, self.cell(variant, name).scores) for name in self.comparable]

    def seeds(self, variants: Sequence[str], environments: Sequence[str]) -> int:
        """The smallest number of scored runs among these cells."""
        return min((self.cell(v, e).n for v in variants for e in environments), default=0)

    def blocked(self, variant: str) -> str | None:
        """Why an aggregate of the variant cannot be given, or None if it can."""
        if not self.comparable:
            return "no environment of the suite has normalising constants"
        cells = [self.cell(variant, name) for name in self.comparable]
        empty = [cell.environment for cell in cells if cell.n == 0]
        if empty:
            return f"`{variant}` has no scored run on {', '.join(empty)}"
        gaps = [f"{cell.environment}: {cell.gaps}" for cell in cells if cell.gaps]
        if gaps and not self.allow_missing:
            return f"`{variant}` is incomplete ({'; '.join(gaps)})"
        return None

    def claim(self, variants: Sequence[str], environments: Sequence[str]) -> bool:
        """Whether these cells carry a claim: ten scored runs in each, and none left out."""
        enough = self.seeds(variants, environments) >= MINIMUM_FOR_CLAIM
        return enough and not any(self.cell(v, e).without_score for v in variants for e in environments)

    def doubles(self) -> list[str]:
        """Where one digest stands twice on an environment, in words: the runs are the same run."""
        counts: dict[str, int] = {}
        recorded = self.runs[self.runs["digest"].notna()]
        for (environment, _), group in recorded.groupby(["environment", "digest"], sort=False):
            first, *others = group.to_dict("records")
            for other in others:
                names = f"`{first['variant']}` and `{other['variant']}`"
                if first["variant"] == other["variant"]:
                    names = f"seeds {first['seed']} and {other['seed']} of `{first['variant']}`"
                counts[f"{names} on {environment}"] = counts.get(f"{names} on {environment}", 0) + 1
        return [f"{names} ({count})" for names, count in counts.items()]

    def generator(self, *labels: str) -> np.random.Generator:
        """The generator of one named draw."""
        return generator(self.identity, *labels)


def known_constants(environments: Sequence[str]) -> dict[str, tuple[float, float]]:
    """(random, reference) of those environments for which `suites.tasks` has both, and they differ."""
    from matters.suites.tasks.yardsticks import ENVIRONMENTS

    constants = {}
    for name in environments:
        known = ENVIRONMENTS.get(name)
        if known is None or known.random is None or known.reference is None:
            continue
        if known.random.value != known.reference.value:
            constants[name] = (known.random.value, known.reference.value)
    return constants


def _given(suite: Any) -> dict[str, tuple[float, float]]:
    """(random, reference) of the suite's own environments that come with both."""
    own = getattr(suite, "own", {})
    return {name: made.constants for name, made in own.items() if made.constants is not None}


def prepare(
    suite: Any,
    snapshot: Snapshot,
    *,
    allow_missing: bool = False,
    constants: Mapping[str, tuple[float, float]] | None = None,
    imported: Sequence[ForeignSet] = (),
) -> Study:
    """Read a snapshot. `constants` defaults to the frozen ones, and to those that a suite gives of its own
    environments.

    Raises InputError if a run is there twice.
    """
    runs = snapshot.runs
    _check(runs)
    environments = tuple(dict.fromkeys(runs["environment"]))
    cells = {
        (str(variant), str(environment)): _cell(str(variant), str(environment), group)
        for (variant, environment), group in runs.groupby(["variant", "environment"], sort=False)
    }
    return Study(
        suite=suite,
        identity=snapshot.identity,
        allow_missing=allow_missing,
        variants=tuple(dict.fromkeys(runs["variant"])),
        environments=environments,
        cells=cells,
        constants=known_constants(environments) | _given(suite) if constants is None else constants,
        runs=runs,
        evaluations=snapshot.evaluations,
        updates=snapshot.updates,
        provenance=snapshot.provenance,
        settings=snapshot.settings,
        imported=tuple(imported),
    )


def _check(runs: pd.DataFrame) -> None:
    from matters.suites.errors import InputError

    twice = runs[runs.duplicated(["variant", "environment", "seed"])]
    if len(twice):
        one = twice.iloc[0]
        more = f", and {len(twice) - 1} more" if len(twice) > 1 else ""
        raise InputError(
            f"runs: seed {one['seed']} of {one['variant']!r} on {one['environment']} is there twice{more}; "
            "a run counts once"
        )


def _cell(variant: str, environment: str, group: pd.DataFrame) -> CellScores:
    group = group.sort_values("seed")
    done = group[group["state"] == "done"]
    scores = done["score"].astype(float).to_numpy()
    finite = np.isfinite(scores)
    return CellScores(
        variant=variant,
        environment=environment,
        seeds=tuple(int(seed) for seed in done["seed"].to_numpy()[finite]),
        scores=scores[finite],
        declared=len(group),
        failed=int((group["state"] == "failed").sum()),
        diverged=int(done["diverged_at"].notna().sum()),
        missing=int((~group["state"].isin(["done", "failed"])).sum()),
        unscored=int((~finite).sum()),
    )
