"""Planted studies on which a page once said something wrong: the right word, reason and sentence.

Each environment's runs are placed in normalised score, so that the truth is known exactly.
"""

import re

import numpy as np
import pandas as pd
import pytest

from matters.reports import questions
from matters.reports.page.sentences import sentence
from matters.reports.statistics.comparisons import seeds_for_difference
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import AGGREGATE, prepare
from matters.suites.tasks.yardsticks import MUJOCO, Environment
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER, PENDULUM = "Hopper-v5", "Walker2d-v5", "InvertedPendulum-v5"
OTHERS = {f"Other{k}-v5": (0.0, 100.0) for k in range(6)}
KNOWN = CONSTANTS | OTHERS


pytestmark = pytest.mark.usefixtures("undrawn")


def study(cells, names=("ppo", "ppo-m"), **options):
    """`cells` are pairs of plants by environment."""
    plants = {(name, place): pair[k] for place, pair in cells.items() for k, name in enumerate(names)}
    known = {place: KNOWN[place] for place in cells if place in KNOWN}
    suite = planted_suite(names, list(cells), **options)
    return prepare(suite, planted(plants, known), constants=known)


def words(prepared, pair=("ppo", "ppo-m")):
    """{place: (word, reason)} of one pair."""
    return {one.where: (one.word, one.reason) for one in compare_pairs(prepared, "q", [pair])}


def alike(mean, sd=0.08, n=10):
    return Plant(mean, sd, n), Plant(mean, sd, n)


# A1
def test_opposite_effects_are_mixed_and_no_answer_says_equivalent():
    opposite = study(
        {HOPPER: (Plant(0.8, 0.08), Plant(0.4, 0.08)), WALKER: (Plant(0.3, 0.08), Plant(0.7, 0.08))}
    )
    assert words(opposite) == {
        AGGREGATE: ("undecided", "mixed"), HOPPER: ("different", ""), WALKER: ("different", ""),
    }  # fmt: skip
    section = questions.answer("code-level-tricks", opposite)
    assert section.answer == (
        "It depends on the environment: `ppo` scores more on Hopper-v5 and `ppo-m` scores more on "
        "Walker2d-v5."
    )
    assert (section.word, section.reason, section.claim) == ("undecided", "mixed", False)
    assert "their mean hides it" in section.verdicts[0].statement


def test_the_same_opposite_effects_are_no_reproduction():
    names = ("ppo-sb3", "sb3-ppo")
    cells = {HOPPER: (Plant(0.8, 0.08), Plant(0.4, 0.08)), WALKER: (Plant(0.3, 0.08), Plant(0.7, 0.08))}
    prepared = study(cells, names)
    prepared.suite.steps = 1_000_000
    section = questions.answer("reproduction", prepared)
    assert (section.word, section.reason) == ("undecided", "mixed")
    assert "Yes" not in section.answer


def test_alike_variants_are_equivalent_and_one_wide_environment_is_not_hidden_by_narrow_ones():
    assert words(study({HOPPER: alike(0.6, 0.05), WALKER: alike(0.5, 0.05)})) == dict.fromkeys(
        (AGGREGATE, HOPPER, WALKER), ("equivalent", "")
    )
    wide = study({HOPPER: alike(0.9, 0.42)} | {name: alike(0.5, 0.02) for name in OTHERS})
    found = {one.where: one for one in compare_pairs(wide, "q", [("ppo", "ppo-m")])}
    assert found[AGGREGATE].found.within(0.10)
    assert (found[AGGREGATE].word, found[AGGREGATE].reason) == ("undecided", "not decided")
    assert "not every environment is within the gate: Hopper-v5" in sentence(found[AGGREGATE])


# A2
def test_environments_at_their_ceiling_are_not_tested_and_dilute_nothing():
    cells = {PENDULUM: alike(1.0, 0.0, 5), HOPPER: (Plant(0.9, 0.05, 5), Plant(0.4, 0.05, 5))}
    found = compare_pairs(study(cells), "q", [("ppo", "ppo-m")])
    assert {one.where: (one.word, one.reason) for one in found} == {
        PENDULUM: ("undecided", "no room"), HOPPER: ("different", ""),
    }  # fmt: skip
    assert sum(one.found is not None for one in found) == 1
    one = next(one for one in found if one.where == HOPPER)
    assert one.adjusted_p == one.found.p_value
    answer = questions.answer("code-level-tricks", study(cells)).answer
    assert answer.startswith("Yes: `ppo` scores 1490 more on Hopper-v5 than `ppo-m` (95 % interval ")
    assert "No room on InvertedPendulum-v5" in answer


def test_five_environments_at_the_ceiling_do_not_make_the_sixth_a_little_difference():
    cells = {name: alike(1.0, 0.0) for name in list(OTHERS)[:5]} | {
        HOPPER: (Plant(0.9, 0.05), Plant(0.4, 0.05))
    }
    assert words(study(cells))[HOPPER] == ("different", "")
    assert AGGREGATE not in words(study(cells))
    two = cells | {WALKER: (Plant(0.9, 0.05), Plant(0.4, 0.05))}
    found = next(one for one in compare_pairs(study(two), "q", [("ppo", "ppo-m")]) if one.where == AGGREGATE)
    assert found.over == (HOPPER, WALKER)
    assert found.found.estimate.value == pytest.approx(0.5)
    assert found.word == "different"


def test_where_every_environment_is_at_its_ceiling_it_cannot_be_told():
    prepared = study({PENDULUM: alike(1.0, 0.0), "Other0-v5": alike(1.0, 0.0)})
    assert set(words(prepared).values()) == {("undecided", "no room")}
    section = questions.answer("code-level-tricks", prepared)
    assert section.answer.startswith("Cannot be told")
    assert not any("0.001" in cell or "0 to 0" in cell for row in section.tables[0].rows for cell in row)


def test_nearly_at_the_ceiling_is_at_the_ceiling_and_a_lower_variant_makes_room():
    assert words(study({PENDULUM: (Plant(0.99, 0.004), Plant(0.985, 0.004))}))[PENDULUM][1] == "no room"
    assert words(study({PENDULUM: (Plant(1.0, 0.0), Plant(0.92, 0.01))}))[PENDULUM][0] == "different"


# A3
def test_one_environment_is_one_test():
    cells = {HOPPER: (Plant(0.5, 0.1), Plant(0.38, 0.1))}
    (one,) = compare_pairs(study(cells), "q", [("ppo", "ppo-m")])
    assert one.where == HOPPER
    assert one.adjusted_p == one.found.p_value
    section = questions.answer("code-level-tricks", study(cells))
    assert [verdict.where for verdict in section.verdicts] == [HOPPER]
    assert section.family.startswith("The one difference test ")


# A4
def test_seeds_to_decide_are_both_plans_and_beyond_two_hundred_not_by_more_seeds():
    (one,) = compare_pairs(study({HOPPER: (Plant(0.6, 0.3), Plant(0.4, 0.3))}), "q", [("ppo", "ppo-m")])
    assert one.plan.effect < one.plan.margin < 200
    text = sentence(one)
    assert (
        f"About {one.plan.effect} seeds per variant would decide if the difference is as large as seen"
        in text
    )
    assert f"{one.plan.margin} whether it is within the margin" in text
    (one,) = compare_pairs(study({HOPPER: (Plant(0.51, 0.9), Plant(0.5, 0.9))}), "q", [("ppo", "ppo-m")])
    assert "Not to be decided by more seeds" in sentence(one)
    assert str(one.plan.margin) not in sentence(one)


# A5
def test_more_evidence_makes_no_wider_chance_of_improvement():
    (one,) = compare_pairs(
        study({HOPPER: (Plant(0.9, 0.05, 5), Plant(0.3, 0.05, 5))}), "q", [("ppo", "ppo-m")]
    )
    value, interval = one.improvement
    assert (value, interval.low) == (1, pytest.approx(0.643, abs=1e-3))


# A6
def test_a_yardstick_below_random_is_refused():
    low, high = MUJOCO[HOPPER].random, MUJOCO[HOPPER].on_policy
    with pytest.raises(ValueError, match="should be above"):
        Environment("Mine-v0", 10, 1, 1, random=high, off_policy=low)


# B1
@pytest.mark.parametrize("n", [5, 10])
def test_before_anything_is_learnt_it_is_too_early_for_equivalence(n):
    prepared = study({PENDULUM: alike(1.0, 0.0, n), HOPPER: alike(0.08, 0.01, n)})
    assert words(prepared)[HOPPER] == ("undecided", "too early")
    section = questions.answer("code-level-tricks", prepared)
    assert section.answer.startswith(
        "Too early to tell `ppo` from `ppo-m`: after 50\u202f000 steps neither has made a tenth of the way "
        "from random actions to the yardstick on Hopper-v5 (at most 8 %"
    )
    assert "No room on InvertedPendulum-v5" in section.answer
    assert "No difference larger than ±" in section.answer
    assert (section.word, section.reason, section.claim) == ("undecided", "too early", False)


def test_a_difference_before_much_is_learnt_stays_and_is_one_so_far():
    prepared = study({HOPPER: (Plant(0.09, 0.01), Plant(0.02, 0.01))})
    assert words(prepared)[HOPPER] == ("undecided", "too early")  # within the margin: both, but too early
    prepared = study({HOPPER: (Plant(0.09, 0.03), Plant(-0.3, 0.03))})
    assert words(prepared)[HOPPER] == ("different", "")
    section = questions.answer("code-level-tricks", prepared)
    assert "So far" in section.answer
    assert "more than `ppo-m` so far: different" in section.verdicts[0].statement


def test_two_variants_worse_than_random_are_not_equivalent():
    assert words(study({HOPPER: alike(-0.3, 0.02)}))[HOPPER] == ("undecided", "too early")


def test_one_environment_where_nothing_is_learnt_keeps_the_aggregate_from_equivalence():
    prepared = study({HOPPER: alike(0.02, 0.005), WALKER: alike(0.6, 0.05)})
    assert words(prepared)[AGGREGATE] == ("undecided", "too early")
    assert words(prepared)[WALKER] == ("equivalent", "")


def test_equivalence_is_after_so_many_steps_and_says_where_it_still_rises():
    prepared = study({HOPPER: alike(0.6, 0.05)})
    (one,) = compare_pairs(prepared, "q", [("ppo", "ppo-m")])
    assert "are equivalent after 50\u202f000 steps" in sentence(one)
    steep = prepared.evaluations.copy()
    steep.loc[steep["step"] <= 40_000, "score"] *= 0.5
    object.__setattr__(prepared, "evaluations", pd.DataFrame(steep))
    (one,) = compare_pairs(prepared, "q", [("ppo", "ppo-m")])
    assert one.rising
    assert "Still rising." in sentence(one)


# B2
def test_a_task_with_a_ceiling_has_its_own_margin_in_return():
    prepared = study({PENDULUM: (Plant(0.999, 0.002), Plant(0.92, 0.01))})
    (one,) = compare_pairs(prepared, "q", [("ppo", "ppo-m")])
    assert (one.found.margin, one.gate, one.word) == (25, 62.5, "different")
    wider = study({PENDULUM: (Plant(0.999, 0.002), Plant(0.92, 0.01))}, margin=0.2)
    assert wider.margin(PENDULUM) == 50


def test_every_mujoco_task_is_pooled_on_both_scales():
    for scale in ("on-policy-1M", "off-policy-1M"):
        assert all(row.yardstick(scale) is not None for row in MUJOCO.values())


# B3
def test_equivalence_on_an_environment_is_corrected_for_the_number_of_environments():
    cells = {name: (Plant(0.53, 0.05), Plant(0.5, 0.05)) for name in OTHERS}
    alone = compare_pairs(study({"Other0-v5": cells["Other0-v5"]}), "q", [("ppo", "ppo-m")])[0]
    several = compare_pairs(study(cells), "q", [("ppo", "ppo-m")])
    one = next(one for one in several if one.where == "Other0-v5")
    assert alone.found.tost_p == one.found.tost_p
    assert one.adjusted_tost == pytest.approx(6 * one.found.tost_p)


# B4
def test_unequal_spreads_are_said_and_claim_nothing_under_twenty_runs():
    few = study({HOPPER: (Plant(0.9, 0.02), Plant(0.4, 0.2))})
    many = study({HOPPER: (Plant(0.9, 0.02, 20), Plant(0.4, 0.2, 20))})
    for prepared, claim in ((few, False), (many, True)):
        (one,) = compare_pairs(prepared, "q", [("ppo", "ppo-m")])
        assert (one.word, one.claim) == ("different", claim)
        assert "10 times as wide" in sentence(one)


def test_rare_collapses_are_said_and_claim_nothing_under_twenty_runs():
    prepared = study({HOPPER: (Plant(0.9, 0.05), Plant(0.5, 0.05))})
    cell = prepared.cells["ppo", HOPPER]
    scores = cell.scores.copy()
    scores[3] = 30.0
    object.__setattr__(cell, "scores", scores)
    (one,) = compare_pairs(prepared, "q", [("ppo", "ppo-m")])
    assert not one.claim
    assert "1 of 10 runs of `ppo` on Hopper-v5 has less than half of what its median run gained" in sentence(
        one
    )


# B5
def test_an_unstable_variant_is_not_flattered_by_what_it_had_before_it_diverged():
    prepared = study({HOPPER: (Plant(0.6, 0.05, diverged=5), Plant(0.6, 0.05))})
    (one,) = compare_pairs(prepared, "q", [("ppo", "ppo-m")])
    assert one.found.estimate.value == pytest.approx(-0.3 * 2980, rel=0.1)
    assert "5 of 10 runs of `ppo` on Hopper-v5 diverged and count with the random policy’s score" in sentence(
        one
    )
    assert one.word != "equivalent"


# B6.5
def test_no_answer_says_no_under_ten_seeds():
    few = questions.answer("code-level-tricks", study({HOPPER: alike(0.6, 0.03, 5)}))
    assert (few.word, few.claim) == ("equivalent", False)
    assert few.answer.startswith("No difference larger than ±")
    assert "(5 seeds)" in few.answer
    enough = questions.answer("code-level-tricks", study({HOPPER: alike(0.6, 0.03, 10)}))
    assert enough.answer.startswith("No: `ppo` and `ppo-m` are equivalent within the margin (90 % ")


def test_two_names_of_the_same_runs_allow_no_effect():
    prepared = study({HOPPER: alike(0.6), WALKER: alike(0.6)})
    for place in (HOPPER, WALKER):
        cell = prepared.cells["ppo-m", place]
        object.__setattr__(cell, "outcomes", prepared.cells["ppo", place].outcomes)
    assert set(words(prepared).values()) == {("undecided", "no effect possible")}
    assert "same runs" in questions.answer("code-level-tricks", prepared).answer


def test_where_the_interquartile_means_point_the_other_way_the_sentence_says_so():
    prepared = study({HOPPER: alike(0.5, 0.05), WALKER: alike(0.5, 0.05)})
    for place in (HOPPER, WALKER):
        cell = prepared.cells["ppo", place]
        scores = cell.scores + 0.03 * 3000
        scores[:2] -= 0.5 * 3000
        object.__setattr__(cell, "scores", scores)
    one = compare_pairs(prepared, "q", [("ppo", "ppo-m")])[0]
    assert one.found.estimate.value < 0 < one.iqm[0]
    assert re.search(r"means say otherwise: their difference is 0\.\d{3} the other way\.", sentence(one))
    assert one.iqm[1].low < one.iqm[0] < one.iqm[1].high


def test_a_reproduction_is_held_to_what_a_reference_gains_at_its_budget():
    names = ("ppo-sb3", "sb3-ppo")
    prepared = study({HOPPER: (Plant(0.60, 0.05), Plant(0.57, 0.05))}, names)
    prepared.suite.steps = 200_000
    (one, *_) = compare_pairs(prepared, "q", [names])
    assert one.word == "equivalent"
    section = questions.answer("reproduction", prepared)
    row = section.tables[0].data[0]
    assert row["margin"] == pytest.approx(0.1 * (1365.16 - CONSTANTS[HOPPER][0]))
    assert row["verdict"] != "equivalent"
    prepared.suite.steps = 10_000
    assert (
        "No frozen reference at this budget"
        in questions.answer("reproduction", prepared).verdicts[0].statement
    )


def test_scores_of_all_verdicts_are_finite():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cells = {
            place: (Plant(rng.random(), rng.random() / 5, 6), Plant(rng.random(), rng.random() / 5, 7))
            for place in (HOPPER, WALKER, PENDULUM)
        }
        for one in compare_pairs(study(cells), "q", [("ppo", "ppo-m")]):
            assert (one.word == "undecided") == bool(one.reason)
            assert "nan" not in sentence(one)


# A4
def test_seeds_for_the_margin_in_aggregate_know_of_the_family_of_all_pairs():
    """A difference as large as the margin takes more seeds than a larger one, whatever the family."""
    cells = {
        (name, place): Plant(mean, 0.35)
        for place in (HOPPER, WALKER)
        for name, mean in (("ppo", 0.62), ("ppo-m", 0.5), ("a", 0.5), ("b", 0.5))
    }
    names = tuple(dict.fromkeys(name for name, _ in cells))
    prepared = prepare(planted_suite(names, [HOPPER, WALKER]), planted(cells), constants=KNOWN)
    pairs = [("ppo", "ppo-m"), ("ppo-m", "a"), ("a", "b")]
    first, *rest = compare_pairs(prepared, "q", pairs)
    family = 1 + sum(one.found is not None for one in rest)
    assert (first.where, first.reason, family) == (AGGREGATE, "not decided", 9)
    alone = compare_pairs(prepared, "q", pairs[:1])[0]
    assert first.plan.margin > alone.plan.margin
    assert first.plan.margin >= seeds_for_difference(first.found.deviation, 0.10, 0.05 / family)
    assert first.found.estimate.value > first.margin
    assert first.plan.effect < first.plan.margin
