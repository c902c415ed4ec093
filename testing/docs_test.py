"""The pages for people who add their own, followed to the letter; what they install, `nox -s own` does."""

import os
import re
import sys
from pathlib import Path

import pytest

from matters.algorithms import ALGORITHMS
from matters.harness.cli import call
from matters.suites.fields import QUESTIONS
from matters.suites.loading import loads, suite_names
from testing.follow_pages import BLOCK, DOCS, PAGES, commands


@pytest.mark.parametrize("page", PAGES)
def test_a_page_for_those_who_add_their_own_works_to_the_letter(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *(p for p in sys.path if p)]))
    for program, *words in commands(page, tmp_path):
        if "pip" in words:
            break
        assert program == "matters"
        assert call(words) == 0, words
    said = capsys.readouterr().out
    for name in {name for name in sys.modules if name.partition(".")[0] == "mine"} - known:
        del sys.modules[name]
    assert "done, 0 running" in said
    assert "0 failed, 0 missing" in said


def test_the_page_on_suites_shows_one_that_loads_with_all_that_it_has() -> None:
    (text,) = (
        block for language, block in BLOCK.findall((DOCS / "suites.md").read_text()) if language == "toml"
    )
    found = loads(text, "docs/suites.md")
    assert found.questions == ("comparison", "reproduction", "seeds")
    assert found.comparisons[0] == ("plain", "ppo-sb3")
    assert {(cell.variant, len(cell.specs)) for cell in found.cells()} >= {("ppo", 10), ("sb3-ppo", 5)}
    assert found.tuning is not None
    assert found.tuning.seeds == (2000, 2001, 2002)
    batches = {
        cell.environment: cell.specs[0].config["minibatch_size"]
        for cell in found.cells()
        if cell.variant == "plain"
    }
    assert batches == {"Hopper-v5": 128, "Walker2d-v5": 64}


def test_the_readme_names_every_suite_algorithm_and_question() -> None:
    named = set(re.findall("`([a-z0-9-]+)`", (DOCS.parent / "README.md").read_text()))
    assert {*suite_names(), *ALGORITHMS, *QUESTIONS} <= named
