"""Bounds as settings have them, and updates with planted answers held against them."""

import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from matters import algorithms
from matters.algorithms.parts.natural_gradient import NaturalConfig, NaturalTricks, step_kl
from matters.reports import questions
from matters.reports.questions.trust_region.bounds import Bound, bounds
from matters.reports.questions.trust_region.trust_region import share_text
from matters.reports.questions.trust_region.updates import average, measure, share
from matters.reports.study.study import prepare
from matters.suites.loading import load_suite, suite, suite_names
from matters.suites.variant import variant
from testing.planted import CONSTANTS, Plant, planted

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
ROLLOUT, UPDATES = 2048, 20
PRESETS = [(name, preset) for name in algorithms.ALGORITHMS for preset in algorithms.load(name).PRESETS]


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Figures take longer than all else."""
    monkeypatch.setattr("matters.reports.questions.trust_region.trust_region._drawings", lambda *_: ((), {}))


def declared(*names, config=""):
    """A suite of presets, each a variant of its name, with `config` over the first."""
    table = {preset: name for name, preset in PRESETS}
    text = f"""
    [suite]
    name = "planted"
    title = "Planted updates"
    environments = ["{HOPPER}", "{WALKER}"]
    seeds = 10
    steps = {ROLLOUT * UPDATES}
    questions = ["trust-region"]
    """
    for k, name in enumerate(names):
        text += f'\n[variants."{name}"]\nalgorithm = "{table[name]}"\npreset = "{name}"\n'
        text += config if k == 0 else ""
    return suite(tomllib.loads(text))


def study(updates, *, plant=None, config="", places=(HOPPER, WALKER), **options):
    """A study in which update k of a variant's seed s has the (KL, ratio) `updates[variant](k, s)`."""
    cells = {(name, place): plant or Plant(0.5, 0.1) for name in updates for place in places}
    snapshot = planted(cells)
    done = snapshot.runs[snapshot.runs["score"].notna()]
    rows = [
        {**run, "step": (k + 1) * ROLLOUT, "mean_kl": kl, "max_ratio": ratio}
        for run in done[["run_id", "variant", "environment", "seed"]].to_dict("records")
        for k in range(UPDATES)
        for kl, ratio in [updates[run["variant"]](k, run["seed"])]
    ]
    object.__setattr__(snapshot, "updates", pd.DataFrame(rows))
    return prepare(declared(*updates, config=config), snapshot, constants=CONSTANTS, **options)


def answered(updates, **options):
    return questions.answer("trust-region", study(updates, **options))


def small(k, seed):
    return 0.005 + 0.0001 * seed, 1.1 + 0.001 * seed


def large(k, seed):
    return 0.05, 1.5 + 0.01 * seed


def half(k, seed):
    return (0.02, 1.5) if (k + seed) % 4 < 2 + seed % 2 else (0.001, 1.05)


@pytest.mark.parametrize(
    ("preset", "texts"),
    [
        ("npg", ["δ = 0.01"]),
        ("tnpg", ["δ = 0.01"]),
        ("trpo", ["δ = 0.01"]),
        ("trpo+", ["δ = 0.07 to 0.04"]),
        ("trpo-sb3", ["δ = 0.01 an action"]),
        ("sb3-trpo", ["δ = 0.01 an action"]),
        ("ppo", ["1 + ε = 1.2"]),
        ("ppo-m-released", ["1 + ε = 1.2"]),
        ("sb3-ppo", ["1 + ε = 1.2"]),
        ("ppo-kl", ["target = 0.01"]),
        ("ppo-noclip", []),
        ("vpg", []),
        ("a2c", []),
        ("sb3-a2c", []),
    ],
)
def test_the_bounds_are_those_of_the_settings(preset, texts):
    (chosen,) = declared(preset).variants.values()
    assert [one.text for one in bounds(chosen)] == texts


def test_a_target_at_which_updates_end_is_a_bound_beside_the_clip():
    (chosen,) = declared("ppo", config="config.tricks.kl_stop = 0.02").variants.values()
    assert [one.text for one in bounds(chosen)] == ["1 + ε = 1.2", "target = 0.02"]
    (sb3,) = declared("sb3-ppo", config="config.target_kl = 0.02").variants.values()
    assert [one.text for one in bounds(sb3)] == ["1 + ε = 1.2", "target = 0.02"]


@pytest.mark.parametrize("name", algorithms.ALGORITHMS)
def test_every_algorithm_with_a_setting_that_bounds_is_known(name):
    settings = {"kl", "clip", "kl_target", "clip_range", "target_kl"}
    algorithm = algorithms.load(name)
    found = [algorithm.FACTS.bounds(config) for config in algorithm.PRESETS.values()]
    assert any(found) == bool(settings & set(algorithm.Config.model_fields))


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(1, 40), st.integers(1, 500))
def test_a_moving_bound_is_at_each_update_what_the_algorithm_has_for_it(start, end, updates, extra):
    config = NaturalConfig(kl=start, tricks=NaturalTricks(kl_final=end))
    total = (updates - 1) * ROLLOUT + extra  # the last rollout may pass the steps asked
    found = Bound("mean_kl", "δ", start, "", ROLLOUT, end).at(np.arange(1.0, updates + 1) * ROLLOUT, total, 3)
    assert found == pytest.approx([step_kl(config, progress=k / updates) for k in range(updates)])


def test_a_bound_per_action_is_on_the_mean_over_the_actions_dimensions():
    bound = Bound("mean_kl", "δ", 0.01, "", ROLLOUT, per_action=True)
    assert list(bound.at(np.array([1.0, 2.0]), 10, 3)) == pytest.approx([0.03, 0.03])


def test_what_is_measured_is_a_number_a_run():
    found = measure(study({"ppo": half}), "ppo", HOPPER)
    (bound,) = found.beyond
    # An even seed is beyond in two of four updates, an odd one in three.
    assert list(found.beyond[bound]) == [0.5, 0.75] * 5
    assert list(found.kl) == pytest.approx([(0.02 + 0.001) / 2, (3 * 0.02 + 0.001) / 4] * 5)
    assert list(found.largest) == [1.5] * 10
    assert list(found.counts) == [UPDATES] * 10


def test_a_kept_and_an_exceeded_bound_come_out_in_words_with_intervals():
    found = answered({"trpo": small, "ppo": large, "ppo-m": half, "vpg": large})
    assert found.answer == (
        "Kept in every update: δ = 0.01 by the mean KL of `trpo`. Exceeded in most updates: 1 + ε = 1.2 by "
        "the largest ratio of `ppo`, `ppo-m` (62.5 % to 100 % of updates)."
    )
    assert (found.word, found.claim) == ("exceeded", True)
    trpo, ppo, ppo_m, vpg = found.verdicts
    assert [one.verdict for one in found.verdicts] == ["kept", "exceeded", "exceeded", "no bound"]
    assert "in no update of 20 runs (share of updates: 95 % interval 0.0 to 16.8 %)" in trpo.statement
    assert "was beyond it in 100 % of updates (95 % interval 83.2 to 100.0 %)" in ppo.statement
    reach = stats.t.ppf(0.975, 18) * 0.125 * np.sqrt(10 / 9) / np.sqrt(20)
    low, high = 100 * (0.625 - reach), 100 * (0.625 + reach)
    assert f"62.5 % of updates (95 % interval {low:.1f} to {high:.1f} %)" in ppo_m.statement
    assert vpg.statement.startswith("`vpg` has no bound. Mean KL 0.0500 (0.0500 to 0.0500), largest ratio")
    assert found.lacks == ()


def test_a_bound_that_is_passed_now_and_then_is_mixed_and_the_environments_are_told_apart():
    found = study({"ppo": small})
    beyond = (found.updates["environment"] == WALKER) & (found.updates["step"] <= 4 * ROLLOUT)
    found.updates.loc[beyond, "max_ratio"] = 3.0
    (one,) = questions.answer("trust-region", found).verdicts
    assert one.verdict == "mixed"
    assert "was beyond it in 10.0 % of updates" in one.statement
    assert "from 0 % on Hopper-v5 to 20.0 % on Walker2d-v5" in one.statement


def test_the_bound_of_the_mean_over_actions_counts_actions():
    def between(k, seed):
        return 0.02, 1.1  # above δ = 0.01, below it per action on Hopper with 3

    found = answered({"trpo": between, "trpo-sb3": between}, places=(HOPPER,))
    assert [one.verdict for one in found.verdicts] == ["exceeded", "kept"]


def test_what_is_on_the_bound_but_for_rounding_is_within():
    def on(k, seed):
        return float(np.float32(0.01)) * (1 + 5e-7), 1.0

    assert answered({"trpo": on}).word == "kept"

    def above(k, seed):
        return 0.01001, 1.0

    assert answered({"trpo": above}).word == "exceeded"


def test_an_infinite_ratio_is_beyond_and_no_number_of_it_is_made_up():
    found = answered({"ppo": lambda k, seed: (0.01, np.inf)})
    assert found.word == "exceeded"
    assert "largest ratio of an update not known" in found.verdicts[0].statement
    assert "inf" not in found.verdicts[0].statement
    assert found.tables[0].rows[0][5:7] == ("not known", "–")


def test_few_seeds_make_an_indication_and_fewer_than_five_no_interval():
    found = answered({"ppo": large}, plant=Plant(0.5, 0.1, 6))
    assert found.answer.startswith("Exceeded in most updates: 1 + ε = 1.2 by the largest ratio of `ppo`")
    assert found.indication, "so that the page says that it is an indication"
    assert found.verdicts[0].statement.startswith(
        "No claim, for 6 seeds are fewer than the 10 a claim needs. `ppo` "
    )
    found = answered({"ppo": large}, plant=Plant(0.5, 0.1, 3))
    assert (found.word, found.claim) == ("too few seeds", False)
    assert "too few for an interval" in found.verdicts[0].statement


@pytest.mark.parametrize("gap", [{"failed": 1}, {"missing": 2}, {"diverged": 1}])
def test_gaps_block_a_verdict_until_they_are_allowed(gap):
    blocked = answered({"ppo": large}, plant=Plant(0.5, 0.1, **gap))
    assert (blocked.word, blocked.verdicts[0].verdict) == ("blocked", "blocked")
    assert "runs are not whole" in blocked.verdicts[0].statement
    assert len(blocked.tables[0].rows) == 2
    allowed = answered({"ppo": large}, plant=Plant(0.5, 0.1, **gap), allow_missing=True)
    assert allowed.word == "exceeded"
    assert allowed.claim == (gap == {"diverged": 1})


def test_why_findings_are_no_claims_is_said_once_and_each_is_marked():
    found = answered({"ppo": large, "trpo": small, "ppo-m": large}, plant=Plant(0.5, 0.1, 6))
    assert len(found.verdicts) == 3
    assert sum("fewer than the 10 a claim needs" in one.statement for one in found.verdicts) == 1
    assert all(one.indication for one in found.verdicts)


def test_where_no_run_is_the_variants_are_named_together_and_the_reason_is_that():
    bounded = ("ppo", "ppo-m")
    cells = {(name, HOPPER): Plant(0.5, 0.1) for name in bounded}
    cells |= {(name, WALKER): Plant(0.5, 0.1, 0, missing=10) for name in bounded}
    snapshot = planted(cells)
    prepared = prepare(declared(*bounded), snapshot, constants=CONSTANTS, allow_missing=True)
    lines = questions.answer("trust-region", prepared).lacks
    assert lines[0] == (
        "Not judged on Walker2d-v5: `ppo` (1 + ε = 1.2), `ppo-m` (1 + ε = 1.2), as no run has a score there."
    )


def test_the_interval_of_a_kl_does_not_reach_below_zero():
    skewed = np.array([0.01] * 9 + [20.0])
    value, interval = average([skewed])
    reach = stats.t.interval(0.95, 9, value, skewed.std(ddof=1) / np.sqrt(10))
    assert reach[0] < 0
    assert (interval.low, interval.high) == (0.0, pytest.approx(reach[1]))
    assert average([skewed - 1])[1].low < 0, "what may be negative keeps its interval"


def test_what_nobody_recorded_is_said_and_not_judged():
    found = answered({"sb3-ppo": lambda k, seed: (0.01, np.nan), "trpo": small})
    assert found.word == "kept"
    assert found.verdicts[0].statement.endswith("no verdict, as no run recorded what is bounded.")
    assert found.lacks[0] == (
        "Not judged on Hopper-v5, Walker2d-v5: `sb3-ppo` (1 + ε = 1.2), as no run recorded what is bounded, "
        "or the number of actions is not known there."
    )
    assert found.tables[0].rows[0][2:4] == ("1 + ε = 1.2", "–")
    assert found.lacks[1].startswith("No variant without a bound is at hand")


def test_only_unbounded_variants_are_nothing_to_compare():
    found = answered({"vpg": large, "ppo-noclip": large})
    assert (found.word, found.verdicts, found.tables) == ("blocked", (), ())


def test_the_table_has_every_cell_and_its_numbers():
    found = answered({"trpo": small, "vpg": large})
    (table,) = found.tables
    assert [(row["environment"], row["variant"]) for row in table.data] == [
        (place, name) for place in (HOPPER, WALKER) for name in ("trpo", "vpg")
    ]
    first = table.data[0]
    assert first["beyond"] == 0.0
    assert first["beyond_high"] == pytest.approx(1 - 0.025**0.1)
    assert first["mean_kl"] == pytest.approx(0.00545)
    assert first["max_ratio"] == pytest.approx(1.1045)
    assert first["max_ratio_low"] < first["max_ratio"] < first["max_ratio_high"]
    assert table.data[1]["bound"] is None


def test_what_was_held_out_has_columns_of_its_own_only_where_something_was():
    usual = answered({"ppo": small, "vpg": large})
    assert "mean KL, held out" not in usual.tables[0].columns
    planted_study = study({"ppo": small, "vpg": large})
    ppo = planted_study.updates["variant"] == "ppo"
    for name, factor in (("mean_kl", 3.0), ("max_ratio", 2.0)):
        planted_study.updates[f"{name}_held_out"] = (factor * planted_study.updates[name]).where(ppo)
    (table,) = questions.answer("trust-region", planted_study).tables
    assert table.columns[-2:] == ("mean KL, held out", "largest ratio, held out")
    first, second = table.data[:2]
    assert first["mean_kl_held_out"] == pytest.approx(3 * first["mean_kl"])
    assert first["max_ratio_held_out"] == pytest.approx(2 * first["max_ratio"])
    assert "mean_kl_held_out" not in second
    assert table.rows[1][-2:] == ("–", "–")
    assert table.rows[0][:-2] == usual.tables[0].rows[0]


@given(st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=12), min_size=1, max_size=3))
def test_an_interval_of_shares_holds_the_share_and_lies_within_0_and_1(samples):
    value, interval = share([np.array(one) for one in samples])
    assert 0 <= interval.low <= value + 1e-12
    assert value - 1e-12 <= interval.high <= 1
    if value in (0.0, 1.0):
        assert interval.low < interval.high


def test_an_average_over_environments_weighs_each_the_same_and_refuses_what_is_not_finite():
    value, interval = average([np.zeros(5), np.ones(15)])
    assert (value, interval.low, interval.high) == (0.5, 0.5, 0.5)
    assert average([np.array([1.0, np.nan])]) == (None, None)
    assert average([]) == (None, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (1e-4, "under 0.1 %"),
        (0.9999, "over 99.9 %"),
        (0.5, "50.0 %"),
        (None, "–"),
    ],
)
def test_a_percentage_is_0_or_100_only_where_it_is(value, text):
    assert share_text(value) == text


def test_the_shipped_suites_that_ask_have_bounded_variants_and_unbounded_ones():
    asking = [load_suite(name) for name in suite_names() if "trust-region" in load_suite(name).questions]
    known = [[bool(bounds(one)) for one in asked.variants.values()] for asked in asking]
    assert asking
    assert all(any(bounded) for bounded in known)
    assert not all(all(bounded) for bounded in known)


def test_a_variant_without_settings_has_no_bounds():
    assert bounds(None) == []
    assert bounds(variant("x", {"algorithm": "a2c"})) == []
