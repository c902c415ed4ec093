import os
from pathlib import Path

import numpy as np
import pytest
import torch

from matters.algorithms.parts.replay import Replay, row_type
from matters.harness.training import record_file, replay_file

CAPACITY = 20


def grow(replay, rows):
    """Steps of two seeds whose observation is the row's number; every fifth ends an episode."""
    for _ in range(rows):
        row = float(replay.count)
        ended = torch.full((2,), replay.count % 5 == 4)
        replay.add(
            torch.full((2, 3), row),
            torch.full((2, 1), row / 64),
            torch.full((2,), row),
            torch.zeros(2, dtype=torch.bool),
            ended,
            torch.full((2, 3), -row if ended[0] else row + 1),
            torch.full((2, 2), row / 2),
        )


def replay():
    return Replay(2, CAPACITY, 3, 1, 2)


def draws(stored):
    generators = [np.random.default_rng(seed) for seed in (0, 1)]
    drawn = vars(stored.sample(generators, 100))
    return {name: tensor.tolist() for name, tensor in drawn.items() if tensor is not None}


def restored(tmp_path, original, counts):
    again = replay()
    for index in (0, 1):
        path = tmp_path / str(index) / "checkpoint.safetensors"
        replay_file.restore(again, index, path, counts, torch.full((3,), float(original.count)))
    return again


def append(tmp_path, stored):
    found = []
    for index in (0, 1):
        path = tmp_path / str(index) / "checkpoint.safetensors"
        path.parent.mkdir(exist_ok=True)
        found.append(replay_file.append(stored, index, path))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("pieces", [(7,), (10, 3, 2), (19, 2), (15, 15, 15), (90,), (12, 50, 4), (4, 45, 60)])
def test_a_replay_restored_from_what_was_appended_in_pieces_draws_the_same(tmp_path, monkeypatch, pieces):
    monkeypatch.setattr(replay_file, "CHUNK", 7)
    original = replay()
    for piece in pieces:
        grow(original, piece)
        counts = append(tmp_path, original)
    assert counts[0] == sum(pieces)
    again = restored(tmp_path, original, counts)
    assert draws(again) == draws(original)
    for one in (original, again):
        grow(one, 13)
    assert draws(again) == draws(original)


def test_only_what_is_new_is_written(tmp_path):
    original = replay()
    grow(original, 15)
    append(tmp_path, original)
    rows = tmp_path / "0" / "checkpoint.rows"
    size = record_file.size(row_type(3, 1, 2))
    assert (size, rows.stat().st_size) == (4 * (3 + 1 + 2 + 1) + 1 + 4, 15 * size)
    before = rows.read_bytes()
    rows.write_bytes(b"x" * len(before))  # as long as it was: were it written again, it would be mended
    grow(original, 3)
    append(tmp_path, original)
    assert rows.read_bytes()[: 15 * size] == b"x" * len(before)
    assert rows.stat().st_size == 18 * size


def test_rows_that_were_overwritten_before_they_were_saved_take_no_room(tmp_path):
    original = replay()
    grow(original, 4000)
    counts = append(tmp_path, original)
    status = (tmp_path / "0" / "checkpoint.rows").stat()
    assert status.st_size == 4000 * record_file.size(row_type(3, 1, 2))
    assert status.st_blocks * 512 < status.st_size / 4
    assert draws(restored(tmp_path, original, counts)) == draws(original)


def test_what_was_appended_after_the_checkpoint_is_cut_off(tmp_path):
    original = replay()
    grow(original, 17)
    counts = append(tmp_path, original)
    expected = draws(original)
    grow(original, 8)
    append(tmp_path, original)
    for path in tmp_path.glob("*/checkpoint.*"):
        with path.open("ab") as file:
            file.write(b"torn")
    again = replay()
    for index in (0, 1):
        path = tmp_path / str(index) / "checkpoint.safetensors"
        replay_file.restore(again, index, path, counts, torch.full((3,), 17.0))
    assert draws(again) == expected
    # And what comes next is appended where the checkpoint's own rows end.
    grow(again, 8)
    assert draws(restored(tmp_path, again, append(tmp_path, again))) == draws(original)


def test_files_that_hold_less_than_the_checkpoint_stands_for_are_refused_in_one_line(tmp_path):
    original = replay()
    grow(original, 17)
    counts = append(tmp_path, original)
    rows = tmp_path / "1" / "checkpoint.rows"
    rows.write_bytes(rows.read_bytes()[:-1])
    with pytest.raises(
        record_file.Damaged, match=r"^checkpoint\.rows: has 16 of the 17 records that it should have$"
    ):
        restored(tmp_path, original, counts)


@pytest.mark.parametrize("part", [".rows", ".ends"])
def test_a_flipped_bit_in_a_record_that_is_needed_is_found(tmp_path, part):
    original = replay()
    grow(original, 17)
    counts = append(tmp_path, original)
    path = tmp_path / "1" / f"checkpoint{part}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(
        record_file.Damaged, match=rf"checkpoint\{part}: record \d+ does not match its checksum"
    ):
        restored(tmp_path, original, counts)


def test_files_without_a_checkpoint_are_discarded(tmp_path):
    original = replay()
    grow(original, 17)
    append(tmp_path, original)
    for index in (0, 1):
        replay_file.discard(tmp_path / str(index) / "checkpoint.safetensors")
    assert not list(tmp_path.glob("*/*"))
    replay_file.discard(tmp_path / "0" / "checkpoint.safetensors")


def fill_the_disk(monkeypatch, suffix, full=lambda: True):
    """While it is full, writing a file with this suffix fails, and leaves what there was room for."""
    opened = Path.open

    def on_a_full_disk(file, mode="r", *arguments, **options):
        if file.suffix == suffix and mode != "r" and full():
            with opened(file, "ab") as torn:
                torn.write(b"torn")
            raise OSError(28, "No space left on device")
        return opened(file, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", on_a_full_disk)


@pytest.mark.parametrize("part", [".rows", ".ends"])
def test_what_could_not_be_written_once_is_written_the_next_time(tmp_path, monkeypatch, part):
    original = replay()
    grow(original, 7)
    append(tmp_path, original)
    grow(original, 6)
    fill_the_disk(monkeypatch, part)
    with pytest.raises(OSError, match="No space left"):
        append(tmp_path, original)
    monkeypatch.undo()
    grow(original, 4)
    assert draws(restored(tmp_path, original, append(tmp_path, original))) == draws(original)


@pytest.mark.parametrize("place", ["write", "fsync"])
def test_a_record_file_whose_write_fails_has_what_it_had_before(tmp_path, monkeypatch, place):
    path, kind = tmp_path / "records", np.dtype("<f8")
    for first, last in ((0, 3), (3, 5)):
        with record_file.appending(path, kind, first) as file:
            file.write(np.arange(first, last, dtype=kind))
    before = path.read_bytes()

    def broken(*_):
        raise OSError(5, "Input/output error")

    def appended():
        with record_file.appending(path, kind, 5) as file:
            if place == "fsync":
                monkeypatch.setattr(os, "fsync", broken)
                file.write(np.arange(9, dtype=kind))
            else:
                file._file.write(b"half a record")
                broken()

    with pytest.raises(OSError, match="Input/output"):
        appended()
    monkeypatch.undo()
    assert path.read_bytes() == before
    with record_file.appending(path, kind, 5) as file:
        file.write(np.arange(5, 7, dtype=kind))
    assert record_file.read(path, kind, 0, 7).tolist() == list(range(7))
