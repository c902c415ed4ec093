"""A suite with other seeds, other steps or some of its cells, and its smoke version."""

import tomllib

import pytest

from matters import algorithms
from matters.suites.conftest import LONG, small
from matters.suites.errors import InputError
from matters.suites.loading import load_suite, suite, toml_of
from matters.suites.seeds import parse_seeds


def test_seeds_are_a_number_or_a_range_or_a_list() -> None:
    assert parse_seeds("10") == tuple(range(10))
    assert parse_seeds("3:5") == (3, 4)
    assert parse_seeds("1,4, 6:8") == (1, 4, 6, 7)
    assert parse_seeds("7,2") == (7, 2)
    assert small().restricted(seeds="2").seeds == (0, 1)


@pytest.mark.parametrize(
    "text", ["0", "-1", "5:3", "3:3", "", "a", "1.5", ":", "3:", "٣", "9" * 30, "1,1", "2:4,3", "1,,2", ","]
)
def test_no_seeds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="seeds = "):
        parse_seeds(text)


def test_restriction_leaves_the_other_runs_identity_alone() -> None:
    whole = {spec.run_id for cell in small().cells() for spec in cell.specs}
    part = {
        spec.run_id for cell in small().restricted("1:3", only="*/Hopper*").cells() for spec in cell.specs
    }
    assert len(part) == 4
    assert part < whole


@pytest.mark.parametrize(
    ("only", "cells"),
    [
        ("ppo/Hopper-v5", 1),
        ("ppo", 2),
        ("ppo*", 4),
        ("*/Hopper*", 2),
        ("*/probe/*", 2),
        ("ppo/H*, ppo-slow/p*", 2),
        ("*", 4),
    ],
)
def test_only_chooses_cells_by_globs(only: str, cells: int) -> None:
    assert len(small().restricted(only=only).cells()) == cells


def test_restricting_twice_keeps_what_both_allow() -> None:
    twice = small().restricted(only="ppo").restricted(only="*/Hopper*")
    assert [(cell.variant, cell.environment) for cell in twice.cells()] == [("ppo", "Hopper-v5")]
    with pytest.raises(InputError, match="no such cell"):
        small().restricted(only="ppo").restricted(only="ppo-slow")


def test_a_suite_may_declare_some_of_its_cells_only() -> None:
    declared = load_suite("quickstart")
    document = tomllib.loads(toml_of("quickstart"))
    cells = {(cell.variant, cell.environment) for cell in declared.cells()}
    assert ("sb3-ppo", "Swimmer-v5") in cells
    assert ("sb3-ppo", "HalfCheetah-v5") not in cells
    document["suite"]["only"] = ["ppo/Swimer-v5"]
    with pytest.raises(InputError, match=r"only\[0\] = 'ppo/Swimer-v5': no such cell; did you mean"):
        suite(document)


def test_a_glob_without_a_slash_is_on_variants_and_of_an_environment_it_is_told_how() -> None:
    with pytest.raises(InputError, match=r"no such cell; did you mean 'ppo'\?"):
        small().restricted(only="pp0")
    with pytest.raises(InputError, match=r"no such cell; did you mean '\*/Hopper\*'\?"):
        small().restricted(only="Hopper*")


def test_a_glob_that_matches_nothing_is_refused() -> None:
    for only in ("ppo/Hoper-v5", "ppo,ppo/Hoper-v5"):
        with pytest.raises(InputError) as caught:
            small().restricted(only=only)
        assert str(caught.value) == "only = 'ppo/Hoper-v5': no such cell; did you mean 'ppo/Hopper-v5'?"


@pytest.mark.parametrize(
    ("steps", "reason"), [(0, "greater than 0"), (-5, "greater than 0"), (5, "more than steps = 5")]
)
def test_steps_that_cannot_be_are_refused(steps: int, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        small().restricted(steps=steps)


def test_a_smoke_version_has_the_same_cells_but_two_seeds_few_steps_and_short_evaluations() -> None:
    whole = load_suite("quickstart")
    smoke = whole.smoke()
    places = [(cell.variant, cell.environment) for cell in whole.cells()]
    assert [(cell.variant, cell.environment) for cell in smoke.cells()] == places
    assert (smoke.name, smoke.seeds, smoke.steps) == ("quickstart-smoke", (0, 1), 4096)
    assert (smoke.evaluation.points, smoke.evaluation.episodes) == (2, 1)
    assert smoke.questions == whole.questions
    assert "smoke" in smoke.title
    ids = [{spec.run_id for cell in one.cells() for spec in cell.specs} for one in (whole, smoke)]
    assert not ids[0] & ids[1]


def test_a_smoke_version_is_never_longer_than_its_suite_and_can_be_restricted() -> None:
    assert small().smoke().steps == 1000
    assert small(seeds="[7]").smoke().seeds == (7,)
    part = small().restricted(only="ppo").smoke().restricted(seeds="1", steps=64)
    assert [(cell.variant, len(cell.specs), cell.specs[0].steps) for cell in part.cells()] == [
        ("ppo", 1, 64),
        ("ppo", 1, 64),
    ]


@pytest.mark.parametrize(
    ("table", "field", "length"),
    [
        ('algorithm = "ppo"', "horizon", 2048),
        ('algorithm = "vpg"', "horizon", 4000),
        ('algorithm = "vpg"\nconfig = { horizon = 50_000 }', "horizon", 4096),
        ('algorithm = "ppo"\nconfig = { horizon = 2048, environments = 8 }', "horizon", 512),
        ('algorithm = "sb3-ppo"\nconfig = { n_steps = 10_000 }', "n_steps", 4096),
    ],
)
def test_only_a_long_rollout_is_cut_in_a_smoke_version(table: str, field: str, length: int) -> None:
    whole = suite(tomllib.loads(f"{LONG}\n[variants.x]\n{table}"))
    before, after = whole.variants["x"].config, whole.smoke().variants["x"].config
    assert after.model_dump() == before.model_dump() | {field: length}


def test_where_a_variant_is_off_policy_a_smoke_version_is_shorter_and_half_of_it_the_warm_up() -> None:
    text = f'{LONG}\n[variants.sac]\nalgorithm = "sac"\n[variants.sb3-sac]\nalgorithm = "sb3-sac"'
    smoke = suite(tomllib.loads(text)).smoke()
    assert smoke.steps == 512
    sac, reference = (smoke.variants[name].config.model_dump() for name in ("sac", "sb3-sac"))
    assert sac == algorithms.load("sac").PRESETS["sac"].model_dump() | {"warmup": 256}
    assert reference == algorithms.load("sb3-sac").PRESETS["sb3-sac"].model_dump()  # 100 steps as they are
