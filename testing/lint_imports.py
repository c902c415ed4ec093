"""The import contracts of pyproject.toml, held against what is shipped: `python -m testing.lint_imports`.

Tests lie beside the code and import what they like; import-linter cannot leave files out. So the package is
copied without them, and the copy is checked. Contracts between all algorithms, and between all questions, are
written here from their tables, so that a new one cannot be forgotten. And no module imports itself by way of
others, not even inside of a function or for types alone.
"""

import json
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory

import grimp

from matters.algorithms import ALGORITHMS
from matters.reports.questions import QUESTIONS

ROOT = Path(__file__).resolve().parents[1]
NOT_SHIPPED = ("*_test.py", "conftest.py", "testdata", "__pycache__")


CONTRACTS = """
[[tool.importlinter.contracts]]
name = "Floors of algorithms: experience and the algorithms' files → parts → maths → interface"
type = "layers"
containers = ["matters.algorithms"]
layers = [{algorithms}, "parts", "maths", "interface"]
exhaustive = true

[[tool.importlinter.contracts]]
name = "A question imports no other question"
type = "independence"
modules = {questions}
"""
BESIDE_THE_ALGORITHMS = {"experience", "sources"}
UNASKED = {"matters.reports.questions.imported"}
"""A question that is added when a report shows imported runs."""


def contracts() -> str:
    """No algorithm imports another, no question another: in the words of import-linter."""
    algorithms = {part(path, "matters.algorithms") for path in ALGORITHMS.values()}
    folder = "matters.reports.questions"
    questions = {f"{folder}.{part(path, folder)}" for path in QUESTIONS.values()}
    return CONTRACTS.format(
        algorithms=json.dumps(" | ".join(sorted(algorithms | BESIDE_THE_ALGORITHMS))),
        questions=json.dumps(sorted(questions | UNASKED)),
    )


def part(path: str, folder: str) -> str:
    """The file or folder in which a module of a folder lies."""
    return path.removeprefix(f"{folder}.").partition(".")[0]


def circle() -> list[str]:
    """Modules of which each imports the one before it, the first also the last; empty if there are none."""
    graph = grimp.build_graph("matters", cache_dir=None)
    shipped = [name for name in graph.modules if not name.endswith(("_test", ".conftest"))]
    try:
        TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in shipped}).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def main() -> int:
    """Check the contracts; returns import-linter's exit status, and 1 for a circle."""
    if found := circle():
        sys.stderr.write(f"a circle of imports: {' → '.join(reversed(found))}\n")
        return 1
    tests = shutil.ignore_patterns(*NOT_SHIPPED)
    # The folder it is started in comes first on its path, before an installation of this checkout.
    program = "import sys; sys.path.insert(0, ''); from importlinter import cli; cli.lint_imports_command()"
    with TemporaryDirectory(prefix="matters-") as folder:
        shutil.copytree(ROOT / "matters", Path(folder, "matters"), ignore=tests)
        rules = (ROOT / "pyproject.toml").read_text(encoding="utf-8") + contracts()
        Path(folder, "pyproject.toml").write_text(rules, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-c", program, "--no-cache"], cwd=folder, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
