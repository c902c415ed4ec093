"""`matters speed`: steps/s side by side with Stable-Baselines3 and with the machine's own limit."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from matters.harness.commands.options import Json
from matters.harness.terminal.console import print_json, print_table
from matters.results.numerics import processor, worker_environment
from matters.suites.errors import InputError, nearest


def speed(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Algorithms.  [default: all]")
    ] = None,
    env: Annotated[str, typer.Option("--env", metavar="ID", help="The environment.")] = "HalfCheetah-v5",
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", help="Seeds of ours that train together.")
    ] = 10,
    json: Json = False,
) -> None:
    """Measure training speed beside Stable-Baselines3's. In turns on one core, and that core's limit."""
    # As a worker sets it; the libraries read it once, when they are loaded.
    os.environ.update(worker_environment(os.environ))
    from matters.harness.speed import contestants as measuring
    from matters.suites.tasks.environments import check

    for name in names or ():
        if name not in measuring.NAMES:
            raise InputError(f"speed {name}: no such measurement{nearest(name, measuring.NAMES)}")
    if seeds < 2:
        raise InputError(f"--seeds {seeds}: at least 2; one alone is measured beside them")
    check(env)
    found = {name: measuring.speed(name, environment=env, seeds=seeds) for name in names or measuring.NAMES}
    chip = processor()["model"]
    if json:
        print_json(
            [
                {"name": name, "environment": env, "seeds": seeds, "processor": chip, **asdict(measured)}
                for name, measured in found.items()
            ]
        )
        return
    for name, measured in found.items():
        typer.echo(f"{name}, {env}, {chip}: medians of {measuring.ROUNDS} rounds in turn, and their range")
        print_table(
            ("contestant", "steps/s", "× reference", "from", "to"),
            [
                (
                    row.contestant,
                    f"{row.steps_per_second:,.0f}",
                    *(f"{ratio:.2f}" for ratio in (row.ratio, row.low, row.high)),
                )
                for row in measured.rows
            ],
        )
        if (limit := measured.limit) is not None:
            typer.echo(
                f"limit: {limit.steps_per_second:,.0f} steps/s if only MuJoCo and an update's products took "
                f"time; with {seeds} seeds {limit.share:.0%} of it ({limit.low:.0%} to {limit.high:.0%})"
            )
        shares = ", ".join(f"{part} {share:.0%}" for part, share in measured.parts.items())
        typer.echo(f"of the time with {seeds} seeds: {shares}")
