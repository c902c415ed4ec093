"""Runs that failed or were damaged, and stores that are merged and pruned, from the command line."""

import json
import os
import re
import shutil
import subprocess

import pytest

from matters.harness.commands.prune import _superseded
from matters.results.snapshot import snapshot
from matters.results.store import Store
from matters.suites.loading import load_suite


@pytest.fixture
def failed(place, tmp_path):
    """A copy of the store in which one run has failed twice, and one was begun and left; with their specs."""
    shutil.copytree(place / "runs", tmp_path / "runs")
    store = Store.open(tmp_path / "runs")
    broken, left = load_suite(str(place / "tiny.toml")).cells()[1].specs
    for one in (broken, left):
        shutil.rmtree(store.directory(one.run_id))
    for tensor in ("[nan, nan]", "[nan, " * 500):
        with store.lease(broken, retry_failed=True) as lease:
            lease.fail(f"ValueError: loc = {tensor} \x1b[2J\nTraceback: all of it", 64, {"finished": "then"})
    with store.lease(left) as lease:
        lease.progress(64)
    os.utime(store.directory(left.run_id) / "status.json", (0, 0))
    return store, broken, left


def test_what_failed_is_listed_with_its_cause_and_how_often_it_was_tried(matters, failed):
    store, broken, _ = failed
    code, out, _ = matters("list", "failures", "--store", str(store.path), "--json")
    (row,) = json.loads(out)
    assert (code, row["run_id"], row["seed"], row["failures"], row["steps"]) == (0, broken.run_id, 0, 2, 64)
    assert row["error"].count("[nan") == 500
    assert (row["state"], row["finished"]) == ("failed", "then")
    code, out, _ = matters("list", "failures", "--store", str(store.path))
    assert (code, "\x1b" in out, out.count("[nan") < 100) == (0, False, True)


def test_status_says_what_failed_when_runs_last_got_on_and_alerts_on_request(matters, failed):
    store, broken, left = failed
    here = ("status", "TINY", "--store", str(store.path))
    code, out, _ = matters(*here)
    assert code == 0
    assert "2 done, 0 running, 1 paused at 50 to 50 %, 1 failed, 0 missing" in out
    assert "failed ppo-m/InvertedPendulum-v5 seed 0, 2 times: ValueError: loc = [nan, " in out
    assert max(map(len, out.splitlines())) <= 300
    assert "\x1b" not in out
    assert re.search(r"^last progress \d+ h \d+ min ago$", out, re.MULTILINE)
    runs = {run["run_id"]: run for run in json.loads(matters(*here, "--json")[1])}
    assert (runs[broken.run_id]["failures"], runs[broken.run_id]["progress_age_seconds"]) == (2, None)
    assert (runs[left.run_id]["failures"], runs[left.run_id]["progress_age_seconds"] > 1e9) == (0, True)
    assert matters(*here, "--alert", "10")[0] == 1
    only_ppo = ("--only", "ppo")
    assert matters(*here, *only_ppo, "--alert", "10")[0] == 0
    shutil.rmtree(store.directory(broken.run_id))
    assert matters(*here, "--alert", "10")[0] == 1
    os.utime(store.directory(left.run_id) / "status.json")
    assert matters(*here, "--alert", "10")[0] == 0


def test_a_damaged_spec_hides_no_other_run(matters, failed):
    store, broken, _ = failed
    path = store.directory(broken.run_id) / "spec.json"
    path.write_bytes(path.read_bytes().replace(b'"seed": 0', b'"seed": 9'))
    (store.path / "index.jsonl").unlink(missing_ok=True)
    code, out, said = matters("list", "runs", "--store", str(store.path), "--json")
    rows = {row["run_id"]: row for row in json.loads(out)}
    assert (code, len(rows), rows[broken.run_id]["seed"]) == (0, 4, None)
    assert said.count("\n") == 1
    assert "see matters verify" in said
    assert matters("list", "runs", "--store", str(store.path))[0] == 0
    assert matters("prune", "--failures", "--store", str(store.path))[0] == 0
    assert matters("plan", "TINY", "--store", str(store.path))[0] == 0


def test_a_sample_of_the_runs_is_verified(matters):
    code, out, _ = matters("verify", "--sample", "2", "--store", "STORE", "--json")
    assert (code, json.loads(out)["runs"]) == (0, 2)
    assert json.loads(matters("verify", "--sample", "9", "--store", "STORE", "--json")[1])["runs"] == 4


def test_verify_finds_a_flipped_byte(matters, place, tmp_path):
    """P8."""
    assert matters("verify", "--store", "STORE")[0] == 0
    assert matters("verify", "--store", "STORE")[1] == "4 runs checked, 0 problems\n"
    copy = tmp_path / "runs"
    subprocess.run(["cp", "-r", str(place / "runs"), str(copy)], check=True)
    record = next(copy.glob("*/evaluations.parquet"))
    record.chmod(0o644)
    flipped = bytearray(record.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    record.write_bytes(flipped)
    code, out, _ = matters("verify", "--store", str(copy))
    assert code == 1
    assert record.parent.name in out
    code, out, _ = matters("verify", "--store", str(copy), "--json")
    assert {problem["run_id"] for problem in json.loads(out)["problems"]} == {record.parent.name}


def test_a_damaged_run_blocks_its_own_cell_alone_and_is_trained_again_when_asked(matters, place, tmp_path):
    """P8."""
    shutil.copytree(place / "runs", tmp_path / "runs")
    store = Store.open(tmp_path / "runs")
    run_id = store.run_ids()[0]
    path = store.path / run_id / "evaluations.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    here = ("--store", str(store.path), "--json")
    runs = snapshot(store, load_suite(str(place / "tiny.toml"))).runs.set_index("run_id")
    assert runs["state"].value_counts().to_dict() == {"done": 3, "failed": 1}
    assert runs.loc[run_id, "error"].startswith("damaged: cannot be read: evaluations.parquet does not match")
    assert matters("list", "runs", *here)[0] == 0
    code, out, said = matters("run", "TINY", *here, "--workers", "1", "--repair")
    assert (code, json.loads(out)["trained"], json.loads(out)["done"]) == (0, 1, 4)
    assert f"{run_id} is trained again: evaluations.parquet does not match its SHA-256" in " ".join(
        said.split()
    )
    assert store.status(run_id).digest == Store.open(place / "runs").status(run_id).digest
    assert store.verify() == []


def test_runs_of_an_algorithm_of_ones_own_are_never_out_of_date():
    assert _superseded("mine.rule", 1) == _superseded("mine:rule", 1) == ""
    assert _superseded("pop", 1) == "of an algorithm that is not here, pop"


def test_a_store_is_merged_into_a_new_one_and_pruned_only_when_told(matters, tmp_path, monkeypatch):
    new = str(tmp_path / "new")
    code, out, _ = matters("merge", "STORE", new)
    assert (code, out) == (0, "4 runs taken, 0 were there, 0 left\n")
    assert matters("prune", "--store", new)[0] == 2
    monkeypatch.setattr("matters.algorithms.ppo.VERSION", 1000)
    for options, removed, left in ((), False, 4), (("--yes",), True, 0):
        code, out, _ = matters("prune", "--superseded", *options, "--store", new, "--json")
        facts = json.loads(out)
        assert (code, facts["removed"], len(facts["found"])) == (0, removed, 4)
        assert facts["found"][0]["reason"].endswith(", now 1000")
        assert len(Store.open(new).run_ids()) == left
