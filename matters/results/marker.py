"""store.json, which makes a folder a store: its schema, and what this copy of it leaves out."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path

from matters.results import files
from matters.results.lease import refuse_without_locks
from matters.results.schema import SCHEMA_VERSION
from matters.results.status import Damage, read_status, refuse_newer
from matters.suites.errors import InputError

MARKER = "store.json"
RUN_ID = re.compile(r"[0-9a-f]{16}")


def read(path: Path, *, create: bool) -> tuple[int, int, frozenset[str], frozenset[str]]:
    """The newest and the oldest schema of the store at `path`, the files that it lacks, and thinned tables.

    With `create`, a store is made if nothing is there. Raises InputError.
    """
    place = path / MARKER
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"store = {str(path)!r}: is a file, should be a directory")
        if not place.exists() and not _made_again(path):
            _refuse_to_create(path, create=create)
            path.mkdir(parents=True, exist_ok=True)
            files.write(place, files.json_bytes({"schema_version": SCHEMA_VERSION}))
        if create and not os.access(path, os.W_OK | os.X_OK):
            raise InputError(f"store = {str(path)!r}: not writable")
        if create:
            refuse_without_locks(path)
        fields = json.loads(place.read_bytes())
        version = fields["schema_version"]
        without = frozenset(fields.get("without", ()))
        thinned = frozenset(fields.get("thinned", ()))
        oldest = fields.get("oldest_schema", version)
    except OSError as error:
        wanted = "not writable" if create else "cannot be read"
        raise InputError(f"store = {str(path)!r}: {wanted}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"store = {str(path)!r}: store.json is damaged; without it, it is made anew from the runs"
        ) from None
    refuse_newer(f"store = {str(path)!r}", version)
    return version, oldest, without, thinned


def _made_again(path: Path) -> bool:
    """Make a lost store.json again, from the runs beside it; False if there are none.

    What a copy of a store left out on purpose is no longer known then: `verify` names it.
    """
    if not path.is_dir():
        return False
    versions = []
    for entry in path.iterdir():
        if RUN_ID.fullmatch(entry.name):
            with suppress(Damage):
                versions.append((read_status(str(entry)) or {}).get("schema_version", 0))
    known = [version for version in versions if version]
    if not known:
        return False
    fields = {"schema_version": max(known), "oldest_schema": min(known)}
    files.write(path / MARKER, files.json_bytes(fields))
    return True


def _refuse_to_create(path: Path, *, create: bool) -> None:
    """Raise InputError where no store can be made: none was asked for, or something else is there."""
    if not path.exists():
        if not create:
            raise InputError(f"store = {str(path)!r}: does not exist")
        return
    if not create:
        raise InputError(f"store = {str(path)!r}: not a store of Matters (no store.json)")
    strangers = [entry for entry in path.iterdir() if not entry.match(files.TEMPORARY)]
    # Checked after the listing: another process may just have made the store, and runs in it.
    if strangers and not (path / MARKER).exists():
        raise InputError(f"store = {str(path)!r}: not a store of Matters (no store.json), and not empty")
