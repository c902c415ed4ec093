"""Reading status.json: the state of a run, and its earlier failures."""

import json
from pathlib import Path
from typing import Any

from matters.results import files
from matters.results.schema import SCHEMA_VERSION
from matters.suites.errors import InputError


class Damage(Exception):
    """A status.json or spec.json that is not as it was written."""


def refuse_newer(where: str, version: object) -> None:
    """Raise InputError for what a newer Matters wrote: misreading it would be worse."""
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= SCHEMA_VERSION:
        raise InputError(
            f"{where}: written by a newer Matters: schema {version}, this one reads {SCHEMA_VERSION}"
        )


def read_status(directory: str) -> dict[str, Any] | None:
    """The fields of a run's status.json, None without one. Raises Damage, and InputError for a newer schema.

    Takes a string, and no model validates the fields: ten thousand files should take a second.
    """
    try:
        with open(f"{directory}/status.json", "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    try:
        fields: dict[str, Any] = json.loads(data)
        version = fields["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Damage("is damaged: not the JSON of a status") from None
    # A newer Matters seals its status in the same way, so that a flipped digit is not taken for one.
    if not files.intact(data):
        raise Damage("is damaged: it does not match its checksum")
    refuse_newer(f"run = {directory.rpartition('/')[2]!r}", version)
    return fields


def earlier_failures(directory: Path) -> list[Path]:
    """The files of the failures that were retried, oldest first."""
    return sorted(directory.glob("failure-*.json"), key=_number)


def keep_failure(directory: Path, data: bytes) -> None:
    """Put the bytes of a failed run's status in the next failure-N.json, unless a killed process has.

    The run keeps a status.json all the while, so that a lost one can be noticed.
    """
    earlier = earlier_failures(directory)
    if not earlier or earlier[-1].read_bytes() != data:
        number = _number(earlier[-1]) + 1 if earlier else 1
        files.write(directory / f"failure-{number}.json", data)


def read_failure(path: Path) -> dict[str, Any]:
    """`error`, `traceback`, `steps` and `provenance` of the status of a failed run."""
    data = path.read_bytes()
    fields = json.loads(data) if files.intact(data) else {"error": f"{path.name} is damaged"}
    return {key: fields.get(key) for key in ("error", "traceback", "steps", "provenance")}


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("failure-"))
