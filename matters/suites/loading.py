"""Suites as they are written: TOML files of this folder and of users, read into `Suite`."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matters.suites import tuning
from matters.suites.design import declared
from matters.suites.errors import InputError, dotted, from_validation, nearest
from matters.suites.suite import Suite
from matters.suites.tasks.settings import Own
from matters.suites.variant import variant

SHIPPED = Path(__file__).parent

MOST_BYTES = 2**22
"""Of a suite's file."""


def suite_names() -> list[str]:
    """The names of the shipped suites."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_suite(name_or_path: str) -> Suite:
    """The suite of that name in `suites/`, or in the TOML file of that path. Raises InputError."""
    if name_or_path in suite_names():
        return read(SHIPPED / f"{name_or_path}.toml")
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        return read(path)
    raise InputError(f"suite = {name_or_path!r}: unknown suite{nearest(name_or_path, suite_names())}")


def toml_of(name_or_path: str) -> str:
    """The TOML of the suite that `load_suite` loads under this name."""
    shipped = SHIPPED / f"{name_or_path}.toml"
    return (shipped if name_or_path in suite_names() else Path(name_or_path)).read_text(encoding="utf-8")


def read(path: Path) -> Suite:
    """The suite that a TOML file declares. Raises InputError that begins with the file, and line if known."""
    try:
        small = path.is_file() and path.stat().st_size <= MOST_BYTES
        if path.exists() and not (small or path.is_dir()):  # a pipe or a device might never end
            raise InputError(f"suite = {str(path)!r}: should be a file of at most {MOST_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise InputError(f"suite = {str(path)!r}: cannot be read: {error.strerror}") from None
    return loads(text, str(path))


def loads(text: str, where: str) -> Suite:
    """The suite that this TOML declares. Raises InputError that begins with `where`, and line if known."""
    try:
        return suite(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = found[1] if found and found[1] else text.count("\n") + 1
        message = str(error)[: found.start()] if found else str(error)
        raise InputError(f"{where}:{line}: {message}") from None
    except RecursionError:
        raise InputError(f"{where}: too deeply nested") from None
    except ValueError as error:  # an InputError, or a number of more digits than Python reads
        raise InputError(f"{where}: {error}") from None


def suite(document: dict[str, Any]) -> Suite:
    """The suite that a parsed TOML document declares: a table `suite` and a table `variants`.

    With `[suite.design]` the variants are those of the design, and any others declared beside it.
    """
    for key in document:
        if key not in ("suite", "variants"):
            raise InputError(f"{key}: unknown table{nearest(key, ('suite', 'variants'))}")
    header = document.get("suite")
    if not isinstance(header, dict) or not header:
        raise InputError("suite: missing; a suite has the tables [suite] and [variants.NAME]")
    for key in ("variants", "own", "sweep", "at_best", "untuned"):
        if key in header:
            raise InputError(f"suite.{key}: unknown field; variants are tables [variants.NAME]")
    tables = document.get("variants", {})
    if not isinstance(tables, dict) or not (tables or "design" in header):
        raise InputError("variants: missing; a suite has the tables [suite] and [variants.NAME]")
    places = _places(header)
    design, variants = declared(header["design"]) if "design" in header else (None, {})
    named = {name.lower(): name for name in variants}
    for name, table in tables.items():
        if name in variants:
            raise InputError(
                f"{dotted('variants', name)}: is a cell of the design already; give it another name"
            )
        if (twin := named.setdefault(name.lower(), name)) != name:
            raise InputError(
                f"{dotted('variants', name)}: differs from {twin!r} in capitals only; names become file names"
            )
        variants[name] = variant(name, table)
        for environment in table.get("environments", {}):
            if environment not in (known := places.get("environments", ())):
                field = dotted("variants", name, "environments", environment)
                raise InputError(f"{field}: not an environment of the suite{nearest(environment, known)}")
    if header.get("compare") or header.get("baseline"):
        # A declared comparison is a question, and the first one: it need not be named again.
        asked = header.get("questions", [])
        header = {**header, "questions": asked if "comparison" in asked else ["comparison", *asked]}
    if "tuning" in header:
        header = {**header, "tuning": tuning.declared(header["tuning"])}
    try:
        return Suite(**{**header, **places, "design": design}, variants=variants)
    except ValidationError as error:
        raise from_validation(error, Suite, "suite") from None


def _places(header: Mapping[str, Any]) -> dict[str, Any]:
    """The environments of a suite's header by name, and those among them that are tables."""
    listed = header.get("environments")
    if not isinstance(listed, list):
        return {}
    names, own = [], {}
    for index, entry in enumerate(listed):
        name = entry
        if isinstance(entry, dict):
            try:
                made = Own.model_validate(entry)
            except ValidationError as error:
                raise from_validation(error, Own, f"suite.environments[{index}]") from None
            name = made.called
            own[name] = made
        names.append(name)
    return {"environments": names, "own": own}
