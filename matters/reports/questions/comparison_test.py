"""`compare` and `baseline`: a suite asks what it varies, and the README's example answers its own title."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from matters.reports import questions
from matters.reports.study.study import prepare
from matters.suites.loading import suite
from matters.suites.suite import Suite
from testing.planted import CONSTANTS, Plant, planted

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
pytestmark = pytest.mark.usefixtures("undrawn")
README = Path(__file__).parents[3] / "README.md"


def answered(declared, means, n=10):
    cells = {
        (name, place): Plant(mean, 0.05, n) for name, mean in means.items() for place in declared.environments
    }
    constants = {name: CONSTANTS[name] for name in declared.environments}
    return questions.answer("comparison", prepare(declared, planted(cells), constants=constants))


def example():
    return suite(tomllib.loads(re.search(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)[1]))


def test_the_example_of_the_readme_answers_its_own_title():
    declared = example()
    assert declared.questions == ("comparison",)
    found = answered(declared, {"ppo": 0.9, "no-value-clip": 0.3})
    assert declared.title == "Does clipping the value loss matter?"
    assert found.title == "Does `tricks.value_clip` matter?"
    assert found.answer.startswith("`ppo` scores 0.600 more in normalised score than `no-value-clip` (95 % ")
    assert (found.word, found.claim) == ("different", True)
    assert found.tables[1].rows == (
        ("`ppo` − `no-value-clip`", "`tricks.value_clip`", "tricks.value_clip on → off"),
    )
    assert found.variants == ("ppo", "no-value-clip")


def test_a_baseline_is_compared_with_every_other_variant_and_each_pair_says_how_much_it_changes_at_once():
    text = """
    [suite]
    name = "own"
    title = "Own"
    environments = ["Hopper-v5", "Walker2d-v5"]
    seeds = 10
    steps = 50_000
    baseline = "ppo"
    [variants.ppo]
    algorithm = "ppo"
    [variants.slow]
    algorithm = "ppo"
    config.learning_rate = 1e-4
    [variants.ppo-m]
    algorithm = "ppo"
    preset = "ppo-m"
    """
    found = answered(suite(tomllib.loads(text)), {"ppo": 0.9, "slow": 0.9, "ppo-m": 0.3})
    assert [row[1] for row in found.tables[1].rows] == ["`learning_rate`", "13 settings at once"]
    assert {(v.x, v.y) for v in found.verdicts} == {("slow", "ppo"), ("ppo-m", "ppo")}
    assert found.title == "Do the variants that are compared differ?"
    assert "`slow` and `ppo` are equivalent" in found.answer
    assert "`ppo` scores 0.600 more" in found.answer


def test_a_pair_without_runs_of_both_is_said():
    declared = example()
    found = answered(declared, {"ppo": 0.9})
    assert (found.word, found.reason) == ("undecided", "blocked")
    assert found.lacks == ("`ppo` against `no-value-clip` needs runs of both.",)


def many(count):
    text = """
    [suite]
    name = "many"
    title = "Many"
    environments = ["Hopper-v5", "Walker2d-v5"]
    seeds = 10
    steps = 50_000
    baseline = "ppo"
    [suite.findings]
    v1 = "they found that it hurts"
    [variants.ppo]
    algorithm = "ppo"
    """ + "".join(
        f'[variants.v{k}]\nalgorithm = "ppo"\nconfig.learning_rate = {k}e-4\n' for k in range(1, count + 1)
    )
    return suite(tomllib.loads(text))


def test_the_answers_of_many_pairs_are_one_sentence_by_verdict():
    found = answered(many(7), {"ppo": 0.9, "v1": 0.3, **{f"v{k}": 0.9 for k in range(2, 8)}})
    same = ", ".join(f"`v{k}`" for k in range(2, 8))
    assert found.answer == (
        f"Of 7 pairs against `ppo`, by the variant named first: different: `v1` (−0.600, −0.632 to "
        f"−0.568); equivalent: {same}. Differences are in normalised score, with 95 % intervals."
    )


def test_many_pairs_that_share_no_side_are_named_whole():
    declared = many(8)
    chain = tuple((f"v{k}", f"v{k + 1}") for k in range(1, 8))
    found = answered(
        declared.model_copy(update={"baseline": None, "compare": chain}),
        {"v1": 0.9, **{f"v{k}": 0.3 for k in range(2, 9)}},
    )
    assert found.answer.startswith("Of 7 pairs: different: `v1` over `v2` by 0.600 (")
    assert "); equivalent: `v2` − `v3`, " in found.answer
    assert found.answer.endswith(" Differences are in normalised score, with 95 % intervals.")


def test_under_ten_seeds_no_answer_of_many_pairs_says_equivalent():
    found = answered(many(7), {"ppo": 0.9, **{f"v{k}": 0.9 for k in range(1, 8)}}, n=5)
    assert "equivalent" not in found.answer
    assert "no difference beyond the margin seen: `v1`, " in found.answer


def test_what_others_found_stands_beside_what_was_found_here():
    found = answered(many(2), {"ppo": 0.9, "v1": 0.3, "v2": 0.9})
    (row,) = found.tables[-1].data
    assert (row["x"], row["here"], row["theirs"]) == ("v1", "different", "they found that it hurts")
    assert found.tables[-1].rows[0][2] == "different (−0.600 in aggregate)"


def test_a_finding_about_no_variant_is_refused():
    with pytest.raises(
        ValidationError, match="findings = 'pppo': no variant of that name; did you mean 'ppo'"
    ):
        Suite(**{**dict(many(1)), "findings": {"pppo": "x"}})
