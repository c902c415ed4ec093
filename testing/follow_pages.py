"""Follow the pages for people who add their own, to the letter: save every file, type every command.

    python testing/follow_pages.py FOLDER

Needs nothing but the standard library and `matters` on the path. Until a page has its folder installed by
pip, the folder is on PYTHONPATH, as it says.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("your-own-environment.md", "your-own-algorithm.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"Save it as `([^`]+)`")


def commands(page: str, place: Path) -> Iterator[list[str]]:
    """Save the files that the page says to save, and yield the words of each command where it is typed."""
    text = (DOCS / page).read_text()
    names = SAVED.findall(text)
    for language, block in BLOCK.findall(text):
        if language in ("python", "toml"):
            path = place / names.pop(0)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
            continue
        if language != "bash":
            raise SystemExit(f"{page}: what is to be done with {language}?")
        yield from (shlex.split(line) for line in block.strip().splitlines())
    if names:
        raise SystemExit(f"{page}: not saved: {names}")


def main(place: Path) -> None:
    """Follow the pages in one folder; exits with a line at the first thing that does not work."""
    environment = {**os.environ, "PYTHONPATH": str(place)}
    for page in PAGES:
        for words in commands(page, place):
            line = shlex.join(words)
            sys.stdout.write(f"{page}: {line}\n")
            sys.stdout.flush()
            if subprocess.run(words, cwd=place, env=environment, check=False).returncode:
                raise SystemExit(f"{page}: {line}: did not work")
            if "pip" in words:
                del environment["PYTHONPATH"]
    written = sorted(path.parent.name for path in place.glob("runs/report/*/index.html"))
    if "PYTHONPATH" in environment or written != ["both", "drift", "linear"]:
        raise SystemExit(f"installed: {'PYTHONPATH' not in environment}, pages: {written}")
    sys.stdout.write(f"pages: {', '.join(written)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
