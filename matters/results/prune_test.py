from pathlib import Path

import pytest

from matters.results.conftest import PROVENANCE, make_record, make_spec
from matters.results.merge_test import contents, fail, finish
from matters.results.prune import prunable, remove
from matters.results.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Seed 0 is done and kept its state, 1 failed and then was done, 2 failed, 3 failed and is begun anew."""
    store = Store.open(tmp_path, create=True)
    lease = store.lease(make_spec(0))
    assert lease is not None
    lease.checkpoint.write_bytes(b"final state")
    lease.finish(make_record(0), PROVENANCE, state={"state.safetensors": lease.checkpoint})
    fail(store, 1), finish(store, 1), fail(store, 2), fail(store, 3)
    again = store.lease(make_spec(3), retry_failed=True)
    assert again is not None
    again.release()
    return store


def names(found: list) -> list[tuple[int, str]]:
    seeds = {make_spec(seed).run_id: seed for seed in range(4)}
    return sorted((seeds[what.run_id], what.reason) for what in found)


def test_each_kind_is_found_when_it_is_asked_for_and_a_look_changes_nothing(store: Store) -> None:
    before = contents(store)
    assert names(prunable(store)) == []
    assert names(prunable(store, failures=True)) == [(2, "failed"), (3, "earlier failures")]
    assert names(prunable(store, states=True)) == [(0, "final state")]
    old = prunable(store, superseded=lambda algorithm, version: f"of {algorithm} {version}")
    assert [what.run_id for what in old] == store.run_ids()
    assert all(what.size > 0 for what in old)
    assert contents(store) == before


def test_what_is_removed_is_gone_and_the_rest_is_as_it_was(store: Store) -> None:
    found = prunable(store, failures=True, states=True)
    assert [remove(store, what) for what in found] == [True, True, True]
    states = [store.status(make_spec(seed).run_id).state for seed in range(4)]
    assert states == ["done", "done", "missing", "missing"]
    assert store.verify() == []
    assert not list(store.path.glob("*/state.*"))
    assert prunable(store, failures=True, states=True) == []
    assert not list(store.path.glob(".*"))


def test_a_run_in_training_is_left_alone(store: Store) -> None:
    lease = store.lease(make_spec(2), retry_failed=True)
    assert lease is not None
    with lease:
        assert names(prunable(store, failures=True)) == [(3, "earlier failures")]
    # And one that somebody has begun since:
    (failed,) = [what for what in prunable(store, failures=True) if what.run_id == make_spec(3).run_id]
    lease = store.lease(make_spec(3))
    assert lease is not None
    with lease:
        assert not remove(store, failed)
