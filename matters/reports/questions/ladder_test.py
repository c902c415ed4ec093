"""Ladders with planted answers: adjacent steps and no others, each verdict in words, what lacks said."""

import json
import tomllib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matters.reports import questions
from matters.reports.questions import actor_critic_ladder, natural_ladder, pairwise_section
from matters.reports.questions.ladder import steps
from matters.reports.study.study import AGGREGATE, prepare
from matters.suites.loading import load_suite, suite
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
NATURAL = [rung.name for rung in natural_ladder.RUNGS]
ACTOR_CRITIC = [rung.name for rung in actor_critic_ladder.RUNGS]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Figures and permutations take longer than all else."""
    monkeypatch.setattr(pairwise_section, "figures", lambda *_: ((), ()))
    monkeypatch.setattr("matters.reports.statistics.comparisons.permutation_p", lambda *_, **__: None)


def answered(question, means, places=(HOPPER, WALKER), declared=None, **options):
    cells = {
        (name, place): mean if isinstance(mean, Plant) else Plant(mean, 0.05)
        for name, mean in means.items()
        for place in places
    }
    chosen = planted_suite(list(means), places, margin=0.25) if declared is None else declared
    if declared is None and question == "natural-ladder":  # at one damping, as the shipped one
        shipped = load_suite("natural-ladder").variants
        chosen.variants |= {name: shipped[name] for name in means if name in shipped}
    constants = {name: CONSTANTS[name] for name in places if name in CONSTANTS}
    return questions.answer(question, prepare(chosen, planted(cells), constants=constants, **options))


def pairs(section):
    return {(verdict.x, verdict.y) for verdict in (*section.verdicts, *section.more)}


@given(st.sets(st.sampled_from(NATURAL)))
def test_every_rung_is_compared_with_the_one_below_that_is_at_hand_and_all_that_was_added_is_kept(present):
    found = steps(natural_ladder.RUNGS, sorted(present))
    order = [name for name in NATURAL if name in present]
    assert [(step.lower, step.upper) for step in found] == list(pairwise(order))
    inside = NATURAL[NATURAL.index(order[0]) + 1 : NATURAL.index(order[-1]) + 1] if order else []
    adds = {rung.name: rung.adds for rung in natural_ladder.RUNGS}
    assert "; ".join(step.adds for step in found) == "; ".join(adds[name] for name in inside)
    assert {name for step in found for name in step.skipped} == set(inside) - present


def test_each_verdict_of_a_ladder_comes_out_in_words():
    means = {"npg": 0.2, "tnpg": 0.6, "tnpg-reject": 0.6, "trpo": 0.66, "ppo-m": Plant(0.7, 0.5), "ppo": -0.2}
    found = answered("natural-ladder", means)
    aggregate = {(v.x, v.y): v.verdict for v in found.verdicts if v.where == AGGREGATE}
    assert aggregate == {
        ("tnpg", "npg"): "different",
        ("tnpg-reject", "tnpg"): "equivalent",
        ("trpo", "tnpg-reject"): "both",
        ("ppo-m", "trpo"): "undecided",
        ("ppo", "ppo-m"): "different",
    }
    # The spread of `ppo-m` is ten times that of its neighbours: nothing is claimed.
    assert (found.word, found.claim) == ("different", False)
    assert found.answer == (
        "In aggregate, `tnpg` (+0.400 over `npg`) scores more than the rung below; `ppo` (−0.900 against "
        "`ppo-m`) scores less; `trpo` (+0.060 against `tnpg-reject`) differs by less than the margin; "
        "`tnpg-reject` is equivalent to `tnpg`; between `ppo-m` and `trpo` the runs do not decide."
    )
    assert found.lacks == ()


def test_only_neighbours_are_compared_and_the_family_says_how_many_tests_that_makes():
    found = answered("natural-ladder", dict.fromkeys(NATURAL, 0.5))
    assert pairs(found) == set(zip(NATURAL[1:], NATURAL, strict=False))
    assert found.family.startswith("All 15 difference tests")
    assert {v.where for v in found.verdicts} == {AGGREGATE}
    assert {v.where for v in found.more} == {HOPPER, WALKER}


def test_a_missing_rung_makes_two_steps_one_and_that_is_said():
    found = answered("natural-ladder", {"ppo": 0.9, "trpo": 0.5, "npg": 0.4, "ppo-kl": 0.1})
    assert pairs(found) == {("trpo", "npg"), ("ppo", "trpo")}
    first, second = found.lacks
    assert first.startswith(
        "Without `tnpg`, `tnpg-reject`, `trpo` against `npg` is 3 steps at once: a few steps of conjugate"
    )
    assert second.startswith("Without `ppo-m`, `ppo` against `trpo` is 2 steps at once")


def test_one_rung_alone_is_nothing_to_compare():
    found = answered("natural-ladder", {"trpo": 0.5, "ppo-kl": 0.5})
    assert (found.word, found.verdicts, found.tables) == ("undecided", (), ())
    assert found.answer.startswith("Nothing to compare")
    assert found.lacks == (
        "Rungs of the ladder that no variant of this suite is: `npg`, `tnpg`, `tnpg-reject`, `ppo-m`, `ppo`.",
    )


def test_under_ten_seeds_the_answer_is_an_indication_and_under_five_there_is_none():
    found = answered("natural-ladder", {"tnpg": Plant(0.9, 0.05, 5), "npg": Plant(0.2, 0.05, 5)})
    assert found.answer.startswith("In aggregate, `tnpg` (+0.700 over `npg`) scores more")
    assert not found.claim
    found = answered("natural-ladder", {"tnpg": Plant(0.9, 0.05, 3), "npg": Plant(0.2, 0.05, 10)})
    assert (found.reason, found.claim) == ("too few seeds", False)
    assert "no interval" in found.answer


def test_a_failed_run_blocks_the_aggregate_of_its_steps_and_no_other():
    means = {"npg": 0.2, "tnpg": 0.6, "tnpg-reject": Plant(0.6, 0.05, 10, failed=1)}
    found = answered("natural-ladder", means)
    assert "no verdict on `tnpg-reject` against `tnpg`" in found.answer
    blocked = [v for v in found.verdicts if v.reason == "blocked"]
    assert [(v.x, v.y) for v in blocked] == [("tnpg-reject", "tnpg")]
    # Each environment alone stands in for the aggregate.
    assert {v.where for v in found.verdicts if v.x == "tnpg-reject"} == {AGGREGATE, HOPPER, WALKER}
    allowed = answered("natural-ladder", means, allow_missing=True)
    assert "`tnpg-reject` is equivalent to `tnpg`" in allowed.answer


def test_without_constants_each_environment_answers_for_itself():
    found = answered("natural-ladder", {"npg": 0.2, "tnpg": 0.6}, places=("Unknown-v0",))
    assert found.answer.startswith(
        "On Unknown-v0, `tnpg` (+0.400 over `npg`) scores more than the rung below"
    )


def test_the_settings_that_differ_beside_what_a_step_adds_are_listed():
    ladder = load_suite("natural-ladder")
    found = answered("natural-ladder", dict.fromkeys(NATURAL, 0.5), declared=ladder)
    settings = {(row["lower"], row["upper"]): row["settings"] for row in found.tables[1].data}
    assert settings["tnpg", "tnpg-reject"] == {
        "algorithm": ["tnpg", "trpo"],
        "line_search_steps": ["–", "1"],
    }
    assert set(settings["tnpg-reject", "trpo"]) == {"line_search_steps", "line_search_shrink"}
    assert settings["ppo-m", "ppo"]["tricks.value_clip"] == ["off", "on"]
    assert settings["trpo", "ppo-m"]["clip"] == ["–", "0.2"]
    assert all(row["undeclared"] == [] for row in found.tables[1].data)
    json.dumps(found.tables[1].data)


def test_the_shipped_ladder_has_every_rung_and_lacks_nothing():
    names = list(load_suite("natural-ladder").variants)
    assert answered("natural-ladder", dict.fromkeys(names, 0.5)).lacks == ()


def test_the_actor_critic_ladder_compares_neighbours_and_td3s_parts_one_by_one():
    parts = {"td3-only-cdq": 0.46, "td3-no-cdq": 0.5, "td3-no-delay": 0.9, "td3-only-delay": 0.4}
    means = {"ddpg": 0.2, "ddpg-tuned": 0.4, "td3": 0.9, "sac": 0.9, **parts}
    found = answered("actor-critic-ladder", means)
    aggregate = {(v.x, v.y): v.verdict for v in found.verdicts if v.where == AGGREGATE}
    assert aggregate == {
        ("ddpg-tuned", "ddpg"): "different",
        ("td3", "ddpg-tuned"): "different",
        ("sac", "td3"): "equivalent",
        ("td3-only-cdq", "ddpg-tuned"): "both",
        ("td3-only-delay", "ddpg-tuned"): "equivalent",
        ("td3", "td3-no-cdq"): "different",
        ("td3", "td3-no-delay"): "equivalent",
    }
    first, absent, line = found.lacks
    assert absent == "Rungs of the ladder that no variant of this suite is: `ddpg-batch-norm`."
    assert first.startswith(
        "Without `td3-256`, `td3-256-only-cdq`, `sac` against `td3` is 3 steps at once: SAC’s"
    )
    assert "`td3-only-smoothing` against `ddpg-tuned` (target smoothing, alone)" in line
    assert "`td3` against `td3-no-smoothing`" in line
    assert "cdq" not in line


def test_ddpg_td3_and_sac_alone_are_a_ladder_too():
    found = answered("actor-critic-ladder", {"ddpg": 0.2, "td3": 0.9, "sac": 0.9})
    assert pairs(found) == {("td3", "ddpg"), ("sac", "td3")}
    assert found.lacks[0].startswith("Without `ddpg-tuned`, `td3` against `ddpg` is 2 steps at once")


def test_no_part_is_a_step_of_the_ladder_and_every_part_is_compared_with_a_rung():
    rungs = {(step.lower, step.upper) for step in steps(actor_critic_ladder.RUNGS, ACTOR_CRITIC)}
    for part in actor_critic_ladder.PARTS:
        assert (part.lower, part.upper) not in rungs
        assert {part.lower, part.upper} & set(ACTOR_CRITIC)


def test_a_rung_may_have_other_settings_and_what_they_add_is_said():
    text = """
    [suite]
    name = "own"
    title = "A ladder of one's own"
    environments = ["Hopper-v5"]
    seeds = 10
    steps = 50_000
    questions = ["natural-ladder"]
    [variants.tnpg]
    algorithm = "tnpg"
    config = { kl = 0.05 }
    [variants.trpo]
    algorithm = "trpo"
    """
    means = {"tnpg": 0.5, "trpo": 0.5}
    found = answered("natural-ladder", means, places=(HOPPER,), declared=suite(tomllib.loads(text)))
    first, *_ = found.lacks
    assert first.endswith("they also differ in kl 0.01 → 0.05.")
    assert found.tables[1].rows[0][2].endswith("; also kl 0.05 → 0.01")


def test_one_idle_rung_does_not_say_of_the_others_that_they_cannot_differ():
    cells = {
        (name, HOPPER): Plant(mean, 0.05, 3)
        for name, mean in {"tnpg": 0.5, "trpo": 0.5, "ppo-m": 0.7}.items()
    }
    prepared = prepare(
        planted_suite(["tnpg", "trpo", "ppo-m"], [HOPPER]), planted(cells), constants=CONSTANTS
    )
    object.__setattr__(prepared.cells["trpo", HOPPER], "outcomes", prepared.cells["tnpg", HOPPER].outcomes)
    found = questions.answer("natural-ladder", prepared)
    assert found.reason == "too few seeds"
    assert found.answer == (
        "No rung is judged. No effect possible: `trpo` against `tnpg`; too few seeds: `ppo-m` against `trpo`."
    )


def test_imported_rungs_are_said_to_be_known_by_their_names_alone():
    cells = {(name, HOPPER): Plant(mean, 0.05) for name, mean in {"td3": 0.5, "sac": 0.7}.items()}
    chosen = planted_suite(["td3", "sac"], [HOPPER])
    chosen.evaluation, chosen.apart, chosen.pooled = None, lambda *_: None, ""
    found = questions.answer("actor-critic-ladder", prepare(chosen, planted(cells), constants=CONSTANTS))
    assert found.lacks == (
        "Imported variants are taken for what their names say: their settings are not known, so neither "
        "is what else differs between two of them.",
    )
