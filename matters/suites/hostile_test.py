"""A suite that means harm, or is a slip of the finger, is refused in one line and in little memory."""

import os
import tracemalloc
from pathlib import Path

import pytest

from matters.suites.errors import InputError, on_one_line
from matters.suites.loading import load_suite, loads
from matters.suites.seeds import parse_seeds

SUITE = """
[suite]
name = "small"
title = "Small"
environments = ["Hopper-v5"]
seeds = 2
steps = 4096
questions = []

[suite.evaluation]
points = 2
episodes = 1

[variants.ppo]
algorithm = "ppo"
"""
RULE = 'algorithm = "ppo"'
HOSTILE = {
    "a thousand million seeds": ("seeds = 2", "seeds = 1000000000", "should be at most 100000"),
    "as many points": ("points = 2", "points = 1000000000000", "should be less than or equal to 100000"),
    "as many episodes": ("episodes = 1", "episodes = 1000000000000", "should be less than or equal to"),
    "steps beyond 64 bits": ("steps = 4096", f"steps = 1{'0' * 30}", "steps = 1000"),
    "a number of a million digits": ("steps = 4096", f"steps = {'1' * 10**6}", "toml"),
    "a number that is none": ("[variants.ppo]", "margin = nan\n[variants.ppo]", "margin"),
    "a layer of a million units": (
        RULE, RULE + '\nconfig = { hidden = [1000000] }', "a layer of more than 65536",
    ),
    "a layer of 75 GB": (
        RULE, RULE + '\nconfig = { hidden = [60000, 60000] }', "3600000000 weights",
    ),
    "the same in a value network": (
        RULE, RULE + '\nconfig = { value_hidden = [60000, 60000] }', "weights; at",
    ),
    "brackets five thousand deep": ("seeds = 2", f"seeds = {'[' * 5000}", "too deeply nested"),
    "a name of 300 letters": ('name = "small"', f'name = "{"x" * 300}"', "at most 100 characters"),
    "a name that leaves the folder": ('name = "small"', 'name = "../../etc"', "suite.name"),
    "a name of HTML": ('name = "small"', 'name = "<b>"', "suite.name"),
    "a name of a command": ('name = "small"', 'name = "$(id)"', "suite.name"),
    "a name like an option": ('name = "small"', 'name = "-rf"', "suite.name"),
    "a name with a line break": ('name = "small"', 'name = "a\\nb"', "suite.name"),
    "a variant of a formula": ("[variants.ppo]", "[variants.'=cmd|x']", "variants"),
    "a variant with a slash": ("[variants.ppo]", "[variants.'a/b']", "variants"),
    "two variants for one file name": (
        "[variants.ppo]", '[variants.PPO]\nalgorithm = "ppo"\n[variants.ppo]', "from 'PPO' in capitals only",
    ),
    "a title that clears the screen": ('"Small"', '"\\u001b[2J"', "a character that controls a terminal"),
    "a title of a megabyte": ('"Small"', f'"{"x" * 10**6}"', "at most 10000 characters"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_suite_is_one_line_of_little_memory(kind: str) -> None:
    before, after, says = HOSTILE[kind]
    assert SUITE.count(before) == 1
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as error:
            loads(SUITE.replace(before, after), "small.toml")
        assert tracemalloc.get_traced_memory()[1] < 256 * 2**20
    finally:
        tracemalloc.stop()
    assert says in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


def test_as_many_seeds_on_the_command_line_are_refused() -> None:
    for text in ("1000000000", "0:1000000000", "9" * 1000, "9" * 10_000, "0:90000,90000:100001"):
        with pytest.raises(InputError, match="seeds = "):
            parse_seeds(text)
    assert len(parse_seeds("100000")) == 100_000


def test_a_pipe_a_device_and_a_huge_file_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(2**40)
    for name in ("pipe.toml", "zero.toml", "huge.toml"):
        with pytest.raises(InputError, match="should be a file of at most 4 MiB"):
            load_suite(str(tmp_path / name))


def test_a_text_for_the_screen_is_one_line_without_control_and_no_longer_than_asked() -> None:
    assert on_one_line("a\n b\t\x1b[2Jc\x00\u202e") == r"a b \x1b[2Jc\x00\u202e"
    assert on_one_line("abcdef", 4) == "abc…"
    assert on_one_line("abcd", 4) == "abcd"
