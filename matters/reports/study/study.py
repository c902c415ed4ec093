"""A snapshot prepared for questions: its cells of scores, and whether and on what scale they compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, Array, generator
from matters.reports.study.cells import CellScores, cells_of, of_cell, with_diverged
from matters.reports.study.normalising_constants import constants_of, limits

if TYPE_CHECKING:
    from matters.results.imported.runs import ForeignSet
    from matters.results.snapshot import Snapshot

DEFAULT_MARGIN = 0.10  # the share that the absolute margins of tasks with a ceiling stand for
AT_CEILING = 0.025  # of the way from random actions to the ceiling: nearer than this there is no room
LEARNT = 0.10  # of the way from random actions to the yardstick: before that it is too early
RISING = 0.10  # of all that was gained, gained over the last third of training: still rising

AGGREGATE = "aggregate"
"""The place of a number that is taken over all comparable environments together."""


@dataclass(frozen=True)
class Look:
    """A look at a growing study: whether the headline of the suite's first question is decided.

    `different` and `equivalent` are what the p-values may be at most here. What was found is blank before the
    look is taken: the headline's place, its difference with the interval of level 1 - `different`, both
    p-values, and its word or the reason why it is undecided. `whole` is whether every run is there.
    """

    question: str
    number: int
    seeds: int
    different: float
    equivalent: float
    whole: bool = True
    where: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    tost_p: float | None = None
    outcome: str = ""
    goes_on: bool = False


@dataclass(frozen=True)
class Study:
    """Everything a section of the report may use. Variants and environments keep the suite's order.

    `imported` are results of others that stand beside the suite's, in a section of their own. `tuning` are
    the runs of the suite's tuning, and `tuned` the settings in which the variants may differ because each is
    at its own best; none where they are compared as they were declared. `looks` are those
    taken so far of a study that grows until it is decided; its runs are those of the last of them.
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
    tuning: pd.DataFrame | None = None
    tuned: frozenset[str] = frozenset()
    looks: tuple[Look, ...] = ()

    @property
    def look(self) -> Look | None:
        """The look that this is."""
        return self.looks[-1] if self.looks else None

    def first(self, count: int, looks: tuple[Look, ...]) -> Study:
        """The study of the first seeds that the suite declares, as it is at the last of these looks."""
        seeds = self.suite.seeds[:count]
        return replace(self.keeping(lambda table: table["seed"].isin(seeds)), looks=looks)

    def keeping(self, meant: Callable[[pd.DataFrame], pd.Series | list[bool]]) -> Study:
        """The study of some of its runs: `meant` says of a table which of its rows are theirs."""
        runs, evaluations, updates = (
            table[meant(table)] for table in (self.runs, self.evaluations, self.updates)
        )
        provenance = self.provenance[self.provenance["run_id"].isin(runs["run_id"])]
        return replace(
            self,
            runs=runs,
            evaluations=evaluations,
            updates=updates,
            provenance=provenance,
            cells=cells_of(runs),
        )

    @property
    def foreign(self) -> bool:
        """Whether the runs are imported ones: then nothing of our protocol is claimed for them."""
        return self.suite.evaluation is None

    @property
    def returns_of(self) -> str:
        """Which episodes the returns come from, in words."""
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
        empty = CellScores(variant, environment, np.array([]), 0, 0, 0, 0, 0)
        return self.cells.get((variant, environment), empty)

    def scale(self, environment: str) -> float | None:
        """Raw return in one unit of normalised score, yardstick - random; None without constants."""
        if environment not in self.constants:
            return None
        random, yardstick = self.constants[environment]
        return yardstick - random

    def margin(self, environment: str) -> float | None:
        """The margin of equivalence in raw return: the suite's share of the scale, or the task's own.

        A task's absolute margin stands for the default share, and grows or shrinks with the suite's share.
        """
        own = limits(environment)[1]
        scale = self.scale(environment)
        if own is not None and scale is not None:
            return float(own * self.suite.margin / DEFAULT_MARGIN)
        return None if scale is None else float(self.suite.margin * scale)

    def gate(self, margin: float | None) -> float | None:
        """The gate that belongs to a margin of equivalence, as many times as wide as in the suite."""
        return None if margin is None else float(margin * self.suite.gate / self.suite.margin)

    def gain(self, environment: str, steps: int) -> float | None:
        """What a frozen reference gained over random actions within `steps` steps, in raw return.

        With the largest such budget known; a yardstick's is a million. None where no budget is that small.
        """
        from matters.suites.tasks.yardsticks import BUDGET_OF_YARDSTICKS, ENVIRONMENTS

        if environment not in self.constants:
            return None
        random, yardstick = self.constants[environment]
        known = ENVIRONMENTS.get(environment)
        budgets = [] if known is None else [(budget, score.value) for budget, score in known.budgets]
        budgets.append((BUDGET_OF_YARDSTICKS, yardstick))
        within = [(budget, value) for budget, value in budgets if budget <= steps]
        return max(within)[1] - random if within else None

    def ceiling(self, environment: str) -> float | None:
        """The largest possible return, where there is one."""
        return limits(environment)[0]

    def no_room(self, environment: str, x: Array, y: Array) -> bool:
        """Whether no difference could show: every run is at the ceiling, or all of them are equal."""
        every = np.concatenate([x, y])
        if not len(x) or not len(y):
            return False
        if np.ptp(every) == 0:
            return True
        ceiling = self.ceiling(environment)
        if ceiling is None or environment not in self.constants:
            return False
        return bool(every.min() >= ceiling - AT_CEILING * (ceiling - self.constants[environment][0]))

    def early(self, environment: str, variants: Sequence[str]) -> bool:
        """Whether none of these variants has made a tenth of the way from random actions to the yardstick."""
        cells = [self.cell(variant, environment).scores for variant in variants]
        if environment not in self.constants or not any(map(len, cells)):
            return False
        means = [float(self.normalised(environment, scores).mean()) for scores in cells if len(scores)]
        return max(means) < LEARNT

    def rising(self, environment: str, variants: Sequence[str]) -> bool:
        """Whether one of these variants gained more than a tenth of its whole gain at the end.

        The mean of the last tenth of training is held against that of the tenth from 60 to 70 %.
        """
        random = self.constants.get(environment, (0.0, 0.0))[0]
        for variant in variants:
            own = of_cell(self.evaluations, variant, environment)
            if environment not in self.constants or own.empty:
                continue
            share = own["step"] / own["step"].max()
            late, before = own[share > 0.9], own[(share > 0.6) & (share <= 0.7 + 1e-9)]
            end, middle = float(late["score"].mean()), float(before["score"].mean())
            if end - middle > RISING * (end - random):
                return True
        return False

    def steps_taken(self, environment: str, variants: Sequence[str]) -> int:
        """The most steps that a finished run of these variants has taken."""
        rows = self.runs
        own = rows[rows["variant"].isin(variants) & (rows["environment"] == environment)]
        own = own[own["state"] == "done"]
        return int(own["steps"].max()) if len(own) else 0

    def apart(self, environment: str, x: str, y: str) -> str | None:
        """Why two variants cannot be compared on an environment: imported runs that end at other steps."""
        return self.suite.apart(x, y, environment) if self.foreign else None

    def same_runs(self, environment: str, x: str, y: str) -> bool:
        """Whether two variants played and learnt the same on an environment, whatever else they recorded."""
        ours, theirs = self.cell(x, environment).outcomes, self.cell(y, environment).outcomes
        return bool(ours) and sorted(ours) == sorted(theirs)

    def normalised(self, environment: str, returns: Array) -> Array:
        """(return - random) / (yardstick - random)."""
        random, yardstick = self.constants[environment]
        return (returns - random) / (yardstick - random)

    def aggregate_samples(self, variant: str, environments: Sequence[str] | None = None) -> list[Array]:
        """Normalised run scores, one vector per environment, of these or of all comparable ones."""
        names = self.comparable if environments is None else environments
        return [self.normalised(name, self.cell(variant, name).scores) for name in names]

    def seeds(self, variants: Sequence[str], environments: Sequence[str]) -> int:
        """The smallest number of scored runs among these cells, as far as they were declared."""
        cells = (self.cell(v, e) for v in variants for e in environments)
        return min((cell.n for cell in cells if cell.declared), default=0)

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
        if self.foreign and self.suite.pooled:
            return False  # several protocols carry no claim, however many runs there are
        enough = self.seeds(variants, environments) >= MINIMUM_FOR_CLAIM
        return enough and not any(self.cell(v, e).without_score for v in variants for e in environments)

    def generator(self, *labels: str) -> np.random.Generator:
        """The generator of one named draw."""
        return generator(self.identity, *labels)


def prepare(
    suite: Any,
    snapshot: Snapshot,
    *,
    allow_missing: bool = False,
    constants: Mapping[str, tuple[float, float]] | None = None,
    imported: Sequence[ForeignSet] = (),
) -> Study:
    """Read a snapshot. `constants` defaults to the frozen ones, and to those that a suite gives for its own
    environments.

    Raises InputError if a run is there twice.
    """
    _check(snapshot.runs)
    environments = tuple(dict.fromkeys(snapshot.runs["environment"]))
    if constants is None:
        constants = constants_of(suite, environments)
    runs = with_diverged(snapshot.runs, constants)
    return Study(
        suite=suite,
        identity=snapshot.identity,
        allow_missing=allow_missing,
        variants=tuple(dict.fromkeys(runs["variant"])),
        environments=environments,
        cells=cells_of(runs),
        constants=constants,
        runs=runs,
        evaluations=snapshot.evaluations,
        updates=snapshot.updates,
        provenance=snapshot.provenance,
        settings=snapshot.settings,
        imported=tuple(imported),
        tuning=snapshot.tuning,
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
