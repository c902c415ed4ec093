"""A run's replay on disk, beside its checkpoint: what is new is appended, no checkpoint copies it all.

`checkpoint.rows` has a record for each step of the run, `checkpoint.ends` one for each episode that ended, in
the types of `algorithms.replay`: fixed sizes, nothing to unpickle. A checkpoint says how many records it
stands for; what a killed process wrote beyond them is cut off. The rows take 4 (O + A + 1) + 1 bytes a step
until the run is finished, those that the replay has overwritten included; where they were overwritten before
a checkpoint came, the file has a hole.
"""

import os
from pathlib import Path

import numpy as np
from torch import Tensor

from algorithms.replay import Replay, end_type, row_type
from results.files import sync_directory


def append(replay: Replay, index: int, checkpoint: Path) -> tuple[int, int]:
    """Bring one seed's files up to date, durably. Returns how many rows and ends they hold."""
    row, end = _types(replay)
    held = _size(_rows(checkpoint)) // row.itemsize
    rows, ends = replay.saved(index, held)
    _write(_rows(checkpoint), rows, (replay.count - len(rows)) * row.itemsize)
    ends_held = _size(_ends(checkpoint)) // end.itemsize
    _write(_ends(checkpoint), ends, ends_held * end.itemsize)
    if not held:
        sync_directory(checkpoint.parent)
    return replay.count, ends_held + len(ends)


def restore(replay: Replay, index: int, checkpoint: Path, counts: tuple[int, int], successor: Tensor) -> None:
    """Put one seed's replay where `append` returned these counts, its newest row's successor being this one.

    Raises ValueError if the files hold less.
    """
    row, end = _types(replay)
    count, ends_count = counts
    stored = min(count, replay.capacity)
    _cut(_rows(checkpoint), count * row.itemsize)
    _cut(_ends(checkpoint), ends_count * end.itemsize)
    rows = np.fromfile(_rows(checkpoint), dtype=row, offset=(count - stored) * row.itemsize)
    ends = np.fromfile(_ends(checkpoint), dtype=end)
    replay.put(index, count, rows, ends[ends["row"] >= count - stored], successor)


def discard(checkpoint: Path) -> None:
    """Remove the files: the run has no checkpoint that they could belong to."""
    _rows(checkpoint).unlink(missing_ok=True)
    _ends(checkpoint).unlink(missing_ok=True)


def _rows(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".rows")


def _ends(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".ends")


def _types(replay: Replay) -> tuple[np.dtype[np.void], np.dtype[np.void]]:
    observations, actions = replay.observation.shape[2], replay.action.shape[2]
    return row_type(observations, actions), end_type(observations)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _write(path: Path, records: np.ndarray, offset: int) -> None:
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(offset)
        file.write(records.tobytes())
        file.flush()
        os.fsync(file.fileno())


def _cut(path: Path, size: int) -> None:
    if _size(path) < size:
        raise ValueError(f"{path.name}: {_size(path)} bytes, the checkpoint stands for {size}")
    os.truncate(path, size)
