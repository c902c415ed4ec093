"""A bundle gives back what went in, byte for byte; damage is found; a hostile one does nothing."""

import io
import json
import shutil
import zipfile
from collections import namedtuple
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from matters.results import files
from matters.results.bundle import is_bundle, pack, unpack
from matters.results.bundle import manifest as form
from matters.results.bundle.unpacking import Unpacked
from matters.results.conftest import PROVENANCE, make_record
from matters.results.imported.reading import Said, read
from matters.results.store import POLICY, Store
from matters.suites.errors import InputError
from matters.suites.loading import suite
from matters.suites.suite import Suite

TOML = """
[suite]
name = "small"
title = "A small suite"
environments = ["Hopper-v5", "Walker2d-v5"]
seeds = 3
steps = 100
questions = []

[suite.evaluation]
points = 3
episodes = 2

[variants.ppo]
algorithm = "ppo"
"""


def declared() -> Suite:
    import tomllib

    return suite(tomllib.loads(TOML))


@pytest.fixture
def full(tmp_path: Path) -> Store:
    """A store with a finished run for every seed of the suite but the last, which has failed."""
    store = Store.open(tmp_path / "full", create=True)
    for cell in declared().cells():
        for spec in cell.specs:
            lease = store.lease(spec)
            assert lease is not None
            if spec.seed == 2:
                lease.fail("out of memory\nTraceback", 50, PROVENANCE)
            else:
                lease.finish(make_record(spec.seed), PROVENANCE)
    return store


def packed(store: Store, out: Path, **options: Any) -> Path:
    return pack(store, declared(), TOML, out, **options).path


def contents(store: Path) -> dict[str, bytes]:
    """Every file of every run but its lock."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.name != "lock" and path.parent != store
    }


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_what_was_packed_moved_and_unpacked_is_the_same_store(full: Store, tmp_path: Path, name: str) -> None:
    made = packed(full, tmp_path / name)
    moved = tmp_path / "elsewhere" / f"other{made.suffix}"
    moved.parent.mkdir()
    shutil.move(made, moved)
    assert is_bundle(moved)
    found = unpack(moved, tmp_path / "new")
    assert (len(found.added), found.already_there) == (6, ())
    assert contents(tmp_path / "new") == contents(full.path)
    new = Store.open(tmp_path / "new")
    assert new.verify() == []
    assert [new.status(run) for run in new.run_ids()] == [full.status(run) for run in full.run_ids()]
    again = unpack(moved, tmp_path / "new")
    assert (again.added, len(again.already_there)) == ((), 6)
    assert not list(tmp_path.glob(".*")), "something was left behind"


def test_the_same_runs_make_the_same_bytes(full: Store, tmp_path: Path) -> None:
    one, two = packed(full, tmp_path / "one.zip"), packed(full, tmp_path / "two.zip")
    assert one.read_bytes() == two.read_bytes()


def test_without_parameters_all_else_is_still_checked(full: Store, tmp_path: Path) -> None:
    made = packed(full, tmp_path / "bundle", parameters=False)
    assert not list(made.glob("parameters-*"))
    unpack(made, tmp_path / "new")
    new = Store.open(tmp_path / "new")
    assert new.verify() == []
    run = next(run for run in new.run_ids() if new.status(run).state == "done")
    assert new.status(run) == full.status(run)
    assert new.record(run).policy == {}
    path = new.directory(run) / "evaluations.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert [fault.file for fault in new.verify([run])] == ["evaluations.parquet"]
    left_out = r"is without policy\.safetensors, policies\.safetensors, and .*full is a store with them"
    with pytest.raises(InputError, match=left_out):
        unpack(made, full.path)


def test_one_run_is_unpacked_as_it_is_among_all_and_alone(full: Store, tmp_path: Path) -> None:
    made = packed(full, tmp_path / "bundle")
    run = full.run_ids()[3]
    found = unpack(made, tmp_path / "new", only=[run])
    assert found.added == (run,)
    assert [one.run_id for one in found.manifest.runs] == [run]
    theirs = contents(full.path)
    assert contents(tmp_path / "new") == {name: theirs[name] for name in theirs if name.startswith(run)}


@pytest.mark.parametrize("whose", ["its", "another's"])
def test_damage_is_found_whichever_run_is_unpacked_alone(full: Store, tmp_path: Path, whose: str) -> None:
    made = packed(full, tmp_path / "bundle")
    one, other = full.run_ids()[:2]
    shard = made / "records-00000.parquet"
    damaged = full.directory(one if whose == "its" else other) / "evaluations.parquet"
    assert shard.read_bytes().count(damaged.read_bytes()) >= 1
    shard.write_bytes(shard.read_bytes().replace(damaged.read_bytes(), damaged.read_bytes()[::-1]))
    with pytest.raises(InputError, match="is damaged"):
        unpack(made, tmp_path / "new", only=[one])
    assert not (tmp_path / "new").exists()


def test_a_folder_is_extended_in_shards_of_their_own(full: Store, tmp_path: Path) -> None:
    part = Store.open(tmp_path / "part", create=True)
    spec = declared().cells()[0].specs[0]
    with part.lease(spec) as lease:  # type: ignore[union-attr]
        lease.finish(make_record(spec.seed), PROVENANCE)
    made = packed(part, tmp_path / "bundle")
    before = {path.name: path.read_bytes() for path in made.glob("*.parquet")}
    found = pack(full, declared(), TOML, made)
    assert (found.added, found.runs, found.declared) == (5, 6, 6)
    after = {path.name: path.read_bytes() for path in made.glob("*.parquet")}
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)
    unpack(made, tmp_path / "new")
    assert contents(tmp_path / "new") == contents(full.path)


def test_two_results_of_one_run_are_an_alarm_and_change_nothing(full: Store, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "other", create=True)
    spec = declared().cells()[0].specs[0]
    with other.lease(spec) as lease:  # type: ignore[union-attr]
        lease.finish(make_record(99), PROVENANCE)
    made = packed(full, tmp_path / "bundle")
    before = contents(other.path)
    with pytest.raises(InputError, match="two results of one run"):
        unpack(made, other.path)
    with pytest.raises(InputError, match="two results of one run"):
        pack(other, declared(), TOML, made)
    assert contents(other.path) == before


def test_an_unfinished_run_gives_way_to_the_bundles_result(full: Store, tmp_path: Path) -> None:
    made = packed(full, tmp_path / "bundle")
    store = Store.open(tmp_path / "begun", create=True)
    spec = declared().cells()[0].specs[0]
    with store.lease(spec) as lease:  # type: ignore[union-attr]
        lease.checkpoint.write_bytes(b"half of it")
        held = unpack(made, store.path)
        assert (len(held.added), held.already_there) == (5, (spec.run_id,))
    assert unpack(made, store.path).added == (spec.run_id,)
    assert contents(store.path) == contents(full.path)


def test_scores_have_rliables_shape_and_curves_openrlbenchmarks(full: Store, tmp_path: Path) -> None:
    made = packed(full, tmp_path / "bundle")
    scores = pd.read_csv(made / "scores.csv", float_precision="round_trip")
    assert list(scores.columns) == ["variant", "seed", "Hopper-v5", "Walker2d-v5"]
    matrix = {
        name: rows.drop(columns=["variant", "seed"]).to_numpy() for name, rows in scores.groupby("variant")
    }
    assert matrix["ppo"].shape == (3, 2)
    specs = {(spec.environment, spec.seed): spec for cell in declared().cells() for spec in cell.specs}
    assert matrix["ppo"][1, 0] == full.status(specs["Hopper-v5", 1].run_id).score
    assert np.isnan(matrix["ppo"][2]).all()
    runs = read([made / "curves.csv"], Said())
    assert len(runs) == 4
    found = make_record(1).evaluations
    (run,) = [run for run in runs if run.key == ("ppo", "Hopper-v5", 1)]
    assert run.steps == (50, 75, 100)
    assert run.returns == tuple(found["return"].reshape(3, 2).mean(axis=1))


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_flipped_byte_is_found_wherever_it_is(full: Store, tmp_path: Path, name: str) -> None:
    made = packed(full, tmp_path / name)
    parts = [made] if made.is_file() else [*made.glob("*.parquet"), made / form.MANIFEST]
    for part in parts:
        whole = part.read_bytes()
        for place in np.random.default_rng(0).integers(0, len(whole), 40):
            damaged = bytearray(whole)
            damaged[place] ^= 1
            part.write_bytes(damaged)
            with suppress(InputError):
                # A byte between the members of an archive says nothing; what is unpacked is then whole.
                assert contents_after(made, tmp_path / "new") == contents(full.path)
                assert part.suffix == ".zip"
            assert not (tmp_path / "new").exists()
        part.write_bytes(whole)


def contents_after(bundle: Path, store: Path) -> dict[str, bytes]:
    unpack(bundle, store)
    found = contents(store)
    shutil.rmtree(store)
    return found


def rewritten(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest, and seal it again, as somebody with bad intent would."""
    fields = json.loads((bundle / form.MANIFEST).read_bytes())
    del fields["checksum"]
    change(fields)
    (bundle / form.MANIFEST).write_bytes(files.sealed(fields))


def with_shard(bundle: Path, rows: Iterable[tuple[str, str, bytes]], **options: Any) -> None:
    """A bundle with these rows in place of its records, announced as they are."""
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False, **options}
    columns = [list(column) for column in zip(*rows, strict=True)]
    path = bundle / "records-00000.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=form.ROWS), path, **plain)

    def change(fields: dict[str, Any]) -> None:
        data = path.read_bytes()
        fields["shards"] = {path.name: {"bytes": len(data), "sha256": files.sha256(data)}}

    rewritten(bundle, change)


def first(fields: dict[str, Any]) -> dict[str, Any]:
    return next(run for run in fields["runs"] if run["state"] == "done")


def renamed(name: str) -> Callable[[dict[str, Any]], None]:
    def change(fields: dict[str, Any]) -> None:
        first(fields)["files"][name] = first(fields)["files"].pop("spec.json")

    return change


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a path out of the store": (renamed("../../evil.json"), "String should match pattern"),
    "a hidden file": (renamed(".evil.json"), "should match pattern"),
    "a program": (renamed("evil.py"), "should match pattern"),
    "a run that is a path": (lambda f: first(f).update(run_id="../../../../etc/"), "runs[0].run_id"),
    "a shard elsewhere": (
        lambda f: f["shards"].update({"../../x": first(f)["files"]["spec.json"]}),
        "should match",
    ),
    "petabytes announced": (
        lambda f: first(f)["files"]["spec.json"].update(bytes=2**39),
        "announces",
    ),
    "more than there is": (
        lambda f: first(f)["files"]["spec.json"].update(bytes=1),
        "does not match its SHA-256",
    ),
    "a file that is not there": (
        lambda f: first(f)["files"].update({"more.json": {"bytes": 0, "sha256": "0" * 64}}),
        "lacks more.json",
    ),
    "another digest": (lambda f: first(f).update(digest="0" * 64), "says other than its status.json"),
    "a later version": (lambda f: f.update(version=2), "written by a newer Matters: bundle version 2"),
    "a later schema": (lambda f: f.update(schema_version=99), "newer"),
    "a run twice": (lambda f: f["runs"].append(f["runs"][0]), "1 runs are named twice"),
    "no runs": (lambda f: f.pop("runs"), "missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_manifest_is_one_line_and_writes_nothing(full: Store, tmp_path: Path, kind: str) -> None:
    change, says = HOSTILE[kind]
    made = packed(full, tmp_path / "bundle")
    rewritten(made, change)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError) as error:
        unpack(made, tmp_path / "new")
    assert says.lower() in str(error.value).lower()
    assert str(error.value).isprintable()
    assert sorted(tmp_path.iterdir()) == before


def test_a_shard_that_could_grow_is_refused(full: Store, tmp_path: Path) -> None:
    made = packed(full, tmp_path / "bundle")
    bomb = [("0" * 16, "spec.json", bytes(2**20))] * 20
    for options in ({"compression": "zstd"}, {"use_dictionary": True}):
        with_shard(made, bomb, **options)
        with pytest.raises(InputError, match=r"is compressed|announces"):
            unpack(made, tmp_path / "new")
    with_shard(made, bomb)
    with pytest.raises(InputError, match=r"holds 'spec\.json' of run '0+', which its manifest does not"):
        unpack(made, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_archive_of_packed_members_is_refused(full: Store, tmp_path: Path) -> None:
    made = packed(full, tmp_path / "bundle")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in made.iterdir():
            archive.write(path, path.name)
    with pytest.raises(InputError, match="is compressed; a bundle's files are stored as they are"):
        unpack(tmp_path / "bomb.zip", tmp_path / "new")


def test_what_the_disk_has_no_room_for_is_not_begun(
    full: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = packed(full, tmp_path / "bundle")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 99, 1))
    with pytest.raises(InputError, match="to be imported"):
        unpack(made, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_forged_record_is_found_by_its_digest(full: Store, tmp_path: Path) -> None:
    """Better returns, with every hash made anew, but not the digest that was published."""
    made = packed(full, tmp_path / "bundle")
    with form.opened(made, "records-00000.parquet") as file:
        rows = pyarrow.parquet.read_table(file).to_pylist()
    run = next(row["run_id"] for row in rows if row["file"] == "evaluations.parquet")
    table = pyarrow.parquet.read_table(
        io.BytesIO(
            next(r["content"] for r in rows if (r["run_id"], r["file"]) == (run, "evaluations.parquet"))
        )
    )
    better = table.set_column(
        table.column_names.index("return"), "return", pyarrow.array(np.full(len(table), 1e4))
    )
    sink = io.BytesIO()
    pyarrow.parquet.write_table(better, sink)
    forged = [
        (
            r["run_id"],
            r["file"],
            sink.getvalue() if (r["run_id"], r["file"]) == (run, "evaluations.parquet") else r["content"],
        )
        for r in rows
    ]
    status = json.loads(next(c for r, n, c in forged if (r, n) == (run, "status.json")))
    del status["checksum"]
    status["files"]["evaluations.parquet"] = files.sha256(sink.getvalue())
    forged = [(r, n, files.sealed(status) if (r, n) == (run, "status.json") else c) for r, n, c in forged]
    parameters = json.loads((made / form.MANIFEST).read_bytes())["shards"]["parameters-00001.parquet"]
    with_shard(made, forged)

    def change(fields: dict[str, Any]) -> None:
        fields["shards"]["parameters-00001.parquet"] = parameters
        own = next(one for one in fields["runs"] if one["run_id"] == run)["files"]
        for r, n, c in forged:
            if r == run:
                own[n] = {"bytes": len(c), "sha256": files.sha256(c)}

    rewritten(made, change)
    with pytest.raises(InputError, match="its digest is not that of the record"):
        unpack(made, tmp_path / "new")


@pytest.mark.parametrize(
    ("name", "says"),
    [("taken", "is there already, and is no bundle"), ("taken.zip", "is there already")],
)
def test_a_place_that_is_taken_is_left_alone(full: Store, tmp_path: Path, name: str, says: str) -> None:
    place = tmp_path / name
    place.mkdir() if not place.suffix else place.write_bytes(b"mine")
    with pytest.raises(InputError, match=says):
        packed(full, place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", name]


def test_a_store_without_a_finished_run_has_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the store has no finished run of it"):
        packed(Store.open(tmp_path / "empty", create=True), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_damaged_run_is_not_exported(full: Store, tmp_path: Path) -> None:
    run = next(run for run in full.run_ids() if full.status(run).state == "done")
    path = full.directory(run) / POLICY
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(
        InputError, match=r"policy\.safetensors does not match its SHA-256.*holds sound runs only"
    ):
        packed(full, tmp_path / "bundle")


def test_other_files_are_no_bundles(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "b.zip").write_bytes(b"PK and more")
    np.savez(tmp_path / "evaluations.npz", timesteps=np.arange(3))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / form.MANIFEST).write_text("{}")
    assert not any(is_bundle(path) for path in tmp_path.iterdir())


def test_unpacked_says_what_it_is(full: Store, tmp_path: Path) -> None:
    found: Unpacked = unpack(packed(full, tmp_path / "bundle"), tmp_path / "new")
    assert (found.manifest.suite.name, found.manifest.suite.toml) == ("small", TOML)
    run = found.manifest.runs[0]
    assert (run.variant, run.environment, run.seed, run.state) == ("ppo", "Hopper-v5", 0, "done")
    assert set(run.parts) == {"episodes", "evaluations", "updates", "parameters"}
