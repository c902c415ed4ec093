"""The table of a tuning's runs."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from matters.results.conftest import PROVENANCE, make_record
from matters.results.snapshot import KEYS, snapshot
from matters.results.store import Store
from matters.results.tuning_runs import COLUMNS, tuning_runs
from matters.suites.loading import suite


def declared(**header: Any) -> Any:
    ppo: Any = {"algorithm": "ppo"}
    fields = {
        "name": "a",
        "title": "A",
        "environments": ["Hopper-v5"],
        "seeds": 1,
        "steps": 4096,
        "questions": [],
    }
    return suite({"suite": {**fields, **header}, "variants": {"one": ppo, "other": ppo}})


GRID = {"learning_rate": [1e-4, 1e-3], "seeds": [7]}


def test_variants_that_share_a_run_each_have_a_row_of_it(store: Store) -> None:
    table = tuning_runs(store, declared(tuning=GRID))
    assert list(table.columns) == list(COLUMNS)
    assert table["variant"].tolist() == ["one", "one", "other", "other"]
    assert table["run_id"].nunique() == 2
    assert set(table["state"]) == {"missing"}


def test_a_runs_cost_is_its_share_of_the_population_that_it_was_trained_in(store: Store) -> None:
    suite = declared(tuning=GRID)
    lease = store.lease(suite.tuning_cells()[0].specs[0])
    assert lease is not None
    with lease:
        trained = {
            "wall_seconds": 60.0,
            "core_seconds": 30.0,
            "steps_per_second": 3000.0,
            "population": [7, 8, 9],
        }
        lease.finish(make_record(7), PROVENANCE | trained, steps=100_000)
    table = tuning_runs(store, suite)
    assert table["core_seconds"][0] == pytest.approx(100_000 / (60.0 * 3000.0) * 30.0)
    assert np.isnan(table["core_seconds"][1])
    assert table["score"][0] == store.status(table["run_id"][0]).score


def test_a_suite_without_tuning_has_the_snapshot_that_it_had_and_one_with_it_another(store: Store) -> None:
    plain, tuned = snapshot(store, declared()), snapshot(store, declared(tuning=GRID))
    assert plain.tuning.empty
    states = plain.runs.assign(digest=None)[[*KEYS, "state", "digest"]].to_numpy().tolist()
    asked = {
        "name": "a",
        "title": "A",
        "environments": ["Hopper-v5"],
        "seeds": [0],
        "steps": 4096,
        "questions": [],
    }
    text = json.dumps([[asked], states])
    assert plain.identity == hashlib.sha256(text.encode()).hexdigest()
    assert tuned.identity != plain.identity
