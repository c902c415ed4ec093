"""A run's replay on disk, beside its checkpoint: what is new is appended, no checkpoint copies it all.

`checkpoint.rows` has a record for each step of the run, `checkpoint.ends` one for each episode that ended, in
the types of `parts.replay`: fixed sizes, a checksum each, nothing to unpickle. A checkpoint says how many
records it counts on; what a killed process wrote beyond them is cut off. The rows take 4 (O + A + R + 1) + 5
bytes per step until the run is finished, those that the replay has overwritten included; where they were
overwritten before a checkpoint came, the file has a hole.
"""

from pathlib import Path

import numpy as np
from torch import Tensor

from matters.algorithms.parts.replay import Replay, end_type
from matters.harness.training import record_file

CHUNK = 50_000
"""Rows that are copied at a time."""


def append(replay: Replay, index: int, checkpoint: Path) -> tuple[int, int]:
    """Bring one seed's files up to date, durably. Returns how many rows and ends they hold.

    Raises record_file.Damaged if the last end that they hold is not what was written.
    """
    row, end = _types(replay)
    rows, ends = rows_path(checkpoint), ends_path(checkpoint)
    first = max(record_file.count(rows, row), replay.count - replay.stored)
    with record_file.appending(rows, row, first) as file:
        for start in range(first, replay.count, CHUNK):
            file.write(replay.saved(index, start, min(start + CHUNK, replay.count)))
    # After the last that is there, whatever the file of rows holds: either may have failed to be written.
    held = record_file.count(ends, end)
    last = int(record_file.read(ends, end, held - 1, held)["row"][0]) if held else -1
    new = replay.ends[index].saved(last + 1)
    with record_file.appending(ends, end, held) as file:
        file.write(new)
    return replay.count, held + len(new)


def restore(replay: Replay, index: int, checkpoint: Path, counts: tuple[int, int], successor: Tensor) -> None:
    """Put one seed's replay back where `append` returned these counts; `successor` is its newest row's.

    Raises record_file.Damaged if the files hold less, or a record that is needed has changed.
    """
    row, end = _types(replay)
    count, ends_count = counts
    record_file.cut(rows_path(checkpoint), row, count)
    record_file.cut(ends_path(checkpoint), end, ends_count)
    oldest = count - min(count, replay.capacity)
    for first in range(oldest, count, CHUNK):
        rows = record_file.read(rows_path(checkpoint), row, first, min(first + CHUNK, count))
        replay.put(index, first, rows, successor)
    ends = record_file.read(ends_path(checkpoint), end, 0, ends_count)
    replay.ends[index].put(ends[ends["row"] >= oldest])


def discard(checkpoint: Path) -> None:
    """Remove the files: the run has no checkpoint that they could belong to."""
    rows_path(checkpoint).unlink(missing_ok=True)
    ends_path(checkpoint).unlink(missing_ok=True)


def rows_path(checkpoint: Path) -> Path:
    """Where the rows of this checkpoint lie."""
    return checkpoint.with_suffix(".rows")


def ends_path(checkpoint: Path) -> Path:
    """Where the ends of episodes of this checkpoint lie."""
    return checkpoint.with_suffix(".ends")


def sizes(replay: Replay) -> tuple[int, int]:
    """Bytes of a row and of an end, without their checksums."""
    row, end = _types(replay)
    return row.itemsize, end.itemsize


def _types(replay: Replay) -> tuple[np.dtype[np.void], np.dtype[np.void]]:
    return replay.row_type, end_type(replay.observation.shape[2])
