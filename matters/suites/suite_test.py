"""What a suite means: its cells, their configs and seeds."""

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matters import algorithms
from matters.suites.conftest import LONG, SMALL, small
from matters.suites.errors import InputError
from matters.suites.loading import load_suite, suite
from matters.suites.variant import merged


def test_a_cell_has_one_spec_a_seed_and_cells_stand_in_the_declared_order() -> None:
    cells = small().cells()
    assert [(cell.variant, cell.environment) for cell in cells] == [
        ("ppo", "Hopper-v5"),
        ("ppo", "probe/Copy-v0"),
        ("ppo-slow", "Hopper-v5"),
        ("ppo-slow", "probe/Copy-v0"),
    ]
    for cell in cells:
        assert [spec.seed for spec in cell.specs] == [0, 1, 2]
        assert {spec.environment for spec in cell.specs} == {cell.environment}
        assert {spec.algorithm_version for spec in cell.specs} == {algorithms.load("ppo").VERSION}
    assert len({spec.run_id for cell in cells for spec in cell.specs}) == 12


def test_a_variants_config_is_merged_deeply_over_its_preset() -> None:
    preset = algorithms.load("ppo").PRESETS["ppo-sb3"]
    config: Any = small().variants["ppo-slow"].config
    assert config.learning_rate == 1e-4
    assert config.tricks.gradient_clip is None
    assert preset.tricks.gradient_clip == 0.5
    changed = {"learning_rate": 1e-4, "tricks": preset.tricks.model_copy(update={"gradient_clip": None})}
    assert config == preset.model_copy(update=changed)


def test_the_preset_named_like_the_algorithm_is_the_default() -> None:
    assert small().variants["ppo"].config == algorithms.load("ppo").PRESETS["ppo"]


def test_two_spellings_of_one_config_are_one_run() -> None:
    def run_id(config: str) -> str:
        chosen = suite(tomllib.loads(SMALL + f"\n[variants.x]\nalgorithm = 'ppo'\nconfig = {config}"))
        return chosen.cells()[-1].specs[0].run_id

    assert run_id("{ entropy_coefficient = 0 }") == run_id("{ entropy_coefficient = 0.0 }") == run_id("{}")


@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_every_preset_of_every_algorithm_makes_a_spec_that_reads_back(algorithm: str) -> None:
    implementation = algorithms.load(algorithm)
    assert algorithm in implementation.PRESETS
    for preset, config in implementation.PRESETS.items():
        text = LONG + f"\n[variants.x]\nalgorithm = '{algorithm}'\npreset = '{preset}'"
        chosen = suite(tomllib.loads(text))
        spec = chosen.cells()[-1].specs[0]
        assert implementation.Config.model_validate_json(json.dumps(spec.config)) == config


@given(
    st.dictionaries(
        st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("xyz"), st.integers())
    )
)
def test_merging_is_idempotent_and_empty_changes_change_nothing(table: dict[str, Any]) -> None:
    assert merged(table, {}) == table == merged({}, table) == merged(table, table)


@pytest.mark.parametrize(
    "config",
    [
        "algorithm = 'ppo'\npreset = 'ppo-kl'\nconfig = { clip = 0.1 }",  # the ε of its value clipping
        "algorithm = 'ppo'\npreset = 'ppo-kl'\nconfig = { kl_target = 0.02, kl_coefficient = 2.0 }",
        "algorithm = 'ppo'\npreset = 'ppo-beta'\nconfig = { tricks = { action_clip = false } }",
        "algorithm = 'ppo'\nconfig = { objective = 'kl-adaptive', tricks = { kl_stop = 0.02 } }",
        "algorithm = 'vpg'\nconfig = { baseline = false, value_steps = 0, gae_lambda = 1.0 }",
        "algorithm = 'trpo'\nconfig = { line_search_steps = 0 }",
        "algorithm = 'sb3-ppo'\nconfig = { clip_range = 0.1, target_kl = 0.02 }",
    ],
)
def test_settings_that_act_or_are_off_contradict_nothing(config: str) -> None:
    assert suite(tomllib.loads(f"{SMALL}\n[variants.x]\n{config}")).variants["x"]


def test_merging_replaces_values_and_joins_tables() -> None:
    base = {"a": 1, "t": {"x": 1, "y": 2}, "u": {"z": 3}}
    assert merged(base, {"a": 2, "t": {"y": 5}, "u": 0}) == {"a": 2, "t": {"x": 1, "y": 5}, "u": 0}
    assert base["t"] == {"x": 1, "y": 2}


def test_seeds_may_be_listed() -> None:
    assert small(seeds="[7, 3]").seeds == (7, 3)


def test_a_suite_may_ask_no_question() -> None:
    assert small(questions="[]").questions == ()


def test_a_dear_variant_may_have_the_first_of_the_suites_seeds_only(tmp_path):
    text = FEWER.replace("SEEDS", "seeds = 2")
    path = tmp_path / "few.toml"
    path.write_text(text)
    few = load_suite(str(path))
    assert [[spec.seed for spec in cell.specs] for cell in few.cells()] == [[4, 1, 7], [4, 1]]
    same = [spec.run_id for spec in few.cells()[0].specs]
    assert [spec.run_id for spec in few.restricted(only="many").cells()[0].specs] == same
    # Who names seeds means them for all.
    assert [[spec.seed for spec in c.specs] for c in few.restricted(seeds="3:5").cells()] == [[3, 4], [3, 4]]
    assert [len(cell.specs) for cell in few.smoke().cells()] == [2, 2]
    assert [len(cell.specs) for cell in few.until_decided((5, 10)).cells()] == [10, 10]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("seeds = 4", "variants.few.seeds = 4: the suite has 3"),
        ("seeds = 0", "variants.few.seeds = 0: should be greater than 0"),
        ("seeds = true", "variants.few.seeds = True: should be a valid integer"),
    ],
)
def test_a_variants_seeds_are_checked(tmp_path, seeds, message):
    path = tmp_path / "few.toml"
    path.write_text(FEWER.replace("SEEDS", seeds))
    with pytest.raises(InputError, match=re.escape(message)):
        load_suite(str(path))


FEWER = """
[suite]
name = "few"
title = "Few"
environments = ["Hopper-v5"]
seeds = [4, 1, 7]
steps = 4096
questions = ["comparison"]
[variants.many]
algorithm = "ppo"
[variants.few]
algorithm = "a2c"
SEEDS
"""
