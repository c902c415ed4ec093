"""`matters lecture`: the classic figures of lectures on policy gradients, from exact numbers."""

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from matters.harness.commands.options import Json
from matters.harness.terminal.console import print_json
from matters.results.files import write
from matters.suites.errors import InputError

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where figures and numbers go.")]


def lecture(out: Out = Path("lecture"), json: Json = False) -> None:
    """Draw the classic lecture figures from exact numbers. SVG, PDF and CSV of each."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is not a directory")
    from matters.reports.lectures import figures

    found = []
    for figure in figures():
        drawing = figure.drawing
        files = {
            f"{drawing.name}.svg": drawing.svg,
            f"{drawing.name}.pdf": drawing.pdf,
            f"{drawing.name}.csv": _table(figure.rows),
        }
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write(out / name, data)
        found.append(
            {
                "figure": drawing.name,
                "title": drawing.title,
                "caption": drawing.caption,
                "files": [str(out / name) for name in files],
            }
        )
    if json:
        print_json(found)
        return
    for one in found:
        typer.echo(f"{one['title']}\n  {one['caption']}\n  {', '.join(one['files'])}")


def _table(rows: list[dict[str, float | str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
