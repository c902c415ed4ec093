"""A suite that is run, planned, looked at and reported: what each command says of it, and writes."""

import json
import os
import re
from pathlib import Path

import pytest

from matters.harness.conftest import TINY, files

FIELDS = ["run_id", "variant", "environment", "seed", "state", "steps", "digest", "score"]
FIELDS += ["steps_asked", "training_id", "progress_age_seconds", "failures", "error"]


def test_run_ends_with_the_path_of_the_report(matters):
    code, out, _ = matters("run", "TINY", "--store", "STORE")
    assert code == 0
    page = Path(out.splitlines()[-1])
    assert page.name == "index.html"
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_run_again_on_a_complete_store_does_nothing(matters, place):
    """P3."""
    before = files(place / "runs")
    code, out, err = matters("run", "TINY", "--store", "STORE", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["trained"] == 0
    assert files(place / "runs") == before


def test_run_says_its_facts_as_json(matters):
    code, out, _ = matters(
        "run", "TINY", "--store", "STORE", "--only", "ppo/*", "--json", "--out", os.devnull
    )
    assert code == 2
    code, out, _ = matters("run", "TINY", "--store", "STORE", "--json")
    facts = json.loads(out)
    assert (facts["done"], facts["failed"], facts["missing"]) == (4, 0, 0)
    assert Path(facts["report"]).is_file()


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


def test_status_counts_by_cell(matters):
    code, out, _ = matters("status", "TINY", "--store", "STORE", "--seeds", "3")
    assert code == 0
    assert re.search(r"ppo-m +InvertedPendulum-v5 +2 +0 +0 +0 +1", out)
    assert "4 done, 0 running, 0 paused, 0 failed, 2 missing" in out


def test_status_of_a_store_that_does_not_exist_yet_is_all_missing_and_makes_none(matters, tmp_path):
    code, out, _ = matters("status", "TINY", "--store", str(tmp_path / "new"), "--json")
    assert code == 0
    assert [run["state"] for run in json.loads(out)] == ["missing"] * 4
    assert list(tmp_path.iterdir()) == []


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


def test_a_plan_of_a_suite_with_looks_says_what_the_first_costs_and_what_all_do(matters):
    looks = ("TINY", "--store", "STORE", "--until-decided", "--looks", "5,6")
    code, out, _ = matters("plan", *looks, "--json")
    facts = json.loads(out)
    first, second = facts["looks"]
    assert (code, facts["runs"], facts["done"]) == (0, 8, 4)
    assert [(look["seeds"], look["runs"], look["done"]) for look in (first, second)] == [(5, 6, 4), (6, 2, 0)]
    for sum_of in ("core_hours", "hours", "disk_bytes", "populations"):
        assert facts[sum_of] == pytest.approx(first[sum_of] + second[sum_of])
    assert facts["memory_bytes"] == max(first["memory_bytes"], second["memory_bytes"])
    code, out, _ = matters("plan", *looks)
    assert out.startswith("runs          8 to train, 4 there, if every look is taken\n")
    assert re.search(r"^look 1        at 5 seeds: 6 to train, .* core-hours, in \d+ min$", out, re.MULTILINE)
    assert "\nlook 2        at 6 seeds, unless it is decided: 2 more to train, " in out
    assert (
        "\nlooks at 5 and 6 seeds: training ends at the first that decides\n" in matters("status", *looks)[1]
    )
    alone = json.loads(matters("plan", "TINY", "--store", "STORE", "--json")[1])
    assert (alone["runs"], alone["looks"]) == (0, [])


def test_more_seeds_than_a_variant_declares_are_told_before_training_and_on_the_page(
    matters, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    dear = tmp_path / "dear.toml"
    dear.write_text(f"{TINY}seeds = 1\n")
    says = "`--seeds 2` is of every variant: ppo-m has 2 seeds where the suite declares 1."
    asked = (str(dear), "--store", "STORE", "--seeds", "2")
    assert matters("plan", *asked)[1].endswith(f"\nnote          {says}\n")
    assert json.loads(matters("run", *asked, "--dry-run", "--json")[1])["remarks"] == [says]
    assert json.loads(matters("plan", *asked[:3], "--json")[1])["remarks"] == []
    assert matters("report", *asked, "--out", str(tmp_path / "page"))[0] == 0
    assert says in json.loads((tmp_path / "page" / "report.json").read_text())["notices"]
    monkeypatch.setattr("matters.harness.commands.run.train_missing", stop)
    code, _, err = matters("run", str(dear), "--store", str(tmp_path / "new"), "--seeds", "2")
    assert (code, err.count(says)) == (1, 1)


def test_a_plan_refuses_what_a_run_refuses(matters, tmp_path):
    short = ("TINY", "--store", str(tmp_path / "new"), "--steps", "32")
    assert matters("plan", *short) == matters("run", *short)
    assert matters("plan", *short)[0] == 2


def test_runs_are_listed_by_what_they_are(matters):
    def listed(*only):
        code, out, _ = matters("list", "runs", "--store", "STORE", *only, "--json")
        assert code == 0
        return json.loads(out)

    every = listed()
    assert listed("--only", "ppo/Inverted*") == every
    some = listed("--only", "ppo-m, ppo-m*/Inverted*")
    assert some == [run for run in every if run["preset"] == "ppo-m"]
    assert len(some) == 2
    assert listed("--only", "ppo-m,ppo") == every
    assert matters("list", "failures", "--store", "STORE", "--only", "ppo")[:2] == (0, "no failures\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("runs", "--only", "ppo-n"), "--only ppo-n: no such run; did you mean 'ppo-m'?"),
        (("runs", "--only", "Inverted*"), "--only Inverted*: no such run; did you mean '*/Inverted*'?"),
        (("failures", "--only", "td3"), "--only td3: no such run"),
        (("suites", "--only", "ppo"), "--only: is of runs; suites are listed whole"),
        (("imported", "--evidence", "nine"), "--evidence: is of runs and failures"),
    ],
)
def test_a_list_that_cannot_be_narrowed_is_one_line(matters, words, says):
    code, out, err = matters("list", *words, "--store", "STORE")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"matters: {says}")


def test_a_suite_that_is_narrowed_trains_only_that(matters, tmp_path):
    store = str(tmp_path / "runs")
    narrow = ("--seeds", "1:2", "--steps", "64", "--only", "ppo/*")
    code, _, _ = matters("run", "TINY", "--store", store, *narrow)
    assert code == 0
    _, out, _ = matters("list", "runs", "--store", store, "--json")
    (run,) = json.loads(out)
    assert (run["algorithm"], run["seed"], run["steps"]) == ("ppo", 1, 64)
    assert run["preset"] == "ppo"
    assert run["differs_in"].startswith("horizon 2048 → 64; ")


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
        (("--until-decided", "--looks", "5,1,0"), "looks = '5,1,0': should be numbers of seeds"),
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
