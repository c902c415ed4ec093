import json
import re
import tomllib
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matters import algorithms
from matters.suites.errors import InputError
from matters.suites.loading import SHIPPED, load_suite, suite, toml_of
from matters.suites.seeds import parse_seeds
from matters.suites.suite import Suite
from matters.suites.variant import merged

SMALL = """
[suite]
name = "small"
title = "A small suite"
environments = ["Hopper-v5", "probe/Copy-v0"]
seeds = 3
steps = 1_000
questions = ["reproduction"]

[variants.ppo]
algorithm = "ppo"

[variants.ppo-slow]
algorithm = "ppo"
preset = "ppo-sb3"
config = { learning_rate = 1e-4, tricks = { gradient_clip = false } }
"""

LONG = SMALL.replace("1_000", "20_000")
"""Longer than the warm-up of every off-policy preset."""


def small(**replaced: str) -> Suite:
    """SMALL with `line = …` of the header replaced, parsed."""
    lines = [
        f"{line.split(' = ')[0]} = {replaced.pop(line.split(' = ')[0])}"
        if line.split(" = ")[0] in replaced
        else line
        for line in SMALL.splitlines()
    ]
    assert not replaced
    return suite(tomllib.loads("\n".join(lines)))


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        suite(tomllib.loads(text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- what a suite means


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


# ---- restriction


def test_seeds_are_a_number_or_a_range() -> None:
    assert parse_seeds("10") == tuple(range(10))
    assert parse_seeds("3:5") == (3, 4)
    assert small().restricted(seeds="2").seeds == (0, 1)


@pytest.mark.parametrize("text", ["0", "-1", "5:3", "3:3", "", "a", "1.5", ":", "3:", "٣", "9" * 30])
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


# ---- the smoke version


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


# ---- refusals


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seeds = 0", "suite.seeds = 0: should be greater than 0"),
        ("seeds = -3", "suite.seeds = -3: should be greater than 0"),
        ("seeds = true", "suite.seeds = True: should be a valid tuple"),
        ("seeds = 2.0", "suite.seeds = 2.0: should be a valid tuple"),
        ("seeds = [1, 1]", "suite.seeds = [1, 1]: 1 appears twice"),
        ("seeds = [-1]", "suite.seeds[0] = -1: should be greater than or equal to 0"),
        ("seeds = []", "suite.seeds = []: should not be empty"),
        ("steps = 0", "suite.steps = 0: should be greater than 0"),
        ("steps = 1e6", "suite.steps = 1000000.0: should be a valid integer"),
        ("steps = true", "suite.steps = True: should be a valid integer"),
        ('steps = "many"', "suite.steps = 'many': should be a valid integer"),
        ("steps = 9", "suite: evaluation.points = 10: more than steps = 9"),
        (
            'environments = ["Hoper-v5"]',
            "suite.environments[0] = 'Hoper-v5': unknown environment; did you mean 'Hopper-v5'?",
        ),
        ("environments = []", "suite.environments = []: should not be empty"),
        (
            'environments = ["CartPole-v1"]',
            "suite.environments[0] = 'CartPole-v1': actions are Discrete(2); "
            "supported: Box observations and Box actions, each a vector",
        ),
        (
            'questions = ["reprodction"]',
            "suite.questions[0] = 'reprodction': unknown question; did you mean 'reproduction'?",
        ),
        ('name = "a/b"', "suite.name = 'a/b': string should match pattern"),
        ('titel = "x"', "suite.titel: unknown field; did you mean 'title'?"),
        ('variants = "x"', "suite.variants: unknown field"),
        ("margin = 0.0", "suite.margin = 0.0: should be greater than 0"),
        ("evaluation = { point = 3 }", "suite.evaluation.point: unknown field; did you mean 'points'?"),
        ("evaluation = { points = 0 }", "suite.evaluation.points = 0: should be greater than 0"),
    ],
)
def test_a_wrong_header_is_named_by_field_value_and_nearest(line: str, message: str) -> None:
    key = line.split(" = ")[0]
    kept = [text for text in SMALL.splitlines() if not text.startswith(f"{key} = ")]
    kept.insert(kept.index("[suite]") + 1, line)
    assert refusal("\n".join(kept)).startswith(message)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('algorithm = "pppo"', "variants.x.algorithm = 'pppo': unknown algorithm; did you mean 'ppo'?"),
        ("algorithm = 1", "variants.x.algorithm = 1: should be a string; valid: "),
        ('preset = "ppo"', "variants.x.algorithm: missing; valid: "),
        (
            'algorithm = "ppo"\npreset = "ppo-n"',
            "variants.x.preset = 'ppo-n': unknown preset; did you mean 'ppo-m'?",
        ),
        ('algorithm = "ppo"\npresett = "ppo"', "variants.x.presett: unknown field; did you mean 'preset'?"),
        (
            'algorithm = "ppo"\nconfig = { tricks = { value_clp = true } }',
            "variants.x.config.tricks.value_clp: unknown field; did you mean 'value_clip'?",
        ),
        (
            'algorithm = "ppo"\nconfig = { learning_rat = 1 }',
            "variants.x.config.learning_rat: unknown field; did you mean 'learning_rate'?",
        ),
        (
            'algorithm = "ppo"\nconfig = { learning_rate = "1" }',
            "variants.x.config.learning_rate = '1': should be a valid number",
        ),
        (
            'algorithm = "ppo"\nconfig = { epochs = true }',
            "variants.x.config.epochs = True: should be a valid integer",
        ),
        (
            'algorithm = "ppo"\nconfig = { epochs = 2.5 }',
            "variants.x.config.epochs = 2.5: should be a valid integer",
        ),
        (
            'algorithm = "ppo"\nconfig = { tricks = { value_clip = 1 } }',
            "variants.x.config.tricks.value_clip = 1: should be a valid boolean",
        ),
        (
            'algorithm = "ppo"\nconfig = { tricks = true }',
            "variants.x.config.tricks = True: should be an object",
        ),
        ('algorithm = "ppo"\nconfig = 3', "variants.x.config = 3: should be a table"),
        (
            'algorithm = "ppo"\nconfig = { discount = inf }',
            "variants.x.config.discount = inf: a number must be finite",
        ),
        (
            'algorithm = "ppo"\nconfig = { hidden = [64, nan] }',
            "variants.x.config.hidden[1] = nan: a number must be finite",
        ),
        (
            'algorithm = "ppo"\nconfig = { discount = 1979-05-27 }',
            "variants.x.config.discount = 1979-05-27: should be a number",
        ),
        (
            'algorithm = "ppo"\nconfig = { objective = "clop" }',
            "variants.x.config.objective = 'clop': should be 'clip', 'kl-adaptive', 'kl-fixed' or 'none'; "
            "did you mean 'clip'?",
        ),
    ],
)
def test_a_wrong_variant_is_named_by_field_value_and_nearest(table: str, message: str) -> None:
    assert refusal(f"{SMALL}\n[variants.x]\n{table}").startswith(message)


def test_a_variants_name_can_be_part_of_a_glob() -> None:
    assert refusal(f"{SMALL}\n[variants.'a/b']\nalgorithm = 'ppo'").startswith("variants.a/b.name = 'a/b': ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "suite: missing"),
        ("[suite]\nname = 'x'", "variants: missing"),
        (SMALL + "\n[variant]\n", "variant: unknown table; did you mean 'variants'?"),
        (SMALL.replace("seeds = 3\n", ""), "suite.seeds: missing"),
        ("[variants]\nx = 1\n[suite]\nname = 'x'", "variants.x = 1: should be a table"),
    ],
)
def test_missing_and_unknown_tables_are_named(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


# ---- files


def test_a_suite_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL)
    assert load_suite(str(path)) == small()
    assert load_suite("quickstart") == load_suite(str(SHIPPED / "quickstart.toml"))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"[suite]\nname = = 1\n", ":2: "),
        (b"[suite]\nname = 'x", ":2: "),
        (b"[suite]\n\n\nname = [1,", ":4: "),
    ],
)
def test_a_syntax_error_names_file_and_line(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_suite(str(path))
    assert str(caught.value).startswith(f"{path}{place}")


def test_a_wrong_value_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.replace("seeds = 3", "seeds = 0"))
    with pytest.raises(InputError) as caught:
        load_suite(str(path))
    assert str(caught.value) == f"{path}: suite.seeds = 0: should be greater than 0"


def test_a_suite_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'quikstart': unknown suite; did you mean 'quickstart'"):
        load_suite("quikstart")
    with pytest.raises(InputError, match="No such file"):
        load_suite(str(tmp_path / "none.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        load_suite(str(tmp_path / "folder.toml"))
    (tmp_path / "latin.toml").write_bytes(b"[suite]\nname = '\xe9'")
    with pytest.raises(InputError, match="not UTF-8"):
        load_suite(str(tmp_path / "latin.toml"))


# ---- policies and the actions they need


class Unbounded(gymnasium.Env[Any, Any]):
    """Nothing but its spaces, whose actions have no bounds."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    gymnasium.register("test/Unbounded-v0", entry_point=Unbounded, max_episode_steps=10)
    return "test/Unbounded-v0"


def test_a_beta_policy_of_unbounded_actions_is_one_line_that_names_variant_and_environment(
    unbounded: str,
) -> None:
    beta = SMALL.replace('"ppo-sb3"', '"ppo-beta"')
    assert "ppo-slow" in suite(tomllib.loads(beta)).variants
    beta = beta.replace("Hopper-v5", unbounded)
    assert refusal(beta) == (
        "suite: variants.ppo-slow.config.policy = 'beta': needs bounded actions,"
        " which test/Unbounded-v0 has not; valid: gaussian"
    )


def test_squashed_actions_without_bounds_are_one_line_that_names_variant_and_environment(
    unbounded: str,
) -> None:
    squashed = SMALL.replace("gradient_clip = false", "action_squash = true, action_clip = false")
    assert "ppo-slow" in suite(tomllib.loads(squashed)).variants
    assert refusal(squashed.replace("Hopper-v5", unbounded)) == (
        "suite: variants.ppo-slow.config.tricks.action_squash = true: needs bounded actions,"
        " which test/Unbounded-v0 has not; valid: false"
    )


def test_an_off_policy_algorithm_of_unbounded_actions_is_one_line_that_names_variant_and_environment(
    unbounded: str,
) -> None:
    found = tomllib.loads(SMALL)
    found["suite"]["environments"] = [unbounded]
    found["variants"] = {"mine": {"algorithm": "td3"}}
    with pytest.raises(InputError) as refused:
        suite(found)
    assert str(refused.value) == (
        "suite: variants.mine.algorithm = 'td3': needs bounded actions, which test/Unbounded-v0 has not;"
        " valid: an on-policy algorithm"
    )


def test_a_gaussian_policy_has_no_need_of_bounds(unbounded: str) -> None:
    chosen = suite(tomllib.loads(SMALL.replace("Hopper-v5", unbounded)))
    assert len(chosen.cells()) == 4


# ---- steps, rollouts and points


def test_steps_below_one_rollout_are_refused_before_training_and_can_be_reported() -> None:
    words = (
        r"^steps = 1000: less than one rollout; should be at least 2048, or variants\.ppo\.config\.horizon"
    )
    with pytest.raises(InputError, match=words):
        small().check_rollouts()
    assert small().cells()
    small(steps="2_048").check_rollouts()
    small().smoke().check_rollouts()
    off_policy = suite(tomllib.loads(LONG.partition("[variants.ppo-slow]")[0].replace('"ppo"', '"td3"')))
    off_policy.check_rollouts()
    assert off_policy.remarks() == []


def test_what_rollouts_make_of_steps_and_points_is_said() -> None:
    one = small(steps="10_000").restricted(only="ppo/*")
    assert one.remarks() == [
        "ppo: rollouts have 2048 steps, so that 10240 steps are taken where 10000 are asked and "
        "10 evaluation points fall on 5 policies"
    ]
    assert small(steps="20_480").restricted(only="ppo/*").remarks() == []


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
