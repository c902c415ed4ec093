import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from matters.results import store as store_module
from matters.results.schema import SCHEMA_VERSION, UPGRADES, Status, digest
from matters.results.store import Store

TESTDATA = Path(store_module.__file__).parent / "testdata"
DONE, DIVERGED, FAILED, INTERRUPTED = (
    "45dae19f7e10a201",
    "530a066228f0d5e7",
    "466976c2e6f28668",
    "d8aba2d6fa7ddef5",
)
ONE = TESTDATA / "schema-1"


def test_every_schema_has_a_saved_store_and_a_way_up() -> None:
    saved = {path.name for path in TESTDATA.glob("schema-*")}
    assert saved == {f"schema-{version}" for version in range(1, SCHEMA_VERSION + 1)}
    assert set(UPGRADES) == set(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("schema-*")), ids=lambda path: path.name)
def test_every_old_store_opens_whole_and_its_finished_runs_load(path: Path) -> None:
    store = Store.open(path)
    assert store.verify() == []
    states = {run_id: store.status(run_id).state for run_id in store.run_ids()}
    assert set(states.values()) >= {"done", "failed", "missing"}
    for run_id, state in states.items():
        assert store.spec(run_id).run_id == run_id
        if state == "done":
            store.record(run_id)


def test_a_store_of_schema_1_says_what_it_said_when_it_was_saved() -> None:
    store = Store.open(ONE)
    assert store.run_ids() == sorted([DONE, DIVERGED, FAILED, INTERRUPTED])
    assert store.status(DONE) == Status(
        "done",
        200,
        "dca5a85337aba44262cc20c3822626936ee6995f26fe21ed216d32b37a28f219",
        -1.1305001851319743,
    )
    assert store.status(DIVERGED).diverged_at == 120
    assert store.status(FAILED) == Status("failed", 0, error="ValueError: no")
    assert store.status(INTERRUPTED) == Status("missing", 64)
    assert [failure["error"] for failure in store.failures(DIVERGED)] == ["MemoryError: no room"]
    assert store.provenance(DONE)["packages"] == {"torch": "2.13.0"}


def test_a_record_of_schema_1_has_its_numbers() -> None:
    record = Store.open(ONE).record(DONE)
    assert digest(record) == Store.open(ONE).status(DONE).digest
    assert record.episodes["step"].tolist() == list(range(1, 9))
    assert record.evaluations["point"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert record.updates["clip_fraction"].tolist() == [0.1, 0.2, 0.3]
    assert np.isnan(record.updates["mean_kl"][2])
    assert record.policy["empty"].shape == (0, 3)
    assert record.policy["observation.count"] == 200


def test_a_store_that_is_read_is_not_written_to(tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(ONE, copy)
    for directory, _, names in os.walk(copy):
        for name in names:
            os.chmod(Path(directory) / name, 0o444)
        os.chmod(directory, 0o555)
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    test_store = Store.open(copy)
    for run_id in test_store.run_ids():
        test_store.status(run_id)
        test_store.failures(run_id)
    test_store.record(DONE)
    assert test_store.verify() == []
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before
    for directory, _, _ in os.walk(copy):
        os.chmod(directory, 0o755)
