"""The pages for people who add their own, followed to the letter."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"Save it as `([^`]+)`")


def follow(page: str, place: Path) -> str:
    """Save every file that the page says to save, type every command; returns what the commands printed."""
    text = (DOCS / page).read_text()
    said, names = [], SAVED.findall(text)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place), *(p for p in sys.path if p)])}
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
            done = subprocess.run(
                [sys.executable, "-m", "matters", *words],
                cwd=place, env=environment, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            said.append(done.stdout)
    assert not names, f"not saved: {names}"
    return "".join(said)


@pytest.mark.parametrize("page", ["your-own-environment.md", "your-own-algorithm.md"])
def test_a_page_for_those_who_add_their_own_works_to_the_letter(page: str, tmp_path: Path) -> None:
    said = follow(page, tmp_path)
    assert "done, 0 running" in said
    assert "0 failed, 0 missing" in said
