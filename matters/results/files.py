"""Files that are whole or not there, whenever the process is killed or the power fails."""

import hashlib
import json
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

TEMPORARY = ".*.tmp"
"""The name of what `write` leaves behind when it is killed; nobody reads it."""

_OPENING = b'{\n  "checksum": "'


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path` by rename, so that readers see the old file or the new one; durable on return.

    Raises OSError with the name of the file, and takes back what it had written of it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()  # on a full disk it would be in the way
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_directory(path: Path) -> None:
    """Make the directory's entries durable: a file's own fsync does not say where the file is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(path: Path) -> int:
    """The room on the disk where the path is, or would be."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def sha256(data: bytes) -> str:
    """The SHA-256 in hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file that may be too large for memory, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link(source: Path, target: Path) -> None:
    """The same file under a second name, replacing what had it; a copy where the system has no links."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copy2(source, temporary)
    os.replace(temporary, target)


def json_bytes(value: Any) -> bytes:
    """JSON for people: indented, keys in the given order. Raises ValueError for nan and infinities."""
    return json.dumps(value, indent=2, allow_nan=False).encode() + b"\n"


def told(error: OSError) -> str:
    """The error in words: what the system says, and of which file."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"


def sealed(fields: dict[str, Any]) -> bytes:
    """A JSON object whose first field, `checksum`, is the SHA-256 of every byte after it."""
    rest = b'",' + json_bytes(fields).removeprefix(b"{")
    return _OPENING + sha256(rest).encode() + rest


def intact(data: bytes) -> bool:
    """Whether `data` is as `sealed` wrote it, to the byte."""
    start, end = len(_OPENING), len(_OPENING) + 64
    return data.startswith(_OPENING) and data[start:end] == sha256(data[end:]).encode()
