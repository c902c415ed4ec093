"""Our own published studies, each a bundle in a folder beside this file: docs/bundles.md has the format.

They are kept in version control, so they have no parameters, their training tables are thinned, and they grow
only by additional shards. The wheel does not include them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from matters.results.bundle import is_bundle, unpack
from matters.results.bundle.manifest import Manifest, read
from matters.results.bundle.unpacking import Progress
from matters.results.store import Store
from matters.suites.errors import InputError, nearest

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Evidence:
    """The runs of a bundle, each checked, in a store that lasts as long as it is open."""

    manifest: Manifest
    store: Store


def names() -> list[str]:
    """The names of the bundles that are there."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and is_bundle(path))


def place(name: str) -> Path:
    """Where the bundle of that name lies, or would lie. Raises InputError for what is not a name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name):
        raise InputError(f"--evidence {name}: should be small letters, digits and . _ -")
    return FOLDER / name


def find(name: str) -> Path:
    """The bundle of that name, or at that path. Raises InputError if there is none."""
    for path in (FOLDER / name, Path(name)):
        if is_bundle(path):
            return path
    raise InputError(f"--evidence {name}: no bundle of that name, or at that path{nearest(name, names())}")


def manifest(name: str) -> Manifest:
    """What the bundle of that name, or at that path, says of itself: its runs are not looked at."""
    return read(find(name))


@contextmanager
def opened(name: str, progress: Progress = lambda *_: None, run_id: str | None = None) -> Iterator[Evidence]:
    """The runs of the bundle of that name, or at that path; if just one id begins with `run_id`, that run.

    Raises InputError for a bundle that is damaged.
    """
    path = find(name)
    only = None
    if run_id is not None:
        meant = [run.run_id for run in read(path).runs if run.run_id.startswith(run_id.lower())]
        only = meant if len(meant) == 1 else None
    with TemporaryDirectory(prefix="matters-") as folder:
        found = unpack(path, Path(folder) / "runs", progress, only)
        yield Evidence(found.manifest, Store.open(Path(folder) / "runs"))
