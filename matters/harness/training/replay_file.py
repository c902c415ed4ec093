"""A run's replay on disk, beside its checkpoint: what is new is appended, no checkpoint copies it all.

`checkpoint.rows` has a record for each step of the run, `checkpoint.ends` one for each episode that ended, in
the types of `parts.replay`: fixed sizes, nothing to unpickle. A checkpoint says how many records it
stands for; what a killed process wrote beyond them is cut off. The rows take 4 (O + A + R + 1) + 1 bytes per
step until the run is finished, those that the replay has overwritten included; where they were overwritten
before a checkpoint came, the file has a hole.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor

from matters.algorithms.parts.replay import Replay, end_type
from matters.results.files import sync_directory

CHUNK = 50_000
"""Rows that are copied at a time."""


def append(replay: Replay, index: int, checkpoint: Path) -> tuple[int, int]:
    """Bring one seed's files up to date, durably. Returns how many rows and ends they hold."""
    row, end = _types(replay)
    held, ends_held = (
        _size(path) // kind.itemsize for path, kind in ((_rows(checkpoint), row), (_ends(checkpoint), end))
    )
    first = max(held, replay.count - replay.stored)
    with _opened(_rows(checkpoint), first * row.itemsize) as file:
        for start in range(first, replay.count, CHUNK):
            file.write(replay.saved(index, start, min(start + CHUNK, replay.count)).tobytes())
    # After the last that is there, whatever the file of rows holds: either may have failed to be written.
    ends = replay.ends[index].saved(_last(_ends(checkpoint), end, ends_held) + 1)
    with _opened(_ends(checkpoint), ends_held * end.itemsize) as file:
        file.write(ends.tobytes())
    return replay.count, ends_held + len(ends)


def restore(replay: Replay, index: int, checkpoint: Path, counts: tuple[int, int], successor: Tensor) -> None:
    """Put one seed's replay where `append` returned these counts, its newest row's successor being this one.

    Raises ValueError if the files hold less.
    """
    row, end = _types(replay)
    count, ends_count = counts
    _cut(_rows(checkpoint), count * row.itemsize)
    _cut(_ends(checkpoint), ends_count * end.itemsize)
    oldest = count - min(count, replay.capacity)
    for first in range(oldest, count, CHUNK):
        size = min(CHUNK, count - first)
        rows = np.fromfile(_rows(checkpoint), dtype=row, count=size, offset=first * row.itemsize)
        replay.put(index, first, rows, successor)
    ends = np.fromfile(_ends(checkpoint), dtype=end)
    replay.ends[index].put(ends[ends["row"] >= oldest])


def discard(checkpoint: Path) -> None:
    """Remove the files: the run has no checkpoint that they could belong to."""
    _rows(checkpoint).unlink(missing_ok=True)
    _ends(checkpoint).unlink(missing_ok=True)


def _rows(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".rows")


def _ends(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".ends")


def _types(replay: Replay) -> tuple[np.dtype[np.void], np.dtype[np.void]]:
    return replay.row_type, end_type(replay.observation.shape[2])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _last(path: Path, kind: np.dtype[np.void], count: int) -> int:
    """The row of the last of so many ends in a file; −1 where there is none."""
    if not count:
        return -1
    return int(np.fromfile(path, dtype=kind, count=1, offset=(count - 1) * kind.itemsize)["row"][0])


@contextmanager
def _opened(path: Path, offset: int) -> Iterator[BinaryIO]:
    """The file, made durably if need be, to be written from an offset on; durable in the end."""
    made = not path.exists()
    with path.open("wb" if made else "r+b") as file:
        if made:
            sync_directory(path.parent)
        file.seek(offset)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _cut(path: Path, size: int) -> None:
    if _size(path) < size:
        raise ValueError(f"{path.name}: {_size(path)} bytes, the checkpoint stands for {size}")
    os.truncate(path, size)
