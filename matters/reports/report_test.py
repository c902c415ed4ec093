"""The report: whole, the same bytes every time, quick when there is nothing to do, honest about gaps."""

import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from matters.reports import report
from matters.reports.conftest import tex_faults
from matters.reports.report import write_report
from matters.suites.errors import InputError
from matters.suites.loading import load_suite
from testing import planted
from testing.planted import Plant

ROOT = Path(__file__).parents[2]
# What a fresh process runs: with the planted constants instead of the frozen ones.
SCRIPT = """
import json
import sys
from pathlib import Path
import matters.reports.study.normalising_constants
from testing import planted
from matters.reports.report import write_report
matters.reports.study.normalising_constants.known_constants = lambda names, _: planted.CONSTANTS
suite, snapshot = planted.quickstart()
write_report(suite, snapshot, Path(sys.argv[1]), command="matters report planted")
print(json.dumps([name for name in sys.modules if name.split(".")[0] == "matters"]))
"""


@pytest.fixture(scope="module", autouse=True)
def constants():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "matters.reports.study.normalising_constants.known_constants",
            lambda names, _: {name: planted.CONSTANTS[name] for name in names if name in planted.CONSTANTS},
        )
        yield


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    suite, snapshot = planted.quickstart()
    assert write_report(suite, snapshot, out, command="matters report planted") == out / "index.html"
    return out


@pytest.fixture(scope="module")
def holes(tmp_path_factory):
    """A report with everything that can go wrong: gaps of each kind, mixed code, an unknown environment."""
    out = tmp_path_factory.mktemp("holes")
    suite, snapshot = planted.gaps()
    write_report(suite, snapshot, out, command="matters report planted --out <here>")
    return out


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    """A report of many variants, with the questions whose figures the others have not."""
    out = tmp_path_factory.mktemp("ladder")
    asked = ("natural-ladder", "trust-region")
    names = ("vpg", "npg", "tnpg", "trpo", "trpo+", "ppo-m", "ppo", "ppo-kl", "ppo-noclip")
    suite = load_suite("mujoco-on-policy").restricted(steps=planted.STEPS, seeds="5", only=",".join(names))
    suite = suite.model_copy(update={"questions": asked})
    cells = {(name, "Hopper-v5"): Plant(0.3 + 0.03 * k, 0.1, 5) for k, name in enumerate(names)}
    write_report(suite, planted.planted(cells), out, command="matters report planted")
    return out


def tree(out):
    return {
        str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
    }


def facts(out):
    return json.loads((out / "report.json").read_text())


def fresh(out, code=SCRIPT, hashseed="0"):
    return subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hashseed, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_every_promised_file_is_there_and_listed_with_its_hash(quickstart):
    files = set(tree(quickstart))
    assert {"index.html", "report.md", "report.json", "manifest.json"} <= files
    for name in ("cells", "aggregates", "runs", "code-level-tricks", "reproduction"):
        assert {f"tables/{name}.csv", f"tables/{name}.tex"} <= files
    for name in ("learning-curves", "run-scores", "aggregates", "mean-kl", "max-ratio", "clip-fraction"):
        assert {f"figures/{name}.svg", f"figures/{name}.pdf"} <= files
    manifest = json.loads((quickstart / "manifest.json").read_text())
    assert set(manifest["files"]) | {"manifest.json"} == files


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The quickstart's report by another process, and the modules that this has loaded."""
    out = tmp_path_factory.mktemp("elsewhere")
    return out, set(json.loads(fresh(out, hashseed="4711").splitlines()[-1]))


def test_the_same_snapshot_gives_the_same_bytes_in_another_process(quickstart, elsewhere):
    assert tree(elsewhere[0]) == tree(quickstart)


def test_an_up_to_date_report_is_left_alone_without_loading_anything_heavy(quickstart):
    before = {path: path.stat().st_mtime_ns for path in quickstart.rglob("*")}
    code = f"""
import sys, types
from pathlib import Path
from matters.reports import report
suite = types.SimpleNamespace()
snapshot = types.SimpleNamespace(identity="x")
report.report_key = lambda *a: {json.loads((quickstart / "manifest.json").read_text())["key"]!r}
report.write_report(suite, snapshot, Path(sys.argv[1]), command="")
print([name for name in ("matplotlib", "scipy", "torch", "pandas", "numpy", "jinja2") if name in sys.modules])
"""
    assert fresh(quickstart, code).strip() == "[]"
    assert {path: path.stat().st_mtime_ns for path in quickstart.rglob("*")} == before


def test_the_key_changes_with_snapshot_suite_options_and_command():
    suite, _ = planted.quickstart()
    other = planted.planted_suite(("ppo",), ("Hopper-v5",))
    keys = [
        report.report_key("a", suite, False, "c"),
        report.report_key("b", suite, False, "c"),
        report.report_key("a", other, False, "c"),
        report.report_key("a", suite, True, "c"),
        report.report_key("a", suite, False, "d"),
    ]
    assert len(set(keys)) == len(keys)
    assert report.report_key("a", suite, False, "c") == keys[0]


def test_a_changed_or_lost_file_is_written_again_and_a_stale_one_goes(tmp_path, monkeypatch):
    out, files = tmp_path / "out", {"index.html": b"page", "figures/new.svg": b"new"}
    monkeypatch.setattr(report, "_files", lambda *_: files)
    monkeypatch.setattr("matters.reports.compose.compose", lambda *_: None)
    suite, snapshot = planted.quickstart()

    def write():
        write_report(suite, snapshot, out, command="x")
        return {name: content for name, content in tree(out).items() if name != "manifest.json"}

    assert write() == files
    for change in ("edit", "delete"):
        if change == "edit":
            (out / "index.html").write_text("edited")
        else:
            (out / "index.html").unlink()
        assert write() == files
    (out / "mine.txt").write_text("kept")
    (tmp_path / "outside.txt").write_text("not ours")
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"] |= {"figures/stale.svg": "0", "../outside.txt": "0"}
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "figures" / "stale.svg").write_text("old")
    assert write() == {**files, "mine.txt": b"kept"}
    assert (tmp_path / "outside.txt").read_text() == "not ours"


def test_the_page_asks_for_nothing_outside_itself_and_runs_no_script(quickstart):
    page = (quickstart / "index.html").read_text()
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


class Ids(HTMLParser):
    """Collects identifiers, references to them, and tags that were never closed."""

    def __init__(self):
        super().__init__()
        self.ids, self.references, self.open, self.unlabelled = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        for key in ("href", "xlink:href"):
            if found.get(key, "").startswith("#"):
                self.references.append(found[key][1:])
        self.references += re.findall(r"url\(#([^)]+)\)", " ".join(filter(None, found.values())))
        self.unlabelled += tag == "svg" and not (found.get("aria-label") or found.get("aria-hidden"))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.open and tag not in ("meta", "link", "br"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("made", ["quickstart", "holes", "ladder"])
def test_identifiers_are_unique_references_resolve_and_every_figure_has_words(made, request):
    parser = Ids()
    parser.feed((request.getfixturevalue(made) / "index.html").read_text())
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(parser.references) <= set(parser.ids)
    assert parser.unlabelled == 0


@pytest.mark.parametrize("made", ["quickstart", "holes", "ladder"])
def test_nowhere_is_there_a_nan(made, request):
    out = request.getfixturevalue(made)
    for name, content in tree(out).items():
        if not name.endswith(".pdf"):
            assert not re.search(rb"\b(?:nan|NaN|inf|None|<NA>)\b", content), name


def test_the_verdicts_come_first_and_few_seeds_make_no_claim(quickstart):
    page = (quickstart / "index.html").read_text()
    assert page.index('class="answers"') < page.index('class="verdicts"') < page.index("<figure")
    found = facts(quickstart)
    assert {answer["question"] for answer in found["answers"]} == {"code-level-tricks", "reproduction"}
    assert not any(verdict["claim"] for verdict in found["verdicts"])
    assert page.count("an indication, not a claim") >= 1
    assert not any("ndication" in verdict["statement"] for verdict in found["verdicts"])
    assert any("Few seeds" in notice for notice in found["notices"])


def test_report_json_holds_what_the_page_shows(quickstart):
    found = facts(quickstart)
    keys = {"suite", "snapshot", "protocol", "cells", "aggregates", "comparisons", "verdicts"}
    assert keys <= set(found)
    assert len(found["runs"]) == 40
    assert {row["metric"] for row in found["aggregates"]} == {"IQM", "mean", "median", "optimality gap"}
    for row in found["aggregates"]:
        assert row["low"] <= row["value"] <= row["high"]
        assert row["plain_high"] - row["plain_low"] < row["high"] - row["low"]
    page = (quickstart / "index.html").read_text()
    for row in found["aggregates"]:
        assert f"{row['value']:.3f}" in page
    for run in found["runs"]:
        assert run["run_id"] in page
        assert run["digest"][:12] in page


def test_ranks_and_areas_are_on_the_page_and_in_the_json(quickstart):
    found, page = facts(quickstart), (quickstart / "index.html").read_text()
    assert [row["variant"] for row in found["ranks"]][-1] == "ppo-m"
    for row in found["ranks"]:
        assert sum(row[f"rank_{k}"] for k in (1, 2, 3, 4)) == pytest.approx(1)
        assert 1 <= row["low"] <= row["high"] <= 4
        assert f"{row['mean']:.3f}" in page
    assert {row["where"] for row in found["areas"]} == {"aggregate", "InvertedPendulum-v5", "Hopper-v5"}
    assert (quickstart / "tables" / "area-under-curve.csv").exists()


def test_every_table_of_a_question_is_in_the_json_once():
    def table(name, **row):
        return SimpleNamespace(name=name, data=(row,))

    judged, other = table("reproduction", verdict="different"), table("seeds", n=3)
    content = SimpleNamespace(sections=(SimpleNamespace(tables=(judged, other)),))
    assert report._tables(content) == {"seeds": ({"n": 3},)}


def latex(*outs):
    return {path: path.read_text() for out in outs for path in sorted((out / "tables").glob("*.tex"))}


def test_every_table_is_sound_latex(quickstart, holes):
    found = latex(quickstart, holes)
    assert len(found) > 12
    for path, text in found.items():
        assert tex_faults(text) == [], path


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_every_table_compiles(quickstart, holes, tmp_path):
    tables = "\n\n".join(rf"{{\tiny {text}}}\clearpage" for text in latex(quickstart, holes).values())
    page = r"\usepackage[paperwidth=300cm,paperheight=300cm]{geometry}\usepackage{booktabs}"
    (tmp_path / "all.tex").write_text(
        rf"\documentclass{{article}}{page}\begin{{document}}{tables}\end{{document}}"
    )
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-800:]
    assert b"Overfull" not in done.stdout


def test_the_protocol_says_what_a_reader_must_know(quickstart):
    text = (quickstart / "report.md").read_text()
    for fact in (
        "last 10 %", "10 points", "5 episodes", "0 to 4", "±0.100", "±0.250", "Holm", "10\u202f000 resamples",
        "expanded percentiles", "PCG64", "matters report planted", "Planted processor", "2.13.0",
        "0123456789abcdef",
    ):  # fmt: skip
        assert fact in text, fact


def test_many_variants_come_in_parts_and_each_figure_has_its_data(ladder):
    files = set(tree(ladder))
    for name in ("learning-curves", "performance-profiles", "mean-kl"):
        assert {f"figures/{name}.svg", f"figures/{name}-2.svg"} <= files
        assert f"figures/{name}-3.svg" not in files
    page = (ladder / "index.html").read_text()
    for name, bounded in (
        ("trust-region-kl", {"npg", "tnpg", "trpo", "trpo+", "ppo-kl"}),
        ("trust-region-ratio", {"ppo", "ppo-m"}),
    ):
        assert f"figures/{name}.svg" in files
        assert f'href="tables/{name}.csv"' in page
        rows = (ladder / "tables" / f"{name}.csv").read_text().splitlines()
        assert rows[0] == "variant,environment,quantity,step,value,low,high"
        assert {row.split(",")[0] for row in rows[1:]} == bounded
    assert {"figures/natural-ladder.svg", "tables/natural-ladder-steps.tex"} <= files


def test_gaps_mixed_code_and_missing_constants_are_said_on_the_page(holes):
    found = facts(holes)
    notices = " ".join(found["notices"])
    assert "`ppo` on Hopper-v5 (1 failed)" in notices
    assert "`ppo-m` on Hopper-v5 (2 missing)" in notices
    assert "They block their aggregates" in notices
    assert "Left out of aggregates, for want of normalising constants: Unknown_<b>-v0" in notices
    assert "Runs of different training code are mixed" in notices
    assert found["aggregates"] == []
    page = (holes / "index.html").read_text()
    assert "planted failure" in page
    assert "<b>" not in page
    assert "--out &lt;here&gt;" in page


def test_allowed_gaps_are_counted_out_and_said(tmp_path):
    places = ("Hopper-v5", "Walker2d-v5")
    cells = {
        (name, place): Plant(mean, 0.1, 10)
        for name, mean in (("ppo", 0.9), ("ppo-m", 0.4))
        for place in places
    } | {("ppo", "Hopper-v5"): Plant(0.9, 0.1, 10, failed=1)}
    suite = planted.planted_suite(("ppo", "ppo-m"), places, ("code-level-tricks",))
    write_report(suite, planted.planted(cells), tmp_path, allow_missing=True, command="x --allow-missing")
    found = facts(tmp_path)
    assert len(found["aggregates"]) == 8
    assert any("`--allow-missing` was given" in notice for notice in found["notices"])
    aggregate = next(verdict for verdict in found["verdicts"] if verdict["where"] == "aggregate")
    assert (aggregate["verdict"], aggregate["claim"]) == ("different", False)
    assert "runs are not whole: ppo, Hopper-v5: 1 failed" in aggregate["statement"]


def test_a_suite_where_nothing_has_run_yet_still_has_a_page(tmp_path):
    cells = {(v, "Hopper-v5"): Plant(0, 0, 0, missing=3) for v in ("ppo", "ppo-m")}
    suite = planted.planted_suite(("ppo", "ppo-m"), ("Hopper-v5",), ("code-level-tricks",), seeds=3)
    page = write_report(suite, planted.planted(cells), tmp_path, command="x").read_text()
    assert "0 of 6 runs done" in page


def test_an_unknown_question_is_one_line_and_nothing_is_written(tmp_path):
    suite = planted.planted_suite(("ppo",), ("Hopper-v5",), ("reproductoin",))
    snapshot = planted.planted({("ppo", "Hopper-v5"): Plant(0.5, 0.1, 3)})
    with pytest.raises(InputError, match=r"unknown question 'reproductoin'; did you mean 'reproduction'\?"):
        write_report(suite, snapshot, tmp_path / "out", command="x")
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_one_line_and_stays_as_it_was(tmp_path):
    suite, snapshot = planted.quickstart()
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="is a file, not a directory"):
        write_report(suite, snapshot, tmp_path / "out", command="x")
    assert (tmp_path / "out").read_text() == "mine"


def test_the_table_of_questions_is_the_folder_and_what_suites_accept():
    from matters.reports import questions
    from matters.reports.questions import QUESTIONS, imported, imported_pairs
    from matters.suites.fields import QUESTIONS as ACCEPTED

    names = [f"{info.name}" for info in pkgutil.walk_packages(questions.__path__, f"{questions.__name__}.")]
    modules = [import_module(name) for name in names if not name.endswith(("_test", "conftest"))]
    # These two are not asked by a suite: they are there when a report shows imported runs.
    unasked = {imported.__name__, imported_pairs.__name__}
    answers = {module.__name__ for module in modules if hasattr(module, "answer")} - unasked
    assert set(QUESTIONS.values()) == answers
    assert set(QUESTIONS) == set(ACCEPTED)


def test_all_that_a_report_loads_is_in_its_fingerprint_or_left_out_with_a_reason(elsewhere):
    from matters.reports import questions
    from matters.reports.report import NOT_THE_PAGE
    from matters.results.fingerprint import closure

    needed = closure(["matters.reports.report", *questions.QUESTIONS.values()], without=NOT_THE_PAGE)
    # The table of algorithms is left out, and so is what it holds: a page is of stored runs.
    loaded = {name for name in elsewhere[1] if not name.startswith("matters.algorithms.")}
    # What the planted answers need, the page does not: it would have a snapshot in their place.
    assert loaded - set(needed) - set(NOT_THE_PAGE) == set()
