"""Leases where the kernel's lock does not reach: two machines on one file system."""

import errno
import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from matters.results import heartbeat
from matters.results.conftest import PROVENANCE, make_record, make_spec
from matters.results.heartbeat import STALE_SECONDS, LeaseLost
from matters.results.lease import Lease
from matters.results.store import Store
from matters.suites.errors import InputError


@pytest.fixture
def local_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that are granted to everybody, as between machines that do not share theirs."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)


def on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "kernel", lambda: "another")


def leased(store: Store) -> Lease:
    lease = store.lease(make_spec())
    assert lease is not None
    return lease


@pytest.mark.usefixtures("local_locks")
def test_a_run_that_another_machine_trains_is_running_and_not_leased_until_its_signs_of_life_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path, create=True)
    with leased(store) as lease:
        lease.progress(10)
        on_another_machine(monkeypatch)
        assert store.status(make_spec().run_id).state == "running"
        assert store.lease(make_spec()) is None
        long_ago = time.time() - STALE_SECONDS - 1
        os.utime(lease.directory / "holder.json", (long_ago, long_ago))
        assert store.status(make_spec().run_id).state == "paused"
        with leased(store):
            # The first holder was only asleep. It writes nothing any more.
            with pytest.raises(LeaseLost, match=r"is held by .* now"):
                lease.progress(20)
            with pytest.raises(LeaseLost, match=r"is held by .* now"):
                lease.finish(make_record(), PROVENANCE)


@pytest.mark.usefixtures("local_locks")
def test_of_two_that_train_a_run_at_once_one_finishes_and_the_other_compares_digests(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    first, second = leased(store), leased(store)
    second.finish(make_record(), PROVENANCE)
    before = (first.directory / "status.json").read_bytes()
    with pytest.raises(LeaseLost, match="is held by nobody"):
        first.finish(make_record(), PROVENANCE)
    # And if the token could not keep it off:
    third = Lease(first.directory, make_spec(), os.open(tmp_path, os.O_RDONLY))
    with pytest.raises(LeaseLost, match="finished elsewhere meanwhile, with the same digest"):
        third.finish(make_record(), PROVENANCE)
    with pytest.raises(LeaseLost, match="one of the machines computes other bits"):
        third.finish(make_record(diverged_at=50), PROVENANCE)
    assert (first.directory / "status.json").read_bytes() == before
    assert store.verify() == []


def test_a_holder_gives_signs_of_life_and_takes_its_file_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    store = Store.open(tmp_path, create=True)
    lease = leased(store)
    path = lease.directory / "holder.json"
    os.utime(path, (0, 0))
    deadline = time.monotonic() + 10
    while not path.stat().st_mtime and time.monotonic() < deadline:
        time.sleep(0.01)
    assert time.time() - path.stat().st_mtime < STALE_SECONDS
    assert json.loads(path.read_bytes())["pid"] == os.getpid()
    lease.release()
    assert not path.exists()


def test_a_file_system_without_locks_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(InputError, match=r"has no locks \(flock: Function not implemented\)"):
        Store.open(tmp_path / "new", create=True)
