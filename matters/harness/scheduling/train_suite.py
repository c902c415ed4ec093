"""Train what a store lacks of a suite, in the order that its declaration asks for.

A suite that tunes trains its candidates first, and what they choose afterwards. A suite with looks trains the
seeds of one look after the other, until the headline of its first question is decided.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from matters.harness.scheduling.fill_store import Outcome, facts_of
from matters.harness.scheduling.packing import packed
from matters.suites.spec import Cell

if TYPE_CHECKING:
    import pandas as pd

    from matters.results.store import Store
    from matters.suites.suite import Suite

Train = Callable[["Store", Sequence[Cell], int], Outcome]
"""Trains what a store lacks of some cells, with so many workers."""


def check(suite: "Suite") -> None:
    """Raise InputError for a suite that cannot be trained: too few steps, or looks at nothing to decide."""
    from matters.reports.questions import following_looks

    suite.check_rollouts()
    following_looks.check(suite)


def in_turn(suite: "Suite") -> "list[Sequence[Cell]]":
    """The cells that are trained at once: all of them, or with looks the new seeds of one look at a time.

    Of a suite that tunes, these are all but its variants at their own best: `own_bests`.
    """
    cells = (*suite.cells(), *suite.tuning_cells())
    if not suite.looks:
        return [cells]
    return [
        [replace(cell, specs=cell.specs[before:seeds]) for cell in cells]
        for before, seeds in pairwise((0, *suite.looks))
    ]


def own_bests(store: "Store | None", suite: "Suite") -> "tuple[list[Cell], bool]":
    """The cells of variants at their own best, less the runs of `in_turn`; and whether all choices are made.

    Where one is not made yet it is taken to be the point of the grid that asks for most. None of a suite that
    does not tune.
    """
    from matters.reports.study.own_best import resolved
    from matters.suites.candidates import candidates, made_by_tuning
    from matters.suites.tuning import AT_BEST

    chosen = suite if store is None else resolved(store, suite)
    made = made_by_tuning(chosen)
    found = [cell for cell in chosen.cells() if cell.variant in made]
    points: dict[tuple[str, str], list[Cell]] = {}
    for point in candidates(suite):
        for name, place in suite.pairs():
            if name == point.of and (name not in chosen.at_best or (name, place) in chosen.untuned):
                specs = suite.specs(point.variant, place)
                points.setdefault((name, place), []).append(Cell(name + AT_BEST, place, specs))
    before = {spec.run_id for cells in in_turn(suite) for cell in cells for spec in cell.specs}

    def later(cell: Cell) -> Cell:
        return replace(cell, specs=tuple(spec for spec in cell.specs if spec.run_id not in before))

    def asks_for(cell: Cell) -> tuple[int, float]:
        lacking = [s for s in later(cell).specs if store is None or store.status(s.run_id).state != "done"]
        return len(lacking), packed(cell.variant, cell.specs, 0, facts_of).cost

    found += [max(cells, key=asks_for) for cells in points.values()]
    return [later(cell) for cell in found], not points


def train_suite(
    store: "Store",
    suite: "Suite",
    workers: int,
    *,
    train: Train,
    say: Callable[[str], object],
    allow_missing: bool = False,
) -> "tuple[Suite, Outcome]":
    """Train what the store lacks of a suite; returns it with the variants that its tuning, if any, chose.

    What is compared at equal settings and what is tried train together; then the variants at their own best,
    which are known only then. With `allow_missing` they are chosen from the runs of the tuning that are
    there. `say` takes a line about what was chosen or decided. Raises InputError.
    """
    from matters.reports.study.own_best import resolved
    from matters.suites.candidates import made_by_tuning

    if suite.looks:
        return suite, _until_decided(store, suite, workers, train, say, allow_missing=allow_missing)
    first = train(store, (*suite.cells(), *suite.tuning_cells()), workers)
    if suite.tuning is None:
        return suite, first
    chosen = resolved(store, suite, allow_missing=allow_missing)
    made = made_by_tuning(chosen)
    for name, best in chosen.at_best.items():
        say(f"{name}: at its best {'as it is' if name == best else f'as {best}'}")
    second = train(store, [cell for cell in chosen.cells() if cell.variant in made], workers)
    return chosen, Outcome(first.trained + second.trained, (*first.lost, *second.lost))


def _until_decided(
    store: "Store",
    suite: "Suite",
    workers: int,
    train: Train,
    say: Callable[[str], object],
    *,
    allow_missing: bool,
) -> Outcome:
    """Train the seeds of one look after the other, and say at each whether it goes on."""
    from matters.reports.questions import following_looks
    from matters.reports.study.study import prepare
    from matters.results.snapshot import snapshot

    trained = 0
    for seeds in suite.looks:
        outcome = train(store, suite.first(seeds).cells(), workers)
        trained += outcome.trained
        if outcome.lost:
            break
        study = following_looks.follow(prepare(suite, snapshot(store, suite), allow_missing=allow_missing))
        say(following_looks.notice(study))
        if study.look is None or (study.look.seeds <= seeds and not study.look.goes_on):
            break
    return Outcome(trained, outcome.lost)


def reached(suite: "Suite", runs: "pd.DataFrame") -> tuple[int, ...]:
    """The seeds that were to be trained: all of them, or those up to the last look that has a run."""
    begun = runs.loc[runs["state"] != "missing", "seed"]
    for count in suite.looks:
        if not begun.isin(suite.seeds[count:]).any():
            return suite.seeds[:count]
    return suite.seeds
