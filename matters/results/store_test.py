"""A run in the store: its life, its failures, how it is found, and what a kill or a disk leaves of it."""

import json
import os
import shutil
from typing import Any

import pytest

from matters.results import files
from matters.results.conftest import (
    FINISHED,
    PROVENANCE,
    failed,
    finished,
    flip,
    make_record,
    make_spec,
    no_rows,
    same,
)
from matters.results.lease import lock
from matters.results.schema import EVALUATIONS, Status, digest, primary_endpoint
from matters.results.store import Store
from matters.suites.errors import InputError

# ---- a run's life


def test_a_run_is_missing_then_running_then_done(store: Store) -> None:
    spec, record = make_spec(), make_record()
    assert store.status(spec.run_id) == Status("missing", 0)
    lease = store.lease(spec)
    assert lease is not None
    assert store.status(spec.run_id) == Status("running", 0)
    lease.progress(50)
    assert store.status(spec.run_id) == Status("running", 50)
    lease.finish(record, PROVENANCE)
    score = primary_endpoint(record.evaluations)
    assert store.status(spec.run_id) == Status("done", 100, digest(record), score)
    assert {path.name for path in lease.directory.iterdir()} == FINISHED


def test_a_released_run_keeps_its_steps_and_its_checkpoint_and_can_be_leased(store: Store) -> None:
    with store.lease(make_spec()) as lease:  # type: ignore[union-attr]
        lease.checkpoint.write_bytes(b"half way")
        lease.progress(50)
    assert store.status(make_spec().run_id) == Status("paused", 50)
    again = store.lease(make_spec())
    assert again is not None
    assert again.checkpoint.read_bytes() == b"half way"
    again.finish(make_record(), PROVENANCE)
    assert not again.checkpoint.exists()


def test_a_held_run_cannot_be_leased_again_by_the_same_process_either(store: Store) -> None:
    first = store.lease(make_spec())
    assert first is not None
    assert store.lease(make_spec()) is None
    first.release()
    assert store.lease(make_spec()) is not None


def test_a_finished_run_cannot_be_leased_or_finished_again(store: Store) -> None:
    lease = store.lease(make_spec())
    assert lease is not None
    lease.finish(make_record(), PROVENANCE)
    with pytest.raises(RuntimeError, match="finished or released"):
        lease.finish(make_record(1), PROVENANCE)
    with pytest.raises(RuntimeError, match="finished or released"):
        lease.fail("x", 1, {})
    with pytest.raises(RuntimeError, match="finished or released"):
        lease.progress(1)
    assert store.lease(make_spec()) is None
    assert store.lease(make_spec(), retry_failed=True) is None
    assert same(store.record(make_spec().run_id), make_record())


def test_a_released_lease_writes_nothing(store: Store) -> None:
    lease = store.lease(make_spec())
    assert lease is not None
    lease.release()
    with pytest.raises(RuntimeError, match="finished or released"):
        lease.finish(make_record(), PROVENANCE)


def test_a_record_that_is_refused_leaves_the_lease_as_it_was(store: Store) -> None:
    lease = store.lease(make_spec())
    assert lease is not None
    before = sorted(lease.directory.iterdir())
    with pytest.raises(InputError, match="episodes"):
        lease.finish(make_record(episodes={}), PROVENANCE)
    with pytest.raises(ValueError, match="not JSON compliant"):
        lease.finish(make_record(), {"x": float("inf")})
    assert sorted(lease.directory.iterdir()) == before
    lease.finish(make_record(), PROVENANCE)


def test_a_diverged_run_is_done_with_its_last_score(store: Store) -> None:
    run_id = finished(store, diverged_at=60)
    status = store.status(run_id)
    assert (status.state, status.steps, status.diverged_at) == ("done", 60, 60)
    assert status.score == primary_endpoint(make_record().evaluations)
    assert store.record(run_id).diverged_at == 60
    assert store.verify() == []


def test_a_run_that_diverged_before_its_first_evaluation_has_no_score(store: Store) -> None:
    run_id = finished(store, evaluations=no_rows(EVALUATIONS), diverged_at=5)
    assert store.status(run_id).score is None
    assert store.verify() == []


# ---- failures


def test_a_failure_is_a_record_with_one_line_and_its_traceback(store: Store) -> None:
    run_id = failed(store, "ValueError: no\nTraceback (most recent call last):\n  File x\nValueError: no")
    assert store.status(run_id) == Status("failed", 40, error="ValueError: no")
    (failure,) = store.failures(run_id)
    assert failure["traceback"].startswith("Traceback")
    assert failure["steps"] == 40
    assert failure["provenance"] == store.provenance(run_id) == PROVENANCE
    assert store.verify() == []


def test_a_failed_run_is_retried_only_on_request_from_its_beginning(store: Store) -> None:
    run_id = failed(store, "first")
    assert store.lease(make_spec()) is None
    lease = store.lease(make_spec(), retry_failed=True)
    assert lease is not None
    assert not lease.checkpoint.exists()
    assert store.status(run_id) == Status("running", 0)
    lease.fail("second", 50, PROVENANCE)
    assert [failure["error"] for failure in store.failures(run_id)] == ["first", "second"]
    third = store.lease(make_spec(), retry_failed=True)
    assert third is not None
    third.finish(make_record(), PROVENANCE)
    assert store.status(run_id).state == "done"
    assert [failure["error"] for failure in store.failures(run_id)] == ["first", "second"]
    assert {path.name for path in third.directory.iterdir()} == FINISHED | {
        "failure-1.json",
        "failure-2.json",
    }
    assert store.verify() == []


def test_the_tenth_failure_comes_after_the_ninth(store: Store) -> None:
    for number in range(12):
        run_id = failed(store, str(number), retry_failed=True)
    assert [failure["error"] for failure in store.failures(run_id)] == [str(number) for number in range(12)]


# ---- looking runs up


def test_only_finished_runs_have_records(store: Store) -> None:
    with store.lease(make_spec()):  # type: ignore[union-attr]
        pass
    for run_id in (make_spec().run_id, "0" * 16):
        with pytest.raises(InputError, match="not finished"):
            store.record(run_id)
        assert store.provenance(run_id) == {}
        assert store.failures(run_id) == []


def test_a_spec_that_is_missing_or_damaged_is_refused(store: Store) -> None:
    run_id = finished(store)
    with pytest.raises(InputError, match="not in the store"):
        store.spec("0" * 16)
    for text in ("{", "[]", "{}", '{"schema_version": 2}'):
        (store.path / run_id / "spec.json").write_text(text)
        with pytest.raises(InputError, match=r"spec\.json is damaged"):
            store.spec(run_id)


def test_a_unique_prefix_stands_for_its_run(store: Store) -> None:
    run_ids = sorted(finished(store, seed) for seed in range(17))  # two share a digit
    assert store.run_ids() == run_ids
    for run_id in run_ids:
        assert store.resolve(run_id) == store.resolve(run_id.upper()) == run_id
    with pytest.raises(InputError, match="no such run"):
        store.resolve("")
    with pytest.raises(InputError, match="no such run"):
        store.resolve("xyz")
    first = next(digit for digit in "0123456789abcdef" if sum(r.startswith(digit) for r in run_ids) > 1)
    with pytest.raises(InputError, match=rf"run = '{first}': stands for \d+ runs: "):
        store.resolve(first)


def test_other_things_in_the_directory_are_not_runs(store: Store) -> None:
    (store.path / "notes.txt").write_text("mine")
    (store.path / "0123").mkdir()
    (store.path / ("f" * 16)).mkdir()
    (store.path / ("e" * 16)).write_text("a file")
    assert store.run_ids() == []
    assert store.verify() == []


def test_the_age_of_progress_is_that_of_the_last_word(store: Store) -> None:
    lease = store.lease(make_spec())
    assert lease is not None
    with lease:
        os.utime(lease.directory / "status.json", (0, 0))
        assert store.progress_age(make_spec().run_id) > 1e9
        lease.touch()
        assert store.progress_age(make_spec().run_id) < 60
    assert store.progress_age("0" * 16) == 0


# ---- what a kill, an error or a disk leaves


def test_a_damaged_status_is_a_failure_that_is_not_trained_over_unasked(store: Store) -> None:
    run_id = finished(store)
    flip(store.path / run_id / "status.json", 200)
    status = store.status(run_id)
    assert status.state == "failed"
    assert "damaged" in str(status.error)
    assert store.lease(make_spec()) is None
    assert store.provenance(run_id) == {}
    assert "damaged" in store.failures(run_id)[0]["error"]
    again = store.lease(make_spec(), retry_failed=True)
    assert again is not None
    again.finish(make_record(), PROVENANCE)
    assert store.status(run_id).state == "done"


def test_a_damaged_record_is_refused_with_a_pointer_to_verify(store: Store) -> None:
    run_id = finished(store)
    for name in ("episodes.parquet", "policy.safetensors", "provenance.json"):
        (store.path / run_id / name).write_bytes(b"junk")
        with pytest.raises(InputError, match="matters verify"):
            store.provenance(run_id) if name.startswith("prov") else store.record(run_id)


@pytest.mark.parametrize("name", sorted(FINISHED - {"lock", "status.json"}))
def test_what_is_read_of_a_finished_run_is_hashed_first(store: Store, name: str) -> None:
    run_id = finished(store)
    path = store.path / run_id / name
    read = {"provenance.json": store.provenance, "spec.json": store.spec}.get(name, store.record)
    for place in range(0, path.stat().st_size, 37):
        whole = flip(path, place)
        with pytest.raises(InputError, match=r"does not match its SHA-256|is damaged"):
            read(run_id)
        path.write_bytes(whole)
    read(run_id)


def test_a_run_of_a_newer_schema_is_refused_and_left_alone(store: Store) -> None:
    run_id = finished(store)
    path = store.path / run_id / "status.json"
    fields = {**json.loads(path.read_text()), "schema_version": 3, "new": "field"}
    path.write_bytes(files.sealed({name: fields[name] for name in fields if name != "checksum"}))
    for use in (store.status, store.record, store.provenance):
        with pytest.raises(InputError, match="written by a newer Matters: schema 3, this one reads 2"):
            use(run_id)
    with pytest.raises(InputError, match="newer"):
        store.lease(make_spec(), retry_failed=True)
    assert len(store.verify()) == 1


def test_what_a_finished_run_no_longer_needs_is_tidied_up_unless_somebody_holds_it(store: Store) -> None:
    run_id = finished(store)
    directory = store.directory(run_id)
    left = [directory / name for name in ("checkpoint.rows", ".status.json.1-2.tmp", "holder.json")]
    for path in left:
        path.write_bytes(b"left")
    descriptor = lock(directory / "lock")
    assert descriptor is not None
    store.tidy(run_id)
    assert all(path.exists() for path in left)
    os.close(descriptor)
    store.tidy(run_id)
    assert {path.name for path in directory.iterdir()} == FINISHED
    assert store.verify() == []


def test_a_table_that_unpacks_to_too_much_is_refused_before_it_does(store: Store, monkeypatch: Any) -> None:
    run_id = finished(store)
    monkeypatch.setattr("matters.results.parquet.MAX_TABLE_BYTES", 100)
    with pytest.raises(InputError, match="a table unpacks to more than"):
        store.record(run_id)


def test_a_lost_folder_is_a_missing_run_and_no_other_is_touched(store: Store) -> None:
    lost, kept = finished(store, 0), finished(store, 1)
    before = {path: path.read_bytes() for path in store.directory(kept).iterdir()}
    shutil.rmtree(store.directory(lost))
    assert store.status(lost).state == "missing"
    assert store.verify() == []
    assert store.run_ids() == [kept]
    assert finished(store, 0) == lost
    assert store.status(lost).state == "done"
    assert {path: path.read_bytes() for path in store.directory(kept).iterdir()} == before
