"""`matters speed`: steps/s side by side with Stable-Baselines3 and with the machine's own limit."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from matters.harness.commands.options import Json
from matters.harness.terminal.console import print_json, print_table
from matters.results.numerics import worker_environment
from matters.suites.errors import InputError, nearest


def speed(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Algorithms.  [default: all]")
    ] = None,
    json: Json = False,
) -> None:
    """Measure training speed, in turn with Stable-Baselines3's, on one core."""
    # As a worker has it; the libraries ask once, when they are loaded.
    os.environ.update(worker_environment(os.environ))
    from matters.harness import speed as measuring

    for name in names or ():
        if name not in measuring.NAMES:
            raise InputError(f"speed {name}: no such measurement{nearest(name, measuring.NAMES)}")
    found = {name: measuring.speed(name) for name in names or measuring.NAMES}
    if json:
        print_json(
            [{"name": name, "rows": [asdict(row) for row in measured]} for name, measured in found.items()]
        )
        return
    for name, measured in found.items():
        typer.echo(f"{name}, {measuring.ENVIRONMENT}, medians of {measuring.ROUNDS} rounds in turn")
        print_table(
            ("contestant", "steps/s", "× reference"),
            [(row.contestant, f"{row.steps_per_second:,.0f}", f"{row.ratio:.2f}") for row in measured],
        )
