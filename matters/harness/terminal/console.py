"""How commands speak: facts on standard output, everything else on standard error."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from matters.suites.errors import on_one_line

JSON_VERSION = 1
"""Rises when a key of `--json` changes its meaning or its place."""
LONGEST = 300
"""Characters of a message that are shown; an error may hold a whole tensor, which its record keeps."""
MANY = 500
"""Rows of a table that is printed plainly."""
WIDE = 160
"""Columns of a table that goes to a file or a pipe, where no screen sets the width."""


def notes() -> Console:
    """Where progress and remarks go."""
    return Console(stderr=True, highlight=False)


def warn(line: str) -> None:
    """One line about the work, not a fact that it found."""
    typer.echo(f"matters: {on_one_line(line)}", err=True)


def print_json(value: Any) -> None:
    """A fact as JSON; an object says the version of its keys.

    What is not a number, as the score of a diverged run may be, is null.
    """
    if isinstance(value, dict):
        value = {"json_version": JSON_VERSION, **value}
    typer.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under columns; numbers to the right, None as a dash."""
    listed = [list(row) for row in rows]
    if len(listed) > MANY:
        _print_plainly(columns, listed)
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    console.print(table(columns, listed))


def _print_plainly(columns: Sequence[str], rows: list[list[object]]) -> None:
    """The same without fitting it to a screen: for ten thousand rows that takes rich ten seconds."""
    texts = [[_cell(value) for value in row] for row in rows]
    numbers = [any(isinstance(row[index], int | float) for row in rows) for index in range(len(columns))]
    widths = [max(map(len, (column, *below))) for column, *below in zip(columns, *texts, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in (columns, ["─" * width for width in widths], *texts)
    ]
    typer.echo("\n".join(lines))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Rows under columns, as `print_table` prints them."""
    listed = [list(row) for row in rows]
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numbers = any(isinstance(row[index], int | float) for row in listed)
        made.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    for row in listed:
        made.add_row(*(Text(_cell(value)) for value in row))
    return made


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.5g}" if abs(value) < 1 else f"{value:.1f}"
    return on_one_line(str(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
