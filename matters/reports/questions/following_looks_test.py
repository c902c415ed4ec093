"""Seeds until decided: which look a study is at, by what level it is judged, and what the page says."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from matters.reports import questions
from matters.reports.questions import following_looks
from matters.reports.statistics.looks import levels
from matters.reports.study.study import AGGREGATE, Study, prepare
from matters.suites.errors import InputError
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"


pytestmark = pytest.mark.usefixtures("undrawn")


def grown(gap: float, sd: float = 0.1, trained: int = 20, at: tuple[int, ...] = (10, 20)) -> Study:
    """Two environments on which `ppo` is `gap` above `ppo-m`, at each look alike, with so many seeds trained.

    A look's new runs have exactly the same mean and spread as those before.
    """
    plants = {
        (name, place): Plant(0.5 + (gap if name == "ppo" else 0), sd, trained, missing=at[-1] - trained)
        for name in ("ppo", "ppo-m")
        for place in (HOPPER, WALKER)
    }
    suite = planted_suite(("ppo", "ppo-m"), (HOPPER, WALKER), ["code-level-tricks"], seeds=at[-1])
    suite.looks = at
    snapshot = planted(plants, CONSTANTS)
    block = Plant(0.0, 1.0, at[0])
    scores = planted({("x", "none"): block}, {}).runs["score"].to_numpy()
    runs = snapshot.runs.copy()
    for name, place in plants:
        random, top = CONSTANTS[place]
        own = (runs["variant"] == name) & (runs["environment"] == place)
        mean = 0.5 + (gap if name == "ppo" else 0)
        values = random + (top - random) * (mean + sd * np.resize(scores, at[-1]))
        runs.loc[own & (runs["state"] == "done"), "score"] = values[:trained]
    return prepare(suite, replace(snapshot, runs=runs), constants=CONSTANTS)


def test_a_clear_difference_ends_at_the_first_look_with_its_seeds_alone():
    study = following_looks.follow(grown(0.6, trained=20))
    assert [(look.number, look.outcome, look.goes_on) for look in study.looks] == [(1, "different", False)]
    assert study.cell("ppo", HOPPER).declared == study.cell("ppo", HOPPER).n == 10
    assert not following_looks.goes_on(study)
    assert following_looks.notice(study) == (
        "Look 1 of 2, at 10 seeds (declared: 10, 20): decided; the other 10 seeds were not needed."
    )


def test_what_is_not_decided_goes_on_and_is_judged_at_the_last_look_by_its_level():
    study = following_looks.follow(grown(0.05, sd=0.3, trained=10))
    assert following_looks.goes_on(study)
    assert following_looks.notice(study).endswith("not decided, and it goes on to 20 seeds.")
    last = following_looks.follow(grown(0.05, sd=0.3, trained=20))
    assert [look.seeds for look in last.looks] == [10, 20]
    assert not following_looks.goes_on(last)
    assert following_looks.notice(last).endswith("it ends undecided (not decided).")


def test_a_look_that_is_half_trained_is_not_judged():
    study = following_looks.follow(grown(0.05, sd=0.3, trained=15))
    assert [(look.seeds, look.whole) for look in study.looks] == [(10, True), (20, False)]
    assert following_looks.notice(study).endswith("runs are missing.")
    assert not following_looks.goes_on(study)


def test_the_headline_alone_is_judged_by_the_looks_level_and_all_else_describes():
    """p of .0031 < p ≤ .05 at the first look: the aggregate would differ if ten seeds had been declared."""
    first = levels((10, 20))[0]
    study = following_looks.follow(grown(0.25, sd=0.35, trained=10))
    found = {one.where: one for one in questions.compared("code-level-tricks", study)}
    head = found[AGGREGATE]
    assert first.different < head.found.p_value < 0.05
    assert (head.word, head.reason) == ("undecided", "not decided")
    assert head.adjusted_p == head.found.p_value
    assert any("above this look’s level of 0.0031" in note for note in head.notes)
    assert head.claim
    assert not found[HOPPER].claim
    plain = grown(0.25, sd=0.35, trained=10)
    plain.suite.looks = ()
    fixed = {one.where: one for one in questions.compared("code-level-tricks", plain)}
    assert fixed[HOPPER].claim is False  # ten of the twenty declared seeds are missing there
    assert fixed[AGGREGATE].reason == "blocked"
    last = following_looks.follow(grown(0.25, sd=0.35, trained=20)).look
    assert (last.number, last.outcome) == (2, "different")


def test_equivalence_spends_its_own_level():
    first = levels((10, 20))[0]
    study = following_looks.follow(grown(0.0, sd=0.125, trained=10))
    look = study.look
    assert first.equivalent < look.tost_p < 0.05
    assert look.outcome == "not decided"
    assert following_looks.follow(grown(0.0, sd=0.125, trained=20)).look.outcome == "equivalent"
    assert following_looks.follow(grown(0.0, sd=0.05, trained=10)).look.outcome == "equivalent"


@pytest.mark.parametrize("outcome", ["no room", "too early"])
def test_more_seeds_are_not_trained_where_they_cannot_decide(outcome):
    study = grown(0.0, trained=10)
    runs = study.runs.assign(score=3e3 if outcome == "no room" else 30.0)
    if outcome == "too early":
        runs["score"] += np.arange(len(runs)) % 10
    study = replace(study, runs=runs)
    study = following_looks.follow(study)
    assert (study.look.outcome, following_looks.goes_on(study)) == (outcome, False)


def test_the_table_shows_every_planned_look_with_its_levels():
    table = following_looks.looks_table(following_looks.follow(grown(0.6, trained=10)))
    assert [row[:3] for row in table.rows] == [("1", "10", "different"), ("2", "20", "not taken")]
    assert [row["taken"] for row in table.data] == [True, False]
    assert table.data[0]["level_different"] == pytest.approx(0.00305, abs=1e-5)
    assert table.data[0]["difference"] == pytest.approx(0.6)
    assert table.data[0]["low"] < 0.6 < table.data[0]["high"]
    assert table.data[0]["p_welch"] < 0.003


def test_a_study_without_looks_is_as_it_was():
    study = grown(0.2)
    study.suite.looks = ()
    assert following_looks.follow(study) is study


def test_a_question_without_a_headline_comparison_cannot_be_decided():
    suite = SimpleNamespace(looks=(10, 20), questions=("seeds", "comparison"))
    with pytest.raises(InputError, match=r"first question, seeds, has no headline comparison.*comparison"):
        following_looks.check(suite)
    following_looks.check(SimpleNamespace(looks=(10, 20), questions=("comparison",)))
    following_looks.check(SimpleNamespace(looks=(), questions=("seeds",)))
