"""One difference at a time: comparisons of shipped suites differ in what they say, and in all of that."""

import importlib
from types import SimpleNamespace

import pytest

from matters.reports.questions import QUESTIONS
from matters.reports.questions.differing_settings import cast, differing, notices, settings_table
from matters.suites.loading import load_suite, suite_names
from matters.suites.settings import differences
from matters.suites.variant import variant


def study(suite, only=None):
    """As much of a study as says what is compared."""
    names = tuple(suite.variants) if only is None else only
    return SimpleNamespace(
        suite=suite, variants=names, environments=suite.environments, foreign=False, tuned=frozenset()
    )


def compared(suite):
    """The contrasts of a suite's questions."""
    found = []
    for question in suite.questions:
        module = importlib.import_module(QUESTIONS[question])
        if hasattr(module, "contrasts"):
            found += [(question, one) for one in module.contrasts(study(suite))]
    return found


@pytest.mark.parametrize("name", suite_names())
def test_the_two_sides_differ_in_exactly_what_the_comparison_says(name):
    suite = load_suite(name)
    for question, one in compared(suite):
        found = set(differing(study(suite), one.x, one.y))
        if one.may_differ is None:  # a pair that the suite names: what it tells are its differences
            named = all(f"`{setting}`" in one.tells for setting in found)
            assert found, (question, one.x, one.y)
            assert named or f"{len(found)} settings at once" == one.tells
        else:
            assert found == one.may_differ, (question, one.x, one.y)


def test_every_question_about_pairs_compares_something_that_is_shipped():
    asked = {question for name in suite_names() for question, _ in compared(load_suite(name))}
    assert asked == {
        "comparison",
        "code-level-tricks",
        "natural-ladder",
        "natural-square",
        "actor-critic-ladder",
    }


@pytest.mark.parametrize("name", [name for name in suite_names() if load_suite(name).design])
def test_cells_of_a_design_differ_in_its_tricks_alone(name):
    suite = load_suite(name)
    tricks = {f"tricks.{factor.trick}" for factor in suite.design.factors}
    first, *others = (suite.variants[cell] for cell in suite.design.cells)
    found = [set(differences(first, other)) for other in others]
    assert all(one and one <= tricks for one in found)
    assert set().union(*found) == tricks


def with_variants(**tables):
    suite = load_suite("quickstart")
    variants = {name: variant(name, table) for name, table in tables.items()}
    return suite.model_copy(update={"variants": variants})


def test_a_variant_plays_its_part_under_any_name_and_a_name_alone_plays_none():
    module = importlib.import_module(QUESTIONS["code-level-tricks"])
    tricks = load_suite("quickstart").variants["ppo"].config.tricks.model_dump(exclude_none=True)
    suite = with_variants(
        **{
            "mine": {"algorithm": "ppo", "preset": "ppo-m"},
            "ppo-m": {"algorithm": "ppo", "preset": "ppo-m", "config": {"tricks": tricks}},
            "slow": {"algorithm": "ppo", "config": {"learning_rate": 1e-4}},
        }
    )
    (one,) = module.contrasts(study(suite))
    # What is called `ppo-m` has every trick on, and is as near to the preset ppo as `slow` is.
    assert (one.x, one.y) == ("ppo-m", "mine")
    assert cast(study(suite, ("slow", "mine")), module.ROLES) == {"ppo": "slow", "ppo-m": "mine"}
    assert not module.contrasts(study(suite, ("ppo-m", "slow")))


def test_a_suite_that_compares_more_than_it_says_is_told_so():
    module = importlib.import_module(QUESTIONS["code-level-tricks"])
    suite = with_variants(
        ppo={"algorithm": "ppo"},
        plain={"algorithm": "ppo", "preset": "ppo-m", "config": {"learning_rate": 1e-4}},
    )
    chosen = module.contrasts(study(suite))
    assert notices(study(suite), chosen) == (
        "`ppo` against `plain` (the tricks, with PPO’s step): they also differ in learning_rate "
        "0.0003 → 0.0001.",
    )
    table = settings_table("code-level-tricks", study(suite), chosen)
    assert table.rows[0][2].endswith("; also learning_rate 0.0003 → 0.0001")
    assert table.data[0]["undeclared"] == ["learning_rate"]
