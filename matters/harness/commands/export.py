"""`matters export`: a suite's runs from the store, as a bundle that others can check, extend and cite."""

from pathlib import Path
from typing import Annotated

import typer

from matters.harness.commands.narrowing import Narrowing, choose, narrowed
from matters.harness.commands.options import (
    DEFAULT_STORE,
    Json,
    StoreDirectory,
    SuiteName,
)
from matters.harness.terminal.console import notes, print_json
from matters.suites.errors import InputError

BundlePath = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Where the bundle goes: one archive if it ends in .zip, else a folder, which is extended if it "
        "is there.",
        show_default=False,
    ),
]
EvidenceName = Annotated[
    str | None,
    typer.Option(
        "--evidence",
        metavar="NAME",
        help="Into matters/results/evidence/NAME, without parameters and thinned.",
        show_default=False,
    ),
]
Thinned = Annotated[
    bool,
    typer.Option(
        "--thinned", help="At most 2000 rows of training episodes and updates per run; evaluations are whole."
    ),
]
WithoutParameters = Annotated[
    bool, typer.Option("--without-parameters", help="Leave the policies out; all else stays checkable.")
]


@narrowed
def export(
    suite: SuiteName,
    narrowing: Narrowing,
    out: BundlePath = None,
    evidence: EvidenceName = None,
    store: StoreDirectory = DEFAULT_STORE,
    without_parameters: WithoutParameters = False,
    thinned: Thinned = False,
    json: Json = False,
) -> None:
    """Write a suite's finished and failed runs as a bundle. `matters import` reads it again."""
    from matters.results import evidence as bundles

    place = out if evidence is None else bundles.place(evidence)
    if place is None or (out is not None and evidence is not None):
        raise InputError("--out: say where the bundle goes, with --out or with --evidence, not with both")
    declared = choose(suite, narrowing)

    from matters.harness.terminal.progress_bar import stages
    from matters.reports.study.own_best import resolved
    from matters.results.bundle import pack
    from matters.results.store import Store
    from matters.suites.loading import toml_of

    opened = Store.open(store)
    declared = resolved(opened, declared)
    with stages(notes(), work="export") as tell:
        packed = pack(
            opened,
            declared,
            toml_of(suite),
            place,
            narrowed=narrowing.words,
            parameters=not (without_parameters or evidence),
            thinned=thinned or evidence is not None,
            progress=lambda done, of: tell("packing runs", done, of),
        )
    missing = packed.declared - packed.runs
    if json:
        print_json(
            {
                "suite": declared.name,
                "bundle": str(place),
                "added": packed.added,
                "runs": packed.runs,
                "missing": missing,
            }
        )
        return
    lacks = f"; {missing} of {packed.declared} declared runs are missing" if missing > 0 else ""
    typer.echo(f"{packed.runs} runs in {place}, {packed.added} of them new{lacks}")
