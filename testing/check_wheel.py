"""What a wheel installs, seen from the environment it is installed into: `python testing/check_wheel.py`.

Beside it lie four packages that take the names of rooms; the noxfile builds and installs them.
"""

import importlib
import sys
from importlib.metadata import files

ROOMS = ("algorithms", "results", "harness", "reports")


def complaints() -> list[str]:
    """What is wrong with the installation."""
    paths = [str(path) for path in files("matters") or []]
    tops = {path.split("/")[0] for path in paths}
    allowed = {"matters", ".."}  # `../../../bin/matters`
    found = [f"top-level name {top}" for top in sorted(tops - allowed) if not top.endswith(".dist-info")]
    tests = ("_test.py", "conftest.py")
    found += [f"for tests only: {path}" for path in paths if path.endswith(tests) or "/testdata/" in path]
    for room in ROOMS:
        stranger = importlib.import_module(room)
        ours = importlib.import_module(f"matters.{room}")
        if getattr(stranger, "WHOSE", None) != "a stranger's":
            found.append(f"{room}: not the stranger's, but {stranger.__file__}")
        if hasattr(ours, "WHOSE"):
            found.append(f"matters.{room}: the stranger's")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(complaints()) or None)
