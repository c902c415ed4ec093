"""The pages for people who add their own, followed to the letter; what they install, `nox -s own` does."""

import os
import sys
from pathlib import Path

import pytest

from matters.harness.cli import call
from testing.follow_pages import PAGES, commands


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
