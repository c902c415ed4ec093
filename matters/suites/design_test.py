"""`[suite.design]`: the design that a suite declares is kept as it is, and its cells are its variants."""

import tomllib

import pytest

from matters.suites.ablation import ablation
from matters.suites.errors import InputError
from matters.suites.loading import suite

HEADER = """
[suite]
name = "tricks"
title = "Two tricks"
environments = ["Hopper-v5"]
seeds = 2
steps = 4_000
questions = ["trick-factorial"]

[suite.design]
algorithm = "ppo"
tricks = ["value_clip", "reward_clip=5"]
"""


def declared(text: str = "") -> object:
    return suite(tomllib.loads(HEADER + text))


def test_a_suites_design_and_matters_ablate_are_one_mechanism() -> None:
    ours = suite(tomllib.loads(HEADER))
    typed = ablation("ppo", "value_clip,reward_clip=5", environments="Hopper-v5", seeds="2", steps=4000)
    assert ours.design == typed.design
    assert ours.variants == typed.variants
    assert [[spec.run_id for spec in cell.specs] for cell in ours.cells()] == [
        [spec.run_id for spec in cell.specs] for cell in typed.cells()
    ]


def test_the_design_stays_with_a_suite_that_is_cut_and_other_variants_may_stand_beside_it() -> None:
    ours = suite(tomllib.loads(HEADER + '[variants.other]\nalgorithm = "vpg"\n'))
    assert list(ours.variants) == ["none", "value_clip", "reward_clip", "value_clip+reward_clip", "other"]
    assert ours.smoke().design == ours.restricted(only="value_clip").design == ours.design
    assert ours.design is not None
    assert "other" not in ours.design.cells


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('kind = "some"', "suite.design.kind = 'some': should be 'full', 'one-in' or 'one-out'"),
        ('tricks_ = ["a"]', "suite.design.tricks_: unknown field; did you mean 'tricks'?"),
        ('preset = "ppo-n"', "suite.design.preset 'ppo-n': unknown preset of ppo; did you mean 'ppo-m'?"),
        ('[variants.none]\nalgorithm = "ppo"', "variants.none: is a cell of the design already"),
    ],
)
def test_what_cannot_be_a_design_is_said_by_its_field(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        declared(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"value_clip"', '"value_clp"', "suite.design.tricks 'value_clp': ppo has no such trick"),
        ('algorithm = "ppo"', 'algorithm = "pppo"', "suite.design.algorithm = 'pppo': unknown algorithm"),
        ('["value_clip", "reward_clip=5"]', "[]", "suite.design.tricks = []"),
        ('["value_clip", "reward_clip=5"]', '"value_clip"', "suite.design.tricks = 'value_clip'"),
    ],
)
def test_a_trick_that_is_not_there_is_said_by_its_field(old: str, new: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        suite(tomllib.loads(HEADER.replace(old, new)))
    assert says in str(caught.value)
