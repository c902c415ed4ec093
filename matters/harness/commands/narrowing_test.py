"""The part of a suite that is meant, in words and back."""

import pytest
import typer.main

from matters.harness.cli import app
from matters.harness.commands.narrowing import Narrowing
from matters.suites.errors import InputError

SAID = [
    Narrowing(),
    Narrowing(seeds="3:5", steps=4096, only="ppo*/Hopper*"),
    Narrowing(smoke=True),
    Narrowing(looks=""),
    Narrowing(steps=1, looks="5,10"),
]


@pytest.mark.parametrize("narrowing", SAID)
def test_what_is_typed_again_means_the_same_part(narrowing: Narrowing) -> None:
    assert Narrowing.parse(narrowing.words) == narrowing


def test_the_command_is_what_a_shell_takes() -> None:
    assert Narrowing(only="ppo*").command("my suite.toml") == "matters run 'my suite.toml' --only 'ppo*'"


def test_what_is_said_now_counts_before_what_was_said_and_silence_before_nothing() -> None:
    then = Narrowing(seeds="10", steps=4096, smoke=True)
    assert Narrowing(seeds="2", looks="").over(then) == Narrowing("2", 4096, smoke=True, looks="")
    assert Narrowing(steps=0).over(then).steps == 0
    assert Narrowing().over(then) == then


def test_a_page_of_a_part_says_so_and_the_smoke_version_is_a_suite_of_its_own() -> None:
    (said,) = Narrowing(only="ppo*", smoke=True).notices
    assert "Not all that the suite declares" in said
    assert "`--only 'ppo*'`" in said
    assert Narrowing(smoke=True, looks="5,10").notices == []


BAD = [["--store", "x"], ["seeds", "3"], ["--seed", "3"], ["--seeds"], ["--steps", "many"], ["\x1b[2J"]]


@pytest.mark.parametrize("words", BAD)
def test_words_that_narrow_nothing_are_one_line(words: list[str]) -> None:
    with pytest.raises(InputError, match=r"^narrowed = .*: should be options of matters run, of --") as said:
        Narrowing.parse(words)
    assert str(said.value).isprintable()


@pytest.mark.parametrize("command", ["run", "plan", "status", "report", "export"])
def test_every_command_that_takes_a_suite_is_narrowed_by_the_same_options(command: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = [option.opts[0] for option in commands[command].params]
    assert {"--seeds", "--steps", "--only", "--until-decided", "--looks", "--smoke"} <= set(options)
    assert len(set(options)) == len(options)
