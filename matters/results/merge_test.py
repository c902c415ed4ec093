from pathlib import Path

import pytest

from matters.results import files
from matters.results.conftest import PROVENANCE, make_record, make_spec
from matters.results.merge import merge
from matters.results.store import Store
from matters.suites.errors import InputError


def finish(store: Store, seed: int, **changes: object) -> str:
    lease = store.lease(make_spec(seed), retry_failed=True)
    assert lease is not None
    lease.finish(make_record(seed, **changes), PROVENANCE)
    return lease.spec.run_id


def fail(store: Store, seed: int) -> str:
    lease = store.lease(make_spec(seed))
    assert lease is not None
    lease.fail("no", 3, PROVENANCE)
    return lease.spec.run_id


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    return Store.open(tmp_path / "a", create=True), Store.open(tmp_path / "b", create=True)


def contents(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.path)): path.read_bytes() for path in store.path.rglob("*.*")}


def test_final_runs_go_over_whole_a_result_replaces_a_failure_and_unfinished_ones_stay(
    stores: tuple[Store, Store],
) -> None:
    a, b = stores
    only_a, both, failed_a = finish(a, 0), finish(a, 1), fail(a, 2)
    mended, lost = finish(a, 3), fail(a, 4)
    finish(b, 1), fail(b, 3), finish(b, 4)
    lease = a.lease(make_spec(5))
    assert lease is not None
    lease.progress(10)
    lease.release()
    merged = merge(a, b)
    assert sorted(merged.taken) == sorted([only_a, failed_a, mended])
    assert sorted(merged.there) == sorted([both, lost])
    assert merged.left == (make_spec(5).run_id,)
    assert {seed: b.status(make_spec(seed).run_id).state for seed in range(6)} == {
        0: "done", 1: "done", 2: "failed", 3: "done", 4: "done", 5: "missing"
    }  # fmt: skip
    assert b.verify() == []
    assert merge(a, b).taken == ()


def test_two_digests_of_one_run_are_an_alarm_and_nothing_is_written(stores: tuple[Store, Store]) -> None:
    a, b = stores
    finish(a, 0)
    run_id = finish(a, 1)
    finish(b, 1, diverged_at=50)
    before = contents(b)
    with pytest.raises(InputError, match=f"'{run_id}': has digest .* two results of one run"):
        merge(a, b)
    assert contents(b) == before


def test_a_damaged_run_is_named_and_nothing_is_written(stores: tuple[Store, Store]) -> None:
    a, b = stores
    finish(a, 0)
    path = a.directory(finish(a, 1)) / "policy.safetensors"
    files.write(path, path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"policy\.safetensors does not match its SHA-256"):
        merge(a, b)
    assert b.run_ids() == []


def test_a_store_that_leaves_files_out_does_not_mix_with_a_whole_one(stores: tuple[Store, Store]) -> None:
    a, b = stores
    files.write(
        a.path / "store.json", files.json_bytes({"schema_version": 2, "without": ["policy.safetensors"]})
    )
    with pytest.raises(InputError, match=r"only one leaves out policy\.safetensors$"):
        merge(Store.open(a.path), b)
