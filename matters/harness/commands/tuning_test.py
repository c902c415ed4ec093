"""A tuned comparison end to end, on planted scores: what training would have recorded is put into the store.

Two variants equal at their best rates and unequal at a common one, and two the other way round. The same
with real training is in `tuning_learning_test.py`.
"""

import csv
import json
import math
import re
from typing import Any

import numpy as np
import pytest

from matters.harness.cli import call
from matters.harness.scheduling.fill_store import Outcome
from matters.harness.scheduling.train_suite import own_bests
from matters.results.conftest import PROVENANCE, make_record
from matters.results.store import Store
from matters.suites.at_best import with_best
from matters.suites.loading import load_suite
from matters.suites.tuning import AT_BEST
from testing.planted import placed

PAIR = '[variants.{}]\nalgorithm = "ppo"\npreset = "ppo-m"\nconfig = {{ epochs = {} }}\n'
SUITE = (
    """
[suite]
name = "planted"
title = "Planted"
environments = ["Hopper-v5"]
seeds = 10
steps = 4096
compare = [["quick", "slow"], ["good", "bad"]]
[suite.evaluation]
points = 2
episodes = 1
[suite.tuning]
learning_rate = [1e-5, 1e-4, 3e-4, 1e-3, 1e-2]
seeds = 2
"""
    + PAIR.format("quick", 1)
    + PAIR.format("slow", 2)
    + PAIR.format("good", 3)
    + PAIR.format("bad", 4)
)
BEST_RATE = {1: 3e-4, 2: 1e-3, 3: 1e-4, 4: 1e-4}
HEIGHT = {1: 0.8, 2: 0.8, 3: 0.9, 4: 0.6}
AT_3E4 = {1: 0.8, 2: 0.4, 3: 0.5, 4: 0.5}
"""Normalised scores by epochs: the largest, and at the common rate of the preset, 3e-4."""


def planted_score(config: Any) -> float:
    epochs, rate = config["epochs"], config["learning_rate"]
    if rate == 3e-4:
        return AT_3E4[epochs]
    return HEIGHT[epochs] - 0.2 * abs(math.log10(rate / BEST_RATE[epochs]))


COST = {"wall_seconds": 60.0, "core_seconds": 36.0, "steps_per_second": 4096 / 60}
"""Of a run alone: 36 s for its 4096 steps."""


def train(store: Store, cells: Any, _workers: int, **_: Any) -> Outcome:
    """Puts planted results where training would have put its own."""
    trained = 0
    noise = placed(10, 0.0, 0.03)
    for spec in (spec for cell in cells for spec in cell.specs):
        if store.status(spec.run_id).state == "done":
            continue
        score = 17.4782 + (2500.0 - 17.4782) * (
            planted_score(spec.config) + noise[(spec.seed + spec.config["epochs"]) % 10]
        )
        evaluations = {
            "point": np.array([0, 1, 2]),
            "step": np.array([0, 2048, 4096]),
            "episode": np.zeros(3, np.int64),
            "return": np.array([17.0, score, score]),
            "length": np.full(3, 25),
        }
        lease = store.lease(spec)
        assert lease is not None
        with lease:
            lease.finish(make_record(spec.seed, evaluations=evaluations), {**PROVENANCE, **COST})
        trained += 1
    return Outcome(trained, ())


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of a tuned suite's report, and the command's facts, once and again."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "planted.toml").write_text(SUITE)
    arguments = [
        "run",
        str(folder / "planted.toml"),
        "--store",
        str(folder / "runs"),
        "--out",
        str(folder / "page"),
    ]
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matters.harness.commands.run.train_missing", train)
        patch.setattr("matters.harness.commands.run.print_json", said.append)
        for _ in range(2):
            assert call([*arguments, "--json"]) == 0
    return folder, said


@pytest.fixture(scope="module")
def facts(reported: Any) -> Any:
    return json.loads((reported[0] / "page" / "report.json").read_text())


def rows_of(path: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def words(facts: Any, at: str) -> dict[tuple[str, str], str]:
    return {(row["x"], row["y"]): row["verdict"] for row in facts["comparisons"] if row["at"] == at}


def test_equal_at_their_best_and_unequal_at_a_common_rate_are_two_answers_and_so_the_other_way_round(
    facts: Any,
) -> None:
    assert words(facts, "at equal settings") == {
        ("quick", "slow"): "different",
        ("good", "bad"): "equivalent",
    }
    assert words(facts, "each at its own best") == {
        ("quick", "slow-at-best"): "equivalent",
        ("good-at-best", "bad-at-best"): "different",
    }
    assert [(one["question"], one["at"]) for one in facts["answers"]] == [
        ("comparison", "at equal settings"),
        ("comparison", "each at its own best"),
    ]


def test_the_best_are_trained_once_on_the_seeds_of_the_comparison_and_again_nothing(reported: Any) -> None:
    first, again = reported[1]
    # 4 variants of 10 seeds, a grid of 5 on 2 seeds for each, and three that are best elsewhere.
    assert (first["trained"], first["done"]) == (40 + 40 + 30, 110)
    assert (again["trained"], again["report"]) == (0, first["report"])


def test_the_page_says_what_was_chosen_from_what_at_what_cost(reported: Any, facts: Any) -> None:
    rows = {row["variant"]: row for row in facts["tuning"]}
    assert {name: row["chosen"] for name, row in rows.items()} == {
        "quick": {"learning_rate": 3e-4},
        "slow": {"learning_rate": 1e-3},
        "good": {"learning_rate": 1e-4},
        "bad": {"learning_rate": 1e-4},
    }
    assert all((row["points"], row["runs"]) == (5, 10) for row in rows.values())
    assert rows["slow"]["core_hours"] == pytest.approx(10 * 36 / 3600)
    runs = facts["tuning-runs"]
    assert len(runs) == 40
    assert "70 of 70 runs done, 40 of 40 of the tuning" in (reported[0] / "page" / "index.html").read_text()
    assert {row["seed"] for row in runs} == {2000, 2001}
    means = {row["candidate"]: row["mean"] for row in facts["tuning-points"]}
    for row in facts["tuning-points"]:
        own = [run["score"] for run in runs if run["candidate"] == row["candidate"]]
        assert means[row["candidate"]] == pytest.approx(np.mean(own))
    page = (reported[0] / "page" / "index.html").read_text()
    for text in ("2000, 2001", "each at its own best", "Sensitivity to learning_rate"):
        assert text in page
    curve = rows_of(reported[0] / "page" / "tables" / "tuning-sensitivity.csv")
    assert [row["value"] for row in curve if row["variant"] == "slow"] == [
        "1e-05",
        "0.0001",
        "0.0003",
        "0.001",
        "0.01",
    ]


def test_the_two_answers_stand_side_by_side_and_nothing_has_a_name_twice(reported: Any, facts: Any) -> None:
    (row,) = facts["both-answers"]
    assert (row["question"], row["same"]) == ("comparison", True)  # "different" of one pair each
    page = (reported[0] / "page" / "index.html").read_text()
    identifiers = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(identifiers) == len(set(identifiers))
    assert {"comparison", "comparison-at-best", "tuning"} <= set(identifiers)
    for name in ("comparison", "comparison-at-best", "tuning-sensitivity"):
        assert (reported[0] / "page" / "figures" / f"{name}.svg").is_file()


def test_status_lists_what_was_tuned_and_a_missing_run_of_it_leaves_the_second_answer_out(
    reported: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = reported[0]
    place = ["--store", str(folder / "runs"), "--json"]
    assert call(["status", str(folder / "planted.toml"), *place]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 110
    assert sum(row["variant"].startswith("slow@learning_rate=") for row in rows) == 10
    wider = SUITE.replace("1e-3, 1e-2]", "1e-3, 1e-2, 1e-1]")
    (tmp_path / "wider.toml").write_text(wider)
    assert call(["report", str(tmp_path / "wider.toml"), *place, "--out", str(tmp_path / "page")]) == 0
    facts = json.loads((tmp_path / "page" / "report.json").read_text())
    assert words(facts, "at equal settings")[("quick", "slow")] == "different"
    assert words(facts, "each at its own best") == {}
    assert any("Not tuned, for want of runs" in notice for notice in facts["notices"])
    assert "2 missing" in facts["tuning"][0]["reason"]


def planned(suite: Any, store: Any, capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    """What a plan says of own bests, as data and as a line."""
    assert call(["plan", str(suite), "--store", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["own_bests"]
    assert call(["plan", str(suite), "--store", str(store), "--workers", "1"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("own bests ")]
    return found, line


def test_a_plan_counts_own_bests_at_most_before_they_are_chosen_and_exactly_then(
    reported: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path, runs = tmp_path / "planted.toml", tmp_path / "runs"
    path.write_text(SUITE)
    found, line = planned(path, runs, capsys)
    assert (found["at_most"], found["runs"], found["done"]) == (True, 40, 0)
    assert 0 < found["core_hours"] < 1
    assert re.fullmatch(
        r"own bests     up to 40 more to train, 0 there, \S+ core-hours, in \d+ min, where tuning chooses "
        "other settings than the declared",
        line,
    )
    # `quick` is at its best as it is and `slow` elsewhere; `good` and `bad` may ask for ten runs each.
    suite, store = load_suite(str(path)), Store.open(runs, create=True)
    train(store, [cell for cell in suite.tuning_cells() if cell.variant.startswith(("quick", "slow"))], 1)
    found, _ = planned(path, runs, capsys)
    assert (found["at_most"], found["runs"], found["done"]) == (True, 30, 0)
    train(store, suite.tuning_cells(), 1)
    found, line = planned(path, runs, capsys)
    assert (found["at_most"], found["runs"], found["done"]) == (False, 30, 0)
    assert found["core_hours"] == pytest.approx(
        30 * 36 / 3600, rel=0.5
    )  # the store's runs were trained alone
    assert line.startswith("own bests     30 more to train, 0 there, ")
    assert "where" not in line
    found, _ = planned(path, reported[0] / "runs", capsys)
    assert (found["at_most"], found["runs"], found["done"], found["core_hours"]) == (False, 0, 30, 0)


def test_of_the_points_that_may_be_chosen_that_counts_which_asks_for_most_and_nothing_that_is_trained_anyway(
    tmp_path: Any,
) -> None:
    """The variants are one preset with 1, 2, 3 and 4 epochs: of this grid only 5 epochs are new to them."""
    path = tmp_path / "planted.toml"
    path.write_text(SUITE.replace("learning_rate = [1e-5, 1e-4, 3e-4, 1e-3, 1e-2]", "epochs = [1, 5, 2]"))
    cells, decided = own_bests(None, load_suite(str(path)))
    specs = [spec for cell in cells for spec in cell.specs]
    assert (len(cells), decided) == (4, False)
    assert [spec.config["epochs"] for spec in specs] == 40 * [5]
    assert len({spec.run_id for spec in specs}) == 10
    path.write_text(path.read_text().replace("[1, 5, 2]", "[1, 2]"))
    assert [cell.specs for cell in own_bests(None, load_suite(str(path)))[0]] == 4 * [()]
    assert own_bests(None, load_suite("quickstart")) == ([], True)


def test_a_plan_counts_at_most_where_nothing_is_chosen_and_nothing_where_the_best_is_as_declared(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = SUITE.replace('["Hopper-v5"]', '["Hopper-v5", "Walker2d-v5"]')
    (tmp_path / "two.toml").write_text(two.replace("seeds = 2", 'seeds = 2\nrule = "per-environment"'))
    suite = load_suite(str(tmp_path / "two.toml"))
    on_one = with_best(suite, {name: {"Hopper-v5": {"learning_rate": 3e-4}} for name in suite.variants})
    monkeypatch.setattr("matters.reports.study.own_best.resolved", lambda *_: on_one)
    cells, decided = own_bests(Store.open(tmp_path / "runs", create=True), suite)
    assert not decided
    assert [(cell.environment, len(cell.specs)) for cell in cells] == 4 * [("Walker2d-v5", 10)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tune", "learning_rate"), "--tune 'learning_rate': should be SETTING=A,B"),
        (("--tune", "learning_rte=1,2"), "did you mean 'learning_rate'"),
        (("--sweep", "learning_rte=1,2"), "--sweep 'learning_rte': none has no such setting; did you mean"),
        (("--sweep", "epochs=x"), "--sweep.epochs = 'x'"),
    ],
)
def test_a_wrong_grid_of_ablate_is_one_line_and_writes_nothing(
    options: Any,
    says: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["ablate", "ppo", "--tricks", "value_clip", "--env", "Hopper-v5", "--steps", "4096", *options]
    assert call(line) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_ablate_tunes_every_cell_of_its_design_and_sweeps_without_one(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matters.harness.commands.run.train_missing", train)
    monkeypatch.setattr(f"{__name__}.planted_score", lambda config: 0.5 + 100 * config["learning_rate"])
    size = ["--env", "Hopper-v5", "--seeds", "5", "--steps", "4096", "--store", str(tmp_path / "runs")]
    tuned = ["--tricks", "value_clip", "--tune", "learning_rate=1e-4,1e-3"]
    assert call(["ablate", "ppo", *tuned, *size, "--out", str(tmp_path / "tuned")]) == 0
    facts = json.loads((tmp_path / "tuned" / "report.json").read_text())
    assert [(one["question"], one["at"]) for one in facts["answers"]] == [
        ("trick-factorial", "at equal settings"),
        ("trick-factorial", "each at its own best"),
    ]
    assert [row["variant"] for row in facts["tables"]["factorial-cells-at-best"]] == [
        "none-at-best",
        "value_clip-at-best",
    ]
    assert "--tune learning_rate=1e-4,1e-3" in facts["command"]
    swept = ["--sweep", "learning_rate=1e-4,3e-4,1e-3"]
    assert call(["ablate", "ppo", *swept, *size, "--out", str(tmp_path / "swept")]) == 0
    facts = json.loads((tmp_path / "swept" / "report.json").read_text())
    assert facts["title"] == "How sensitive is ppo to learning_rate?"
    assert {(row["x"], row["y"]) for row in facts["comparisons"]} == {
        ("ppo-learning_rate-0.0001", "ppo"),
        ("ppo-learning_rate-0.001", "ppo"),
    }
    curve = rows_of(tmp_path / "swept" / "tables" / "sensitivity.csv")
    assert [(row["value"], row["declared"]) for row in curve] == [
        ("0.0001", "False"), ("0.0003", "True"), ("0.001", "False"),
    ]  # fmt: skip
    assert (tmp_path / "swept" / "figures" / "sensitivity.svg").is_file()


def test_the_runs_of_the_tuning_count_where_room_is_asked_for_and_where_it_says_what_is_kept(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any, **__: Any) -> Outcome:
        raise KeyboardInterrupt

    def lack_of_room(_store: Store, parts: Any, _workers: int, *, retry_failed: bool) -> str:
        return f"{sum(len(cell.specs) for cells in parts for cell in cells)} runs need room"

    monkeypatch.setattr("matters.harness.commands.run.train_missing", stop)
    monkeypatch.setattr("matters.harness.scheduling.planning.lack_of_room", lack_of_room)
    (tmp_path / "planted.toml").write_text(SUITE)
    assert call(["run", str(tmp_path / "planted.toml"), "--store", str(tmp_path / "runs")]) == 1
    said = capsys.readouterr().err
    assert "80 runs need room" in said
    assert "0 of 80 runs done, 0 paused" in said


def test_stopped_while_own_bests_train_it_counts_them_too(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train_until_the_best_are_chosen(store: Store, cells: Any, workers: int, **options: Any) -> Outcome:
        if any(cell.variant.endswith(AT_BEST) for cell in cells):
            raise KeyboardInterrupt
        return train(store, cells, workers, **options)

    monkeypatch.setattr("matters.harness.commands.run.train_missing", train_until_the_best_are_chosen)
    (tmp_path / "planted.toml").write_text(SUITE)
    assert call(["run", str(tmp_path / "planted.toml"), "--store", str(tmp_path / "runs")]) == 1
    assert "80 of 110 runs done, 0 paused" in capsys.readouterr().err
