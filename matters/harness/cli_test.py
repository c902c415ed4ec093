import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from matters.harness.cli import call
from matters.results.snapshot import snapshot
from matters.results.store import Store
from matters.suites.loading import load_suite

TINY = """
[suite]
name = "tiny"
title = "Two small cells"
environments = ["InvertedPendulum-v5"]
seeds = 2
steps = 128
questions = ["code-level-tricks"]

[suite.evaluation]
points = 2
episodes = 1

[variants.ppo]
algorithm = "ppo"
config = { horizon = 64, epochs = 1, minibatch_size = 32 }

[variants.ppo-m]
algorithm = "ppo"
preset = "ppo-m"
config = { horizon = 64, epochs = 1, minibatch_size = 32 }
"""

FIELDS = ["run_id", "variant", "environment", "seed", "state", "steps", "digest", "score"]
FIELDS += ["steps_asked", "training_id", "progress_age_seconds", "failures", "error"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with the suite `tiny.toml`, and its store `runs` after `matters run`."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "tiny.toml").write_text(TINY)
    assert call(["run", str(folder / "tiny.toml"), "--store", str(folder / "runs"), "--workers", "1"]) == 0
    return folder


@pytest.fixture
def matters(place, capsys):
    """Call `matters`; the arguments TINY and STORE stand for the paths. Returns status, output and error."""

    def matters(*arguments):
        names = {"TINY": str(place / "tiny.toml"), "STORE": str(place / "runs")}
        code = call([names.get(argument, argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return matters


def files(folder):
    """Every path below a folder with its time of change and bytes."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def test_run_ends_with_the_path_of_the_report(matters):
    code, out, _ = matters("run", "TINY", "--store", "STORE")
    assert code == 0
    page = Path(out.splitlines()[-1])
    assert page.name == "index.html"
    assert page.read_text().startswith("<!DOCTYPE html>") or "<html" in page.read_text()


def test_run_again_on_a_complete_store_does_nothing(matters, place):
    """P3."""
    before = files(place / "runs")
    code, out, err = matters("run", "TINY", "--store", "STORE", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["trained"] == 0
    assert files(place / "runs") == before


def test_status_lists_every_declared_run_with_its_state(matters):
    code, out, _ = matters("status", "TINY", "--store", "STORE", "--json")
    runs = json.loads(out)
    assert code == 0
    assert [list(run) for run in runs] == [FIELDS] * 4
    assert {(run["variant"], run["seed"]) for run in runs} == {
        (v, s) for v in ("ppo", "ppo-m") for s in (0, 1)
    }
    assert all(run["state"] == "done" and run["steps"] == 128 for run in runs)
    assert all(re.fullmatch("[0-9a-f]{64}", run["digest"]) and run["score"] > 0 for run in runs)
    assert len({run["digest"] for run in runs}) == 4


def test_ctrl_c_in_any_command_is_a_word_and_status_1(matters, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("matters.reports.report.write_report", interrupt)
    goes_on = "the same command goes on from the last checkpoints: 4 of 4 runs done, 0 paused"
    assert matters("run", "TINY", "--store", "STORE") == (1, "", f"matters: stopped; {goes_on}\n")
    monkeypatch.setattr(Store, "open", interrupt)
    for words in (("verify", "--store", "STORE"), ("run", "TINY", "--store", "STORE")):
        assert matters(*words) == (1, "", "matters: stopped\n")


def test_status_counts_by_cell(matters):
    code, out, _ = matters("status", "TINY", "--store", "STORE", "--seeds", "3")
    assert code == 0
    assert re.search(r"ppo-m +InvertedPendulum-v5 +2 +0 +0 +0 +1", out)
    assert "4 done, 0 running, 0 paused, 0 failed, 2 missing" in out


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


def test_every_object_of_json_says_the_version_of_its_keys(matters):
    for words in (("verify",), ("plan", "TINY"), ("run", "TINY"), ("report", "TINY")):
        facts = json.loads(matters(*words, "--store", "STORE", "--json")[1])
        assert next(iter(facts.items())) == ("json_version", 1), words


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


def test_a_plan_says_what_a_suite_takes_and_writes_nothing(matters, tmp_path):
    new = str(tmp_path / "new")
    code, out, _ = matters("plan", "TINY", "--store", new, "--json")
    facts = json.loads(out)
    assert (code, facts["runs"], facts["done"], facts["measured"]) == (0, 4, 0, 0)
    assert facts["core_hours"] > 0 < facts["memory_bytes"]
    assert facts["disk_bytes"] < 4e6
    dry = json.loads(matters("run", "TINY", "--store", new, "--dry-run", "--json")[1])
    changing = {"free_disk_bytes"}  # other programs write, too
    assert dry.keys() == facts.keys()
    assert {key: dry[key] for key in dry.keys() - changing} == {
        key: facts[key] for key in facts.keys() - changing
    }
    code, out, _ = matters("plan", "TINY", "--store", "STORE", "--seeds", "3", "--workers", "2")
    assert (code, list(tmp_path.iterdir())) == (0, [])
    assert re.match(r"runs +2 to train, 4 there\npopulations +2, the longest \d+ min\n", out)
    assert "from the speed of 4 runs in this store" in out
    assert matters("plan", "TINY", "--store", "STORE")[1].startswith("runs          0 to train, 4 there\n")


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


def test_status_of_a_store_that_does_not_exist_yet_is_all_missing_and_makes_none(matters, tmp_path):
    code, out, _ = matters("status", "TINY", "--store", str(tmp_path / "new"), "--json")
    assert code == 0
    assert [run["state"] for run in json.loads(out)] == ["missing"] * 4
    assert list(tmp_path.iterdir()) == []


def test_report_alone_gives_the_bytes_that_run_gave(matters, place, tmp_path):
    """P7."""
    code, out, _ = matters("report", "TINY", "--store", "STORE", "--out", str(tmp_path), "--json")
    assert code == 0
    assert json.loads(out)["report"] == str(tmp_path / "index.html")
    by_run = place / "runs" / "report" / "tiny"
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} == {
        path.relative_to(by_run) for path in by_run.rglob("*")
    }
    for path in tmp_path.rglob("*.*"):
        assert path.read_bytes() == (by_run / path.relative_to(tmp_path)).read_bytes()


def test_run_says_its_facts_as_json(matters):
    code, out, _ = matters(
        "run", "TINY", "--store", "STORE", "--only", "ppo/*", "--json", "--out", os.devnull
    )
    assert code == 2
    code, out, _ = matters("run", "TINY", "--store", "STORE", "--json")
    facts = json.loads(out)
    assert (facts["done"], facts["failed"], facts["missing"]) == (4, 0, 0)
    assert Path(facts["report"]).is_file()


def test_a_suite_that_is_narrowed_trains_only_that(matters, tmp_path):
    store = str(tmp_path / "runs")
    narrow = ("--seeds", "1:2", "--steps", "64", "--only", "ppo/*")
    code, _, _ = matters("run", "TINY", "--store", store, *narrow)
    assert code == 0
    _, out, _ = matters("list", "runs", "--store", store, "--json")
    (run,) = json.loads(out)
    assert (run["algorithm"], run["seed"], run["steps"]) == ("ppo", 1, 64)


def test_a_smoke_run_has_runs_a_report_and_a_name_of_its_own(matters, tmp_path):
    longer = tmp_path / "longer.toml"
    longer.write_text(TINY.replace("seeds = 2", "seeds = 3").replace("episodes = 1", "episodes = 9"))
    chosen = (str(longer), "--store", str(tmp_path / "runs"), "--smoke", "--json")
    code, out, _ = matters("run", *chosen)
    facts = json.loads(out)
    assert (code, facts["suite"], facts["done"]) == (0, "tiny-smoke", 4)
    assert Path(facts["report"]).parent == tmp_path / "runs" / "report" / "tiny-smoke"
    assert "--smoke" in Path(facts["report"]).read_text()
    assert json.loads(matters("report", *chosen)[1])["report"] == facts["report"]
    for options, states in ((chosen, ["done"] * 4), (chosen[:3] + chosen[4:], ["missing"] * 6)):
        assert [run["state"] for run in json.loads(matters("status", *options)[1])] == states


def test_reproduce_gives_the_same_digest(matters, place):
    """P1: seed 1 trained among two, and alone."""
    _, out, _ = matters("status", "TINY", "--store", "STORE", "--json")
    run = next(run for run in json.loads(out) if (run["variant"], run["seed"]) == ("ppo", 1))
    before = files(place)
    code, out, _ = matters("reproduce", run["run_id"][:8], "--store", "STORE", "--json")
    assert code == 0
    assert json.loads(out)["digest"] == run["digest"]
    assert files(place) == before


def test_show_tells_spec_status_provenance_and_evaluations(matters):
    _, out, _ = matters("list", "runs", "--store", "STORE", "--json")
    run_id = json.loads(out)[0]["run_id"]
    code, out, _ = matters("show", run_id, "--store", "STORE", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["run_id"] == run_id
    assert shown["spec"]["algorithm"] == "ppo"
    assert shown["status"]["state"] == "done"
    assert [row["point"] for row in shown["evaluations"]] == [0, 1, 2]
    assert shown["provenance"]
    code, out, _ = matters("show", run_id[:6], "--store", "STORE")
    assert code == 0
    assert "environment: InvertedPendulum-v5" in out


@pytest.mark.parametrize(
    ("name", "options"), [("bundle", []), ("bundle.zip", ["--without-parameters"])], ids=["folder", "archive"]
)
def test_a_bundle_exported_moved_and_imported_is_reported_verified_shown_and_reproduced(
    matters, place, tmp_path, name, options
):
    """The page has the same bytes, and a run the same digest, also where the parameters are left out."""
    made, moved, new = tmp_path / name, tmp_path / "elsewhere" / name, ("--store", str(tmp_path / "new"))
    code, out, _ = matters("export", "TINY", "--store", "STORE", "--out", str(made), *options, "--json")
    assert (code, json.loads(out)["runs"], json.loads(out)["missing"]) == (0, 4, 0)
    moved.parent.mkdir()
    made.rename(moved)
    code, out, _ = matters("import", str(moved), *new, "--json")
    found = json.loads(out)
    assert (code, found["imported"], found["missing"]) == (0, 4, 0)
    assert found["report"] == f"matters report {tmp_path}/new/suites/tiny.toml --store {tmp_path}/new"
    assert (tmp_path / "new" / "suites" / "tiny.toml").read_text() == TINY
    assert matters("import", str(moved), *new)[1].startswith("0 runs of suite tiny imported, 4 were there\n")
    assert matters("report", "TINY", "--store", "STORE", "--out", str(tmp_path / "first"))[0] == 0
    assert matters("report", "TINY", *new, "--out", str(tmp_path / "second"))[0] == 0
    pages = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")}
        for out in (tmp_path / "first", tmp_path / "second")
    ]
    assert pages[0] == pages[1]
    assert Path("index.html") in pages[0]
    assert matters("verify", *new)[:2] == (0, "4 runs checked, 0 problems\n")
    run_id = found["runs"][0]
    shown = json.loads(matters("show", run_id, *new, "--json")[1])
    assert shown == json.loads(matters("show", run_id, "--store", "STORE", "--json")[1])
    if options:  # once is enough
        assert matters("reproduce", run_id, *new)[0] == 0


def test_until_decided_trains_the_seeds_of_a_look_and_reports_it(matters, place, tmp_path):
    """Nothing is learnt in 128 steps, which more seeds would not change: the second look is not trained."""
    store = ("--store", str(tmp_path / "runs"))
    looks = ("--until-decided", "--looks", "5,6")
    code, out, err = matters("run", "TINY", *store, *looks, "--workers", "1", "--json")
    facts = json.loads(out)
    assert (code, facts["done"], facts["missing"]) == (0, 10, 0)
    assert (facts["looks"], facts["seeds"]) == ([5, 6], 5)
    assert "Look 1 of 2, at 5 seeds (declared: 5, 6): it ends undecided (too early)." in err
    page = Path(facts["report"])
    assert "--until-decided --looks 5,6" in page.read_text()
    found = json.loads((page.parent / "report.json").read_text())
    assert [row["taken"] for row in found["looks"]] == [True, False]
    assert len(found["runs"]) == 10
    code, out, _ = matters("report", "TINY", *store, *looks, "--json")
    assert json.loads(out)["report"] == str(page)
    added = matters("run", "TINY", *store, "--seeds", "6", "--workers", "1", "--json")
    assert (
        "Seeds were added after a verdict was read, at 5 runs"
        in Path(json.loads(added[1])["report"]).with_name("report.md").read_text()
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--looks", "5,6"), "--looks 5,6: is of --until-decided"),
        (("--until-decided", "--looks", "5,x"), "looks = '5,x': should be numbers of seeds"),
        (("--until-decided", "--looks", "6,5"), "should be increasing numbers of seeds"),
        (("--until-decided", "--looks", "2,5"), "looks[0]"),
        (("--until-decided", "--seeds", "3"), "the suite's looks, [10, 20], say how many"),
    ],
)
def test_looks_that_cannot_be_used_are_one_line(matters, tmp_path, words, says):
    code, out, err = matters("run", "TINY", "--store", str(tmp_path / "runs"), *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def evidence(monkeypatch, tmp_path):
    """The folder of the evidence bundles, empty."""
    from matters.results import evidence

    monkeypatch.setattr(evidence, "FOLDER", tmp_path / "evidence")
    (tmp_path / "evidence").mkdir()
    return tmp_path / "evidence"


def test_an_evidence_bundle_is_reported_verified_shown_and_reproduced_by_name(matters, tmp_path, evidence):
    """Without a store, from files that only grow."""
    assert matters("export", "TINY", "--store", "STORE", "--evidence", "small", "--seeds", "1")[0] == 0
    before = {path.name: path.read_bytes() for path in (evidence / "small").glob("*.parquet")}
    code, out, _ = matters("export", "TINY", "--store", "STORE", "--evidence", "small", "--json")
    assert (code, json.loads(out)["added"], json.loads(out)["runs"]) == (0, 2, 4)
    assert {path.name: path.read_bytes() for path in (evidence / "small").glob("*.parquet")} == {
        **before,
        "records-00001.parquet": (evidence / "small" / "records-00001.parquet").read_bytes(),
    }
    of = ("--evidence", "small")
    assert matters("verify", *of)[:2] == (0, "4 runs checked, 0 problems\n")
    made = tmp_path / "page"
    code, out, _ = matters("report", *of, "--out", str(made))
    assert (code, out) == (0, f"{made / 'index.html'}\n")
    runs = json.loads((made / "report.json").read_text())["runs"]
    assert len(runs) == 4
    stored = json.loads(matters("status", "TINY", "--store", "STORE", "--json")[1])
    for key in ("run_id", "steps", "digest"):
        assert [run[key] for run in runs] == [run[key] for run in stored]
    assert "matters report --evidence small" in (made / "index.html").read_text()
    some = matters("report", *of, "--seeds", "1", "--out", str(tmp_path / "some"))
    assert some[0] == 0
    assert len(json.loads((tmp_path / "some" / "report.json").read_text())["runs"]) == 2
    run_id = runs[0]["run_id"]
    shown = json.loads(matters("show", run_id, *of, "--json")[1])
    assert shown == json.loads(matters("show", run_id, "--store", "STORE", "--json")[1])
    code, out, _ = matters("reproduce", run_id, *of)
    assert (code, out) == (0, f"{run_id}: the same digest, {runs[0]['digest']}\n")
    shard = evidence / "small" / "records-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    code, out, _ = matters("verify", *of)
    assert (code, out.splitlines()[-1]) == (1, "0 runs checked, 1 problems")
    assert "records-00001.parquet is damaged" in out
    for command in (("report",), ("show", run_id), ("reproduce", run_id)):
        assert matters(*command, *of)[0] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("verify", "--evidence", "smal"), "no bundle of that name"),
        (("report", "--evidence", "../x"), "no bundle of that name, or at that path"),
        (("export", "TINY", "--store", "STORE", "--evidence", "../x"), "should be small letters, digits"),
        (("export", "TINY", "--store", "STORE"), "say where the bundle goes"),
        (("export", "TINY", "--store", "STORE", "--evidence", "x", "--out", "y"), "not with both"),
    ],
)
def test_evidence_that_is_not_there_is_one_line(matters, evidence, tmp_path, words, says):
    before = files(tmp_path)
    code, out, err = matters(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
    assert files(tmp_path) == before


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


def test_every_trick_of_every_preset_is_listed_with_what_it_does(matters):
    code, out, _ = matters("list", "tricks", "--json")
    tricks = {(row["algorithm"], row["trick"]): row for row in json.loads(out)}
    assert code == 0
    assert "ppo" in tricks["ppo", "value_clip"]["on_in"]
    assert "ppo-m" not in tricks["ppo", "value_clip"]["on_in"]
    assert all(row["description"] for row in tricks.values())
    assert ("vpg", "orthogonal_init") in tricks


@pytest.mark.parametrize("what", ["algorithms", "suites", "tricks"])
def test_lists_are_tables_too(matters, what):
    code, out, _ = matters("list", what)
    assert code == 0
    assert {"algorithms": "sb3-ppo", "suites": "quickstart", "tricks": "value_clip"}[what] in out


@pytest.mark.parametrize("arguments", [["--help"], [], ["run", "--help"], ["--version"]])
def test_help_is_no_error(matters, arguments):
    code, out, err = matters(*arguments)
    assert (code, err) == (0, "")
    assert "matters" in out


def bad(*arguments, says, suite=None, store=None):
    return pytest.param(arguments, suite, store, says, id=says)


def with_line(section, line):
    """The tiny suite with a line put into a section."""
    return TINY.replace(section, f"{section}\n{line}", 1)


def with_variant(algorithm, config):
    """The tiny suite with one variant more."""
    return f'{TINY}\n[variants.x]\nalgorithm = "{algorithm}"\n{config}\n'


def newer(store):
    store.mkdir()
    (store / "store.json").write_text('{"schema_version": 99}')


def empty(store):
    Store.open(store, create=True)


RUN = ("run", "SUITE")
UNUSABLE = [
    # a trick that the algorithm lacks
    ("vpg", "config.tricks.value_clip = true", "x.config.tricks.value_clip: unknown field; did you mean"),
    ("trpo", "config.tricks.kl_fnal = 0.1", "did you mean 'kl_final'"),
    # out of range
    ("trpo", "config.kl = 0", "x.config.kl = 0: should be greater than 0"),
    ("npg", "config.kl = -0.01", "x.config.kl = -0.01: should be greater than 0"),
    ("trpo", "config.tricks.kl_final = 0.0", "x.config.tricks.kl_final = 0.0: should be greater than 0"),
    ("tnpg", "config.cg_steps = 0", "x.config.cg_steps = 0: should be greater than 0"),
    ("trpo", "config.cg_steps = 2.5", "x.config.cg_steps = 2.5: should be a valid integer"),
    ("npg", "config.most_steps = 0", "x.config.most_steps = 0: should be greater than 0"),
    ("trpo", "config.damping = -0.1", "x.config.damping = -0.1: should be greater than or equal to 0"),
    ("npg", "config.damping = -1", "x.config.damping = -1: should be greater than or equal to 0"),
    ("trpo", "config.line_search_shrink = 1", "x.config.line_search_shrink = 1: should be less than 1"),
    ("tnpg", "config.fisher_fraction = 0", "x.config.fisher_fraction = 0: should be greater than 0"),
    # contradictions
    ("ppo", 'config.objective = "clip+kl"', "should be 'clip', 'kl-adaptive', 'kl-fixed' or 'none'"),
    ("ppo", "config.objective = false", "x.config.objective = False: should be 'clip'"),
    ("ppo", "config.kl_coefficient = 2", "kl_coefficient = 2: changes nothing, because objective is neither"),
    (
        "ppo",
        'preset = "ppo-m"\nconfig = { objective = "none", clip = 0.1 }',
        "x.config.clip = 0.1: changes nothing, because objective is not 'clip' and value_clip is off",
    ),
    (
        "ppo",
        'config = { objective = "kl-fixed", kl_target = 0.02 }',
        "kl_target = 0.02: changes nothing, because objective is not 'kl-adaptive'",
    ),
    (
        "ppo",
        'preset = "ppo-beta"\nconfig.tricks.log_std_init = -0.5',
        "x.config.tricks.log_std_init = -0.5: changes nothing, because policy is not 'gaussian'",
    ),
    (
        "trpo",
        "config = { line_search_steps = 0, line_search_shrink = 0.8 }",
        "line_search_shrink = 0.8: changes nothing, because line_search_steps is 0 or 1",
    ),
    (
        "trpo",
        "config = { value_epochs = 0, tricks.value_clip = 0.2 }",
        "tricks.value_clip = 0.2: changes nothing, because value_epochs is 0",
    ),
    (
        "vpg",
        "config = { baseline = false, value_steps = 40 }",
        "value_steps = 40: changes nothing, because baseline is off",
    ),
    (
        "sac",
        "config.warmup = 128",
        "x.config.warmup = 128: should be less than steps = 128, or nothing would be learnt",
    ),
    ("sb3-td3", "config.learning_starts = 200", "x.config.learning_starts = 200: should be less than steps"),
]
"""Variants that cannot be, as (algorithm, lines of TOML, what is said of them)."""


@pytest.mark.parametrize(
    ("arguments", "suite", "store", "says"),
    [
        # words on the command line
        bad("rn", says="did you mean 'run'"),
        bad("run", says="suite"),
        bad(*RUN, "--sedes", "3", says="--sedes"),
        bad("run", "quickstrat", says="did you mean 'quickstart'"),
        bad("run", "nothing.toml", says="nothing.toml"),
        bad("list", "algorithm", says="'algorithms'"),
        # values on the command line
        bad(*RUN, "--seeds", "0", says="seeds"),
        bad(*RUN, "--seeds", "-2", says="seeds"),
        bad(*RUN, "--seeds", "5:3", says="5:3"),
        bad(*RUN, "--steps", "0", says="steps = 0"),
        bad(*RUN, "--steps", "many", says="--steps"),
        bad(*RUN, "--only", "sac/*", says="sac/*"),
        bad(*RUN, "--workers", "0", says="--workers 0"),
        bad(*RUN, "--workers", "-1", says="--workers -1"),
        bad(*RUN, "--workers", "two", says="--workers"),
        bad(*RUN, "--partition", "p", says="--partition p: is an option of --executor slurm"),
        bad(*RUN, "--executor", "locla", says="did you mean 'local'"),
        bad(*RUN, "--out", os.devnull, says="--out"),
        bad("parity", "pppo", says="did you mean 'ppo'"),
        bad("show", "feedface", store=empty, says="'feedface'"),
        bad("reproduce", "feedface", store=empty, says="'feedface'"),
        bad("report", "SUITE", says="runs': does not exist"),
        bad("verify", says="store = 'runs': does not exist"),
        # the suite
        bad(
            *RUN, suite=TINY.replace("InvertedPendulum-v5", "InvertedPendulm-v5"), says="InvertedPendulum-v5"
        ),
        bad(*RUN, suite=TINY.replace("InvertedPendulum-v5", "CartPole-v1"), says="supported: Box"),
        bad(*RUN, suite=TINY.replace('algorithm = "ppo"', 'algorithm = "pppo"', 1), says="variants.ppo"),
        bad(*RUN, suite=TINY.replace('"ppo-m"', '"ppo-n"'), says="did you mean 'ppo-m'"),
        bad(*RUN, suite=TINY.replace("epochs", "epoch"), says="did you mean 'epochs'"),
        bad(
            *RUN,
            suite=TINY.replace("epochs = 1", "tricks = { value_clp = true }"),
            says="variants.ppo.config.tricks.value_clp",
        ),
        bad(*RUN, suite=TINY.replace("horizon = 64", 'horizon = "64"'), says="variants.ppo.config.horizon"),
        bad(*RUN, suite=TINY.replace("seeds = 2", "seeds = 0"), says="suite.seeds"),
        bad(*RUN, suite=TINY.replace("seeds = 2", "seeds = -1"), says="suite.seeds = -1"),
        bad(*RUN, suite=TINY.replace("seeds = 2", "seeds = true"), says="suite.seeds = True"),
        bad(*RUN, suite=TINY.replace("steps = 128", "steps = 0"), says="suite.steps = 0"),
        bad(*RUN, suite=TINY.replace("steps = 128", "steps = -5"), says="suite.steps = -5"),
        bad(*RUN, suite=TINY.replace("steps = 128", "steps = 128.0"), says="suite.steps = 128.0"),
        bad(*RUN, suite=with_line("[suite]", "stpes = 3"), says="did you mean 'steps'"),
        bad(*RUN, suite=with_line("[suite]", "seeds = = 3"), says="suite.toml:3"),
        bad(
            *RUN, suite=TINY.replace("code-level-tricks", "code-level-trick"), says="did you mean 'code-level"
        ),
        # a variant
        *[bad(*RUN, suite=with_variant(*variant), says=says) for *variant, says in UNUSABLE],
        # the store
        bad(*RUN, store=lambda store: store.write_text("a file"), says="is a file"),
        bad(*RUN, store=newer, says="schema 99"),
        bad("status", "SUITE", store=newer, says="written by a newer Matters"),
    ],
)
def test_bad_input_gets_one_line_and_status_2_and_writes_nothing(
    arguments, suite, store, says, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("suite.toml").write_text(suite or TINY)
    if store is not None:
        store(Path("runs"))
    before = files(tmp_path)
    code = call(["suite.toml" if argument == "SUITE" else argument for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("matters: ")
    assert err.count("\n") == 1
    assert " ".join(says.lower().split()) in err.lower()
    assert files(tmp_path) == before


def test_a_complete_store_that_may_not_be_written_to_is_reported_elsewhere(
    matters, place, tmp_path, monkeypatch
):
    real, store = os.access, str(place / "runs")
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: not (mode & os.W_OK and str(path).startswith(store)) and real(path, mode),
    )
    before = files(place / "runs")
    code, _, err = matters("run", "TINY", "--store", "STORE")
    assert (code, err.count("\n")) == (2, 1)
    assert err.endswith("is not writable; --out DIR writes it elsewhere\n")
    assert matters("run", "TINY", "--store", "STORE", "--out", str(tmp_path / "page"))[0] == 0
    assert (tmp_path / "page" / "index.html").exists()
    code, _, err = matters("run", "TINY", "--store", "STORE", "--out", str(tmp_path / "b"), "--seeds", "3")
    assert (code, "not writable" in err) == (2, True)
    assert files(place / "runs") == before


def test_a_place_where_no_store_can_be_is_said(matters, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for where, says in (("file/runs", "is a file"), ("link", "is a link to nothing")):
        for command in ("status", "plan"):
            code, out, err = matters(command, "TINY", "--store", str(tmp_path / where))
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert says in err


def test_a_store_that_may_not_be_written_to_is_refused(matters):
    # Not even the superuser makes directories there.
    code, _, err = matters("run", "TINY", "--store", "/proc/runs")
    assert (code, err.count("\n")) == (2, 1)
    assert "not writable" in err


def test_the_command_line_loads_no_heavy_library_before_it_is_needed():
    program = (
        "import sys, matters.harness.cli; print(sorted({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n"
