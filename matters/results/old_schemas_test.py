import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from matters.algorithms import load
from matters.results import spec_file, upgrade
from matters.results import store as store_module
from matters.results.conftest import PROVENANCE, make_record, make_spec
from matters.results.lease import lock
from matters.results.schema import SCHEMA_VERSION, UPGRADES, Status, digest_1
from matters.results.store import Store
from matters.suites.baselines import baselines, flattened

TESTDATA = Path(store_module.__file__).parent / "testdata"
DONE, DIVERGED, FAILED, INTERRUPTED = (
    "b8a27518372ecf9e",
    "3f1be6095fcf2f3a",
    "e95d6f35bbe06e2c",
    "3e05315e286cdc9a",
)
"""The ids that the runs of schema 1 have now."""
FORMER = {
    DONE: "45dae19f7e10a201",
    DIVERGED: "530a066228f0d5e7",
    FAILED: "466976c2e6f28668",
    INTERRUPTED: "d8aba2d6fa7ddef5",
}
"""The ids that they had then."""
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
    assert set(states.values()) >= {"done", "failed", "paused"}
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
    assert store.status(INTERRUPTED) == Status("paused", 64)
    assert [failure["error"] for failure in store.failures(DIVERGED)] == ["MemoryError: no room"]
    assert store.provenance(DONE)["packages"] == {"torch": "2.13.0"}


def test_a_record_of_schema_1_has_its_numbers() -> None:
    record = Store.open(ONE).record(DONE)
    assert digest_1(record) == Store.open(ONE).status(DONE).digest
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


# ---- old names


@pytest.fixture
def old(tmp_path: Path) -> Store:
    shutil.copytree(ONE, tmp_path / "store")
    return Store.open(tmp_path / "store")


def test_the_baselines_by_which_schema_1_is_read_are_those_of_the_fields() -> None:
    for algorithm, table in json.loads(spec_file.SCHEMA_1_BASELINES.read_text()).items():
        now, known = baselines(load(algorithm).Config), flattened(table)
        assert {name: now[name] for name in known} == known


def test_a_run_is_found_by_both_of_its_names(old: Store) -> None:
    for run_id, former in FORMER.items():
        assert old.resolve(run_id) == old.resolve(former) == old.resolve(former[:6]) == run_id
        assert old.spec(run_id).run_id == run_id
        assert old.directory(run_id).name == former


def test_an_older_program_would_refuse_the_store_once_it_is_written_to(old: Store) -> None:
    lease = old.lease(make_spec())
    assert lease is not None
    lease.finish(make_record(), PROVENANCE)
    fields = json.loads((old.path / "store.json").read_bytes())
    assert fields == {"schema_version": SCHEMA_VERSION, "oldest_schema": 1}
    again = Store.open(old.path)
    assert again.run_ids() == sorted([*FORMER, make_spec().run_id])
    assert again.verify() == []


def test_finished_runs_are_not_trained_again_and_unfinished_ones_go_on_under_their_new_names(
    old: Store,
) -> None:
    assert old.lease(old.spec(DONE)) is None
    assert old.lease(old.spec(FAILED)) is None
    interrupted = old.spec(INTERRUPTED)
    lease = old.lease(interrupted)
    assert lease is not None
    assert old.lease(interrupted) is None
    assert not (old.path / FORMER[INTERRUPTED]).exists()
    lease.finish(make_record(), PROVENANCE)
    again = old.lease(old.spec(FAILED), retry_failed=True)
    assert again is not None
    again.finish(make_record(), PROVENANCE)
    opened = Store.open(old.path)
    assert {run_id: opened.status(run_id).state for run_id in opened.run_ids()} == dict.fromkeys(
        FORMER, "done"
    )
    assert [failure["error"] for failure in opened.failures(FAILED)] == ["ValueError: no"]
    assert opened.resolve(FORMER[INTERRUPTED]) == INTERRUPTED
    assert opened.verify() == []


def test_an_upgrade_renames_and_changes_no_record(old: Store) -> None:
    before = {run_id: (old.status(run_id), old.provenance(run_id)) for run_id in FORMER}
    episodes = (old.directory(DONE) / "episodes.parquet").read_bytes()
    assert upgrade.rename_all(old.path, FORMER.values()) == []
    new = Store.open(old.path)
    assert {path.name for path in old.path.iterdir()} == {*FORMER, "store.json"}
    assert json.loads((old.path / "store.json").read_bytes()) == {"schema_version": SCHEMA_VERSION}
    assert {run_id: (new.status(run_id), new.provenance(run_id)) for run_id in FORMER} == before
    assert (new.directory(DONE) / "episodes.parquet").read_bytes() == episodes
    assert [new.resolve(former) for former in FORMER.values()] == list(FORMER)
    assert new.verify() == []


def test_an_upgrade_that_was_killed_leaves_every_run_whole(
    old: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    remove = shutil.rmtree

    def killed(path: Path, *_: object, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise Killed
        remove(path, ignore_errors=True)  # what an earlier attempt left behind

    for place in ("os.link", "files.write", "os.rename", "shutil.rmtree"):
        with monkeypatch.context() as patch:
            patch.setattr(f"matters.results.upgrade.{place}", killed)
            with pytest.raises(Killed):
                upgrade.rename_all(old.path, [FORMER[DONE]])
        opened = Store.open(old.path)
        assert opened.run_ids() == sorted(FORMER)
        assert opened.verify() == []
    assert (old.path / DONE).exists()
    assert (old.path / FORMER[DONE]).exists()
    assert upgrade.rename_all(old.path, FORMER.values()) == []
    assert {path.name for path in old.path.iterdir()} == {*FORMER, "store.json"}
    assert Store.open(old.path).verify() == []


def test_a_run_that_is_being_trained_is_left_alone(old: Store) -> None:
    descriptor = lock(old.path / FORMER[INTERRUPTED] / "lock")
    assert descriptor is not None
    assert upgrade.rename_all(old.path, FORMER.values()) == [FORMER[INTERRUPTED]]
    assert json.loads((old.path / "store.json").read_bytes())["oldest_schema"] == 1
    os.close(descriptor)
    assert upgrade.rename_all(old.path, Store.open(old.path).former_names.values()) == []
