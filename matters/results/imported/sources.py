"""Which files are meant, and which of them are one run: the unit is a run, never a file.

Files are named one by one, by a folder, or by a pattern such as `logs/{variant}/{environment}_s{seed}`, whose
last part may be a file or a folder. A folder with what a training writes (evaluations, monitors, event files,
a progress table) is one run, read from the best of these; any other file is read by itself.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from matters.results.imported.curve import UNNAMED, Names
from matters.results.imported.naming import SIDECARS, printable
from matters.suites.errors import InputError, nearest
from matters.suites.spec import MAX_SEED

MAX_BYTES = 256 * 2**20
"""The most bytes of one file, unpacked. A monitor of ten million episodes has half of that."""

CHUNK = 2**18
"""Bytes that are unpacked at a time."""

FIELDS = {"variant": r"[^/]+", "environment": r"[^/]+", "seed": r"[0-9]+"}
"""What may stand in a pattern, and what it matches."""

EVENTS = "*tfevents*"
MONITORS = ("*monitor.csv", "*monitor.csv.gz", "*monitor.json")
TRAINING = (
    "evaluations.npz",
    "eval.csv",
    "learning_curve.csv",
    "progress.txt",
    "progress.csv",
    "result.json",
    EVENTS,
    *MONITORS,
    "train.csv",
)
"""The names that trainings give their files, the best for a report first: evaluations before training
episodes."""
OF_TRAINING = ("monitor", "train.csv", EVENTS, "progress.txt", "progress.csv", "result.json")
"""Those of them that hold training episodes, or may do so."""
OTHERS = ("*.csv", "*.tsv", "*.txt", "*.json", "*.jsonl", "*.npy", "*.npz")
SIDECAR_NAMES = (*SIDECARS, "requirements.txt")


@dataclass(frozen=True)
class Unit:
    """Files that are one run or, if it is one file, may hold several; with the names that a pattern found.

    `sought` says that nobody named the file itself: if it has no results, it is passed over.
    """

    paths: tuple[Path, ...]
    names: Names = UNNAMED
    sought: bool = False
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The file, or the folder of several, for messages."""
        first = self.paths[0]
        return printable(first if len(self.paths) == 1 else first.parent)


def units(paths: Sequence[Path], pattern: str | None, by: str | None, training: bool) -> list[Unit]:
    """What is to be read, in the order given, folders sorted. Raises InputError for a path that is not there.

    `by` is "file" if each file is a run of its own, "folder" if those of a folder are one, None where the
    files must say so themselves. With `training`, files of training episodes take precedence over
    evaluations.
    """
    found: list[Unit] = []
    for path, names in [*((path, Names()) for path in paths), *_matching(pattern)]:
        if path.is_dir():
            folders = [path, *sorted(one for one in path.rglob("*") if one.is_dir())]
            here = [unit for folder in folders for unit in _of_folder(folder, names, by, training)]
            if not here:
                raise InputError(f"{printable(path)}: no file of results in it; {_contents(path)}")
            found += here
        else:
            _refuse_special(path)
            found.append(Unit((path,), names))
    _refuse_twice(found)
    return found if by == "file" else _joined(found)


def _of_folder(folder: Path, names: Names, by: str | None, training: bool) -> list[Unit]:
    files = [path for path in sorted(folder.iterdir(), key=_natural) if path.is_file()]
    files = [path for path in files if path.name not in SIDECAR_NAMES]
    groups: dict[str, list[Path]] = {}
    found = []
    for path in files:
        name = path.name.lower()
        kind = next((kind for kind in TRAINING if fnmatchcase(name, kind)), None)
        if kind is not None:
            groups.setdefault("monitor" if kind in MONITORS else kind, []).append(path)
        elif any(fnmatchcase(name.removesuffix(".gz"), other) for other in OTHERS):
            found.append(Unit((path,), names, sought=True))
    if groups:
        best = min(groups, key=lambda kind: (training and kind not in OF_TRAINING, _rank(kind)))
        others = [path.name for name, group in groups.items() if name != best for path in group]
        notes = (
            (f"{printable(groups[best][0].name)} read, not {_listed(others)} beside it",) if others else ()
        )
        if by == "file":
            found = [Unit((path,), names, notes=notes) for path in groups[best]] + found
        else:
            found.insert(0, Unit(tuple(groups[best]), names, notes=notes))
    return found


def _rank(name: str) -> int:
    return TRAINING.index(MONITORS[0] if name == "monitor" else name)


def _joined(found: list[Unit]) -> list[Unit]:
    """Monitors, and event files, of one folder and one name as one unit, at the position of the first."""
    together: dict[object, Unit] = {}
    for position, unit in enumerate(found):
        path = unit.paths[0]
        kinds = [kind for kind, names in (("monitor", MONITORS), ("events", (EVENTS,)))
                 if any(fnmatchcase(path.name.lower(), name) for name in names)]  # fmt: skip
        key: object = (path.parent.absolute(), kinds[0], unit.names) if kinds else position
        there = together.get(key)
        together[key] = unit if there is None else replace(there, paths=(*there.paths, *unit.paths))
    return list(together.values())


def _refuse_twice(found: Sequence[Unit]) -> None:
    seen: set[Path] = set()
    for path in (path for unit in found for path in unit.paths):
        if (resolved := path.resolve()) in seen:
            raise InputError(f"{printable(path)}: is given twice; a file counts once")
        seen.add(resolved)


def _refuse_special(path: Path) -> None:
    """Refuse devices and pipes, which have no end."""
    try:
        path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{printable(path)}: cannot be read: {reason}") from None
    if not path.is_file():
        raise InputError(f"{printable(path)}: cannot be read: neither a file nor a folder")


def read_bytes(path: Path) -> bytes:
    """The file's bytes, unchanged. Raises InputError for one that cannot be read, or is too large."""
    _refuse_special(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"is larger than {MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from None


def unpacked(data: bytes) -> bytes:
    """What a gzip file holds, any other file as it is. A file that unpacks to too much is refused.

    One that ends early is read as far as it goes; one that was opened again to append has several members.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    found = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file, suppress(EOFError):
            while part := file.read1(CHUNK):
                found += part
                if len(found) > MAX_BYTES:
                    raise InputError(f"unpacks to more than {MAX_BYTES >> 20} MiB")
    except (OSError, zlib.error):
        raise InputError("is damaged: not a whole gzip file") from None
    return bytes(found)


def _matching(pattern: str | None) -> list[tuple[Path, Names]]:
    """The files and folders that the pattern matches, and the names that it finds in them."""
    if pattern is None:
        return []
    parts = Path(pattern).parts
    expressions = [_expression(part, pattern) for part in parts]
    fixed = next((k for k, part in enumerate(parts) if "{" in part), len(parts))
    root = Path(*parts[:fixed]) if fixed else Path()
    found = list(_walk(root, expressions[fixed:], {}))
    if not found:
        raise InputError(f"--from {printable(pattern)}: nothing matches; {_contents(root)}")
    return [
        (path, Names(names.get("variant"), names.get("environment"), _seed(names.get("seed"))))
        for path, names in found
    ]


def _seed(text: str | None) -> int | None:
    if text is not None and (len(text) > 19 or int(text) > MAX_SEED):
        raise InputError(f"--from: seed = {text[:30]}: should be at most {MAX_SEED}")
    return None if text is None else int(text)


def _expression(part: str, pattern: str) -> "re.Pattern[str]":
    text = ""
    for piece in re.split(r"(\{[^{}]*\})", part):
        if not piece.startswith("{"):
            text += re.escape(piece)
            continue
        name = piece[1:-1]
        if name not in FIELDS:
            raise InputError(f"--from {printable(pattern)}: unknown {{{name}}}{nearest(name, FIELDS)}")
        text += f"(?P={name})" if f"(?P<{name}>" in text else f"(?P<{name}>{FIELDS[name]})"
    return re.compile(text)


def _walk(
    path: Path, rest: Sequence["re.Pattern[str]"], names: dict[str, str]
) -> Iterator[tuple[Path, dict[str, str]]]:
    if not rest:
        if path.exists():
            yield path, names
        return
    if not path.is_dir():
        return
    for entry in sorted(path.iterdir(), key=_natural):
        match = rest[0].fullmatch(entry.name)
        if match and all(names.get(name, value) == value for name, value in match.groupdict().items()):
            yield from _walk(entry, rest[1:], {**names, **match.groupdict()})


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """A key that sorts 2.monitor.csv before 10.monitor.csv."""
    pieces = re.split(r"(\d{1,18})", path.name)
    return [(0, int(piece), "") if piece.isdigit() and piece.isascii() else (1, 0, piece) for piece in pieces]


def _contents(folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {printable(folder)}"
    return (
        f"{printable(folder)} holds {_listed([path.name for path in sorted(folder.iterdir())]) or 'nothing'}"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(printable(name) for name in names[:4]) + more
