"""What is a store, what becomes one, and what is refused."""

import json
import os
from pathlib import Path

import pytest

from matters.results.conftest import finished
from matters.results.schema import SCHEMA_VERSION
from matters.results.store import Store
from matters.suites.errors import InputError


def test_a_store_is_made_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store"
    made = Store.open(path, create=True)
    assert json.loads((path / "store.json").read_text()) == {"schema_version": SCHEMA_VERSION}
    assert Store.open(path) == Store.open(str(path), create=True) == made


def test_an_empty_directory_and_what_a_killed_creation_left_become_a_store(tmp_path: Path) -> None:
    (tmp_path / ".store.json.123-abcd.tmp").write_text("{")
    assert Store.open(tmp_path, create=True).run_ids() == []


def refuse(path: Path, message: str, *, create: bool) -> None:
    before = sorted(path.rglob("*")) if path.is_dir() else None
    with pytest.raises(InputError) as caught:
        Store.open(path, create=create)
    assert str(caught.value).startswith(f"store = {str(path)!r}: ")
    assert message in str(caught.value)
    assert (sorted(path.rglob("*")) if path.is_dir() else None) == before


@pytest.mark.parametrize("create", [False, True])
def test_a_path_that_is_no_store_is_refused_with_the_reason(tmp_path: Path, create: bool) -> None:
    (tmp_path / "file").write_text("x")
    refuse(tmp_path / "file", "is a file", create=create)
    refuse(tmp_path, "not a store", create=create)
    for content, message in (("{", "damaged"), ("[]", "damaged"), ("{}", "damaged")):
        (tmp_path / "store.json").write_text(content)
        refuse(tmp_path, message, create=create)


def test_what_is_not_there_is_only_made_on_request(tmp_path: Path) -> None:
    refuse(tmp_path / "none", "does not exist", create=False)
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "not a store", create=False)
    assert not (tmp_path / "none").exists()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    refuse(tmp_path / "file" / "store", "not writable: Not a directory", create=True)
    Store.open(tmp_path / "store", create=True)
    # Asked through os.access, because the superuser, as whom tests may run, can write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refuse(tmp_path / "store", "not writable", create=True)
    assert Store.open(tmp_path / "store").run_ids() == []


@pytest.mark.parametrize("create", [False, True])
def test_a_store_of_a_newer_schema_is_refused(tmp_path: Path, create: bool) -> None:
    (tmp_path / "store.json").write_text('{"schema_version": 3}')
    refuse(tmp_path, "written by a newer Matters: schema 3, this one reads 2", create=create)


def test_a_lost_marker_is_made_again_from_the_runs(store: Store) -> None:
    run_id = finished(store)
    (store.path / "report").mkdir()
    (store.path / "store.json").unlink()
    for _ in range(2):
        again = Store.open(store.path)
        assert (again.run_ids(), again.schema, again.oldest_schema) == (
            [run_id],
            SCHEMA_VERSION,
            SCHEMA_VERSION,
        )
        assert again.verify() == []


def test_a_folder_with_nothing_but_names_of_runs_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "0123456789abcdef").mkdir()
    (tmp_path / "0123456789abcdef" / "status.json").write_text("{}")
    with pytest.raises(InputError, match="not a store of Matters"):
        Store.open(tmp_path)


@pytest.mark.parametrize("version", ["-5", "0", "true", "99", '"2"', "[" * 100_000])
def test_a_marker_of_no_schema_is_one_line(tmp_path: Path, version: str) -> None:
    (tmp_path / "store.json").write_text(f'{{"schema_version": {version}}}')
    with pytest.raises(InputError, match=r"schema|damaged"):
        Store.open(tmp_path)
