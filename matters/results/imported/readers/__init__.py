"""One module per family of files; a file's content, not its name, says which it belongs to."""

from collections.abc import Sequence
from pathlib import Path

from matters.results.imported.curve import Curve
from matters.results.imported.readers import arrays, columns, delimited, events, json_files, monitor
from matters.results.imported.readers.asked import Said
from matters.results.imported.readers.event_files import starts_as_events
from matters.results.imported.readers.headers import Lacking
from matters.suites.errors import InputError


def curves(files: Sequence[tuple[Path, bytes]], said: Said) -> list[Curve]:
    """The runs in the bytes of one file, or the one run of several files that belong together.

    Raises Lacking for files without results, InputError for results that cannot be used.
    """
    path, data = files[0]
    if _is_events(path, data):
        return [events.curve(files, said)]
    if said.tag is not None:
        raise InputError("--tag is of TensorBoard's files, this is none")
    if data.startswith(b"PK\x03\x04"):
        return [arrays.evaluations(data)]
    if data.startswith(b"\x93NUMPY"):
        return arrays.plain(data, said)
    if path.name.lower().endswith((".npz", ".npy")):
        raise InputError("is damaged: not NumPy's format")
    text = delimited.decoded(data)
    if monitor.is_monitor(text):
        return [monitor.curve(files, said.unit)]
    if text.lstrip().startswith(("{", "[")):
        return json_files.curves(text, path, said)
    return columns.curves(data, path, said)


def _is_events(path: Path, data: bytes) -> bool:
    """Whether it is an event file, by name or by the checksum of the first record's length."""
    return "tfevents" in path.name or starts_as_events(data)


__all__ = ["Lacking", "Said", "curves"]
