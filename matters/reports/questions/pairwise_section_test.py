"""Planted answers: each verdict comes out, in words."""

import re
from dataclasses import replace

import numpy as np
import pytest

from matters.reports import questions
from matters.reports.page.formatting import interval_text
from matters.reports.page.sentences import sentence
from matters.reports.study.caveats import remarks
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import AGGREGATE, prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER, PENDULUM = "Hopper-v5", "Walker2d-v5", "InvertedPendulum-v5"


def study(cells, allow_missing=False, **options):
    names = list(dict.fromkeys(variant for variant, _ in cells))
    places = list(dict.fromkeys(place for _, place in cells))
    suite = planted_suite(names, places, margin=0.25, **options)
    known = {name: CONSTANTS[name] for name in places if name in CONSTANTS}
    return prepare(suite, planted(cells), allow_missing=allow_missing, constants=known)


def pair(x, y, environment=HOPPER):
    return {("ppo", environment): x, ("ppo-m", environment): y}


def compared(cells, where=HOPPER, **options):
    found = compare_pairs(study(cells, **options), "code-level-tricks", [("ppo", "ppo-m")])
    return next(one for one in found if one.where == where)


@pytest.mark.parametrize(
    ("x", "y", "word", "words"),
    [
        (Plant(0.50, 0.1), Plant(0.50, 0.1), "equivalent", "`ppo` and `ppo-m` are equivalent"),
        (Plant(0.90, 0.1), Plant(0.40, 0.1), "different", "`ppo` scores 1490 more than `ppo-m`: different"),
        (Plant(0.40, 0.1), Plant(0.90, 0.1), "different", "`ppo-m` scores 1490 more than `ppo`: different"),
        (Plant(0.62, 0.05), Plant(0.50, 0.05), "both", "within the margin of ±745"),
        (Plant(0.70, 0.5), Plant(0.50, 0.5), "undecided", "the runs do not decide"),
    ],
)
def test_each_planted_verdict_comes_out_in_words(x, y, word, words):
    one = compared(pair(x, y))
    assert (one.word, one.reason) == (word, "not decided" if word == "undecided" else "")
    assert one.claim
    text = sentence(one)
    assert text.startswith("On Hopper-v5, ")
    assert words in text


def test_undecided_says_how_many_seeds_would_decide_and_never_that_they_are_the_same():
    one = compared(pair(Plant(0.70, 0.5), Plant(0.50, 0.5)))
    text = sentence(one)
    assert re.search(
        r"About \d+ seeds per variant would decide if the difference is as large as seen, "
        r"\d+ whether it is within the margin\.",
        text,
    )
    assert "equivalent" not in text
    assert "same" not in text


def test_under_ten_seeds_nothing_is_claimed():
    one = compared(pair(Plant(0.9, 0.1, n=5), Plant(0.4, 0.1, n=5)))
    assert (one.word, one.claim) == ("different", False)


def test_under_five_seeds_there_is_no_interval_and_no_verdict():
    one = compared(pair(Plant(0.9, 0.01, n=4), Plant(0.1, 0.01, n=10)))
    assert (one.reason, one.found, one.claim) == ("too few seeds", None, False)
    assert "different" not in sentence(one)
    assert compared(pair(Plant(0.9, 0.0, n=1), Plant(0.1, 0.0, n=1))).reason == "too few seeds"


def test_unequal_seeds_are_compared_and_the_smaller_cell_sets_the_claim():
    one = compared(pair(Plant(0.9, 0.1, n=7), Plant(0.4, 0.1, n=12)))
    assert (one.n_x, one.n_y, one.word, one.claim) == (7, 12, "different", False)


@pytest.mark.parametrize("gap", [{"failed": 1}, {"missing": 2}, {"diverged": 1}, {"unscored": 1}])
def test_gaps_block_the_aggregate_until_they_are_allowed(gap):
    cells = pair(Plant(0.9, 0.05, **gap), Plant(0.4, 0.05)) | pair(Plant(0.9, 0.05), Plant(0.4, 0.05), WALKER)
    blocked = compared(cells, AGGREGATE)
    assert blocked.reason == "blocked"
    assert "incomplete" in sentence(blocked)
    allowed = compared(cells, AGGREGATE, allow_missing=True)
    assert allowed.word == "different"
    # A diverged run has a score, but makes the spreads unequal; the others leave a hole.
    assert not allowed.claim


def test_a_diverged_run_counts_with_the_random_policys_score_and_the_sentence_says_so():
    cells = pair(Plant(0.9, 0.1, diverged=2), Plant(0.4, 0.1))
    cell = study(cells).cell("ppo", HOPPER)
    assert cell.n == 10
    assert sorted(cell.scores)[:2] == [CONSTANTS[HOPPER][0]] * 2
    assert "2 of 10 runs of `ppo` on Hopper-v5 diverged and count with the random policy’s score" in sentence(
        compared(cells)
    )
    rows = study(cells).runs
    assert rows[rows["diverged_at"].notna()]["sound_score"].min() > 1000


def test_a_missing_cell_leaves_a_reason_instead_of_a_number():
    cells = pair(Plant(0.9, 0.1, n=0, missing=10), Plant(0.4, 0.1)) | pair(
        Plant(0.9, 0.1), Plant(0.4, 0.1), WALKER
    )
    found = compared(cells, AGGREGATE, allow_missing=True)
    assert found.reason == "blocked"
    assert "no scored run" in sentence(found)


def test_without_constants_there_is_a_difference_but_no_equivalence():
    cells = pair(Plant(0.5, 0.1), Plant(0.5, 0.1), "Unknown-v0")
    one = compared(cells, "Unknown-v0")
    assert (one.word, one.margin) == ("undecided", None)
    assert "equivalence cannot be assessed" in sentence(one)
    aggregate = compared(cells | pair(Plant(0.5, 0.1), Plant(0.5, 0.1), "Other-v0"), AGGREGATE)
    assert aggregate.reason == "blocked"
    assert "normalising constants" in sentence(aggregate)


def test_an_environment_without_constants_is_left_out_of_the_aggregate_only():
    cells = pair(Plant(0.9, 0.1), Plant(0.4, 0.1)) | pair(Plant(0.1, 0.1), Plant(0.9, 0.1), "Unknown-v0")
    cells |= pair(Plant(0.9, 0.1), Plant(0.4, 0.1), WALKER)
    assert study(cells).left_out == ("Unknown-v0",)
    assert compared(cells, AGGREGATE).found.estimate.value == pytest.approx(0.5)
    assert compared(cells, "Unknown-v0").word == "different"


def test_the_aggregate_is_the_mean_of_the_normalised_differences():
    cells = pair(Plant(0.9, 0.1), Plant(0.4, 0.1)) | pair(Plant(0.5, 0.2), Plant(0.6, 0.1), WALKER)
    one = compared(cells, AGGREGATE)
    assert one.found.estimate.value == pytest.approx((0.5 - 0.1) / 2)
    assert one.margin == 0.10


def test_holm_counts_all_tests_of_the_question():
    # With one test p = .03 is a difference, in a family of four it is none.
    cells = pair(Plant(0.5 + 0.102, 0.1), Plant(0.5, 0.1))
    for place in (WALKER, PENDULUM):
        cells |= pair(Plant(0.5, 0.1), Plant(0.5, 0.1), place)
    one = compared(cells)
    assert one.found.p_value < 0.05 < one.adjusted_p
    assert one.word == "equivalent"
    assert "does not survive Holm" in sentence(one)


def test_every_nan_score_is_a_gap_and_no_number():
    one = compared(pair(Plant(0.0, 0.0, n=0, unscored=10), Plant(0.5, 0.1), "Unknown-v0"), "Unknown-v0")
    assert one.reason == "too few seeds"
    assert one.n_x == 0


def test_a_run_that_diverged_before_its_first_evaluation_scores_as_random_actions_do():
    one = compared(pair(Plant(0.0, 0.0, n=0, unscored=10), Plant(0.5, 0.1)))
    assert one.n_x == 10
    assert one.found.estimate.value == pytest.approx(-0.5 * 2980)


def section(question, cells, **options):
    return questions.answer(question, study(cells, **options))


def test_reproduction_compares_every_pair_at_hand_and_names_the_odd_ones():
    names = {"ppo-sb3": 0.5, "sb3-ppo": 0.5, "a2c-sb3": 0.9, "sb3-a2c": 0.2, "td3-sb3": 0.1, "ppo": 0.7}
    cells = {(name, HOPPER): Plant(mean, 0.02) for name, mean in names.items()}
    prepared = study(cells)
    prepared.suite.steps = 1_000_000
    found = questions.answer("reproduction", prepared)
    words = {(v.x, v.y): v.verdict for v in found.verdicts if v.where == HOPPER}
    assert words == {("ppo-sb3", "sb3-ppo"): "equivalent", ("a2c-sb3", "sb3-a2c"): "different"}
    assert "`td3-sb3` has no `sb3-td3` to be compared with." in found.lacks
    assert found.answer.startswith(
        "Yes: `ppo-sb3` and `sb3-ppo` are equivalent within the margin, apart by at most 46.2 on Hopper-v5"
    )
    # One that is reproduced does not speak for another.
    said = (
        "No: `a2c-sb3` scores 2086 more on Hopper-v5 than `sb3-a2c` (95 % interval 2030 to 2142, 10 seeds)."
    )
    assert said in found.answer
    assert found.word == "different"


def test_few_seeds_that_differ_are_no_no():
    few = {("ppo-sb3", HOPPER): Plant(0.4, 0.1, 5), ("sb3-ppo", HOPPER): Plant(0.9, 0.1, 5)}
    found = section("reproduction", few)
    assert found.word == "different"
    assert found.answer.startswith("`sb3-ppo` scores 1490 more on Hopper-v5 than `ppo-sb3` (95 % interval ")
    assert ", 5 seeds)." in found.answer
    many = {key: Plant(plant.mean, plant.sd, 10) for key, plant in few.items()}
    assert section("reproduction", many).answer.startswith("No: `sb3-ppo` scores 1490 more on Hopper-v5")


def test_code_level_tricks_says_what_it_lacks():
    found = section("code-level-tricks", pair(Plant(0.9, 0.1), Plant(0.4, 0.1)))
    assert found.answer.startswith("Yes: `ppo` scores 1490 more on Hopper-v5 than `ppo-m`")
    assert any("AAI and ACLI" in line and "`trpo-plain`, `trpo-tricks`" in line for line in found.lacks)
    assert [table.name for table in found.tables] == [
        "code-level-tricks", "code-level-tricks-settings", "code-level-tricks-details",
    ]  # fmt: skip


def test_code_level_tricks_shows_aai_and_acli_where_all_four_are_at_hand():
    means = {"ppo": 0.8, "ppo-m": 0.5, "trpo-plain": 0.5, "trpo-tricks": 0.7}
    found = section("code-level-tricks", {(name, HOPPER): Plant(mean, 0.05) for name, mean in means.items()})
    row = found.tables[2].data[0]
    scale = CONSTANTS[HOPPER][1] - CONSTANTS[HOPPER][0]
    assert (row["aai"], row["acli"]) == (pytest.approx(0.1 * scale), pytest.approx(0.3 * scale))
    assert row["aai_null"] > 0
    assert not any("AAI" in line for line in found.lacks)


def test_the_table_of_aai_says_how_many_runs_it_is_of_and_which_way_each_sign_points():
    means = {"ppo": 0.8, "ppo-m": 0.5, "trpo-plain": 0.4, "trpo-tricks": 0.6}
    table = section(
        "code-level-tricks", {(name, HOPPER): Plant(mean, 0.05) for name, mean in means.items()}
    ).tables[2]
    shown = dict(zip(table.columns, table.rows[0], strict=True))
    row = table.data[0]
    scale = CONSTANTS[HOPPER][1] - CONSTANTS[HOPPER][0]
    assert shown["n"] == "10"
    assert shown["AAI"] == f"{row['aai']:.0f} ({row['aai_low']:.0f} to {row['aai_high']:.0f})"
    # PPO minus TRPO, with minus without, and what the tricks add to PPO minus what they add to TRPO.
    assert row["algorithm"] == pytest.approx(scale * (0.2 + 0.1) / 2)
    assert row["tricks"] == pytest.approx(scale * (0.3 + 0.2) / 2)
    assert row["interaction"] == pytest.approx(scale * (0.3 - 0.2))
    for words in ("algorithm is PPO minus TRPO", "is with minus without", "|`ppo` − `trpo-tricks`|"):
        assert words in table.caption


# `published` compares nothing; its own test is in published_test.py.
@pytest.mark.parametrize(
    "question", [name for name in questions.QUESTIONS if name not in ("published", "trust-region")]
)
def test_a_question_without_any_of_its_variants_says_so(question):
    found = section(question, {("vpg", HOPPER): Plant(0.5, 0.1)})
    assert (found.word, found.verdicts, found.drawings) == ("undecided", (), ())
    assert found.answer.startswith("Nothing to compare")


@pytest.mark.parametrize("n", [1, 2, 4, 5, 9, 10])
@pytest.mark.parametrize("sd", [0.0, 0.2])
def test_no_number_of_seeds_or_spread_makes_a_sentence_with_nan(n, sd):
    cells = pair(Plant(0.5, sd, n=n), Plant(0.5, 0.0, n=max(1, n - 1)))
    for one in compare_pairs(study(cells), "code-level-tricks", [("ppo", "ppo-m")]):
        assert "nan" not in sentence(one).lower()
        assert "inf" not in sentence(one).lower()
    assert np.isfinite(study(cells).cell("ppo", HOPPER).scores).all()


def test_an_answer_says_how_sure_it_is_and_of_how_many_seeds():
    found = section("code-level-tricks", pair(Plant(0.4, 0.1), Plant(0.9, 0.1)))
    assert "`ppo-m` scores 1490 more on Hopper-v5 than `ppo` (95 % interval 1210 to 1770, 10 seeds)." in (
        found.answer
    )
    same = section("code-level-tricks", pair(Plant(0.5, 0.1), Plant(0.5, 0.1)))
    assert "are equivalent within the margin (90 % interval −231 to 231, 10 seeds)." in same.answer
    open_ = section("code-level-tricks", pair(Plant(0.70, 0.5), Plant(0.50, 0.5)))
    assert "is +596 on Hopper-v5 (95 % interval −804 to 1996, 10 seeds)." in open_.answer


def test_too_early_to_tell_shows_the_difference_that_its_notes_speak_of():
    one = compared(pair(Plant(0.02, 0.01), Plant(0.021, 0.01)))
    assert one.reason == "too early"
    shown = interval_text(one.found.interval95, HOPPER)
    assert sentence(one).endswith(f" was seen (`ppo` minus `ppo-m` is −2.98, 95 % interval {shown}).")


def test_where_a_permutation_test_disagrees_both_p_values_are_given():
    difference = compared(pair(Plant(0.9, 0.1), Plant(0.4, 0.1))).found
    apart = replace(difference, p_value=0.163, permutation_p=0.0476)
    assert remarks(apart, 1.0, 21) == [
        "A permutation test of this difference alone has p = 0.048, where Welch’s, as little corrected, has "
        "p = 0.163: the two disagree."
    ]
    (text,) = remarks(replace(difference, p_value=0.163, permutation_p=1e-4), 1.0, 21)
    assert "has p < 0.001, where" in text
    assert remarks(replace(difference, p_value=0.01, permutation_p=0.02), 0.01, 1) == []


def test_verdicts_of_what_was_tested_come_before_those_of_what_could_not_be():
    cells = {
        (name, place): Plant(mean, 0.1, *runs)
        for place, runs in ((WALKER, (0, 0, 10)), (HOPPER, (10,)))
        for name, mean in (("ppo", 0.9), ("ppo-m", 0.4))
    }
    found = section("code-level-tricks", cells, allow_missing=True)
    assert [(one.where, one.badge) for one in found.verdicts] == [
        (HOPPER, "different"), (AGGREGATE, "blocked"), (WALKER, "too few seeds"),
    ]  # fmt: skip


def test_the_seeds_that_one_pair_needs_are_not_said_to_be_enough_for_several():
    alone = section("code-level-tricks", pair(Plant(0.6, 0.1), Plant(0.6, 0.1)))
    assert "two alike variants are called" in alone.power
    assert "this pair by itself" not in alone.power
    third = pair(Plant(0.6, 0.1), Plant(0.6, 0.1)) | {("ppo-noclip", HOPPER): Plant(0.6, 0.1)}
    assert section("code-level-tricks", third).power.endswith(
        "That is of this pair by itself: Holm’s correction over all pairs asks for more."
    )
