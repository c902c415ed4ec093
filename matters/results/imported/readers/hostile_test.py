"""A file that means harm is refused in one line: nothing in it runs, and memory stays within its bound."""

import gzip
import io
import json
import os
import pickle
import random
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matters.results.imported import sources
from matters.results.imported.readers.kinds_test import FILES, events, put
from matters.results.imported.reading import Said, read
from matters.suites.errors import InputError

SAID = Said("ppo", "Hopper-v5", (0,), every=10)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("the file's code was run",))


def npy(shape: tuple[int, ...], data: bytes, descr: str = "<f8") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    return file.getvalue()


STEPS = npy((2,), np.arange(2.0).tobytes())
HOSTILE = {
    "an array of objects": ("a.npy", objects(), "they could run code"),
    "objects in an npz": ("e.npz", zipped(timesteps=STEPS, results=objects()), "they could run code"),
    "a bare pickle": ("a.npy", pickle.dumps(Bomb()), "is damaged: not NumPy's format"),
    "a header that promises a petabyte": ("a.npy", npy((2**47,), b""), "its header says"),
    "the same in an npz": ("e.npz", zipped(timesteps=STEPS, results=npy((2**40,), b"")), "its header"),
    "negative lengths": ("a.npy", npy((-1, -8), b"\0" * 64), "is damaged"),
    "a header of code": ("a.npy", b"\x93NUMPY\x01\x00\x12\x00" + b"__import__('os')\n\n", "is damaged"),
    "JSON a hundred thousand deep": ("a.json", "[" * 100_000, "is no JSON"),
    "a number of a million digits": ("a.json", '[{"xs": [' + "1" * 10**6 + "]}]", "is no JSON"),
    "a number too large for a float": (
        "a.json",
        '[{"xs": [' + "1" * 400 + '], "ys": [1]}]',
        "should be a number",
    ),
    "zero bytes": ("a.csv", "step,return\n1,\0\n", "holds zero bytes"),
    "a million columns": ("a.csv", ",".join(["step", "return", *"x" * 1_000_000]) + "\n", "columns"),
    "steps beyond all bounds": ("a.csv", "step,return\n1e300,1\n", "should be a whole number"),
    "returns beyond all bounds": ("a.csv", "step,return\n1,1e308\n", "should be at most"),
    "a seed of a thousand digits": ("a.csv", "seed,step,return\n" + "9" * 1000 + ",1,1\n", "seed = '999"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_line_and_runs_nothing(tmp_path: Path, kind: str) -> None:
    name, content, says = HOSTILE[kind]
    with pytest.raises(InputError) as error:
        read([put(tmp_path, name, content)], SAID)
    assert says in str(error.value)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("kind", ["gzip", "npz"])
def test_a_file_that_unpacks_to_too_much_takes_no_memory_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 2**20)
    monkeypatch.setattr("matters.results.imported.readers.arrays.MAX_BYTES", 2**20)
    much = zlib.compressobj(9, wbits=31)
    packed = b"".join([*(much.compress(bytes(2**20)) for _ in range(64)), much.flush()])
    path = put(tmp_path, "a.csv.gz", packed)
    if kind == "npz":
        path = put(tmp_path, "evaluations.npz", zipped(timesteps=STEPS, results=bytes(64 * 2**20)))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
            read([path], SAID)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_a_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(InputError, match="neither a file nor a folder"):
            read([path], SAID)


def test_names_that_steer_a_terminal_or_leave_the_folder_are_inert(tmp_path: Path) -> None:
    path = put(tmp_path, "\x1b[2Jcurve.csv", "step,return\n1,2\n")
    (run,) = read([path], SAID)
    assert run.file == r"\x1b[2Jcurve.csv"
    with pytest.raises(InputError) as error:
        read([path], Said())
    assert str(error.value).isprintable()
    for name in ("../../etc", "a/b", "a\x1b[2J", "x" * 200, ""):
        rows = json.dumps([{"method": name, "task": "b", "seed": 1, "xs": [1], "ys": [1]}])
        with pytest.raises(InputError, match="variant = ") as error:
            read([put(tmp_path, "runs.json", rows)], Said())
        assert str(error.value).isprintable()
    path = put(tmp_path, "events.out.tfevents.1", events("\x1b[2Jtag", (1, 1.0)))
    with pytest.raises(InputError) as error:
        read([path], SAID)
    assert str(error.value).isprintable()


def test_damage_anywhere_is_one_line_or_still_a_run(tmp_path: Path) -> None:
    """Bytes changed, cut out and put in at random, in each kind: only InputError comes out."""
    draw = random.Random(7)
    others = {"evaluations.npz": zipped(timesteps=STEPS, results=STEPS), "curve.npy": STEPS}
    for name, content in [*((name, content) for name, content, *_ in FILES.values()), *others.items()]:
        whole = content if isinstance(content, bytes) else content.encode()
        for _ in range(12):
            data = bytearray(whole)
            place = draw.randrange(len(data))
            end = place + draw.randrange(4)
            data[place:end] = draw.randbytes(draw.randrange(4))
            with suppress(InputError):
                read([put(tmp_path, name, bytes(data))], SAID)


def test_a_gzip_file_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    rows = "".join(
        f"{step},{draw}\n" for step, draw in enumerate(random.Random(1).sample(range(10**6), 5000))
    )
    whole = gzip.compress(("step,return\n" + rows).encode())
    (run,) = read([put(tmp_path, "a.csv.gz", whole[: len(whole) // 2])], SAID)
    assert 100 < len(run.steps) < 5000
    with pytest.raises(InputError, match="not a whole gzip file"):
        read([put(tmp_path, "b.csv.gz", whole[:20] + b"damage" + whole[26:])], SAID)


def test_a_gzip_file_that_was_opened_again_to_append_is_read_whole(tmp_path: Path) -> None:
    first, second = gzip.compress(b"step,return\n1,2\n"), gzip.compress(b"3,4\n")
    (run,) = read([put(tmp_path, "a.csv.gz", first + second)], SAID)
    assert (run.steps, run.returns) == ((1, 3), (2.0, 4.0))
    with pytest.raises(InputError, match="not a whole gzip file"):
        read([put(tmp_path, "b.csv.gz", first + b"damage")], SAID)
