"""The question `published`: ours beside others' numbers, every difference named and nothing tested."""

from types import SimpleNamespace

import pytest

from matters.algorithms import ALGORITHMS
from matters.reports.questions import published
from matters.reports.study.study import prepare
from matters.results.published import Entry, entries
from testing import planted
from testing.planted import Plant


def study(cells, algorithms):
    variants = list(dict.fromkeys(variant for variant, _ in cells))
    places = list(dict.fromkeys(place for _, place in cells))
    suite = planted.planted_suite(variants, places, ("published",))
    suite.variants = {name: SimpleNamespace(name=name, algorithm=algorithms[name]) for name in variants}
    return prepare(suite, planted.planted(cells), constants=planted.CONSTANTS)


@pytest.fixture(scope="module")
def shown():
    cells = {
        ("ppo-m", "Hopper-v5"): Plant(0.5, 0.1, 10),
        ("sb3-ppo", "Hopper-v5"): Plant(0.6, 0.1, 3, missing=1),
        ("trpo", "Walker2d-v5"): Plant(0.5, 0.0, 0, missing=2),
        ("tnpg", "Hopper-v5"): Plant(0.5, 0.1, 5),
    }
    return study(cells, {"ppo-m": "ppo", "sb3-ppo": "sb3-ppo", "trpo": "trpo", "tnpg": "tnpg"})


@pytest.mark.parametrize(
    ("name", "ours"),
    [("PPO", "ppo"), ("PPO-M", "ppo"), ("PPO-NoClip", "ppo"), ("TRPO+", "trpo"), ("REINFORCE", "vpg"),
     ("A2C", "a2c"), ("TD3", "td3")],
)  # fmt: skip
def test_a_published_name_is_one_of_our_algorithms(name, ours):
    entry = next(one for one in entries() if one.algorithm == name)
    assert published.algorithm_of(entry) == ours


def test_every_published_algorithm_is_a_preset_of_ours():
    assert {published.algorithm_of(entry) for entry in entries()} <= set(ALGORITHMS)


def test_a_reference_stands_with_our_algorithm_and_versions_of_a_task_stand_together(shown):
    groups = {(group.algorithm, group.environment): group for group in published.groups(shown)}
    ppo = groups["ppo", "Hopper-v5"]
    assert [cell.variant for cell in ppo.ours] == ["ppo-m", "sb3-ppo"]
    assert {one.task for one in ppo.theirs} == {"Hopper"}
    assert {one.environment for one in ppo.theirs} == {"Hopper-v1", "Hopper-v2", "Hopper-v3", "Hopper-v4"}
    assert [one.environment for one in ppo.theirs][:1] == ["Hopper-v4"]  # the newest first
    assert groups["tnpg", "Hopper-v5"].theirs == ()


def test_nothing_is_tested_and_the_page_says_so(shown):
    section = published.answer(shown)
    assert (section.word, section.claim, section.verdicts, section.indication) == (
        "no test",
        False,
        (),
        False,
    )
    assert "none is tested against them: all are of other versions of the environments" in section.answer
    assert "stand beside 2 cells of ours (1 more without a scored run), and" in section.answer
    assert section.lacks == ("No published number of `tnpg` at hand for Hopper-v5.",)
    assert [drawing.name for drawing in section.drawings] == ["published-ppo", "published-trpo"]


def test_how_marks_and_bars_are_read_is_said_under_the_first_figure_alone(shown, monkeypatch):
    monkeypatch.setattr(published.side_by_side, "drawing", lambda name, *_, caption, **__: (name, caption))
    captions = dict(published.answer(shown).drawings)
    told = [name for name, text in captions.items() if "Bars of different kinds cannot be compared." in text]
    assert told == ["published-ppo"]
    assert captions["published-trpo"].startswith("Returns of `trpo` as they were published, below ours")


def test_the_table_has_every_number_with_its_source_and_what_differs(shown):
    (table,) = published.answer(shown).tables
    ours = [row for row in table.data if row["ours"]]
    assert [(row["who"], row["runs"], row["notes"]) for row in ours] == [
        ("ppo-m", 10, ""), ("sb3-ppo", 3, "1 missing"), ("trpo", 0, "2 missing"),
    ]  # fmt: skip
    low, high = planted.CONSTANTS["Hopper-v5"]
    assert ours[0]["value"] == pytest.approx(low + 0.5 * (high - low))
    assert ours[0]["spread"] == pytest.approx(0.1 * (high - low))
    assert ours[2]["value"] is None
    zoo = next(row for row in table.data if row["who"] == "SB3 zoo: PPO")
    assert zoo["environment"] == "Hopper-v3"
    assert zoo["differs"] == "environment Hopper-v3; 1M steps; one run"
    assert "evaluation episodes of one agent" in zoo["spread_kind"]
    engstrom = next(row for row in table.data if row["who"] == "Engstrom et al. 2020: PPO-M")
    assert (engstrom["low"], engstrom["high"]) == (2008, 2279)
    assert "training episodes" in engstrom["differs"]
    assert all(row["reference"] for row in table.data if not row["ours"])
    assert len(table.rows) == len(table.data)


def test_single_seeds_are_drawn_where_they_were_released(shown):
    group = next(one for one in published.groups(shown) if one.algorithm == "ppo")
    assert any(one.values for one in group.theirs)
    marks = published._marks(shown, group)
    assert {len(mark.points) for mark in marks if mark.style is None} == {0, 10}


def test_a_number_of_our_own_version_is_said_to_be_one(shown, monkeypatch):
    same = next(one for one in entries() if one.task == "Hopper" and one.algorithm == "PPO")
    same = Entry(**{**same.model_dump(), "environment": "Hopper-v5", "steps": planted.STEPS, "seeds": 5,
                    "measure": "evaluation"})  # fmt: skip
    monkeypatch.setattr(published, "entries", lambda: (same,))
    section = published.answer(shown)
    assert (
        "none is tested against them: 1 of our version of the environment; the table says" in section.answer
    )
    (table,) = section.tables
    assert table.data[-1]["differs"] == ""


def test_without_anything_published_the_question_says_what_it_lacks():
    alone = study({("tnpg", "Pusher-v5"): Plant(0.5, 0.1, 5)}, {"tnpg": "tnpg"})
    section = published.answer(alone)
    assert (section.word, section.drawings, section.tables) == ("blocked", (), ())
    assert "no published number" in section.answer


def test_labels_fit_and_tell_twins_apart(shown):
    trpo = study({("trpo", "HalfCheetah-v5"): Plant(0.5, 0.1, 5)}, {"trpo": "trpo"})
    (group,) = published.groups(trpo)
    labels = [published._label(one, group) for one in group.theirs]
    assert max(map(len, labels)) <= 40
    henderson = [label for label in labels if label.startswith("Henderson")]
    assert len(henderson) == len(set(henderson)) == 3
