"""What `verify` finds, and what it does not complain of."""

import json

import pytest

from matters.results import files
from matters.results.conftest import FINISHED, PROVENANCE, failed, finished, flip, make_record, make_spec
from matters.results.schema import SCHEMA_VERSION, digest_of
from matters.results.store import Store
from matters.results.verification import Fault


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


def test_a_sealed_table_that_cannot_be_parsed_is_no_fault_of_the_spec(store: Store) -> None:
    run_id = finished(store)
    path = store.path / run_id
    (path / "updates.parquet").write_bytes(b"no table")
    fields = json.loads((path / "status.json").read_bytes())
    del fields["checksum"]
    hashes = {**fields["files"], "updates.parquet": files.sha256(b"no table")}
    (path / "status.json").write_bytes(files.sealed({**fields, "files": hashes}))
    (fault,) = store.verify()
    assert fault.file == "status.json"
    assert fault.message.startswith("what it seals is no record: ")
    assert "see matters verify" not in fault.message


def test_verify_finds_a_flipped_byte_in_the_spec_of_an_unfinished_run(store: Store) -> None:
    with store.lease(make_spec()) as lease:  # type: ignore[union-attr]
        path = lease.directory / "spec.json"
    for place in range(0, path.stat().st_size, 9):
        whole = flip(path, place)
        assert [fault.file for fault in store.verify()] == ["spec.json"]
        path.write_bytes(whole)
    assert store.verify() == []


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


def test_verify_says_how_far_it_is(store: Store) -> None:
    for seed in range(3):
        finished(store, seed)
    said: list[tuple[int, int]] = []
    store.verify(progress=lambda done, total: said.append((done, total)))
    assert said == [(0, 3), (1, 3), (2, 3)]
