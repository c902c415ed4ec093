"""Which implementation details matter in policy-gradient RL, with error bars.

What the command `matters` does, for a program or a notebook:

    import matters

    suite = matters.load_suite("quickstart")
    store = matters.open_store("runs", create=True)
    matters.run(suite, store)                      # train what the store lacks
    matters.scores(suite, store)                   # a pandas frame, one row for each run
    page = matters.report(suite, store, "report")
    matters.comparisons(page)                      # its verdicts, one row for each compared pair

Importing `matters` is quick; each function loads what it needs. Bad input raises
`matters.InputError`, whose text is one line.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matters.suites.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from matters.results.store import Store
    from matters.suites.suite import Suite

__all__ = [
    "InputError",
    "Trained",
    "comparisons",
    "evaluations",
    "load_suite",
    "open_store",
    "report",
    "run",
    "runs",
    "scores",
]


@dataclass(frozen=True)
class Trained:
    """What came of `run`: how many runs were trained, and why those that were lost ended without a result."""

    trained: int
    lost: tuple[str, ...]


def open_store(path: Path | str, *, create: bool = False) -> "Store":
    """The store in the directory `path`; with `create`, a new one if nothing is there. Raises InputError."""
    from matters.results.store import Store

    return Store.open(path, create=create)


def load_suite(
    name_or_path: Path | str,
    *,
    seeds: str | None = None,
    steps: int | None = None,
    only: str | None = None,
) -> "Suite":
    """A shipped suite by its name, or the suite in a TOML file.

    `seeds` ("10" is 0 to 9, "3:5" is 3 and 4), `steps` and `only` ("ppo*/Hopper*") narrow it as the options
    of `matters run` do. Raises InputError.
    """
    from matters.suites import loading

    return loading.load_suite(str(name_or_path)).restricted(seeds, steps, only)


def run(
    suite: "Suite",
    store: "Store",
    *,
    workers: int | None = None,
    executor: str = "local",
    retry_failed: bool = False,
) -> Trained:
    """Train what the store lacks of the suite; returns when every run is done, failed or lost.

    `workers` processes train at a time, by default one for each core; progress goes to standard error.
    Interrupted, even with `kill -9`, the same call goes on from the last checkpoints. Workers are spawned: a
    program calls this under `if __name__ == "__main__":`. Raises InputError before anything is trained.
    """
    from functools import partial

    from matters.harness.commands.options import crew_of
    from matters.harness.commands.run import train_missing
    from matters.harness.scheduling.executors import Place, load
    from matters.harness.scheduling.train_suite import check, train_suite
    from matters.harness.terminal.console import notes

    if workers is not None and workers < 1:
        raise InputError(f"workers = {workers}: at least 1 is needed")
    check(suite)
    where = load(Place(executor), notes().print)
    train = partial(train_missing, executor=where, retry_failed=retry_failed)
    _, outcome = train_suite(store, suite, crew_of(workers, where), train=train, say=notes().print)
    return Trained(outcome.trained, tuple(lost.reason for lost in outcome.lost))


def report(
    suite: "Suite", store: "Store", out: Path | str, *, allow_missing: bool = False, command: str = ""
) -> Path:
    """Write the suite's report into the directory `out`; returns the path of its `index.html`.

    `command` is what the page says was typed for it. The same store gives the same bytes. Raises InputError
    for a store without any run of the suite.
    """
    from matters.reports.report import write_report
    from matters.reports.study.own_best import resolved
    from matters.results.snapshot import snapshot

    said = command or f"matters report {suite.name}"
    whole = resolved(store, suite, allow_missing=allow_missing)
    return write_report(whole, snapshot(store, whole), Path(out), allow_missing=allow_missing, command=said)


def runs(suite: "Suite", store: "Store") -> "pd.DataFrame":
    """One row for each declared run: run_id, variant, environment, seed, state, steps, digest, score, …

    `state` is done, failed or missing; a run that is only begun counts as missing. `score` is the primary
    endpoint: the mean return over the last tenth of the evaluation points, at least the last two. Where the
    suite tunes, the runs of each variant at its own best are there too, as `NAME-at-best`.
    """
    from matters.reports.study.own_best import resolved
    from matters.results.snapshot import snapshot

    return snapshot(store, resolved(store, suite)).runs


def evaluations(suite: "Suite", store: "Store") -> "pd.DataFrame":
    """One row for each evaluation point of each finished run: its step, and its mean return as `score`."""
    from matters.reports.study.own_best import resolved
    from matters.results.snapshot import snapshot

    return snapshot(store, resolved(store, suite)).evaluations


def scores(suite: "Suite", store: "Store") -> "pd.DataFrame":
    """One row for each finished run: run_id, variant, environment, seed, score, normalised; as on a page.

    `normalised` is (score - random) / (yardstick - random) by the suite's yardstick, nan on an environment
    without both constants. A run that diverged counts with the random policy's score, where that is known.
    """
    from matters.reports.study.cells import with_diverged
    from matters.reports.study.normalising_constants import constants_of

    constants = constants_of(suite)
    table = with_diverged(runs(suite, store), constants)
    done = table.loc[table["state"] == "done", ["run_id", "variant", "environment", "seed", "score"]]
    unknown = math.nan, math.nan
    scales = [constants.get(environment, unknown) for environment in done["environment"]]
    values = [(s - low) / (high - low) for s, (low, high) in zip(done["score"], scales, strict=True)]
    return done.assign(normalised=values).reset_index(drop=True)


def comparisons(page: Path | str) -> "pd.DataFrame":
    """The compared pairs of a written report, one row for each pair and place, as its `report.json` has them.

    `page` is what `report` returned. Raises InputError where there is no report.
    """
    import pandas as pd

    path = Path(page).with_name("report.json")
    try:
        rows: Iterable[object] = json.loads(path.read_bytes())["comparisons"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"page = {str(page)!r}: no report there: {error}") from None
    return pd.DataFrame(rows)
