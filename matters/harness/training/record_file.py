"""Records of one size in a file that only grows, each followed by the CRC-32 of its bytes.

What lies beside a checkpoint is kept so: new records are appended, a checkpoint says how many it counts on,
and one that a disk has changed since is found before anything goes on from it. A checksum per record needs no
hash of the whole file, which would have to be read anew for each checkpoint.
"""

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from matters.results.files import sync_directory

CHUNK = 50_000
"""Records that are read at a time."""


class Damaged(OSError):
    """A file holds less than it should, or not what was written: the store's fault, no result of a run."""


LOST = {errno.EIO, errno.EISDIR}
"""What the system says of a file that will never be read again; other errors, as of rights, may pass."""


@contextmanager
def what_is_lost_is_damaged(path: Path) -> Iterator[None]:
    """Take a file that a disk no longer gives back for a damaged one: raises Damaged."""
    try:
        yield
    except OSError as error:
        if error.errno not in LOST:
            raise
        raise Damaged(f"{path.name}: cannot be read: {error.strerror}") from None


def size(kind: np.dtype[Any]) -> int:
    """Bytes of a record with its checksum."""
    return _sealed(kind).itemsize


def count(path: Path, kind: np.dtype[Any]) -> int:
    """How many whole records the file has; 0 where there is none."""
    return path.stat().st_size // size(kind) if path.exists() else 0


@contextmanager
def appending(path: Path, kind: np.dtype[Any], after: int) -> Iterator["Appender"]:
    """Open the file, made if need be, to write after its first `after` records; durable in the end.

    What stood there is overwritten. Records that are skipped make a hole, which takes no room. Where it
    fails, the file has what it had before: half a record would put all later ones out of step.
    """
    made = not path.exists()
    before = 0 if made else path.stat().st_size
    try:
        with path.open("wb" if made else "r+b") as file:
            if made:
                sync_directory(path.parent)
            file.seek(after * size(kind))
            yield Appender(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            os.truncate(path, min(before, after * size(kind)))
        raise


class Appender:
    """Takes records, and writes them with their checksums."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, records: np.ndarray) -> None:
        """Write records [n] of the file's kind."""
        sealed = np.empty(len(records), dtype=_sealed(records.dtype))
        sealed["record"] = records
        sealed["checksum"] = _checksums(records.tobytes(), records.dtype.itemsize)
        self._file.write(sealed.tobytes())


def read(path: Path, kind: np.dtype[Any], first: int, last: int) -> np.ndarray:
    """The records from `first` to before `last`. Raises Damaged if there are fewer, or one has changed."""
    number = last - first
    sealed = _sealed(kind)
    if not number:
        return np.empty(0, dtype=kind)
    try:
        with what_is_lost_is_damaged(path):
            found = np.fromfile(path, dtype=sealed, count=number, offset=first * sealed.itemsize)
    except FileNotFoundError:
        raise Damaged(f"{path.name}: is missing") from None
    if len(found) < number:
        raise Damaged(f"{path.name}: has {first + len(found)} of the {last} records that it should have")
    records = np.ascontiguousarray(found["record"])
    wrong = np.flatnonzero(found["checksum"] != _checksums(records.tobytes(), kind.itemsize))
    if len(wrong):
        raise Damaged(f"{path.name}: record {first + int(wrong[0])} does not match its checksum")
    return records


def damage(path: Path, record_bytes: int, first: int, last: int) -> str:
    """What is wrong with these records of `record_bytes` each, in one line; empty if nothing is."""
    kind = np.dtype(f"V{record_bytes}")
    try:
        for start in range(first, last, CHUNK):
            read(path, kind, start, min(start + CHUNK, last))
    except Damaged as error:
        return str(error)
    return ""


def cut(path: Path, kind: np.dtype[Any], records: int) -> None:
    """Cut off what follows the first `records` records. Raises Damaged if the file has fewer."""
    if count(path, kind) < records:
        raise Damaged(f"{path.name}: has {count(path, kind)} of the {records} records that it should have")
    if path.exists():
        os.truncate(path, records * size(kind))


def _sealed(kind: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype([("record", kind), ("checksum", "<u4")])


def _checksums(data: bytes, record_bytes: int) -> np.ndarray:
    view = memoryview(data)
    starts = range(0, len(data), record_bytes)
    return np.fromiter((zlib.crc32(view[at : at + record_bytes]) for at in starts), dtype="<u4")
