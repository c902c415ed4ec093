"""`matters list`: algorithms, suites, tricks and runs."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matters.harness.commands.options import DEFAULT_STORE, Evidence, Json, StoreDirectory, opened
from matters.harness.terminal.console import LONGEST, print_json, print_table, warn
from matters.suites.errors import InputError, nearest, on_one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matters.results.index import Entry
    from matters.results.store import Store
    from matters.suites.spec import RunSpec


def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="algorithms, suites, tricks, runs, failures or imported.",
            show_default=False,
        ),
    ],
    store: StoreDirectory = DEFAULT_STORE,
    evidence: Evidence = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Only these runs, as 'ppo*/Hopper*', by algorithm or preset; imported ones by variant.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List algorithms, suites, tricks, or what a store has: runs, failed ones, imported ones."""
    find: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "algorithms": _algorithms,
        "suites": _suites,
        "tricks": _tricks,
        "runs": partial(_runs, store, evidence, only),
        "failures": partial(_failures, store, evidence, only),
        "imported": partial(_imported, store, only),
    }
    if what not in find:
        raise InputError(f"list {what}: unknown{nearest(what, find)}")
    if only is not None and what not in OF_RUNS:
        raise InputError(f"--only: is of runs; {what} are listed whole")
    if evidence is not None and what not in OF_A_BUNDLE:
        raise InputError(f"--evidence: is of {' and '.join(OF_A_BUNDLE)}, and no bundle has {what}")
    found = find[what]()
    if json:
        print_json(found)
    elif found:
        print_table(
            [name.replace("_", " ") for name in found[0]],
            [[_cell(value) for value in row.values()] for row in found],
        )
    else:
        typer.echo(f"no {what}")


OF_A_BUNDLE = ("runs", "failures")
OF_RUNS = (*OF_A_BUNDLE, "imported")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return on_one_line(value, LONGEST)
    if isinstance(value, list):
        return ("; " if any("," in one for one in value) else ", ").join(value)
    return value


def _algorithms() -> list[dict[str, Any]]:
    from matters.algorithms import ALGORITHMS, load
    from matters.algorithms.sources import SOURCES

    return [
        {
            "algorithm": name,
            "kind": found.KIND,
            "version": found.VERSION,
            "presets": [*found.PRESETS],
            "sources": [f"{preset}: {SOURCES[preset]}" for preset in found.PRESETS if preset in SOURCES],
        }
        for name in ALGORITHMS
        for found in [load(name)]
    ]


def _suites() -> list[dict[str, Any]]:
    from matters.suites.loading import load_suite, suite_names

    suites = [load_suite(name) for name in suite_names()]
    return [
        {
            "suite": suite.name,
            "title": suite.title,
            "variants": [*suite.variants],
            "environments": [*suite.environments],
            "seeds": len(suite.seeds),
            "steps": suite.steps,
        }
        for suite in suites
    ]


def _tricks() -> list[dict[str, Any]]:
    """Every trick of every algorithm, with the presets that have it on. None and False are off."""
    from matters.algorithms import ALGORITHMS, load

    found = []
    for name in ALGORITHMS:
        algorithm = load(name)
        if "tricks" not in algorithm.Config.model_fields:
            continue
        presets = {preset: config.tricks for preset, config in algorithm.PRESETS.items()}
        tricks = next(iter(presets.values()))
        for trick, described in type(tricks).model_fields.items():
            on = [preset for preset, its in presets.items() if getattr(its, trick) not in (None, False)]
            found.append(
                {"algorithm": name, "trick": trick, "on_in": on, "description": described.description or ""}
            )
    return found


def _runs(store: Path, evidence: str | None, only: str | None) -> list[dict[str, Any]]:
    with opened(store, evidence) as runs:
        found = []
        for row in _described(runs, only):
            status = runs.status(row["run_id"])
            found.append({**row, "state": status.state, "steps": status.steps, "score": status.score})
        return found


def _described(store: "Store", only: str | None) -> list[dict[str, Any]]:
    """What each run that is meant is, with the preset that it is nearest to; not yet how it stands."""
    from matters.results import index

    run_ids = store.run_ids()
    known = index.entries(store.path, run_ids)
    presets: dict[tuple[str, str], dict[str, str | None]] = {}
    rows = []
    for run_id in run_ids:
        entry = known.get(run_id)
        variant = (entry.settings_id, entry.environment) if entry else ("", "")
        if entry and variant not in presets:
            with suppress(InputError):  # a damaged spec, in place of which another run's may be read
                presets[variant] = _preset(store.spec(run_id))
        rows.append({"run_id": run_id, **_what(store, run_id, known), **presets.get(variant, NO_PRESET)})
    return _chosen(rows, only, ("algorithm", "preset"))


def _chosen(rows: Sequence[dict[str, Any]], only: str | None, names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows that the globs of `only` are of, on NAME/environment with any of the columns `names` as NAME.

    Raises InputError for a glob that is of none.
    """
    from matters.suites.narrowing import matches, parts, stray

    if only is None:
        return [*rows]
    cells = [[(str(row[name]), str(row["environment"])) for name in names if row[name]] for row in rows]
    globs = parts(only)
    if none := stray(globs, dict.fromkeys(cell for own in cells for cell in own)):
        raise InputError(f"--only {globs[none[0]]}: no such run{none[1]}")
    return [row for row, own in zip(rows, cells, strict=True) if any(matches(globs, *cell) for cell in own)]


NO_PRESET = {"preset": None, "differs_in": None}


def _preset(spec: "RunSpec") -> dict[str, str | None]:
    """The preset that a run's settings are nearest to, and how they differ; nothing without its code."""
    from pydantic import ValidationError

    from matters.suites.settings import difference_text, nearest_preset
    from matters.suites.variant import Variant, named

    try:
        _, rule = named("algorithm", spec.algorithm)
        config = rule.Config.model_validate(spec.config)
        own = Variant(name="own", algorithm=spec.algorithm, config=config)
    except (InputError, ValidationError):
        return {**NO_PRESET}
    name, differing = nearest_preset(own, (spec.environment,))
    return {"preset": name, "differs_in": difference_text(differing)}


def _failures(store: Path, evidence: str | None, only: str | None) -> list[dict[str, Any]]:
    """Every run that has failed, also one that came to its end later: how often, and of what at last."""
    with opened(store, evidence) as runs:
        found = []
        for row in _described(runs, only):
            if failures := runs.failures(row["run_id"]):
                last = failures[-1]
                found.append(
                    {
                        **{name: value for name, value in row.items() if name not in NO_PRESET},
                        "state": runs.status(row["run_id"]).state,
                        "failures": len(failures),
                        "steps": last["steps"],
                        "finished": (last["provenance"] or {}).get("finished"),
                        "error": last["error"],
                    }
                )
        return found


def _what(store: "Store", run_id: str, known: "Mapping[str, Entry]") -> dict[str, Any]:
    """What a run is; nothing where its spec is damaged, which is no reason to hide the other runs."""
    try:
        spec = known.get(run_id) or store.spec(run_id)
    except InputError as damage:
        warn(f"{damage}; see matters verify")
        return {"algorithm": None, "environment": None, "seed": None}
    return {"algorithm": spec.algorithm, "environment": spec.environment, "seed": spec.seed}


def _imported(store: Path, only: str | None) -> list[dict[str, Any]]:
    from matters.results.imported import runs as imported_runs
    from matters.results.imported.tables import score
    from matters.results.store import Store

    Store.open(store)
    rows = [
        {
            "name": name,
            "run_id": run.run_id,
            "variant": run.variant,
            "environment": run.environment,
            "seed": run.seed,
            "steps": run.steps[-1],
            "score": score(run),
            "returns_of": run.returns_of,
            "file": run.file,
        }
        for name in imported_runs.names(store)
        for run in imported_runs.load(store, name).runs
    ]
    return _chosen(rows, only, ("variant",))
