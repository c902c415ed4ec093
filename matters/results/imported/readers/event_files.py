"""Scalars in TensorBoard's event files, without TensorBoard.

A file is a row of records (TFRecord): length, checksum of the length, a protocol buffer `Event`, its
checksum. Few fields of an event matter, so they are read here; TensorBoard would bring a web server and gRPC.
Source: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto, core/framework/summary.proto
and tensor.proto.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matters.suites.errors import InputError

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types of protocol buffers
_FLOAT, _DOUBLE = 1, 2  # TensorFlow's names for dtypes


@dataclass(frozen=True)
class Scalar:
    """One value of one tag; `time` is when it was written, in seconds since 1970."""

    tag: str
    step: int
    value: float
    time: float = 0.0


def scalars(data: bytes) -> list[Scalar]:
    """Every scalar of an event file, as written. Raises InputError for any other file, or a damaged one.

    A last record that is incomplete, as in a run that was killed, is left out.
    """
    found = []
    try:
        for record in _records(data):
            step, time, values = 0, 0.0, []
            for number, value in _fields(record):
                if number == 1:
                    time = struct.unpack("<d", value)[0]
                elif number == 2:
                    step = _signed(value)
                elif number == 5:
                    values += [summary for field, summary in _fields(value) if field == 1]
            for summary in values:
                tag, number_ = _value(summary)
                if number_ is not None:
                    found.append(Scalar(tag, step, number_, time))
    except (IndexError, struct.error, UnicodeDecodeError, TypeError, AttributeError):
        raise InputError("is damaged: not an event of TensorBoard") from None
    return found


def starts_as_events(data: bytes) -> bool:
    """Whether the length of a first record is there, and matches its checksum."""
    return len(data) >= 12 and int.from_bytes(data[8:12], "little") == _masked_crc(data[:8])


def _records(data: bytes) -> Iterator[bytes]:
    position = 0
    while position + 12 <= len(data):
        length, check = struct.unpack_from("<QI", data, position)
        if check != _masked_crc(data[position : position + 8]):
            raise InputError(
                "is not an event file of TensorBoard"
                if position == 0
                else f"is damaged: the record at byte {position} does not match its checksum"
            )
        end = position + 12 + length
        if end + 4 > len(data):
            return
        record = data[position + 12 : end]
        if struct.unpack_from("<I", data, end)[0] != _masked_crc(record):
            raise InputError(f"is damaged: the record at byte {position} does not match its checksum")
        yield record
        position = end + 4
    if position == 0:
        raise InputError("is not an event file of TensorBoard")


def _value(summary: bytes) -> tuple[str, float | None]:
    """Tag and value of one summary; the value is None if it is not a scalar."""
    tag, found = "", None
    for number, value in _fields(summary):
        if number == 1:
            tag = value.decode()
        elif number == 2:
            found = float(struct.unpack("<f", value)[0])
        elif number == 8:
            found = _tensor(value)
    return tag, found


def _tensor(tensor: bytes) -> float | None:
    """The value of a tensor of one float or double; None for any other."""
    kind, packed = 0, b""
    for number, value in _fields(tensor):
        if number == 1:
            kind = value
        elif number in (4, 5, 6):  # tensor_content, float_val, double_val
            packed = value
    size, letter = {_FLOAT: (4, "<f"), _DOUBLE: (8, "<d")}.get(kind, (0, ""))
    return float(struct.unpack(letter, packed)[0]) if size and len(packed) == size else None


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an int for a varint, else the bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, position = _varint(message, position)
        elif wire in (_EIGHT, _FOUR):
            length = 8 if wire == _EIGHT else 4
        else:
            raise IndexError(wire)
        if position + length > len(message):
            raise IndexError(position)
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """A varint and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _signed(value: int) -> int:
    """An int64 from its varint, which is an unsigned 64-bit number."""
    return value - (1 << 64) if value >> 63 else value


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def _masked_crc(data: bytes) -> int:
    """CRC-32C (Castagnoli), rotated and shifted as TFRecord has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
