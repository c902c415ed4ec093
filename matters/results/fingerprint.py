"""Fingerprints of code: what was imported to make a result, as the hash of its syntax trees.

Which files those are is read from the import statements, those inside functions included, and not from a list
kept by hand: a new file that nothing imports changes no fingerprint, and no imported file can be forgotten.
Layout, comments and docstrings do not count. Nothing is imported to find this out, so that a command that
only reports need not load the code it reports on.
"""

import ast
import functools
import hashlib
from collections.abc import Collection, Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path


def fingerprint(
    roots: Iterable[str],
    *,
    without: Collection[str] = (),
    data: Iterable[Path] = (),
    packages: Iterable[str] = (),
) -> str:
    """SHA-256 over the modules that `roots` import, data files, and the versions of others' packages.

    `roots` are names of modules; every module that they need from their own top-level packages counts, except
    those in `without`. A package that is not installed counts as absent.
    """
    whole = hashlib.sha256()
    for name in closure(roots, without=without):
        whole.update(f"{name} {tree_hash(_path(name))}\n".encode())
    # The folder's name as well: a table of runs and one of means may have the same name.
    for name, path in sorted((f"{path.parent.name}/{path.name}", path) for path in data):
        whole.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    for package in sorted(packages):
        whole.update(f"{package} {_version(package)}\n".encode())
    return whole.hexdigest()


def closure(roots: Iterable[str], *, without: Collection[str] = ()) -> tuple[str, ...]:
    """The modules that `roots` import, directly or not, sorted; of the roots' own top-level packages only.

    A package that holds a needed module runs when that is imported, so it is needed as well. Modules in
    `without` are left out, with what only they import. Raises ModuleNotFoundError for a root that does not
    exist.
    """
    pending = list(roots)
    own = {name.partition(".")[0] for name in pending}
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name in found or name in without:
            continue
        found.add(name)
        pending += [module for module in imports(name) if module.partition(".")[0] in own]
        if "." in name:
            pending.append(name.rpartition(".")[0])
    return tuple(sorted(found))


@functools.cache
def imports(name: str) -> frozenset[str]:
    """The modules that the statements of the module `name` import, those for the type checker left out."""
    path = _path(name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return frozenset(_imported(ast.parse(path.read_bytes()).body, package))


def _imported(statements: Iterable[ast.AST], package: str) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from _imported(node.orelse, package)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source
            # `from package import name`: the name may be a module of it.
            yield from (
                f"{source}.{alias.name}" for alias in node.names if _is_module(f"{source}.{alias.name}")
            )
        else:
            yield from _imported(ast.iter_child_nodes(node), package)


@functools.cache
def tree_hash(path: Path) -> str:
    """SHA-256 of a file's syntax tree without docstrings, the same for every version of Python."""
    return text_hash(path.read_bytes())


def text_hash(source: str | bytes) -> str:
    """SHA-256 of the syntax tree of source text, as in `tree_hash`."""
    return hashlib.sha256(repr(_plain(ast.parse(source))).encode()).hexdigest()


def _plain(node: object) -> object:
    """A tree as nested tuples. Empty fields are left out: later versions of Python have more of them."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        fields["body"] = node.body[_has_docstring(node) :]
    # A constant's value may be None or False, which is never an empty field.
    return (
        type(node).__name__,
        *((name, _plain(v)) for name, v in fields.items() if v not in (None, []) or name == "value"),
    )


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


@functools.cache
def _path(name: str) -> Path:
    """The source of a module: the topmost package is found by name, what is in it by folder."""
    top, *rest = name.split(".")
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    base = Path(spec.origin)
    if rest:
        base = base.parent.joinpath(*rest)
        base = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not base.is_file():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return base


@functools.cache
def _is_module(name: str) -> bool:
    try:
        _path(name)
    except ModuleNotFoundError:
        return False
    return True


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
