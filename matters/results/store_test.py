import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from matters.results import files
from matters.results.conftest import PROVENANCE, finished, make_record, make_spec, no_rows
from matters.results.lease import lock
from matters.results.schema import (
    EPISODES,
    EVALUATIONS,
    SCHEMA_VERSION,
    Record,
    Status,
    digest,
    digest_of,
    primary_endpoint,
)
from matters.results.store import Store
from matters.results.verification import Fault
from matters.suites.errors import InputError

FINISHED = {
    "spec.json",
    "provenance.json",
    "episodes.parquet",
    "evaluations.parquet",
    "updates.parquet",
    "policy.safetensors",
    "status.json",
    "lock",
}


def same(one: Record, other: Record) -> bool:
    """Whether two records agree in names, types, shapes and bits."""

    def plain(record: Record) -> Any:
        return [record.diverged_at] + [
            {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in getattr(record, table).items()}
            for table in ("episodes", "evaluations", "updates", "policy")
        ]

    return bool(plain(one) == plain(other))


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


def test_what_is_read_back_is_what_was_recorded(store: Store) -> None:
    run_id = finished(store)
    assert same(store.record(run_id), make_record())
    assert store.spec(run_id) == make_spec()
    assert store.spec(run_id).run_id == run_id
    assert store.provenance(run_id) == PROVENANCE
    assert store.run_ids() == [run_id]
    assert store.verify() == []


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


def failed(store: Store, error: str, **options: Any) -> str:
    lease = store.lease(make_spec(), **options)
    assert lease is not None
    lease.checkpoint.write_bytes(b"poison")
    lease.fail(error, 40, PROVENANCE)
    return make_spec().run_id


def test_a_failure_is_a_record_with_one_line_and_its_traceback(store: Store) -> None:
    run_id = failed(store, "ValueError: no\nTraceback (most recent call last):\n  File x\nValueError: no")
    assert store.status(run_id) == Status("failed", 40, error="ValueError: no")
    (failure,) = store.failures(run_id)
    assert failure["traceback"].startswith("Traceback")
    assert failure["steps"] == 40
    assert failure["provenance"] == store.provenance(run_id) == PROVENANCE
    assert store.verify() == []


def test_a_bare_traceback_is_summed_up_by_its_last_line(store: Store) -> None:
    run_id = failed(store, "Traceback (most recent call last):\n  File x\nValueError: no\n")
    assert store.status(run_id).error == "ValueError: no"


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


# ---- round trips


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
def test_every_storable_type_comes_back_in_every_shape(store: Store, kind: str) -> None:
    shapes = [(), (0,), (1,), (3,), (0, 4), (2, 3), (2, 0, 3), (1, 1, 1)]
    policy = {str(shape): np.arange(int(np.prod(shape))).reshape(shape).astype(kind) for shape in shapes}
    run_id = finished(store, policy=policy)
    assert same(store.record(run_id), make_record(policy=policy))
    assert store.verify() == []


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3).T, np.arange(8)[::2], np.arange(3).astype(">i4")]
)
def test_unusual_memory_layouts_come_back_as_values(store: Store, array: np.ndarray) -> None:
    run_id = finished(store, policy={"x": array})
    assert np.array_equal(store.record(run_id).policy["x"], array)
    assert store.verify() == []


def test_an_empty_record_comes_back(store: Store) -> None:
    run_id = finished(
        store,
        episodes=no_rows(EPISODES),
        evaluations=no_rows(EVALUATIONS),
        updates={},
        policy={},
        diverged_at=1,
    )
    record = store.record(run_id)
    assert {name: column.dtype for name, column in record.episodes.items()} == EPISODES
    assert {name: column.dtype for name, column in record.evaluations.items()} == EVALUATIONS
    assert (record.updates, record.policy) == ({}, {})
    assert store.verify() == []


bits = hnp.arrays(np.uint64, 6)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits.map(lambda array: array.view(np.float64)), hnp.arrays(np.int64, 6))
def test_numbers_come_back_bit_for_bit_nan_and_signed_zero_too(
    store: Store, returns: np.ndarray, steps: np.ndarray
) -> None:
    evaluations = {**make_record().evaluations, "return": returns, "length": steps}
    shutil.rmtree(store.path / make_spec().run_id, ignore_errors=True)
    run_id = finished(store, evaluations=evaluations)
    read = store.record(run_id).evaluations
    assert read["return"].tobytes() == returns.tobytes()
    assert read["length"].tobytes() == steps.tobytes()


def test_what_was_read_may_be_written_to(store: Store) -> None:
    record = store.record(finished(store))
    record.episodes["return"][0] = 1.0
    record.policy["theta"][0] = 1.0


# ---- verify


def flip(path: Path, place: int) -> bytes:
    data = path.read_bytes()
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    return data


def test_verify_finds_a_flipped_byte_in_every_file(store: Store) -> None:
    failed(store, "first")
    lease = store.lease(make_spec(), retry_failed=True)
    assert lease is not None
    lease.finish(make_record(), PROVENANCE)
    names = (FINISHED | {"failure-1.json"}) - {"lock"}  # the lock has no bytes
    for name in sorted(names):
        path = lease.directory / name
        size = path.stat().st_size
        for place in {0, 1, size // 3, size // 2, size - 2, size - 1}:
            whole = flip(path, place)
            assert [problem.file for problem in store.verify()] == [name]
            path.write_bytes(whole)
    assert store.verify() == []


def test_verify_finds_a_flipped_byte_anywhere_in_status_json(store: Store) -> None:
    # Every seventh byte; files_test has the seal against any.
    path = store.path / finished(store) / "status.json"
    for place in range(0, path.stat().st_size, 7):
        whole = flip(path, place)
        assert len(store.verify()) == 1
        path.write_bytes(whole)


def test_verify_finds_a_flipped_byte_of_a_failed_run(store: Store) -> None:
    run_id = failed(store, "no")
    for name in ("spec.json", "status.json"):
        whole = flip(store.path / run_id / name, 40)
        assert [problem.file for problem in store.verify()] == [name]
        (store.path / run_id / name).write_bytes(whole)


@pytest.mark.parametrize("name", sorted(FINISHED - {"lock"}))
def test_verify_reports_a_missing_file(store: Store, name: str) -> None:
    run_id = finished(store)
    (store.path / run_id / name).unlink()
    assert store.verify() == [Fault(run_id, name, "is missing")]
    assert store.verify([run_id]) == [Fault(run_id, name, "is missing")]


def test_verify_computes_digest_and_score_again(store: Store) -> None:
    # Whole files that contradict each other: somebody sealed a status by hand.
    run_id = finished(store)
    path = store.path / run_id / "status.json"
    fields = json.loads(path.read_bytes())
    del fields["checksum"]
    for change, word in (
        ({"digest": "0" * 64}, "digest"),
        ({"score": 1e9}, "score"),
        ({"score": None}, "score"),
    ):
        path.write_bytes(files.sealed({**fields, **change}))
        (problem,) = store.verify()
        assert word in problem.message


def test_verify_finds_a_run_under_anothers_name(store: Store) -> None:
    run_id = finished(store)
    (store.path / run_id).rename(store.path / ("0" * 16))
    (problem,) = store.verify()
    assert f"is of run '{run_id}'" in problem.message


def test_verify_of_a_run_that_is_not_there_says_so(store: Store) -> None:
    assert [problem.message for problem in store.verify(["0" * 16])] == ["is missing"]


def test_unfinished_runs_are_not_problems(store: Store) -> None:
    lease = store.lease(make_spec())
    assert lease is not None
    lease.progress(3)
    assert store.verify() == []
    lease.release()
    assert store.verify() == []


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


@pytest.mark.parametrize("name", sorted(FINISHED - {"lock"}))
def test_a_damaged_run_is_trained_again_when_asked_and_what_it_was_is_kept(store: Store, name: str) -> None:
    run_id, other = finished(store), finished(store, 1)
    digest = store.status(run_id).digest
    flip(store.path / run_id / name, 20)
    assert store.begin_anew(other) == ""
    assert store.begin_anew(run_id).startswith(f"{name} ")
    assert (store.status(run_id).state, store.status(other).state) == ("missing", "done")
    lease = store.lease(make_spec())
    assert lease is not None
    lease.finish(make_record(), PROVENANCE)
    assert store.status(run_id).digest == digest
    assert [failure["error"].partition(": ")[0] for failure in store.failures(run_id)] == ["was damaged"]
    assert store.verify() == []


def test_a_distrusted_run_begins_anew_without_its_checkpoint_and_what_it_was_is_kept(store: Store) -> None:
    run_id = finished(store)
    digest = store.status(run_id).digest
    store.distrust(run_id, "its node computes other bits")
    assert store.status(run_id).state == "missing"
    lease = store.lease(make_spec())
    assert lease is not None
    lease.checkpoint.write_bytes(b"of the same node")
    lease.progress(3)
    store.distrust(run_id, "a process holds it")
    assert store.status(run_id).steps == 3
    lease.release()
    assert store.status(run_id).state == "paused"
    store.distrust(run_id, "its checkpoint is that node's")
    assert store.status(run_id).state == "missing"
    assert not lease.checkpoint.exists()
    lease = store.lease(make_spec())
    assert lease is not None
    lease.finish(make_record(), PROVENANCE)
    assert store.status(run_id).digest == digest
    assert [failure["error"] for failure in store.failures(run_id)] == [
        "its node computes other bits",
        "its checkpoint is that node's",
    ]
    assert store.verify() == []


def test_a_copy_that_leaves_out_the_parameters_is_still_verified(store: Store) -> None:
    run_id = finished(store)
    path = store.path / run_id
    (path / "policy.safetensors").unlink()
    assert store.verify() == [Fault(run_id, "policy.safetensors", "is missing")]
    marker = {"schema_version": SCHEMA_VERSION, "without": ["policy.safetensors"]}
    (store.path / "store.json").write_text(json.dumps(marker))
    copy = Store.open(store.path)
    assert copy.verify() == []
    assert copy.record(run_id).policy == {}
    fields = json.loads((path / "status.json").read_bytes())
    del fields["checksum"]
    wrong = {**fields["parts"], "updates": "0" * 64}
    for change in (
        {"parts": {**fields["parts"], "parameters": "0" * 64}},
        {"digest": digest_of(wrong, None)},
    ):
        (path / "status.json").write_bytes(files.sealed({**fields, **change}))
        assert [fault.message for fault in copy.verify()] == ["its digest is not that of the record"]


def test_verify_finds_a_flipped_byte_in_the_spec_of_an_unfinished_run(store: Store) -> None:
    with store.lease(make_spec()) as lease:  # type: ignore[union-attr]
        path = lease.directory / "spec.json"
    for place in range(0, path.stat().st_size, 9):
        whole = flip(path, place)
        assert [fault.file for fault in store.verify()] == ["spec.json"]
        path.write_bytes(whole)
    assert store.verify() == []


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


# ---- opening


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


# ---- what a kill, an error or a disk leaves


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


def test_a_final_run_without_a_spec_is_listed_and_found_by_verify(store: Store) -> None:
    run_id = finished(store)
    (store.directory(run_id) / "spec.json").unlink()
    assert store.run_ids() == [run_id]
    assert [(fault.run_id, fault.file) for fault in store.verify()] == [(run_id, "spec.json")]


def test_a_flipped_byte_of_a_status_is_damage_of_its_run_and_never_a_newer_schema(store: Store) -> None:
    run_id = finished(store)
    path = store.directory(run_id) / "status.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert store.status(run_id).state == "failed"
        assert [fault.run_id for fault in store.verify()] == [run_id]


def test_a_table_that_unpacks_to_much_is_refused_before_it_does(store: Store, monkeypatch: Any) -> None:
    run_id = finished(store)
    monkeypatch.setattr("matters.results.parquet.MAX_TABLE_BYTES", 100)
    with pytest.raises(InputError, match="a table unpacks to more than"):
        store.record(run_id)


def test_verify_says_how_far_it_is(store: Store) -> None:
    for seed in range(3):
        finished(store, seed)
    said: list[tuple[int, int]] = []
    store.verify(progress=lambda done, total: said.append((done, total)))
    assert said == [(0, 3), (1, 3), (2, 3)]


def test_the_age_of_progress_is_that_of_the_last_word(store: Store) -> None:
    lease = store.lease(make_spec())
    assert lease is not None
    with lease:
        os.utime(lease.directory / "status.json", (0, 0))
        assert store.progress_age(make_spec().run_id) > 1e9
        lease.touch()
        assert store.progress_age(make_spec().run_id) < 60
    assert store.progress_age("0" * 16) == 0


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
