"""Sentences that once said more than the runs do: a "no" for "too early", a name believed, a gap left out."""

import numpy as np
import pytest

from matters.reports import questions
from matters.reports.compose import _aggregate_notes
from matters.reports.page import forests
from matters.reports.page.curve_figures import profiles
from matters.reports.page.formatting import percent
from matters.reports.page.notices import notices, summary
from matters.reports.page.sentences import need_text, sentence
from matters.reports.study.caveats import MEANINGS
from matters.reports.study.curves import performance_profile
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import AGGREGATE, prepare
from matters.results.imported import tables
from matters.results.imported.runs import ForeignRun, ForeignSet
from matters.suites.variant import variant
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER, PENDULUM, UNKNOWN = "Hopper-v5", "Walker2d-v5", "InvertedPendulum-v5", "Unknown-v0"


def study(cells, names=("ppo", "ppo-m"), **options):
    """`cells` are plants of each name by environment."""
    plants = {(name, place): each[k] for place, each in cells.items() for k, name in enumerate(names)}
    known = {place: CONSTANTS[place] for place in cells if place in CONSTANTS}
    return prepare(planted_suite(names, list(cells)), planted(plants), constants=known, **options)


def alike(mean, sd=0.05, n=10, **gaps):
    return Plant(mean, sd, n, **gaps), Plant(mean, sd, n, **gaps)


def compared(prepared, where, pair=("ppo", "ppo-m")):
    return next(one for one in compare_pairs(prepared, "q", [pair]) if one.where == where)


@pytest.mark.usefixtures("undrawn")
def test_equal_scores_before_anything_is_learnt_are_no_ceiling_but_too_early():
    prepared = study({HOPPER: alike(0.02, 0.0), PENDULUM: alike(1.0, 0.0)})
    assert compared(prepared, HOPPER).reason == "too early"
    assert compared(prepared, PENDULUM).reason == "no room"
    assert questions.answer("code-level-tricks", prepared).answer.startswith("Too early to tell `ppo` from")


def test_runs_that_all_diverged_are_not_at_their_ceiling_and_the_sentence_counts_them():
    one = compared(study({HOPPER: alike(0.6, diverged=10)}), HOPPER)
    assert (one.reason, one.claim) == ("too early", False)
    assert "10 of 10 runs of `ppo` on Hopper-v5 diverged" in sentence(one)
    assert "ceiling" not in sentence(one)


@pytest.mark.parametrize(("n", "claim"), [(10, False), (20, True)])
def test_a_cell_without_spread_beside_one_with_some_claims_nothing_under_twenty_runs(n, claim):
    one = compared(study({PENDULUM: (Plant(1.0, 0.0, n), Plant(0.92, 0.01, n))}), PENDULUM)
    assert (one.word, one.claim) == ("different", claim)
    assert "every run of `ppo` has the same score, and those of `ppo-m` differ" in sentence(one)


@pytest.mark.usefixtures("undrawn")
def test_what_a_caveat_means_is_said_once_in_a_section_and_its_fact_with_every_pair():
    rare = Plant(0.9, 0.1, 20, diverged=1)
    cells = {HOPPER: (rare, Plant(0.5, 0.1, 20)), PENDULUM: (rare, Plant(0.5, 0.01, 20))}
    prepared = study(cells, allow_missing=True)
    statements = [one.statement for one in questions.answer("code-level-tricks", prepared).verdicts]
    assert len(statements) == 3
    for where in (HOPPER, PENDULUM):
        told = [text for text in statements if f"1 of 20 runs of `ppo` on {where} has less than half" in text]
        assert len(told) == 2  # in aggregate and on the environment
    for meaning in MEANINGS:
        assert sum(text.count(meaning) for text in statements) == 1


def test_variants_without_an_aggregate_for_one_reason_are_named_together():
    each = [Plant(0.5, 0.1, 0, missing=10)] * 2
    lost = study({HOPPER: alike(0.5), WALKER: each}, allow_missing=True)
    blocked = {name: lost.blocked(name) for name in lost.variants}
    assert _aggregate_notes(lost, blocked)[0] == (
        "No aggregate for `ppo`, `ppo-m`: each has no scored run on Walker2d-v5."
    )
    assert _aggregate_notes(lost, {"ppo": blocked["ppo"]})[0] == (
        "No aggregate for `ppo`: `ppo` has no scored run on Walker2d-v5."
    )


def test_unequal_numbers_of_seeds_stand_in_the_order_of_the_pair():
    one = compared(study({HOPPER: (Plant(0.6, 0.1, 4), Plant(0.6, 0.1, 2))}), HOPPER)
    assert "compare `ppo` with `ppo-m` (4 and 2; " in sentence(one)


@pytest.mark.usefixtures("undrawn")
def test_a_million_steps_have_their_spaces_and_no_better_than_random_is_no_percentage():
    prepared = study({HOPPER: alike(-0.3)})
    object.__setattr__(prepared, "runs", prepared.runs.assign(steps=1_003_520))
    said = questions.answer("code-level-tricks", prepared).answer
    assert "after 1\u202f003\u202f520 steps" in said
    assert "on Hopper-v5 (no better than random actions" in said


def test_too_early_in_aggregate_names_the_environments_that_are():
    text = sentence(compared(study({HOPPER: alike(0.02), WALKER: alike(0.6)}), AGGREGATE))
    assert "has made a tenth of the way from random actions to the yardstick on Hopper-v5;" in text
    assert "in normalised score was seen" in text


def test_the_same_runs_are_said_to_be_no_proof_that_nothing_can_differ():
    prepared = study({HOPPER: alike(0.6)})
    object.__setattr__(prepared.cells["ppo-m", HOPPER], "outcomes", prepared.cells["ppo", HOPPER].outcomes)
    text = sentence(compared(prepared, HOPPER))
    assert text.endswith("with equal episodes and parameters: what tells them apart did nothing.")


def test_runs_that_are_missing_are_named_under_ten_seeds_too():
    text = sentence(compared(study({HOPPER: (Plant(0.9, 0.1, 6, missing=2), Plant(0.4, 0.1))}), HOPPER))
    assert "Runs are not whole: ppo, Hopper-v5: 2 missing." in text
    text = sentence(compared(study({HOPPER: (Plant(0.9, 0.1, 10, failed=1), Plant(0.4, 0.1))}), HOPPER))
    assert "No claim, for runs are not whole: ppo, Hopper-v5: 1 failed." in text
    text = sentence(compared(study({HOPPER: (Plant(0.9, 0.1, diverged=1), Plant(0.4, 0.1))}), HOPPER))
    assert "Runs are not whole: ppo, Hopper-v5: 1 diverged." in text
    assert "No claim" not in text


@pytest.mark.usefixtures("undrawn")
def test_where_the_aggregate_is_blocked_the_answer_says_why_and_who_is_ahead_where():
    cells = {HOPPER: (Plant(0.9, 0.05, failed=1), Plant(0.4, 0.05)), WALKER: alike(0.6)}
    said = questions.answer("code-level-tricks", study(cells)).answer
    assert said.startswith("No answer in aggregate for `ppo` against `ppo-m` (`ppo` is incomplete")
    assert "different (+1490, 95 % interval 1350 to 1630) on Hopper-v5" in said


@pytest.mark.usefixtures("undrawn")
def test_a_question_about_tricks_is_not_answered_by_clipping():
    found = questions.answer(
        "code-level-tricks", study({HOPPER: (Plant(0.9, 0.05), Plant(0.4, 0.05))}, ("ppo", "ppo-noclip"))
    )
    assert found.answer == (
        "No two variants here differ in the tricks alone. Of clipping, with the tricks: `ppo` scores 1490 "
        "more on Hopper-v5 than `ppo-noclip` (95 % interval 1350 to 1630, 10 seeds)."
    )


@pytest.mark.usefixtures("undrawn")
def test_what_differs_beside_the_tricks_keeps_the_answer_from_yes():
    prepared = study({HOPPER: (Plant(0.9, 0.05), Plant(0.4, 0.05))})
    slow = {"algorithm": "ppo", "preset": "ppo-m", "config": {"learning_rate": 1e-5}}
    prepared.suite.variants["ppo-m"] = variant("ppo-m", slow)
    said = questions.answer("code-level-tricks", prepared).answer
    assert "Yes" not in said
    assert "Beside the tricks they differ in learning_rate 0.0003 → 1e-05." in said


@pytest.mark.usefixtures("undrawn")
def test_a_reproduction_of_few_seeds_at_a_budget_without_reference_is_too_few_seeds():
    prepared = study({HOPPER: alike(0.6, n=3), WALKER: alike(0.6, n=3)}, ("ppo-sb3", "sb3-ppo"))
    prepared.suite.steps = 10_000
    found = questions.answer("reproduction", prepared)
    assert (found.word, found.reason) == ("undecided", "too few seeds")
    assert found.family == "No difference was tested."


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("question", questions.QUESTIONS)
def test_imported_results_may_be_asked_every_question_and_their_names_answer_none_with_yes_or_no(question):
    found = ForeignSet(
        "lab", tuple(imported(name, k) for name in ("ppo", "ppo-m", "td3", "sac") for k in range(5))
    )
    said = questions.answer(
        question, prepare(tables.suite(found, (question,)), tables.snapshot(found))
    ).answer
    assert not said.startswith(("Yes", "No:", "A little"))


def imported(name, seed):
    steps = tuple(100_000 * k for k in range(1, 11))
    returns = tuple(300.0 * len(name) + 10 * seed + k for k in range(10))
    return ForeignRun(name, HOPPER, seed, "evaluation", steps, returns, "a.csv", "0" * 64, None)


def test_how_many_seeds_are_needed_says_for_which_pair_and_never_all_studies():
    one = compared(study({HOPPER: alike(0.6, 0.03)}), HOPPER)
    assert need_text(one) == (
        "With spreads like those of `ppo` and `ppo-m`, two alike variants are called *equivalent* in over "
        "99 % of studies with 10 seeds, and in 80 % already with 5; a difference as large as the margin is "
        "found in over 99 %, and in 80 % already with 5."
    )


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.0, 0, "0 %"),
        (0.003, 0, "under 1 %"),
        (0.997, 0, "over 99 %"),
        (1.0, 0, "100 %"),
        (0.0004, 1, "under 0.1 %"),
        (0.9996, 1, "over 99.9 %"),
        (0.123, 1, "12.3 %"),
        (None, 0, "–"),
    ],
)
def test_rounding_makes_no_share_none_or_all(share, decimals, text):
    assert percent(share, decimals) == text


def test_where_only_some_cells_have_few_seeds_the_notice_names_them_and_leaves_the_answers_alone():
    prepared = study({HOPPER: (Plant(0.6, 0.1), Plant(0.6, 0.1, 2, missing=3))})
    (few,) = [line for line in notices(prepared) if line.startswith("Few seeds")]
    assert few == (
        "Few seeds in 1 of 2 cells: a claim needs 10 scored runs, an interval 5, and there are fewer of "
        "`ppo-m` (Hopper-v5: 2). What is said of these is an indication."
    )
    assert "5 to 10 seeds" in summary(prepared)
    assert "answers are indications" in notices(study({HOPPER: alike(0.6, n=5)}))[0]


def test_cells_without_a_run_are_named_once_and_together_on_each_environment():
    none = [Plant(0.5, 0.1, 0, missing=20)] * 2
    said = notices(study({HOPPER: alike(0.6, n=20), WALKER: none}, allow_missing=True))
    assert len(said) == 1
    assert said[0].startswith("Not every run is whole: `ppo`, `ppo-m` on Walker2d-v5 (20 missing each). ")
    apart = notices(study({HOPPER: (Plant(0.6, 0.1, 9, failed=1), Plant(0.6, 0.1, 8, missing=2))}))
    assert "whole: `ppo` on Hopper-v5 (1 failed), `ppo-m` on Hopper-v5 (2 missing). " in apart[1]


def test_a_diverged_run_is_not_said_to_be_left_out_of_what_is_allowed():
    (gaps,) = [
        line
        for line in notices(study({HOPPER: (Plant(0.6, 0.1, diverged=1), Plant(0.6, 0.1))}))
        if "whole" in line
    ]
    assert gaps.endswith("from the runs that have a score, a diverged one with the random policy’s.")


def test_the_share_of_two_runs_is_none_half_or_all():
    prepared = study({HOPPER: alike(0.5, 0.05, 2)}, allow_missing=True)
    found = [(name, performance_profile(prepared, name)) for name in prepared.variants]
    (drawing,) = profiles(prepared, found)
    alt = drawing.panels[0].alt
    assert alt.startswith("Runs above 0.5")
    assert alt.endswith(": ppo 50 %, ppo-m 50 %.")
    assert np.isin([curve.centre for _, curve in found], (0.0, 0.5, 1.0)).all()


def test_what_has_no_number_is_said_once_in_the_words_of_a_figure():
    drawing = forests.forest("q", compare_pairs(study({HOPPER: alike(0.6, n=3)}), "q", [("ppo", "ppo-m")]))
    assert drawing.panels[0].alt.endswith("Hopper-v5: too few seeds.")
