"""What a suite's question needs, told before it is trained."""

import re

import pytest

from matters.reports.study.seeds_before import before, facts, published_spread, remark, unknown
from matters.suites.loading import load_suite


@pytest.mark.parametrize(
    ("environment", "spread"), [("Walker2d-v5", 0.149), ("HalfCheetah-v5", 0.146), ("Hopper-v5", 0.284)]
)
def test_spreads_are_those_of_the_published_runs(environment, spread):
    """242 √5 / 3638 and 342 √5 / 5228; Hopper's 15 pooled runs have 182 √15 / 2482."""
    assert published_spread(environment, "on-policy-1M") == pytest.approx(spread, abs=5e-4)


def test_tasks_at_their_ceiling_and_unknown_ones_have_none():
    assert published_spread("InvertedPendulum-v5", "on-policy-1M") is None
    assert published_spread("Unknown-v0", "on-policy-1M") is None


def test_the_line_says_how_little_few_seeds_show_and_what_would():
    suite = load_suite("implementation-matters-tuned")
    needed, places = before(suite)
    assert set(places) <= set(suite.environments)
    text = remark(suite)
    assert text.startswith("code-level-tricks: with the spreads of published runs on ")
    assert needed.equivalent != needed.different
    assert text.endswith(
        f"80 % needs about {needed.equivalent} to call alike variants equivalent and about "
        f"{needed.different} to find a difference"
    )
    assert unknown(suite) == ""


def test_a_question_without_pairs_is_not_reckoned():
    suite = load_suite("quickstart").model_copy(update={"questions": ("seeds",)})
    assert before(suite) is None
    assert remark(suite) == ""
    assert facts(suite) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("reproduction", "reproduction: .* its margin is a tenth of what a reference gains"),
        ("ppo-tricks", "trick-factorial: .* its effects are means over several variants"),
        ("revisiting-ppo-toys", "comparison: .* no spread of published runs on probe/SinglePeak-v0, probe/"),
        ("held-out-trust-region", ""),  # shows, and tests nothing
        ("reference-scores", ""),  # asks nothing
    ],
)
def test_where_nothing_is_reckoned_one_line_says_why_if_anything_is_tested(name, why):
    suite = load_suite(name)
    assert remark(suite) == ""
    assert re.fullmatch(f"{why}.*" if why else "", unknown(suite))


def test_the_same_stands_in_json():
    suite = load_suite("implementation-matters")
    found = facts(suite)
    assert found["seeds"] == len(suite.seeds)
    assert found["equivalent"] == before(suite)[0].equivalent


def test_only_the_environments_that_are_left_are_reckoned_with():
    suite = load_suite("implementation-matters")
    _, places = before(suite)
    _, left = before(suite.restricted(only=f"*/{places[0]}"))
    assert len(places) > 1
    assert left == places[:1]
