"""Effects of all pairs: worked numbers of public runs, every pair once, no verdicts."""

import csv

import numpy as np
import pytest

from matters.reports.page.effect_map import effect_map
from matters.reports.page.score_tables import pairs_table
from matters.reports.statistics.comparisons import hedges_g
from matters.reports.study.all_pairs import all_pairs
from matters.reports.study.study import AGGREGATE, prepare
from matters.results.published import FOLDER
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"


def study(means, places=(HOPPER, WALKER), sd=0.1):
    cells = {(name, place): Plant(mean, sd) for name, mean in means.items() for place in places}
    return prepare(planted_suite(list(means), places), planted(cells), constants=CONSTANTS)


def test_every_pair_stands_once_in_aggregate_and_on_every_environment():
    found = all_pairs(study({"a": 0.9, "b": 0.5, "c": 0.4}))
    assert [(one.x, one.y, one.where) for one in found] == [
        (x, y, where) for x, y in ("ab", "ac", "bc") for where in (AGGREGATE, HOPPER, WALKER)
    ]
    first, hopper = found[:2]
    assert first.difference == pytest.approx(0.4)
    assert hopper.difference == pytest.approx(0.4 * 2980)
    assert first.chance == hopper.chance == 1.0
    # 4 standard deviations, times Hedges' factor, about 1 - 3 / (4 · 18 - 1) for ten and ten runs.
    assert hopper.effect_size == pytest.approx(4 * (1 - 3 / 71), rel=2e-4)
    assert first.effect_size is None
    # ten of ten against ten of ten leave 0.800 to 1 (Newcombe's method 5)
    assert (hopper.chance_interval.low, hopper.chance_interval.high) == pytest.approx((0.800, 1), abs=1e-3)


def test_two_names_of_the_same_runs_are_no_two_samples():
    found = study({"a": 0.9, "b": 0.9})
    for place in (HOPPER, WALKER):
        object.__setattr__(found.cells["b", place], "outcomes", found.cells["a", place].outcomes)
    effects = all_pairs(found)
    assert {(one.difference, one.interval, one.chance, one.chance_interval) for one in effects} == {
        (0.0, None, 0.5, None)
    }
    assert {row[4:6] for row in pairs_table(effects).rows} == {("–", "0.50")}


def test_the_table_holds_no_verdict_and_no_p_value():
    table = pairs_table(all_pairs(study({"a": 0.9, "b": 0.5, "c": 0.4})))
    assert len(table.rows) == len(table.data) == 9
    assert table.fold
    assert not {key for row in table.data for key in row if key.startswith("p_") or key == "verdict"}


def test_the_map_is_drawn_from_three_variants_on_and_its_halves_mirror_each_other():
    means = {"a": 0.55, "b": 0.5, "c": 0.4}
    found = all_pairs(study(means))
    assert effect_map(found[:1], ["a", "b"]) is None
    drawing = effect_map(found, list(means))
    assert len(drawing.panels) == 3
    texts = drawing.panels[1].svg
    hopper = [one for one in found if one.where == HOPPER]
    for one in hopper:
        assert f"{one.chance:.2f}<" in texts
        assert f"{1 - one.chance:.2f}<" in texts
    assert effect_map(found, []) is None


def test_public_runs_have_the_effect_sizes_that_independent_code_gives():
    """Tianshou's ten seeds of SAC and TD3 on HalfCheetah-v3 after 1M steps: g = 1.87646."""
    with (FOLDER / "seeds" / "tianshou-2021.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["environment"] == "HalfCheetah-v3"]
    runs = {
        name: np.array([float(r["value"]) for r in rows if (r["algorithm"], r["steps"]) == (name, "1000000")])
        for name in ("SAC", "TD3")
    }
    assert [len(scores) for scores in runs.values()] == [10, 10]
    assert hedges_g(runs["SAC"], runs["TD3"]) == pytest.approx(1.87646, abs=1e-5)
