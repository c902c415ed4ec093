"""What a page says its variants are: from their settings and stored specs, whatever their names."""

import json

import pandas as pd
import pytest

from matters.reports.page.variant_tables import bases, settings
from matters.reports.study.study import prepare
from matters.results.snapshot import SETTINGS
from matters.suites.spec import flat
from matters.suites.suite import Suite
from matters.suites.variant import variant
from testing.planted import Plant, planted

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"


@pytest.fixture(scope="module")
def study():
    """PPO under its own name, and PPO with a name that says PPO-M and a rate of its own on Walker2d."""
    tables = {
        "ppo": {"algorithm": "ppo"},
        "ppo-m": {
            "algorithm": "ppo",
            "config": {"clip": 0.1},
            "environments": {WALKER: {"learning_rate": 1e-3}},
        },
    }
    variants = {name: variant(name, table) for name, table in tables.items()}
    suite = Suite(
        name="x",
        title="x",
        environments=(HOPPER, WALKER),
        seeds=2,
        steps=4096,
        questions=(),
        variants=variants,
    )
    found = planted({(name, place): Plant(0.5, 0.1, 2) for name in variants for place in (HOPPER, WALKER)})
    rows = [
        (cell.variant, cell.environment, name, json.dumps(value))
        for cell in suite.cells()
        for name, value in {"algorithm": "ppo", **flat(cell.specs[0].config)}.items()
    ]
    object.__setattr__(found, "settings", pd.DataFrame(rows, columns=SETTINGS))
    return prepare(suite, found)


def test_a_variant_is_based_on_what_it_is_like_and_not_on_what_it_is_called(study):
    table = bases(study)
    assert [row[2] for row in table.rows] == ["`ppo`", "`ppo`"]
    assert table.rows[0][3] == "nothing"
    assert "baselines’ code of 2017" in table.rows[0][4].replace("'", "’")
    assert table.rows[1][3] == "clip 0.2 → 0.1; and has settings of its own on Walker2d-v5"


def test_settings_that_differ_come_first_with_who_has_which_and_every_one_has_its_source(study):
    table = settings(study)
    first, second, third = table.rows[:3]
    assert first[:2] == (
        "learning_rate",
        "0.0003: `ppo`, `ppo-m` on Hopper-v5; 0.001: `ppo-m` on Walker2d-v5",
    )
    assert second[:2] == ("clip", "0.2: `ppo`; 0.1: `ppo-m` on Hopper-v5, `ppo-m` on Walker2d-v5")
    assert third[:2] == ("algorithm", "ppo")
    assert all(row[2] for row in table.rows if row[0] != "algorithm")
    assert {row["setting"] for row in table.data if row["differs"]} == {"learning_rate", "clip"}
    rate = next(row for row in table.data if row["setting"] == "learning_rate" and row["variant"] == "ppo")
    assert rate["value"] == 3e-4
