"""The pages for people who add their own, followed to the letter."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from matters.harness.cli import call

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"Save it as `([^`]+)`")


def follow(page: str, place: Path) -> None:
    """Save every file that the page says to save, type every command."""
    text = (DOCS / page).read_text()
    names = SAVED.findall(text)
    for language, block in BLOCK.findall(text):
        if language in ("python", "toml"):
            path = place / names.pop(0)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
            continue
        assert language == "bash", language
        for line in block.strip().splitlines():
            program, *words = shlex.split(line)
            assert program == "matters", line
            assert call(words) == 0, line
    assert not names, f"not saved: {names}"


@pytest.mark.parametrize("page", ["your-own-environment.md", "your-own-algorithm.md"])
def test_a_page_for_those_who_add_their_own_works_to_the_letter(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *(p for p in sys.path if p)]))
    follow(page, tmp_path)
    said = capsys.readouterr().out
    for name in {name for name in sys.modules if name.partition(".")[0] == "mine"} - known:
        del sys.modules[name]
    assert "done, 0 running" in said
    assert "0 failed, 0 missing" in said
