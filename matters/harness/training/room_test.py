"""A disk that fills: said before it is full, and what was trained is kept."""

from pathlib import Path

import pytest

from matters.harness.training import room
from matters.harness.training.room import EARLY, LEAST, NoRoom, Room


def look(at: Room, monkeypatch: pytest.MonkeyPatch, free: int) -> str:
    monkeypatch.setattr(room, "free_bytes", lambda _: free)
    return at.look()


def test_it_is_said_once_that_room_gets_short_and_again_after_there_was_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(bytes(500_000))
    at, needed = Room(tmp_path, [tmp_path]), LEAST + 2 * 500_000
    assert look(at, monkeypatch, EARLY * needed) == ""
    assert look(at, monkeypatch, EARLY * needed - 1).startswith(
        "room gets short: the store's disk has 10.2 MB"
    )
    assert look(at, monkeypatch, needed) == ""
    assert look(at, monkeypatch, EARLY * needed) == ""
    assert look(at, monkeypatch, needed) != ""


def test_what_grew_since_the_last_look_may_grow_so_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, rows = Room(tmp_path, [tmp_path]), tmp_path / "checkpoint.rows"
    rows.write_bytes(bytes(3_000_000))
    with pytest.raises(NoRoom, match=r"paused: the store's disk has 4\.0 MB left, and 4\.0 MB are needed"):
        look(at, monkeypatch, LEAST + 3_000_000 - 1)
    look(at, monkeypatch, LEAST)
