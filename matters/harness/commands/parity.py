"""`matters parity`: one lockstep update against Stable-Baselines3, difference by difference."""

from dataclasses import asdict
from typing import Annotated

import typer

from matters.harness.commands.options import Json
from matters.harness.terminal.console import print_json, print_table
from matters.suites.errors import InputError, nearest


def parity(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Algorithms.  [default: all]")
    ] = None,
    json: Json = False,
) -> None:
    """Compare one update of ours with Stable-Baselines3's. Both begin with the same parameters and data."""
    from matters.harness.parity import comparisons

    for name in names or ():
        if name not in comparisons.NAMES:
            raise InputError(f"parity {name}: no such comparison{nearest(name, comparisons.NAMES)}")
    found = {name: comparisons.parity(name) for name in names or comparisons.NAMES}
    if json:
        print_json(
            [
                {
                    "name": name,
                    "passed": result.passed,
                    "rows": [{**asdict(row), "passed": row.passed} for row in result.rows],
                    "known_differences": list(result.known_differences),
                }
                for name, result in found.items()
            ]
        )
    else:
        for name, result in found.items():
            typer.echo(f"{name}: {'the same within tolerance' if result.passed else 'DIFFERENT'}")
            columns = ("quantity", "largest relative difference", "tolerance", "")
            print_table(
                columns,
                [
                    (
                        row.quantity,
                        f"{row.largest_relative_difference:.1e}",
                        f"{row.tolerance:.0e}",
                        "ok" if row.passed else "too large",
                    )
                    for row in result.rows
                ],
            )
            if result.known_differences:
                typer.echo("known differences")
                for difference in result.known_differences:
                    typer.echo(f"  - {difference}")
    if not all(result.passed for result in found.values()):
        raise typer.Exit(1)
