"""An index of what the runs of a store are, so that nobody reads ten thousand specs to find one.

    <store>/index.jsonl    a line per run: its id, its training's, algorithm, environment, seed, the id of its
                           settings, and a checksum

A run's id is the hash of its spec, so a line is never out of date. What it lacks, or a disk has changed, is
read from the directories again; the file may be deleted at any time.
"""

import json
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from matters.results import spec_file
from matters.results.status import Damage
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec, canonical_json, identity

NAME = "index.jsonl"


class Entry(NamedTuple):
    """What a run is, in short.

    `settings_id` names its algorithm with its settings: runs that have it in common are of one variant.
    """

    run_id: str
    training_id: str
    algorithm: str
    environment: str
    seed: int
    settings_id: str


def entry_of(spec: RunSpec) -> Entry:
    """What a run is, from its spec."""
    settings = (spec.algorithm, spec.algorithm_version, spec.departures)
    return Entry(
        spec.run_id,
        spec.training_id,
        spec.algorithm,
        spec.environment,
        spec.seed,
        identity(canonical_json(settings)),
    )


def entries(store: Path, run_ids: Iterable[str]) -> dict[str, Entry]:
    """What these runs are, by id, except those whose spec is missing, damaged or of schema 1.

    What the index lacks is added to it where the store may be written to.
    """
    known = _read(store / NAME)
    found: dict[str, Entry] = {}
    new: list[Entry] = []
    for run_id in run_ids:
        entry = known.get(run_id)
        if entry is None:
            with suppress(FileNotFoundError, Damage, InputError):
                spec, named, _ = spec_file.read(f"{store}/{run_id}/spec.json")
                if named == run_id == spec.run_id:
                    entry = entry_of(spec)
                    new.append(entry)
        if entry is not None:
            found[run_id] = entry
    if new:
        with suppress(OSError), (store / NAME).open("ab") as file:
            # In one write: lines of two processes do not mix, and a torn one does not match its checksum.
            file.write(b"\n" + b"".join(map(_line, new)))
    return found


def _line(entry: Entry) -> bytes:
    text = json.dumps(entry).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read(path: Path) -> dict[str, Entry]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        with suppress(ValueError, TypeError, RecursionError):
            if int(line[:8], 16) == zlib.crc32(line[9:]):
                entry = Entry(*json.loads(line[9:]))
                found[entry.run_id] = entry
    return found
