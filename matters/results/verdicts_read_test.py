"""Seeds that were added after a verdict was read are known, unless the looks were declared."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from matters.results import files
from matters.results.bundle import manifest, pack, unpack
from matters.results.bundle.bundle_test import TOML, declared
from matters.results.conftest import PROVENANCE, make_record
from matters.results.store import Store
from matters.results.verdicts_read import entries, note, remark, undeclared
from matters.suites.errors import InputError


def grown(seeds: int, looks: tuple[int, ...] = ()):
    return declared().model_copy(update={"seeds": tuple(range(seeds)), "looks": looks})


def test_seeds_added_after_reading_are_said_with_how_many_there_were(tmp_path: Path) -> None:
    note(tmp_path, grown(10), 10)
    assert undeclared(tmp_path, grown(10), 10) == []
    assert undeclared(tmp_path, grown(15), 15) == [10]
    (text,) = remark(tmp_path, grown(15), 15)
    assert "added after a verdict was read, at 10 runs per cell" in text
    note(tmp_path, grown(15), 15)
    assert undeclared(tmp_path, grown(20), 20) == [10, 15]
    assert undeclared(tmp_path, grown(15), 15) == [10], "reading twice changes nothing"
    assert remark(tmp_path, grown(10), 10) == [], "the first ten alone were a study of ten"


def test_declared_looks_are_no_offence_and_undeclared_ones_stay_one(tmp_path: Path) -> None:
    note(tmp_path, grown(20, (10, 20)), 10)
    note(tmp_path, grown(20, (10, 20)), 20)
    assert undeclared(tmp_path, grown(20, (10, 20)), 20) == []
    assert undeclared(tmp_path, grown(20), 20) == [10], "without its looks it is a second look like any"
    assert undeclared(tmp_path, grown(40, (10, 40)), 40) == [10, 20], "looks declared after the reading"


def test_other_cells_and_too_few_seeds_are_no_reading(tmp_path: Path) -> None:
    note(tmp_path, grown(4), 4)
    assert not (tmp_path / "verdicts").exists()
    note(tmp_path, grown(5).model_copy(update={"steps": 200}), 5)
    assert undeclared(tmp_path, grown(10), 10) == []


def test_a_damaged_note_is_none_and_is_kept_beside_the_next(tmp_path: Path) -> None:
    (tmp_path / "verdicts").mkdir()
    (tmp_path / "verdicts" / "small.json").write_text("{")
    assert undeclared(tmp_path, grown(10), 10) == []
    note(tmp_path, grown(10), 10)
    assert undeclared(tmp_path, grown(11), 11) == [10]
    assert (tmp_path / "verdicts" / "small.damaged").read_text() == "{"


def test_notes_of_commands_that_end_together_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(note, tmp_path, grown(40)), range(10, 34)))
    assert undeclared(tmp_path, grown(40), 40) == list(range(10, 34))


def test_a_bundle_carries_what_was_read_into_the_store_that_is_made_of_it(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs", create=True)
    lease = store.lease(declared().cells()[0].specs[0])
    assert lease is not None
    lease.finish(make_record(0), PROVENANCE)
    note(store.path, grown(10), 10)
    pack(store, declared(), TOML, tmp_path / "bundle")
    unpack(tmp_path / "bundle", tmp_path / "new")
    assert undeclared(tmp_path / "new", grown(15), 15) == [10]
    assert remark(tmp_path / "new", grown(15), 15) == remark(store.path, grown(15), 15)
    # Imported once more, and gone on with: nothing is noted twice, nothing is forgotten.
    note(tmp_path / "new", grown(15), 15)
    unpack(tmp_path / "bundle", tmp_path / "new")
    assert [entry["seeds"] for entry in entries(tmp_path / "new", "small")] == [10, 15]
    pack(Store.open(tmp_path / "new"), declared(), TOML, tmp_path / "bundle")
    assert [entry.seeds for entry in manifest.read(tmp_path / "bundle").suite.read] == [10, 15]


def test_a_bundle_whose_suite_has_a_path_for_a_name_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs", create=True)
    lease = store.lease(declared().cells()[0].specs[0])
    assert lease is not None
    lease.finish(make_record(0), PROVENANCE)
    note(store.path, grown(10), 10)
    pack(store, declared(), TOML, tmp_path / "bundle")
    path = tmp_path / "bundle" / manifest.MANIFEST
    fields = json.loads(path.read_text().replace('"name": "small"', '"name": "../../small"'))
    path.write_bytes(files.sealed({name: fields[name] for name in fields if name != "checksum"}))
    with pytest.raises(InputError, match=r"suite.name"):
        unpack(tmp_path / "bundle", tmp_path / "new")
    assert not (tmp_path / "new").exists()
