"""`matters list`: algorithms, suites, tricks and runs."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matters.harness.commands.options import DEFAULT_STORE, Json, StoreDirectory
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
    json: Json = False,
) -> None:
    """List algorithms, suites, tricks, or what a store has: runs, failed ones, imported ones."""
    find: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "algorithms": _algorithms,
        "suites": _suites,
        "tricks": _tricks,
        "runs": partial(_runs, store),
        "failures": partial(_failures, store),
        "imported": partial(_imported, store),
    }
    if what not in find:
        raise InputError(f"list {what}: unknown{nearest(what, find)}")
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


def _runs(store: Path) -> list[dict[str, Any]]:
    opened, run_ids, known = _opened(store)
    presets: dict[tuple[str, str], dict[str, str | None]] = {}
    found = []
    for run_id in run_ids:
        status = opened.status(run_id)
        entry = known.get(run_id)
        variant = (entry.settings_id, entry.environment) if entry else ("", "")
        if entry and variant not in presets:
            with suppress(InputError):  # a damaged spec, in place of which another run's may be read
                presets[variant] = _preset(opened.spec(run_id))
        found.append(
            {
                "run_id": run_id,
                **_what(opened, run_id, known),
                **presets.get(variant, NO_PRESET),
                "state": status.state,
                "steps": status.steps,
                "score": status.score,
            }
        )
    return found


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


def _failures(store: Path) -> list[dict[str, Any]]:
    """Every run that has failed, also one that came to its end later: how often, and of what at last."""
    opened, run_ids, known = _opened(store)
    found = []
    for run_id in run_ids:
        if failures := opened.failures(run_id):
            last = failures[-1]
            found.append(
                {
                    "run_id": run_id,
                    **_what(opened, run_id, known),
                    "state": opened.status(run_id).state,
                    "failures": len(failures),
                    "steps": last["steps"],
                    "finished": (last["provenance"] or {}).get("finished"),
                    "error": last["error"],
                }
            )
    return found


def _opened(store: Path) -> "tuple[Store, list[str], dict[str, Entry]]":
    """The store, the ids of its runs, and what these are as far as the index has it or can take it in."""
    from matters.results import index
    from matters.results.store import Store

    opened = Store.open(store)
    run_ids = opened.run_ids()
    return opened, run_ids, index.entries(opened.path, run_ids)


def _what(store: "Store", run_id: str, known: "Mapping[str, Entry]") -> dict[str, Any]:
    """What a run is; nothing where its spec is damaged, which is no reason to hide the other runs."""
    try:
        spec = known.get(run_id) or store.spec(run_id)
    except InputError as damage:
        warn(f"{damage}; see matters verify")
        return {"algorithm": None, "environment": None, "seed": None}
    return {"algorithm": spec.algorithm, "environment": spec.environment, "seed": spec.seed}


def _imported(store: Path) -> list[dict[str, Any]]:
    from matters.results.imported import runs as imported_runs
    from matters.results.imported.tables import score
    from matters.results.store import Store

    Store.open(store)
    return [
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
