"""A disk that fails: every call of Python's that changes what lies below a folder is counted, and some fail.

Calls are files opened to be written, bytes written, syncs, renames, links, directories made, files cut and
removed, times set.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

WRITING = ("open", "write", "fsync", "rename", "link", "mkdir")
"""What a full disk may refuse; a broken one may refuse the rest, too."""


@dataclass
class Disk:
    """A disk below a folder, which counts the calls that change it and fails some of them.

    Attributes:
        root: what lies elsewhere is not counted.
        breaks_at: the number of the call that fails, from 1; none with 0.
        error: the error's number.
        stays: whether all later calls fail, too.
        calls: kind and place of each call so far.
    """

    root: Path
    breaks_at: int = 0
    error: int = errno.EIO
    stays: bool = False
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether the fault has come."""
        return 0 < self.breaks_at <= len(self.calls)

    def fails(self, kind: str, path: Any) -> bool:
        """Count a call; whether it is one that fails."""
        place = os.path.abspath(os.fspath(path))
        if not place.startswith(f"{self.root}{os.sep}"):
            return False
        if self.error == errno.ENOSPC and kind not in WRITING:
            return False
        self.calls.append((kind, place[len(str(self.root)) + 1 :]))
        return len(self.calls) == self.breaks_at or (self.stays and self.broken)

    def meet(self, kind: str, path: Any) -> None:
        """Count a call, and raise the fault if it fails."""
        if self.fails(kind, path):
            raise self.fault(path)

    def fault(self, path: Any) -> OSError:
        """What a call that fails raises."""
        return OSError(self.error, os.strerror(self.error), os.fspath(path))


class _File(io.FileIO):
    """A file on such a disk: a write that fails has written half."""

    def __init__(self, disk: Disk, path: Any, mode: str) -> None:
        super().__init__(path, mode)
        self._disk, self._path = disk, path

    def write(self, data: Any) -> int:
        if self._disk.fails("write", self._path):
            super().write(bytes(data)[: len(data) // 2])
            # Some systems say so without the name.
            raise OSError(self._disk.error, os.strerror(self._disk.error))
        return super().write(data)


@contextmanager
def on(disk: Disk) -> Iterator[None]:
    """Have all that Python writes go through the disk while the context is open."""
    real_open = builtins.open
    real = {name: getattr(os, name) for name in ("open", "fsync", "link", "mkdir", "truncate", "utime")}

    def opened(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Any,
    ) -> Any:
        writes = isinstance(file, str | os.PathLike) and set(mode) & set("wax+")
        if not writes or not os.path.abspath(file).startswith(f"{disk.root}{os.sep}"):
            return real_open(file, mode, buffering, encoding, errors, newline, **options)
        disk.meet("open", file)
        raw = _File(disk, file, mode.replace("b", "").replace("t", ""))
        binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return binary
        return io.TextIOWrapper(binary, encoding, errors, newline, line_buffering=buffering == 1)

    def os_open(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            disk.meet("open", path)
        return int(real["open"](path, flags, *more, **options))

    def fsync(descriptor: int) -> None:
        disk.meet("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        real["fsync"](descriptor)

    def counted(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(path: Any, *more: Any, **options: Any) -> Any:
            disk.meet(kind, more[0] if kind in ("rename", "link") else path)
            return function(path, *more, **options)

        return wrapped

    simple = {"link": "link", "mkdir": "mkdir", "truncate": "truncate", "utime": "utime"}
    simple |= {"replace": "rename", "rename": "rename", "unlink": "remove", "remove": "remove"}
    with ExitStack() as patches:
        for module, name, function in (
            (builtins, "open", opened),
            (io, "open", opened),
            (os, "open", os_open),
            (os, "fsync", fsync),
            *((os, name, counted(kind, getattr(os, name))) for name, kind in simple.items()),
        ):
            patches.enter_context(mock.patch.object(module, name, function))
        yield
