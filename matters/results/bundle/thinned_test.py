"""Bundles for version control: thinned, grown shard by shard, and still checked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matters.results.bundle import manifest as form
from matters.results.bundle import pack, unpack
from matters.results.bundle.bundle_test import TOML, declared
from matters.results.conftest import PROVENANCE, make_record
from matters.results.schema import Columns
from matters.results.snapshot import snapshot
from matters.results.store import Store
from matters.results.thinning import MOST_ROWS, THINNED_JSON, thin_episodes
from matters.suites.errors import InputError
from matters.suites.spec import RunSpec

SPECS = [spec for cell in declared().cells() for spec in cell.specs]


def long_episodes(rows: int) -> Columns:
    return {
        "step": np.arange(1, rows + 1),
        "environment": np.zeros(rows, np.int64),
        "return": np.arange(rows, dtype=float),
        "length": np.ones(rows, np.int64),
        "terminated": np.zeros(rows, bool),
    }


def long_updates(rows: int) -> Columns:
    return {"step": np.arange(1, rows + 1), "mean_kl": np.random.default_rng(0).normal(size=rows)}


def finish(store: Store, spec: RunSpec, rows: int = 3) -> None:
    lease = store.lease(spec, retry_failed=True)
    assert lease is not None
    changes = {} if rows < MOST_ROWS else {"episodes": long_episodes(rows), "updates": long_updates(rows)}
    lease.finish(make_record(spec.seed, **changes), PROVENANCE)


def thin(store: Store, out: Path) -> form.Manifest:
    pack(store, declared(), TOML, out, parameters=False, thinned=True)
    return form.read(out)


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


@pytest.fixture
def long(tmp_path: Path) -> Store:
    """A store with one long run and one short one."""
    store = Store.open(tmp_path / "long", create=True)
    finish(store, SPECS[0], 5 * MOST_ROWS)
    finish(store, SPECS[1])
    return store


def test_a_thinned_bundle_is_smaller_verifies_and_gives_the_same_page(long: Store, tmp_path: Path) -> None:
    whole = pack(long, declared(), TOML, tmp_path / "whole", parameters=False).path
    made = tmp_path / "thin"
    facts = thin(long, made)
    assert facts.thinned == {"episodes.parquet": MOST_ROWS, "updates.parquet": MOST_ROWS}
    sizes = [sum(map(len, shards(path).values())) for path in (whole, made)]
    assert sizes[1] < sizes[0] / 3
    unpack(made, tmp_path / "new")
    new = Store.open(tmp_path / "new")
    assert new.verify() == []
    for spec in SPECS[:2]:
        assert new.status(spec.run_id) == long.status(spec.run_id)
        assert new.parts(spec.run_id) == long.parts(spec.run_id)
    assert (new.directory(SPECS[0].run_id) / THINNED_JSON).exists()
    assert not (new.directory(SPECS[1].run_id) / THINNED_JSON).exists(), "a short run is whole"
    there, here = snapshot(long, declared()), snapshot(new, declared())
    for table in ("runs", "evaluations", "updates", "provenance", "settings"):
        pd.testing.assert_frame_equal(getattr(there, table), getattr(here, table))
    assert there.identity == here.identity


def test_a_run_of_a_million_steps_that_updates_every_forty_takes_150_kb(tmp_path: Path) -> None:
    """As A2C's: eight diagnostics of 25 000 updates, computed in single precision, and 1000 episodes."""
    store = Store.open(tmp_path / "runs", create=True)
    rng = np.random.default_rng(0)
    names = [f"diagnostic_{k}" for k in range(8)]
    updates = {name: rng.normal(size=25_000).astype(np.float32).astype(np.float64) for name in names}
    episodes = {**long_episodes(1000), "return": rng.normal(size=1000)}
    lease = store.lease(SPECS[0])
    assert lease is not None
    record = make_record(0, updates={"step": np.arange(40, 10**6 + 1, 40), **updates}, episodes=episodes)
    lease.finish(record, PROVENANCE)
    thin(store, tmp_path / "thin")
    assert 50_000 < sum(map(len, shards(tmp_path / "thin").values())) < 150_000


def test_thinned_episodes_are_rows_at_equal_distances_with_both_ends() -> None:
    rows = thin_episodes(long_episodes(2 * MOST_ROWS + 1))["return"]
    assert (len(rows), rows[0], rows[-1]) == (MOST_ROWS, 0.0, 2.0 * MOST_ROWS)
    assert set(np.diff(rows)) == {2.0, 3.0}
    few = long_episodes(MOST_ROWS)
    assert thin_episodes(few) is few


@pytest.mark.parametrize("name", ["episodes.parquet", "updates.parquet", "evaluations.parquet", THINNED_JSON])
def test_a_flipped_byte_of_a_thinned_run_is_found(long: Store, tmp_path: Path, name: str) -> None:
    thin(long, tmp_path / "thin")
    unpack(tmp_path / "thin", tmp_path / "new")
    path = tmp_path / "new" / SPECS[0].run_id / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert [fault.file for fault in Store.open(tmp_path / "new").verify()] == [name]


def test_evaluations_cannot_be_called_thinned(long: Store, tmp_path: Path) -> None:
    """What verdicts rest on is hashed into the digest, whatever a store says of itself."""
    thin(long, tmp_path / "thin")
    unpack(tmp_path / "thin", tmp_path / "new")
    marker = tmp_path / "new" / "store.json"
    marker.write_text(marker.read_text().replace('"updates.parquet"', '"evaluations.parquet"'))
    path = tmp_path / "new" / SPECS[1].run_id
    (path / "evaluations.parquet").write_bytes((path / "episodes.parquet").read_bytes())
    from matters.results.thinning import thinned_json

    (path / THINNED_JSON).write_bytes(
        thinned_json({"evaluations.parquet": (path / "evaluations.parquet").read_bytes()})
    )
    faults = Store.open(tmp_path / "new").verify([SPECS[1].run_id])
    assert [fault.file for fault in faults] == ["evaluations.parquet"]


def test_a_bundle_grows_on_a_machine_that_has_only_the_bundle(long: Store, tmp_path: Path) -> None:
    """Imported, gone on with, exported: old shards keep their bytes, the curves keep their rows."""
    made = tmp_path / "thin"
    thin(long, made)
    before, curves = shards(made), (made / "curves.csv").read_text()
    unpack(made, tmp_path / "second")
    second = Store.open(tmp_path / "second")
    finish(second, SPECS[2], 3 * MOST_ROWS)
    facts = thin(second, made)
    assert [run.run_id for run in facts.runs] == [spec.run_id for spec in SPECS[:3]]
    assert {name: shards(made)[name] for name in before} == before
    assert len(shards(made)) == len(before) + 1
    third = Store.open(tmp_path / "third", create=True)  # has none of the runs before
    finish(third, SPECS[3])
    thin(third, made)
    assert (made / "curves.csv").read_text().startswith(curves)
    assert len((made / "scores.csv").read_text().splitlines()) == 1 + 3
    unpack(made, tmp_path / "all")
    everything = Store.open(tmp_path / "all")
    assert everything.verify() == []
    assert len(everything.run_ids()) == 4


def test_a_failure_made_good_supersedes_it_in_a_later_shard(long: Store, tmp_path: Path) -> None:
    made = tmp_path / "thin"
    lease = long.lease(SPECS[2])
    assert lease is not None
    lease.fail("out of memory\nTraceback", 50, PROVENANCE)
    assert [run.state for run in thin(long, made).runs] == ["done", "done", "failed"]
    before = shards(made)
    finish(long, SPECS[2])
    assert [run.state for run in thin(long, made).runs] == ["done"] * 3
    assert {name: shards(made)[name] for name in before} == before
    unpack(made, tmp_path / "new")
    new = Store.open(tmp_path / "new")
    assert new.verify() == []
    assert [failure["error"] for failure in new.failures(SPECS[2].run_id)] == ["out of memory"]


def test_what_is_thinned_stays_apart_from_what_is_whole(long: Store, tmp_path: Path) -> None:
    thin(long, tmp_path / "thin")
    with pytest.raises(InputError, match="was written thinned; choose the same"):
        pack(long, declared(), TOML, tmp_path / "thin", parameters=False)
    whole = pack(long, declared(), TOML, tmp_path / "whole", parameters=False).path
    unpack(whole, tmp_path / "store")
    with pytest.raises(InputError, match=r"has episodes\.parquet, updates\.parquet thinned"):
        unpack(tmp_path / "thin", tmp_path / "store")
    unpack(tmp_path / "thin", tmp_path / "new")
    with pytest.raises(InputError, match="this store has thinned tables; export --thinned"):
        pack(Store.open(tmp_path / "new"), declared(), TOML, tmp_path / "other", parameters=False)
