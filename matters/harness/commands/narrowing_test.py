"""The part of a suite that is meant, in words and back."""

import pytest
import typer.main

from matters.harness.cli import app
from matters.harness.commands.narrowing import Narrowing
from matters.suites.errors import InputError
from matters.suites.loading import load_suite

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
    (said,) = Narrowing(only="ppo*", smoke=True).notices(load_suite("nine"))
    assert "Not all that the suite declares" in said
    assert "`--only 'ppo*'`" in said
    assert Narrowing(smoke=True).notices(load_suite("nine")) == []


@pytest.mark.parametrize(
    ("narrowing", "says"),
    [
        (
            Narrowing(seeds="10"),
            "`--seeds 10` is of every variant: ddpg, td3, sac have 10 seeds where the suite declares 5.",
        ),
        (
            Narrowing(steps=50_000, only="td3, vpg/*", looks="5,12"),
            "`--until-decided --looks 5,12` is of every variant: td3 has up to 12 seeds where the suite "
            "declares 5.",
        ),
    ],
)
def test_who_names_seeds_is_told_which_variants_have_more_than_the_suite_gives_them(
    narrowing: Narrowing, says: str
) -> None:
    suite = load_suite("nine")
    assert narrowing.more_seeds(suite) == [says]
    assert narrowing.more_seeds(suite, suite) == [says]
    assert narrowing.notices(suite)[-1] == says
    trained = [cell for cell in narrowing.of(suite).cells() if cell.variant == "td3"]
    assert {len(cell.specs) for cell in trained} == {12 if narrowing.looks else 10}


@pytest.mark.parametrize(
    "narrowing",
    [
        Narrowing(),
        Narrowing(seeds="5"),
        Narrowing(seeds="3:8", only="td3"),
        Narrowing(looks="", only="ppo"),
        Narrowing(steps=4096, only="sac", smoke=True),
    ],
)
def test_nothing_is_said_where_no_variant_has_more_seeds_than_it_declares(narrowing: Narrowing) -> None:
    assert narrowing.more_seeds(load_suite("nine")) == []


def test_shares_of_several_sizes_are_told_apart() -> None:
    suite = load_suite("nine")
    fewer = suite.variants["sac"].model_copy(update={"seeds": 3})
    suite = suite.model_copy(update={"variants": {**suite.variants, "sac": fewer}})
    (said,) = Narrowing(seeds="4").more_seeds(suite)
    assert said == "`--seeds 4` is of every variant: sac has 4 seeds where the suite declares 3."
    (said,) = Narrowing(seeds="6").more_seeds(suite)
    assert said.endswith(
        "ddpg, td3 have 6 seeds where the suite declares 5; sac has 6 seeds where the suite declares 3."
    )


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
