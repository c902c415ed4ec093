import itertools
import sys
from pathlib import Path

import pytest

from matters.results import fingerprint as module
from matters.results.fingerprint import closure, fingerprint, imports, text_hash, tree_hash

FILES = {
    "__init__.py": "",
    "worker.py": "from NAME import rule\nfrom NAME.maths.sums import total\nimport json\n",
    "rule.py": "def act():\n    from NAME import late\n    return late.x\n",
    "late.py": "x = 1\n",
    "maths/__init__.py": "y = 2\n",
    "maths/sums.py": "from .terms import one\ntotal = sum\n",
    "maths/terms.py": "one = 1\n",
    "page.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from NAME import looks\n",
    "looks.py": "z = 3\n",
}
NUMBERS = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a package of FILES, with changes, under a name of its own; its modules' names begin with it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(**changed: str) -> str:
        name = f"made_for_fingerprints_{next(NUMBERS)}"
        for file, text in FILES.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(changed.get(path.stem, text).replace("NAME", name))
        return name

    return make


def stems(name: str, modules: tuple[str, ...]) -> set[str]:
    return {module.removeprefix(name).removeprefix(".") for module in modules}


def test_the_closure_follows_imports_in_functions_relative_ones_and_packages(package) -> None:
    name = package()
    needed = {"", "worker", "rule", "late", "maths", "maths.sums", "maths.terms"}
    assert stems(name, closure([f"{name}.worker"])) == needed
    assert name not in sys.modules  # it was read, not imported


def test_what_is_for_the_type_checker_only_is_not_needed(package) -> None:
    name = package()
    assert stems(name, closure([f"{name}.page"])) == {"", "page"}


def test_what_is_left_out_goes_with_all_that_only_it_imports(package) -> None:
    name = package()
    left = closure([f"{name}.worker"], without={name, f"{name}.rule"})
    assert stems(name, left) == {"worker", "maths", "maths.sums", "maths.terms"}


def test_a_root_that_is_not_there_is_an_error(package) -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        closure([f"{package()}.nowhere"])


def of(name: str, **options) -> str:
    return fingerprint([f"{name}.worker"], **options)


def test_only_code_that_is_needed_and_that_does_something_counts(tmp_path: Path) -> None:
    def hash_of(text: str) -> str:
        path = tmp_path / f"{next(NUMBERS)}.py"
        path.write_text(text)
        return tree_hash(path)

    plain = hash_of("def f(x):\n    return x + 1\n")
    assert hash_of('"""What."""\ndef f( x ):\n    """Why."""\n    # so\n    return (x + 1)\n') == plain
    assert hash_of("def f(x):\n    return x + 2\n") != plain
    assert hash_of("def f(x):\n    return x + True\n") != plain  # which is equal to 1, and another tree
    # A string that is not a docstring is a value.
    assert hash_of("def f(x):\n    pass\n    'Why.'\n") != hash_of("def f(x):\n    pass\n    'How.'\n")
    assert hash_of("def f():\n    return\n") == hash_of("def f():\n    return\n")
    assert hash_of("x = None\n") != hash_of("x = False\n")


def test_a_changed_data_file_and_another_version_are_another_fingerprint(package, tmp_path: Path) -> None:
    name, table = package(), tmp_path / "table.csv"
    table.write_text("1\n")
    first = of(name, data=[table])
    table.write_text("2\n")
    assert len({of(name), first, of(name, data=[table]), of(name, packages=["numpy"])}) == 4
    assert of(name, packages=["not-to-be-found"]) != of(name)


def test_a_line_counts_wherever_it_is_needed_and_nowhere_else(
    package, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = package()
    before = of(name)
    for file in FILES:
        stem = file.removesuffix(".py").replace("/", ".").removesuffix("__init__").rstrip(".")
        needed = f"{name}.{stem}".rstrip(".") in closure([f"{name}.worker"])
        with monkeypatch.context() as changed:
            append(changed, f"{name}.{stem}".rstrip("."), "\nadded = 1\n")
            assert (of(name) != before) == needed, file
            append(changed, f"{name}.{stem}".rstrip("."), "\n# said\n")
        assert of(name) == before


def append(monkeypatch: pytest.MonkeyPatch, changed: str, line: str) -> None:
    """Have the module read as if the line stood at its end."""
    real, target = module.tree_hash, module._path(changed)
    altered = text_hash(target.read_text() + line)
    monkeypatch.setattr(module, "tree_hash", lambda path: altered if path == target else real(path))


def test_imports_of_this_very_module_are_those_at_its_top() -> None:
    assert imports("matters.results.fingerprint_test") >= {"pytest", "matters.results.fingerprint"}
