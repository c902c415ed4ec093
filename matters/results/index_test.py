"""The index may be lost, torn or flipped: what it says of a run is what the run's spec says."""

from pathlib import Path

import pytest

from matters.results import index, spec_file
from matters.results.conftest import finished, make_spec
from matters.results.index import NAME, Entry, entries, entry_of
from matters.results.store import Store


def expected(seeds: range) -> dict[str, Entry]:
    specs = [make_spec(seed) for seed in seeds]
    return {one.run_id: entry_of(one) for one in specs}


def test_an_index_has_what_the_specs_say_and_spares_reading_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(3):
        finished(store, seed)
    assert entries(store.path, store.run_ids()) == expected(range(3))
    finished(store, 3)
    read: list[str] = []
    real = spec_file.read
    monkeypatch.setattr(spec_file, "read", lambda path: read.append(path) or real(path))  # type: ignore[func-returns-value]
    assert entries(store.path, store.run_ids()) == expected(range(4))
    assert [Path(path).parent.name for path in read] == [make_spec(3).run_id]
    assert entries(store.path, [make_spec(1).run_id, "0" * 16]) == expected(range(1, 2))


def test_runs_of_one_variant_have_their_settings_in_common_and_others_have_not() -> None:
    one = make_spec(0)
    same = {"seed": 1, "steps": one.steps + 1, "environment": "Another-v0"}
    assert entry_of(one.model_copy(update=same)).settings_id == entry_of(one).settings_id
    for other in ({"departures": {"gamma": 0.5}}, {"algorithm_version": 99}, {"algorithm": "other"}):
        assert entry_of(one.model_copy(update=other)).settings_id != entry_of(one).settings_id


def test_lines_of_an_index_without_the_settings_are_written_anew(store: Store) -> None:
    run_id = finished(store, 0)
    right = entries(store.path, [run_id])
    path = store.path / NAME
    path.write_bytes(index._line(right[run_id][:-1]))  # type: ignore[arg-type]
    assert entries(store.path, [run_id]) == right
    assert index._read(path) == right


def test_whatever_a_disk_makes_of_the_index_what_it_says_is_right(store: Store) -> None:
    for seed in range(3):
        finished(store, seed)
    entries(store.path, store.run_ids())
    path = store.path / NAME
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        for data in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            path.write_bytes(data)
            assert entries(store.path, store.run_ids()) == expected(range(3))
    path.unlink()
    path.mkdir()
    assert entries(store.path, store.run_ids()) == expected(range(3))


def test_a_run_whose_spec_is_damaged_or_missing_is_in_no_index(store: Store) -> None:
    broken, gone = finished(store, 0), finished(store, 1)
    spec = store.directory(broken) / "spec.json"
    spec.write_bytes(spec.read_bytes().replace(b'"seed": 0', b'"seed": 7'))
    (store.directory(gone) / "spec.json").unlink()
    assert entries(store.path, [broken, gone]) == {}
    assert not (store.path / NAME).exists()
    assert index._read(store.path / NAME) == {}
