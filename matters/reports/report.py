"""Write a report: a pure function of the suite, the snapshot and the options, byte for byte.

Only the standard library is imported here. Whether a report is up to date must be known at once, without the
seconds that matplotlib and SciPy take to load; they are imported when there is something to compute.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matters.results.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matters.reports.compose import Content, Progress
    from matters.reports.page.section import Drawing
    from matters.results.imported.runs import ForeignSet
    from matters.results.snapshot import Snapshot

MANIFEST = "manifest.json"
NOT_THE_PAGE: dict[str, str] = {
    "matters": "the public interface: it asks for pages, and is not asked by them",
    "matters.algorithms": "the table of algorithms: a page is of stored runs, whatever else there is by now",
    "matters.algorithms.interface": "what a learning rule is; only the table imports it",
    "matters.results.files": "how bytes get to the disk",
    "matters.results.fingerprint": "how code is named",
    "matters.results.lease": "who trains a run",
    "matters.results.numerics": "what a processor computes with, which training notes",
    "matters.results.provenance": "what training notes; a page shows what was noted",
}
"""Modules that a report loads and that decide no byte of its page, each with the reason."""
DEPENDENCIES = ("jinja2", "matplotlib", "numpy", "pandas", "rliable", "scipy")


def write_report(
    suite: Any,
    snapshot: Snapshot,
    out: Path,
    *,
    allow_missing: bool = False,
    command: str,
    imported: Sequence[ForeignSet] = (),
    remarks: Sequence[str] = (),
    bundle: str | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Write the report of `snapshot` into the directory `out` and return the path of its index.html.

    `command` is what reproduces the report; it is printed on the page. `imported` are others' results to
    show beside it; `remarks` are notices that the page opens with, `bundle` is the evidence that the runs are
    of, as `command` names it. If `out` already holds this report, untouched, nothing is computed. Raises
    InputError for a question that nobody answers, a directory that is a file, or a snapshot without runs,
    before anything is written.
    """
    index = out / "index.html"
    identity = "\n".join((snapshot.identity, *(one.identity for one in imported)))
    key = report_key(identity, suite, allow_missing, "\n".join((command, *remarks)))
    if up_to_date(out, key):
        return index
    _check(suite, snapshot, out)
    from matters.reports.compose import compose
    from matters.reports.study.study import prepare

    study = prepare(suite, snapshot, allow_missing=allow_missing, imported=imported)
    content = compose(study, command, progress, remarks, bundle)
    _write(out, key, _files(content, suite, snapshot.identity, allow_missing))
    return index


def report_key(identity: str, suite: Any, allow_missing: bool, command: str) -> str:
    """SHA-256 over all that a report's bytes depend on: snapshot, suite, options, code and libraries."""
    versions = {name: metadata.version(name) for name in DEPENDENCIES}
    parts = {
        "snapshot": identity,
        "suite": suite.model_dump_json() if hasattr(suite, "model_dump_json") else repr(suite),
        "allow_missing": allow_missing,
        "command": command,
        "code": code_fingerprint(),
        "versions": {**versions, "python": sys.version.split()[0]},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@functools.cache
def code_fingerprint() -> str:
    """The fingerprint of all that a page takes words, looks or numbers from."""
    from matters.reports import questions

    matters = Path(__file__).parents[1]
    folders = {"*.jinja": matters / "reports", "*.csv": matters / "results" / "published"}
    data = [path for pattern, folder in folders.items() for path in folder.rglob(pattern)]
    return fingerprint([__name__, *questions.QUESTIONS.values()], without=NOT_THE_PAGE, data=data)


def up_to_date(out: Path, key: str) -> bool:
    """Whether `out` holds the report with this key and every file of it is as it was written."""
    try:
        manifest = json.loads((out / MANIFEST).read_text())
        return manifest["key"] == key and all(
            hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
            for name, digest in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _check(suite: Any, snapshot: Snapshot, out: Path) -> None:
    from matters.reports import questions
    from matters.reports.questions import following_looks
    from matters.suites.errors import InputError

    if out.exists() and not out.is_dir():
        raise InputError(f"out: {out} is a file, not a directory")
    if not len(snapshot.runs):
        raise InputError("suite: no run is declared, so there is nothing to report")
    questions.check(suite.questions)
    following_looks.check(suite)


def _files(content: Content, suite: Any, identity: str, allow_missing: bool) -> dict[str, bytes]:
    from matters.reports.page import render
    from matters.reports.page.style import style, swatch

    runs = next(table for table in content.standard if table.name == "runs")
    variants = dict.fromkeys(run["variant"] for run in runs.data)
    swatches = {variant: swatch(style(k)) for k, variant in enumerate(variants)}
    texts = {
        "index.html": render.page("index.html.jinja", report=content, identity=identity, swatches=swatches),
        "report.md": render.page("report.md.jinja", report=content, identity=identity),
        "report.json": render.json_text(_facts(content, suite, identity, allow_missing)),
    }
    for name, rows in content.figure_data.items():
        texts |= {f"tables/{name}.csv": render.csv_text(rows)} if rows else {}
    for section in content.sections:
        texts |= {f"tables/{name}.csv": render.csv_text(rows) for name, rows in section.data.items()}
    for table in content.tables:
        texts[f"tables/{table.name}.csv"] = render.csv_text(table.data)
        texts[f"tables/{table.name}.tex"] = render.tex(table)
    found = {name: text.encode() for name, text in texts.items()}
    for drawing in content.drawings:
        found |= _figure_files(drawing)
    return found


def _figure_files(drawing: Drawing) -> dict[str, bytes]:
    return {f"figures/{drawing.name}.svg": drawing.svg, f"figures/{drawing.name}.pdf": drawing.pdf}


def _facts(content: Content, suite: Any, identity: str, allow_missing: bool) -> dict[str, Any]:
    tables = _tables(content)
    return {
        "suite": suite.name,
        "title": suite.title,
        "snapshot": identity,
        "allow_missing": allow_missing,
        "command": content.command,
        "notices": content.notices,
        "protocol": {
            **{name.lower().replace(" ", "_"): text for name, text in content.protocol},
            "margin": suite.margin,
            "aggregate_margin": suite.aggregate_margin,
            "gate": suite.gate,
            "yardstick": suite.scale,
            "steps": suite.steps,
        },
        **{table.key or table.name: table.data for table in content.standard},
        "comparisons": [
            row
            for section in content.sections
            for table in section.tables[:1]
            for row in table.data
            if "verdict" in row
        ],
        "attribution": tables.get("attribution", []),
        "design": tables.get("factorial-cells", []),
        "tables": tables,
        "answers": [
            {
                "question": s.question,
                "title": s.title,
                "answer": s.answer,
                "verdict": s.word,
                "reason": s.reason,
                "claim": s.claim,
                **({"at": s.at} if s.at else {}),
            }
            for s in content.sections
        ],
        "verdicts": [
            {
                "question": section.question,
                "statement": verdict.statement,
                "verdict": verdict.verdict,
                "reason": verdict.reason,
                "claim": verdict.claim,
                "where": verdict.where,
                "x": verdict.x,
                "y": verdict.y,
                **({"at": section.at} if section.at else {}),
            }
            for section in content.sections
            for verdict in (*section.verdicts, *section.more)
        ],
        "lacks": {section.anchor: section.lacks for section in content.sections},
        "curves": content.figure_data["learning-curves"],
    }


def _tables(content: Content) -> dict[str, Any]:
    """The data of the questions' tables by name, except where rows are verdicts: they are comparisons."""
    tables = [table for section in content.sections for table in section.tables]
    return {table.name: table.data for table in tables if not any("verdict" in row for row in table.data)}


def _write(out: Path, key: str, found: dict[str, bytes]) -> None:
    """Write the files, then the manifest; files of an earlier report that this one lacks are removed."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        before = set(json.loads((out / MANIFEST).read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        before = set()
    (out / MANIFEST).unlink(missing_ok=True)
    for name in sorted(before - set(found)):
        if not Path(name).is_absolute() and ".." not in Path(name).parts:
            (out / name).unlink(missing_ok=True)
    for name, content in found.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    manifest = {
        "key": key,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(found.items())},
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
