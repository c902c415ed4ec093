"""Runs that are trained again although they were trained already."""

import pytest

from matters.results.conftest import FINISHED, PROVENANCE, finished, flip, make_record, make_spec
from matters.results.retraining import begin_anew, distrust
from matters.results.store import Store


@pytest.mark.parametrize("name", sorted(FINISHED - {"lock"}))
def test_a_damaged_run_is_trained_again_when_asked_and_what_it_was_is_kept(store: Store, name: str) -> None:
    run_id, other = finished(store), finished(store, 1)
    digest = store.status(run_id).digest
    flip(store.path / run_id / name, 20)
    assert begin_anew(store, other) == ""
    assert begin_anew(store, run_id).startswith(f"{name} ")
    assert (store.status(run_id).state, store.status(other).state) == ("missing", "done")
    lease = store.lease(make_spec())
    assert lease is not None
    lease.finish(make_record(), PROVENANCE)
    assert store.status(run_id).digest == digest
    assert [failure["error"].partition(": ")[0] for failure in store.failures(run_id)] == ["was damaged"]
    assert store.verify() == []


def test_killed_in_the_middle_of_a_repair_a_run_is_as_it_was_and_repaired_the_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = finished(store)
    flip(store.path / run_id / "evaluations.parquet", 20)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("keep_failure", "files.write"):
        with monkeypatch.context() as patch:
            patch.setattr(f"matters.results.retraining.{name}", killed)
            with pytest.raises(KeyboardInterrupt):
                begin_anew(store, run_id)
        assert store.status(run_id).state == "done"
    assert begin_anew(store, run_id).startswith("evaluations.parquet ")
    assert store.status(run_id).state == "missing"
    assert len(store.failures(run_id)) == 1


def test_a_distrusted_run_begins_anew_without_its_checkpoint_and_what_it_was_is_kept(store: Store) -> None:
    run_id = finished(store)
    digest = store.status(run_id).digest
    distrust(store, run_id, "its node computes other bits")
    assert store.status(run_id).state == "missing"
    lease = store.lease(make_spec())
    assert lease is not None
    lease.checkpoint.write_bytes(b"of the same node")
    lease.progress(3)
    distrust(store, run_id, "a process holds it")
    assert store.status(run_id).steps == 3
    lease.release()
    assert store.status(run_id).state == "paused"
    distrust(store, run_id, "its checkpoint is that node's")
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
