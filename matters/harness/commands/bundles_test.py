"""One run shown and trained again; a study that goes out as a bundle and comes in: from the command line."""

import json
from pathlib import Path

import pytest

from matters.harness.conftest import TINY, files


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
    for words, end in ((("--seeds", "3"), "without --seeds"), ((str(moved),), "one at a time")):
        code, _, err = matters("import", str(moved), *words, *new)
        assert (code, err.strip().endswith(f"import it {end}")) == (2, True)
        assert not (tmp_path / "new").exists()
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
    page = (made / "report.md").read_text()
    assert "    matters report --evidence small\n" in page
    assert "`matters show RUN --evidence small` prints one" in page
    some = matters("report", *of, "--seeds", "1", "--out", str(tmp_path / "some"))
    assert some[0] == 0
    facts = json.loads((tmp_path / "some" / "report.json").read_text())
    assert (len(facts["runs"]), facts["command"]) == (2, "matters report --evidence small --seeds 1")
    run_id = runs[0]["run_id"]
    shown = json.loads(matters("show", run_id, *of, "--json")[1])
    assert shown == json.loads(matters("show", run_id, "--store", "STORE", "--json")[1])
    assert (
        matters("list", "runs", *of, "--json")[1] == matters("list", "runs", "--store", "STORE", "--json")[1]
    )
    code, out, _ = matters("reproduce", run_id, *of)
    assert (code, out) == (0, f"{run_id}: the same digest, {runs[0]['digest']}\n")
    shard = evidence / "small" / "records-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    code, out, _ = matters("verify", *of)
    assert (code, out.splitlines()[-1]) == (1, "0 runs checked, 1 problem")
    assert "records-00001.parquet is damaged" in out
    for command in (("report",), ("show", run_id), ("reproduce", run_id)):
        assert matters(*command, *of)[0] == 2


def test_a_bundle_that_lacks_what_is_asked_for_says_what_it_holds_or_what_is_near(
    matters, tmp_path, evidence
):
    assert matters("export", "TINY", "--store", "STORE", "--evidence", "small")[0] == 0
    run_id = json.loads(matters("status", "TINY", "--store", "STORE", "--json")[1])[0]["run_id"]
    near = f"{run_id[:-1]}{'0' if run_id[-1] != '0' else '1'}"
    holds = "; it holds 4 runs of suite tiny\n"
    lacking = f"run = '{near}': no such run in the bundle small; did you mean '{run_id}'?\n"
    before = files(tmp_path)
    for words, says in (
        (("report", "quickstart"), f"--evidence small: has no run of quickstart{holds}"),
        (("report", "--seeds", "7:9"), f"--evidence small: has no run of tiny under --seeds 7:9{holds}"),
        (("show", near), lacking),
        (("reproduce", near), lacking),
        (("verify", near), lacking),
    ):
        code, out, err = matters(*words, "--evidence", "small")
        assert (code, out, err.splitlines(keepends=True)[-1]) == (2, "", f"matters: {says}")
    assert files(tmp_path) == before


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
