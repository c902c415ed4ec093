"""`matters export`: a suite's runs out of the store, as a bundle that others can check, extend and cite."""

from pathlib import Path
from typing import Annotated

import typer

from matters.harness.commands.options import (
    DEFAULT_STORE,
    Json,
    Only,
    Seeds,
    Smoke,
    Steps,
    StoreDirectory,
    SuiteName,
    choose,
    narrowing_words,
)
from matters.harness.terminal.console import notes, print_json

BundlePath = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Where the bundle goes: one archive if it ends in .zip, else a folder, which is extended if it "
        "is there.",
        show_default=False,
    ),
]
WithoutParameters = Annotated[
    bool, typer.Option("--without-parameters", help="Leave the policies out; all else stays checkable.")
]


def export(
    suite: SuiteName,
    out: BundlePath,
    store: StoreDirectory = DEFAULT_STORE,
    seeds: Seeds = None,
    steps: Steps = None,
    only: Only = None,
    smoke: Smoke = False,
    without_parameters: WithoutParameters = False,
    json: Json = False,
) -> None:
    """Write a suite's finished and failed runs as a bundle; `matters import` reads it again."""
    declared = choose(suite, seeds, steps, only, smoke)

    from matters.harness.terminal.progress_bar import stages
    from matters.results.bundle import pack
    from matters.results.store import Store
    from matters.suites.suite import toml_of

    opened = Store.open(store)
    with stages(notes(), work="export") as tell:
        packed = pack(
            opened,
            declared,
            toml_of(suite),
            out,
            narrowed=narrowing_words(seeds, steps, only, smoke),
            parameters=not without_parameters,
            progress=lambda done, of: tell("packing runs", done, of),
        )
    missing = packed.declared - packed.runs
    if json:
        print_json(
            {
                "suite": declared.name,
                "bundle": str(out),
                "added": packed.added,
                "runs": packed.runs,
                "missing": missing,
            }
        )
        return
    lacks = f"; {missing} of {packed.declared} declared runs are missing" if missing > 0 else ""
    typer.echo(f"{packed.runs} runs in {out}, {packed.added} of them new{lacks}")
