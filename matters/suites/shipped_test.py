"""The suites of this folder: each TOML file loads, and is what it says."""

import itertools
from typing import Any

import pytest

from matters import algorithms
from matters.suites import twins
from matters.suites.candidates import candidates
from matters.suites.joint import join
from matters.suites.loading import SHIPPED, load_suite, suite_names
from matters.suites.settings import differences


def test_the_table_of_suites_is_the_folder() -> None:
    assert suite_names() == sorted(path.stem for path in SHIPPED.glob("*.toml"))
    for name in suite_names():
        assert load_suite(name).name == name


def test_quickstart_is_what_its_page_says() -> None:
    quickstart = load_suite("quickstart")
    assert quickstart.environments == ("HalfCheetah-v5", "Swimmer-v5")
    assert list(quickstart.variants) == ["ppo", "ppo-m", "ppo-sb3", "sb3-ppo"]
    assert quickstart.seeds == (0, 1, 2, 3, 4)
    assert quickstart.steps == 30_720
    assert quickstart.questions == ("code-level-tricks", "reproduction")
    assert (quickstart.evaluation.points, quickstart.evaluation.episodes) == (5, 5)
    assert len(quickstart.cells()) == 6
    assert quickstart.remarks() == [], "steps and points as they were asked for"


def test_implementation_matters_is_the_square_of_step_and_tricks_and_the_released_one_is_engstroms() -> None:
    equal, released = load_suite("implementation-matters"), load_suite("implementation-matters-released")
    assert equal.environments == released.environments == ("Walker2d-v5", "Hopper-v5", "Humanoid-v5")
    assert (len(equal.seeds), equal.steps) == (len(released.seeds), released.steps) == (20, 1_000_000)
    assert list(equal.variants) == ["ppo", "ppo-m", "ppo-noclip", "trpo-plain", "trpo-tricks"]
    assert len(join([equal, released]).variants) == 10
    for name, one in released.variants.items():
        assert one.environments == algorithms.load(one.algorithm).PER_TASK[name]  # type: ignore[union-attr]


def test_the_tuned_square_is_the_square_and_each_variant_is_tuned_in_the_size_of_its_step() -> None:
    tuned, square = load_suite("implementation-matters-tuned"), load_suite("implementation-matters")
    assert {name: it.config for name, it in tuned.variants.items()} == {
        name: it.config for name, it in square.variants.items()
    }
    for one in candidates(tuned):
        assert set(one.values) == {"learning_rate" if one.variant.algorithm == "ppo" else "kl"}
    for name, variant in tuned.variants.items():
        tried = [one.variant.config for one in candidates(tuned) if one.of == name]
        assert (len(tried), tried[1]) == (3, variant.config), "around what it has"


def test_ppo_tricks_is_the_full_factorial_of_engstroms_four_over_ppo() -> None:
    factors = ("value_clip", "reward_scaling", "orthogonal_init", "anneal_lr")
    words = ("value", "reward", "orthogonal", "anneal")
    chosen = load_suite("ppo-tricks")
    full: Any = algorithms.load("ppo").PRESETS["ppo"]
    assert chosen.variants["+".join(words)].config == full
    levels = itertools.product((False, True), repeat=4)
    expected = {
        "+".join(word for word, on in zip(words, level, strict=True) if on) or "none": full.model_copy(
            update={"tricks": full.tricks.model_copy(update=dict(zip(factors, level, strict=True)))}
        )
        for level in levels
    }
    assert {name: it.config for name, it in chosen.variants.items()} == expected


def test_the_natural_ladder_has_one_damping_and_else_its_presets() -> None:
    assert load_suite("natural-ladder").questions == ("natural-ladder", "trust-region")
    ladder = load_suite("natural-ladder").variants
    assert list(ladder) == ["npg", "tnpg", "tnpg-reject", "trpo", "ppo-m", "ppo"]
    for name, it in ladder.items():
        config: Any = algorithms.load(it.algorithm).PRESETS[name]
        changes = {"damping": 1e-2} if hasattr(config, "damping") else {}
        assert it.config == config.model_copy(update=changes)


def test_mujoco_on_policy_has_presets_of_on_policy_algorithms_as_they_are_each_with_its_reference() -> None:
    chosen = load_suite("mujoco-on-policy")
    assert chosen.environments == (
        "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5",
        "Swimmer-v5", "Reacher-v5", "InvertedDoublePendulum-v5",
    )  # fmt: skip
    # What is added later is in later suites: this one is published, and stays.
    for name, one in chosen.variants.items():
        rule = algorithms.load(one.algorithm)
        assert rule.FACTS.rollout
        assert one.config == rule.PRESETS[name]
        if rule.FACTS.twin is not None:
            assert {rule.FACTS.twin.preset, rule.FACTS.twin.reference} <= set(chosen.variants)


TD3_PARTS = {"cdq": "clipped_double_q", "delay": "policy_delay", "smoothing": "target_noise"}


def test_the_actor_critic_ladder_is_each_algorithm_as_its_paper_has_it_and_td3s_parts_one_by_one() -> None:
    suite = load_suite("actor-critic-ladder")
    assert suite.questions == ("actor-critic-ladder",)
    ladder = suite.variants
    apart = [f"td3-{how}-{part}" for how in ("only", "no") for part in TD3_PARTS]
    assert list(ladder) == [
        "ddpg-batch-norm",
        "ddpg",
        "ddpg-tuned",
        *apart,
        "td3",
        "td3-256",
        "td3-256-only-cdq",
        "sac",
    ]
    for name, it in ladder.items():
        assert it.config == algorithms.load(it.algorithm).PRESETS[name]


def test_td3_paper_has_the_protocol_and_the_ablations_of_its_tables() -> None:
    chosen = load_suite("td3-paper")
    assert (len(chosen.environments), len(chosen.seeds), chosen.steps) == (7, 10, 1_000_000)
    assert chosen.steps // chosen.evaluation.points == 5000
    assert chosen.evaluation.episodes == 10

    def settings(name):
        config = chosen.variants[name].config.model_dump()
        return config | config.pop("tricks")

    td3, tuned = settings("td3"), settings("ddpg-tuned")
    # AHE, from which the parts start, is DDPG with all else as TD3 has it.
    assert {field: tuned[field] for field in tuned} == {field: td3[field] for field in tuned}
    for part, field in TD3_PARTS.items():
        without, alone = settings(f"td3-no-{part}"), settings(f"td3-only-{part}")
        assert {name for name in td3 if without[name] != td3[name]} == {field}
        assert {name for name in td3 if alone[name] != td3[name]} == set(TD3_PARTS.values()) - {field}


def test_mujoco_off_policy_has_presets_of_every_off_policy_algorithm_as_they_are_and_its_references() -> None:
    chosen = load_suite("mujoco-off-policy")
    assert chosen.environments == load_suite("mujoco-on-policy").environments
    loaded = {name: algorithms.load(name) for name in algorithms.ALGORITHMS}
    ours = [name for name, it in loaded.items() if it.KIND == "off-policy"]
    presets = {
        preset: config
        for name in [*ours, *(f"sb3-{x}" for x in ours)]
        for preset, config in loaded[name].PRESETS.items()
    }
    # What was added later is in later suites.
    later = {"ddpg-batch-norm", "td3-2018", "sac-v1"}
    earlier = {name: config for name, config in presets.items() if name not in later}
    assert {name: it.config for name, it in chosen.variants.items()} == earlier


@pytest.mark.parametrize("name", suite_names())
def test_every_shipped_suite_has_a_smoke_version_with_the_variants_it_declares(name: str) -> None:
    smoke = load_suite(name).smoke()
    assert list(smoke.variants) == list(load_suite(name).variants)
    assert all(len(cell.specs) == 2 for cell in smoke.cells())
    for cell in smoke.cells():
        config = cell.specs[0].config
        warm_up = config.get("warmup", config.get("learning_starts", 0))
        assert warm_up < cell.specs[0].steps, f"{cell.variant} learns nothing"


def test_what_matters_takes_one_recommendation_away_at_a_time_and_says_what_was_found_of_each() -> None:
    chosen = load_suite("what-matters-on-policy")
    base = chosen.variants["ppo-recommended"]
    assert base.config == algorithms.load("ppo").PRESETS["ppo-recommended"]
    taken = {name: set(differences(it, base)) for name, it in chosen.variants.items() if it is not base}
    two = {
        "unsquashed": {"tricks.action_squash", "tricks.action_clip"},
        "one-epoch": {"epochs", "tricks.recompute_advantages"},  # which a single epoch leaves without effect
    }
    assert {name: found for name, found in taken.items() if len(found) != 1} == two
    assert chosen.findings.keys() == taken.keys()
    assert len({frozenset(found) for found in taken.values()}) == len(taken)


def test_deep_rl_that_matters_changes_one_choice_a_pair() -> None:
    chosen = load_suite("deep-rl-that-matters")
    for x, y in chosen.comparisons:
        (setting,) = differences(chosen.variants[x], chosen.variants[y])
        assert setting in ("hidden", "tricks.tanh_activations", "tricks.reward_scale")
    assert set(chosen.findings) <= {x for x, _ in chosen.comparisons}


def test_revisiting_ppo_compares_objectives_and_policies_and_says_what_was_found() -> None:
    chosen = load_suite("revisiting-ppo")
    found = {pair: set(differences(*(chosen.variants[name] for name in pair))) for pair in chosen.comparisons}
    assert found["kl-reverse", "kl-forward"] == {"tricks.reverse_kl"}
    assert found["ppo-beta", "ppo"] == {"policy", "tricks.action_clip"}  # a Beta has none to clip
    assert all(len(settings) <= 4 for settings in found.values()), found
    assert set(chosen.findings) <= chosen.variants.keys()


def test_the_toys_of_revisiting_ppo_differ_in_policy_or_objective_alone() -> None:
    chosen = load_suite("revisiting-ppo-toys")
    objective = {"objective", "kl_coefficient", "clip"}
    for x, y in chosen.comparisons:
        found = set(differences(chosen.variants[x], chosen.variants[y]))
        assert found <= objective | {"tricks.reverse_kl"} or found <= {"policy", "atoms"}, (x, y, found)
    assert {getattr(one.config, "policy", None) for one in chosen.variants.values()} == {
        "gaussian", "beta", "discretised",
    }  # fmt: skip


def test_the_held_out_trust_region_is_the_square_with_a_second_half_that_is_not_learnt_from() -> None:
    chosen, square = load_suite("held-out-trust-region"), load_suite("implementation-matters")
    assert list(chosen.variants) == list(square.variants)
    for name, one in chosen.variants.items():
        usual: Any = square.variants[name].config
        assert one.config == usual.model_copy(update={"horizon": 2 * usual.horizon, "held_out": 0.5})
    assert chosen.steps == 2 * square.steps


def test_code_level_controls_tunes_what_the_paper_tuned_and_controls_one_trick_a_pair() -> None:
    chosen = load_suite("code-level-controls")
    assert chosen.tuning is not None
    assert {cell.variant.partition("@")[0] for cell in chosen.tuning_cells()} == {
        "ppo",
        "ppo-m",
        "ppo-noclip",
    }
    single = [pair for pair in chosen.comparisons if pair[0] != "ppo"]
    for pair in single:
        assert len(differences(*(chosen.variants[name] for name in pair))) == 1


def test_the_trust_region_ladder_has_equal_tricks_and_its_pairs_differ_in_what_they_say() -> None:
    chosen = load_suite("trust-region-ladder")
    found = {pair: set(differences(*(chosen.variants[name] for name in pair))) for pair in chosen.comparisons}
    natural = {"cg_steps", "damping", "fisher_fraction", "kl"}
    search = {"line_search_steps", "line_search_shrink"}
    mirror = {"policy_steps", "learning_rate", "step_size", "anneal_step_size"}
    minibatches = {"epochs", "minibatch_size", "learning_rate", "objective", "value_coefficient"}
    fit = {"value_epochs", "value_minibatch_size", "value_learning_rate"}
    steps = {"algorithm", "policy_steps", "step_size", "anneal_step_size", *fit}
    assert found["trpo", "tnpg"] == {"algorithm", *search}
    assert found["mdpo", "trpo"] == {"algorithm", *mirror, *natural, *search}
    # The tricks are the same but for what makes PPO's joint step do what the others' steps do.
    own = {"tricks.gradient_clip_of", "tricks.value_clip", "tricks.advantage_normalisation"}
    others = steps | minibatches - {"learning_rate"} | own | {"clip"}  # which clips the value, too
    assert found["mdpo", "no-bound"] == found["mdpo", "ppo"] == others
    assert found["mdpo", "ppo-kl"] == others | {"kl_coefficient", "kl_target"}
    assert found["kl-reverse", "kl-fixed"] == {"tricks.reverse_kl"}
    assert found["mdpo", "mdpo-forward"] == {"tricks.forward_kl"}
    assert found["mdpo", "mdpo-20"] == {"policy_steps"}
    assert found["ppo", "no-bound"] == {"objective"}
    assert found["mdpo-m", "trpo-m"] == {"algorithm", *mirror, *natural, *search}


def test_critic_or_group_changes_what_stands_in_for_the_critic_and_says_all_that_goes_with_it() -> None:
    chosen = load_suite("critic-or-group")
    found = {pair: set(differences(*(chosen.variants[name] for name in pair))) for pair in chosen.comparisons}
    critic = {
        "algorithm", "gae_lambda", "value_coefficient", "objective", "tricks.advantage_normalisation",
        "tricks.gradient_clip_of", "tricks.reset_each_rollout", "group_size", "baseline",
    }  # fmt: skip
    for group, other in (("group", "critic"), ("group-90", "critic-90"), ("group-100", "critic-100")):
        assert found[group, other] == critic
    assert found["group", "leave-one-out"] == found["group", "batch"] == {"baseline"}
    assert found["group-of-8", "group"] == {"group_size"}
    assert found["group-dr", "group"] == {"tricks.no_spread", "tricks.steps_alike"}
    assert found["group-kl", "group"] == {"kl_coefficient", "reference_every"}
    assert found["group-90", "group"] == {"discount"}
    assert found["reinforce-to-go", "reinforce-return"] == {"weighed_with"}
    assert found["reinforce-discounted", "reinforce-to-go"] == {"discounted_gradient"}
    assert found["reinforce-mean", "reinforce-return"] == {"baseline"}
    assert found["rloo", "reinforce-mean"] == {"baseline", "group_size"}
    for name in ("critic", "group", "rloo"):
        config: Any = chosen.variants[name].config
        assert config.horizon * config.environments == 8000


def test_staleness_compares_each_lag_with_none_and_a_correction_with_what_it_corrects() -> None:
    chosen = load_suite("staleness")
    found = {pair: set(differences(*(chosen.variants[name] for name in pair))) for pair in chosen.comparisons}
    for method in ("ppo", "decoupled", "a2c", "vtrace"):
        lags = (0, 1, 2, 4, 8, 16)
        configs: list[Any] = [chosen.variants[f"{method}-{lag}"].config for lag in lags]
        assert tuple(config.lag for config in configs) == lags
        for lag in lags[1:]:
            also = {"tricks.decoupled"} if method == "decoupled" else set()  # without a lag it has no effect
            assert found[f"{method}-{lag}", f"{method}-0"] == {"lag"} | also
    for lag in (1, 4, 16):
        assert found[f"decoupled-{lag}", f"ppo-{lag}"] == {"tricks.decoupled"}
        assert found[f"vtrace-{lag}", f"a2c-{lag}"] == {"algorithm", "ratio_clip", "trace_clip"}
    assert found["a3c", "a3c-synchronous"] == {"tricks.synchronous"}


def test_the_reproduction_pairs_each_reference_with_its_twin_and_begins_with_ppos_whom_looks_decide() -> None:
    chosen = load_suite("reproduction")
    places = {
        name: [place for variant, place in chosen.pairs() if variant == name] for name in chosen.variants
    }
    ours, references = list(chosen.variants)[::2], list(chosen.variants)[1::2]
    assert ours[0] == "ppo-sb3"
    assert chosen.looks == (10, 20)
    for own, reference in zip(ours, references, strict=True):
        assert twins.differences(chosen.variants[own], chosen.variants[reference]) == ()
        assert places[own] == places[reference]


def test_the_further_systems_are_presets_and_the_lagged_pair_differs_in_its_correction_alone() -> None:
    chosen = load_suite("further-systems")
    for name in ("ppo", "mdpo", "mdpo-m", "grpo", "rloo", "impala", "a3c"):
        one = chosen.variants[name]
        assert one.config == algorithms.load(one.algorithm).PRESETS[name]
    assert set(differences(chosen.variants["decoupled"], chosen.variants["lagged"])) == {"tricks.decoupled"}
    a2c, impala = (chosen.variants[name].config for name in ("a2c", "impala"))
    assert a2c.environments == impala.environments  # type: ignore[attr-defined]
