"""The import contracts of pyproject.toml, held against what is shipped: `python -m testing.lint_imports`.

Tests lie beside the code and import what they like; import-linter cannot leave files out. So the package is
copied without them, and the copy is checked.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
NOT_SHIPPED = ("*_test.py", "conftest.py", "testdata", "__pycache__")


def main() -> int:
    """Check the contracts; returns import-linter's exit status."""
    tests = shutil.ignore_patterns(*NOT_SHIPPED)
    # The folder it is started in comes first on its path, before an installation of this checkout.
    program = "import sys; sys.path.insert(0, ''); from importlinter import cli; cli.lint_imports_command()"
    with TemporaryDirectory(prefix="matters-") as folder:
        shutil.copytree(ROOT / "matters", Path(folder, "matters"), ignore=tests)
        shutil.copy(ROOT / "pyproject.toml", folder)
        return subprocess.run(
            [sys.executable, "-c", program, "--no-cache"], cwd=folder, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
