import struct
from pathlib import Path

import pytest

from matters.results.imported.readers.event_files import _masked_crc, scalars
from matters.suites.errors import InputError

# Written by TensorBoard 2.21's EventFileWriter; the numbers are those that its EventAccumulator reads.
REAL = (Path(__file__).parents[2] / "testdata" / "foreign" / "events.out.tfevents.1").read_bytes()


def of(tag: str) -> list[tuple[int, float]]:
    return [(scalar.step, scalar.value) for scalar in scalars(REAL) if scalar.tag == tag]


def test_scalars_of_every_kind_are_what_tensorboard_reads() -> None:
    assert of("rollout/ep_rew_mean") == [(500, -3.0), (1000, 7.5), (1500, 18.0), (2000, 28.5)]
    assert of("eval/mean_reward") == [(1000, 100.25), (2000, 200.5)]
    assert of("train/loss")[1] == (1000, 0.10000000149011612)  # single precision
    assert of("tensor/score") == [(1000, 0.5), (2000, 1.5)]  # as TensorFlow 2 writes them
    assert of("double") == [(1000, 1 / 3), (2000, 4 / 3)]


def test_texts_and_histograms_are_no_scalars() -> None:
    assert {scalar.tag for scalar in scalars(REAL)} == {
        "rollout/ep_rew_mean", "train/loss", "eval/mean_reward", "tensor/score", "double",
    }  # fmt: skip


def test_the_checksum_is_crc_32c() -> None:
    # RFC 3720, B.4: 32 bytes of zeros have 8A9136AA; TFRecord rotates by 15 bits and adds a constant.
    crc = 0x8A9136AA
    assert _masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_record_cut_off_by_a_kill_is_left_out() -> None:
    whole = scalars(REAL)
    for cut in (1, 5, 40):
        kept = scalars(REAL[:-cut])
        assert kept == whole[: len(kept)]
    assert len(scalars(REAL[: len(REAL) // 2])) < len(whole)


@pytest.mark.parametrize("place", [4, 30, 100, 300])
def test_a_flipped_bit_is_found(place: int) -> None:
    damaged = bytearray(REAL)
    damaged[place] ^= 1
    with pytest.raises(InputError, match=r"is damaged|is not an event file"):
        scalars(bytes(damaged))


def record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", _masked_crc(length)) + event + struct.pack("<I", _masked_crc(event))


@pytest.mark.parametrize("event", [b"\x2a\x05ab", b"\x2a\xff", b"\x0f", b"\x10", b"\x2a\x04\x0a\x02\x12\x00"])
def test_a_record_that_is_no_event_is_one_line(event: bytes) -> None:
    with pytest.raises(InputError, match="not an event of TensorBoard"):
        scalars(record(event))


@pytest.mark.parametrize("data", [b"", b"no", b"a text file, whatever it says"])
def test_another_file_is_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match="is not an event file of TensorBoard"):
        scalars(data)


def test_a_step_before_zero_is_read_as_such() -> None:
    # Varints of negative numbers have ten bytes: here step = -1 and a value of 1.
    summary = b"\x0a\x08\x0a\x01t\x15\x00\x00\x80?"
    event = b"\x10" + b"\xff" * 9 + b"\x01" + b"\x2a" + bytes([len(summary)]) + summary
    assert [(scalar.step, scalar.value) for scalar in scalars(record(event))] == [(-1, 1.0)]
