import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matters.results import files


def test_a_file_is_replaced_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write(path, b"old")
    files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    files.write(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as error:
        files.write(path, b"new")
    assert error.value.filename == str(path)
    assert files.told(error.value) == f"No space left on device: {path}"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_durable_before_they_get_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The order that a power failure asks for; no test can pull the plug.
    calls: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            calls.append(name)
            return real(*arguments)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name))
    files.write(tmp_path / "a", b"x")
    assert calls == ["fsync", "replace", "fsync"]


fields = st.dictionaries(
    st.text().filter(lambda key: key != "checksum"), st.none() | st.integers() | st.text(), min_size=1
)


@settings(deadline=None)
@given(fields)
def test_what_is_sealed_is_json_with_a_checksum_first(values: dict[str, object]) -> None:
    data = files.sealed(values)
    assert files.intact(data)
    read = json.loads(data)
    assert next(iter(read)) == "checksum"
    assert {key: value for key, value in read.items() if key != "checksum"} == values


@settings(deadline=None)
@given(fields, st.integers(0, 2**32), st.integers(1, 255))
def test_any_changed_byte_breaks_the_seal(values: dict[str, object], place: int, flip: int) -> None:
    data = bytearray(files.sealed(values))
    data[place % len(data)] ^= flip
    assert not files.intact(bytes(data))


@settings(deadline=None)
@given(fields, st.integers(0, 2**32))
def test_a_cut_file_breaks_the_seal(values: dict[str, object], length: int) -> None:
    data = files.sealed(values)
    assert not files.intact(data[: length % len(data)])


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.json_bytes({"x": float("nan")})
