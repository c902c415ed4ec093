"""`matters import`, and reports of imported results and of several suites, from small stores."""

import json
import math
import re
from pathlib import Path

import pytest

from matters.harness.cli import call
from matters.results.conftest import PROVENANCE, make_record
from matters.results.store import Store
from matters.suites.loading import read

SUITE = """
[suite]
name = "{name}"
title = "A small suite"
environments = ["Hopper-v5"]
seeds = {seeds}
steps = {steps}
questions = {questions}

[suite.evaluation]
points = 3
episodes = 2

[variants.{variant}]
algorithm = "ppo"
preset = "{variant}"
"""
CURVES = "variant,environment,seed,step,return\n" + "".join(
    f"{variant},{environment},{seed},{step},{base + seed + step / 1000}\n"
    for variant, base in (("lab-ppo", 100), ("lab-sac", 300))
    for environment in ("Hopper-v5", "Hopper-v4")
    for seed in range(6)
    for step in (1000, 2000, 3000)
)


def suite(name="one", variant="ppo", seeds=2, steps=100, questions="[]"):
    path = Path(f"{name}.toml")
    path.write_text(SUITE.format(name=name, variant=variant, seeds=seeds, steps=steps, questions=questions))
    return str(path)


def train(path):
    """Put a record for every run of the suite into the store `runs`."""
    store = Store.open("runs", create=True)
    for cell in read(Path(path)).cells():
        for spec in cell.specs:
            if (lease := store.lease(spec)) is not None:
                lease.finish(make_record(spec.seed), PROVENANCE)


@pytest.fixture
def matters(tmp_path, monkeypatch, capsys):
    """Call `matters` in an empty folder. Returns status, output and error."""
    monkeypatch.chdir(tmp_path)

    def matters(*arguments):
        code = call(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return matters


def everything():
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def facts(page):
    return json.loads((Path(page.strip()).parent / "report.json").read_text())


def test_a_csv_is_imported_once_and_listed_and_verified(matters):
    Path("lab.csv").write_text(CURVES)
    code, out, err = matters("import", "lab.csv", "--name", "lab", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["protocol"], found["returns_of"], found["imported"]) == ("foreign", "unstated", 24)
    code, out, _ = matters("import", "lab.csv", "--name", "lab")
    assert (code, out.splitlines()[0][:47]) == (0, "0 runs imported in 4 cells, 24 were there: a fo")
    listed = json.loads(matters("list", "imported", "--json")[1])
    assert {run["run_id"] for run in listed} == {run["run_id"] for run in found["runs"]}
    assert matters("verify")[0] == 0
    damaged = next(Path("runs/imported/lab").iterdir())
    damaged.write_bytes(damaged.read_bytes().replace(b"foreign", b"foreigm"))
    code, out, _ = matters("verify")
    assert code == 1
    assert damaged.name in out


def test_imported_results_alone_have_a_report_that_says_whose_they_are(matters):
    Path("lab.csv").write_text(CURVES)
    matters("import", "lab.csv", "--name", "lab", "--returns", "training")
    code, page, _ = matters("report", "--imported", "lab")
    assert code == 0
    assert page.strip() == "runs/report/imported-lab/index.html"
    found = facts(page)
    assert found["notices"][0].startswith("Imported results of a foreign protocol")
    assert found["protocol"]["protocol"].startswith("foreign")
    assert {(cell["variant"], cell["environment"]) for cell in found["cells"]} == {
        (v, e) for v in ("lab-ppo", "lab-sac") for e in ("Hopper-v5", "Hopper-v4")
    }
    # Version 4 has no constants of ours: it is shown, and in no aggregate.
    assert any("Left out of aggregates" in notice and "Hopper-v4" in notice for notice in found["notices"])
    text = Path(page.strip()).read_text()
    assert "imported from lab.csv" in text
    assert "training episodes" in text
    for run in found["runs"]:
        assert run["run_id"] in text
    # P7: another store with the same results gives the same bytes.
    matters("import", "lab.csv", "--name", "lab", "--returns", "training", "--store", "other")
    matters("report", "--imported", "lab", "--store", "other", "--out", "again")
    by_name = {path.relative_to("again"): path.read_bytes() for path in Path("again").rglob("*.*")}
    first = Path("runs/report/imported-lab")
    assert by_name == {path.relative_to(first): path.read_bytes() for path in first.rglob("*.*")}


def test_imported_results_beside_a_suite_change_no_number_of_it(matters):
    path = suite(seeds=6)
    train(path)
    Path("lab.csv").write_text(CURVES)
    matters("import", "lab.csv", "--name", "lab")
    plain = facts(matters("report", path, "--out", "plain")[1])
    code, page, _ = matters("report", path, "--imported", "lab", "--out", "beside")
    beside = facts(page)
    assert code == 0
    for part in ("cells", "aggregates", "comparisons", "curves", "runs", "snapshot"):
        assert beside[part] == plain[part], part
    assert [answer["question"] for answer in beside["answers"]] == ["imported"]
    assert beside["answers"][0]["verdict"] == "no test"
    assert len(beside["tables"]["imported-runs"]) == 24
    text = Path("beside/index.html").read_text()
    assert "they are in no table, aggregate or test of our runs" in text
    assert Path("beside/tables/imported-runs.csv").read_text().count("lab.csv") == 24
    assert "matters report one.toml --imported lab" in text


def test_a_question_can_be_asked_of_imported_results(matters):
    names = {"lab-ppo": "ppo", "lab-sac": "ppo-m"}
    Path("lab.csv").write_text(re.sub("lab-ppo|lab-sac", lambda found: names[found.group()], CURVES))
    matters("import", "lab.csv", "--name", "lab")
    _, page, _ = matters("report", "--imported", "lab", "--questions", "code-level-tricks,published")
    answers = {answer["question"]: answer["verdict"] for answer in facts(page)["answers"]}
    assert list(answers) == ["imported-comparison", "code-level-tricks", "published"]
    assert answers["code-level-tricks"] == "both"


def curves(**means):
    """Ten runs of each variant on two environments, a spread of 100 about its mean, as a CSV."""
    lines = ["variant,environment,seed,step,return\n"]
    for variant, (hopper, walker) in means.items():
        for environment, mean in (("Hopper-v5", hopper), ("Walker2d-v5", walker)):
            for seed in range(10):
                value = mean + 100 * math.sin(7 * seed + len(variant) + len(environment))
                lines += [
                    f"{variant},{environment},{seed},{k}00000,{value * k / 10 + seed / 7}\n"
                    for k in range(1, 11)
                ]
    return "".join(lines)


def test_imported_variants_are_compared_with_the_words_of_ours(matters):
    Path("lab.csv").write_text(curves(a=(2000, 3000), bb=(2000, 3000), c=(900, 1500)))
    matters("import", "lab.csv", "--name", "lab", "--returns", "evaluation")
    code, page, _ = matters("report", "--imported", "lab")
    found = facts(page)
    rows = {(row["x"], row["y"], row["where"]): row for row in found["comparisons"]}
    pairs = [("a", "bb"), ("a", "c"), ("bb", "c")]
    assert (code, list(rows)) == (
        0,
        [(*pair, where) for pair in pairs for where in ("aggregate", "Hopper-v5", "Walker2d-v5")],
    )
    for name in ("verdict", "reason", "p_holm", "low_95", "high_90", "improvement", "margin"):
        assert all(name in row for row in rows.values())
    assert {row["verdict"] for (_, y, _), row in rows.items() if y == "c"} == {"different"}
    assert rows["a", "bb", "aggregate"]["verdict"] == "equivalent"
    assert found["answers"][0]["question"] == "imported-comparison"
    text = Path(page.strip()).read_text()
    assert "the default of Matters" in text
    assert "declared in the suite" not in text
    # The chosen pair, in the order that was given, and a margin so small that nothing is within it.
    options = ("--compare", "bb,a", "--margin", "0.001", "--out", "chosen")
    _, page, _ = matters("report", "--imported", "lab", *options)
    found = facts(page)
    assert {(row["x"], row["y"]) for row in found["comparisons"]} == {("bb", "a")}
    assert {row["verdict"] for row in found["comparisons"]} == {"undecided"}
    assert found["protocol"]["margin"] == 0.001
    assert found["command"] == "matters report --imported lab --compare bb,a --margin 0.001"


def test_runs_of_another_budget_are_named_and_not_compared(matters):
    text = curves(a=(2000, 3000), bb=(2000, 3000))
    cut = [line for line in text.splitlines() if not re.match(r"bb,Hopper-v5,\d+,(8|9|10)00000", line)]
    Path("lab.csv").write_text("\n".join(cut))
    matters("import", "lab.csv", "--name", "lab", "--returns", "evaluation")
    found = facts(matters("report", "--imported", "lab")[1])
    rows = {row["where"]: row for row in found["comparisons"]}
    assert (rows["Hopper-v5"]["verdict"], rows["Hopper-v5"]["reason"]) == ("undecided", "blocked")
    assert "runs end at 700\u202f000 against 1\u202f000\u202f000 steps" in rows["Hopper-v5"]["notes"]
    assert rows["Walker2d-v5"]["verdict"] == "equivalent"
    assert "aggregate" not in rows


def test_sets_are_compared_across_protocols_by_consent_and_without_a_claim(matters):
    stated = ("policy=deterministic", "episodes=3", "normalised=no", "source=us", "commit=1", "licence=MIT")
    declared = [word for pair in stated for word in ("--declare", pair)]
    for name, mean in (("one", 2000), ("two", 900)):
        Path(f"{name}.csv").write_text(curves(ppo=(mean, mean)))
        options = ("--returns", "evaluation", *declared)
        assert matters("import", f"{name}.csv", "--name", name, *options)[0] == 0
    both = ("report", "--imported", "one", "--imported", "two")
    code, _, err = matters(*both)
    assert (code, "--pool-protocols REASON" in err) == (2, True)
    code, page, _ = matters(*both, "--pool-protocols", "one simulator, one budget")
    found = facts(page)
    assert (code, page.strip()) == (0, "runs/report/imported-one+two/index.html")
    assert {(row["x"], row["y"]) for row in found["comparisons"]} == {("one:ppo", "two:ppo")}
    assert {row["verdict"] for row in found["comparisons"]} == {"different"}
    assert {row["across_protocols"] for row in found["comparisons"]} == {"one simulator, one budget"}
    assert not any(row["claim"] for row in found["comparisons"])
    assert not any(answer["claim"] for answer in found["answers"])
    assert all("(across protocols)" in verdict["statement"] for verdict in found["verdicts"])
    text = Path(page.strip()).read_text()
    for words in ("one simulator, one budget", "mean of 3 episodes, which is few", "policy: deterministic"):
        assert words in text


def test_nothing_of_our_presets_is_said_of_imported_variants_with_their_names(matters):
    Path("lab.csv").write_text(curves(ddpg=(900, 900), td3=(2000, 3000)))
    matters("import", "lab.csv", "--name", "lab", "--returns", "evaluation")
    _, page, _ = matters("report", "--imported", "lab", "--questions", "actor-critic-ladder")
    found = facts(page)
    assert "actor-critic-ladder-steps" not in found["tables"]
    (only,) = found["lacks"]["actor-critic-ladder"]
    assert only.startswith(
        "Imported variants are taken for what their names say: their settings are not known"
    )
    assert "weight decay" not in Path(page.strip()).read_text()


def test_several_suites_are_one_report_with_the_cells_of_all(matters):
    one, two = suite("one", questions='["code-level-tricks"]'), suite("two", "ppo-m", seeds=3)
    train(one)
    code, page, _ = matters("report", one, two)
    found = facts(page)
    assert (code, found["suite"]) == (0, "one+two")
    assert {(c["variant"], c["n"], c["missing"]) for c in found["cells"]} == {("ppo", 2, 0), ("ppo-m", 0, 3)}
    assert found["answers"][0]["reason"] in ("too early", "too few seeds", "blocked")
    assert found["command"].splitlines() == [
        f"matters run {one}", f"matters run {two}", f"matters report {one} {two}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import", "lab.csv"), "--name"),
        (("import", "--name", "lab"), "file"),
        (("import", "absent.zip"), "absent.zip: does not exist"),
        (("import", "lab.csv", "--name", "lab", "--from", "{variant}"), "not both"),
        (("import", "--from", "{seed}.csv", "--name", "lab"), "nothing matches"),
        (("import", "lab.csv", "--name", "lab", "--every", "0"), "--every 0: at least 1 is needed"),
        (("export", "one.toml", "--out", "b", "--store", "absent"), "store = 'absent': does not exist"),
        (("import", "absent.csv", "--name", "lab"), "absent.csv: does not exist"),
        (("import", "lab.csv", "lab.csv", "--name", "lab"), "lab.csv: is given twice"),
        (("import", "lab.csv", "--name", "a/b"), "name = 'a/b'"),
        (("import", "lab.csv", "--name", "lab", "--seeds", "x"), "--seeds 'x'"),
        (("import", "lab.csv", "--name", "lab", "--returns", "mean"), "'evaluation', 'training'"),
        (("import", "lab.csv", "--name", "lab", "--tag", "x"), "--tag is of TensorBoard's files"),
        (("import", "bad.csv", "--name", "lab"), "bad.csv: none of its 1 returns is a finite number"),
        (("import", "lab.csv", "bad.csv", "--name", "lab"), "bad.csv: none of its"),
        (("report",), "suite: missing; name a suite, or results with --imported"),
        (("report", "--imported", "lab"), "store = 'runs': does not exist"),
        (("report", "--imported", "lab", "--seeds", "2"), "--seeds: is of a suite's runs"),
        (("report", "one.toml", "--compare", "a,b"), "--compare: is of imported results alone"),
        (("report", "--imported", "lab", "--margin", "0"), "--margin 0.0: should be above 0"),
        (("import", "lab.csv", "--name", "lab", "--declare", "x=1"), "--declare 'x=1': should be NAME=VALUE"),
        (("report", "--evidence", "nine", "--imported", "lab"), "--imported: is of imported results"),
        (("report", "--evidence", "nine", "--margin", "0"), "--margin: is of imported results"),
        (("report", "one.toml", "long.toml"), "steps = 100 and 200; one report has one protocol"),
        (("report", "one.toml", "one.toml"), "named twice"),
        (("report", "one.toml", "--questions", "publishd"), "did you mean 'published'?"),
    ],
)
def test_bad_input_gets_one_line_and_status_2_and_writes_nothing(matters, arguments, says):
    suite("one")
    suite("long", steps=200)
    Path("lab.csv").write_text(CURVES)
    Path("bad.csv").write_text("variant,environment,seed,step,return\nppo,Hopper-v5,0,1,nan\n")
    before = everything()
    code, out, err = matters(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says.lower() in err.lower()
    assert everything() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--imported", "lob"), "imported = 'lob': no such imported results; did you mean 'lab'?"),
        (("--imported", "lab", "--imported", "two"), "several sets have several protocols"),
        (("--imported", "lab", "--compare", "lab-ppo,lab-sca"), "did you mean 'lab-sac'?"),
    ],
)
def test_results_that_are_not_there_or_too_many_are_one_line(matters, arguments, says):
    Path("lab.csv").write_text(CURVES)
    for name in ("lab", "two"):
        matters("import", "lab.csv", "--name", name)
    before = everything()
    code, out, err = matters("report", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert everything() == before


def test_the_command_that_is_named_next_is_of_the_store_that_was_imported_into(matters):
    Path("lab.csv").write_text(CURVES)
    said = matters("import", "lab.csv", "--name", "lab", "--store", "other")[1]
    assert said.splitlines()[-1] == "matters report --imported lab --store other"
    assert (
        matters("import", "lab.csv", "--name", "lab")[1].splitlines()[-1] == "matters report --imported lab"
    )


def test_two_runs_of_one_name_are_told_apart_by_their_folders(matters):
    for folder in ("ppo/seed_0", "a2c/seed_0"):
        Path(folder).mkdir(parents=True)
        (Path(folder) / "monitor.csv").write_text('#{"env_id": "Hopper-v5"}\nr,l,t\n1,2,3\n4,5,6\n')
    code, _, err = matters("import", "ppo", "a2c", "--name", "lab", "--variant", "ppo")
    assert code == 2
    assert err.startswith(
        "matters: a2c/seed_0/monitor.csv: a second run of variant ppo, environment Hopper-v5, seed 0"
    )
    assert "the first is from ppo/seed_0/monitor.csv" in err
    assert "--from" in err
    assert not Path("runs").exists()
