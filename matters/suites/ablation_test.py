"""Designs as suites: their cells, their names, and what cannot be one."""

import pytest

from matters.algorithms import td3
from matters.suites.ablation import LONGEST_NAME, ablation
from matters.suites.design import patterns
from matters.suites.errors import InputError

FOUR = "value_clip,reward_scaling,orthogonal_init,anneal_lr"


def made(tricks=FOUR, algorithm="ppo", **options):
    return ablation(
        algorithm, tricks, **({"environments": "Hopper-v5", "seeds": "2", "steps": 1000} | options)
    )


def levels(suite, trick):
    return [getattr(one.config.tricks, trick) for one in suite.variants.values()]


def test_a_full_design_has_every_combination_once_and_leaves_all_else_as_in_the_preset():
    suite = made()
    combinations = {
        tuple(getattr(one.config.tricks, trick) for trick in FOUR.split(","))
        for one in suite.variants.values()
    }
    assert len(suite.variants) == len(combinations) == 16
    for one in suite.variants.values():
        assert one.config.tricks.observation_normalisation
        assert one.config.value_coefficient == 0.5
    assert suite.questions == ("trick-factorial",)
    assert suite.seeds == (0, 1)


def test_all_on_is_the_preset_and_the_runs_of_two_designs_that_share_it_are_the_same():
    suite = made()
    *_, top = suite.variants.values()
    other = made("value_clip,anneal_lr").variants["value_clip+anneal_lr"]
    assert top.config == other.config


def test_one_in_and_one_out_have_a_cell_a_trick_and_a_base():
    assert patterns(2, "one-in") == [(False, False), (True, False), (False, True)]
    assert patterns(2, "one-out") == [(True, True), (False, True), (True, False)]
    tricks = "value_clip,reward_scaling,orthogonal_init,anneal_lr,reward_clip,observation_clip,gradient_clip"
    assert len(made(tricks, kind="one-in").variants) == len(made(tricks, kind="one-out").variants) == 8
    assert list(made("value_clip,anneal_lr", kind="one-out").variants) == [
        "all",
        "all-value_clip",
        "all-anneal_lr",
    ]


def test_the_value_of_a_trick_comes_from_the_user_then_the_preset_then_the_first_preset_that_has_it_on():
    assert levels(made("reward_clip=5"), "reward_clip") == [None, 5.0]
    assert levels(made("gradient_clip", "trpo", preset="trpo+"), "gradient_clip") == [None, 1.0]
    assert levels(made("advantage_normalisation", preset="ppo-m"), "advantage_normalisation") == [
        None,
        "minibatch",
    ]
    assert levels(made("observation_clip", "trpo"), "observation_clip") == [None, 10.0]
    assert levels(made("log_std_init=0", "ppo"), "log_std_init") == [None, 0.0]
    assert levels(made("time_limit_terminal", "vpg"), "time_limit_terminal") == [False, True]


def test_names_tell_designs_apart_and_are_short_enough_for_files():
    everything = "value_clip,reward_scaling,orthogonal_init,anneal_lr,observation_normalisation,reward_clip"
    suites = [
        made(),
        made("value_clip"),
        made("reward_clip"),
        made("reward_clip=5"),
        made(preset="ppo-sb3"),
        made(kind="one-in"),
        made(kind="one-out"),
        made(environments="Hopper-v5,Walker2d-v5"),
        made(everything),
        made(everything, environments="Hopper-v5,Walker2d-v5"),
    ]
    names = [suite.name for suite in suites]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= LONGEST_NAME
    assert names[1] == "ablate-ppo-value_clip-Hopper-v5"
    assert made(seeds="5").name == made().name
    assert all(len(set(suite.variants)) == len(suite.variants) for suite in suites)


@pytest.mark.parametrize(
    ("algorithm", "tricks", "options", "says"),
    [
        ("ppo", "value_clp", {}, "ppo has no such trick; did you mean 'value_clip'?"),
        ("vpg", "value_clip", {}, "vpg has no such trick"),
        ("ppo", "value_clip, value_clip", {}, "'value_clip': appears twice"),
        ("ppo", "", {}, "no such trick"),
        ("sb3-ppo", "value_clip", {}, "has no tricks; those that have: vpg"),
        ("pppo", "value_clip", {}, "did you mean 'ppo'?"),
        ("ppo", "value_clip", {"preset": "ppo-n"}, "did you mean 'ppo-m'?"),
        ("ppo", "value_clip", {"environments": "Hoper-v5"}, "did you mean 'Hopper-v5'?"),
        ("ppo", "value_clip", {"environments": "Hopper-v5,Hopper-v5"}, "appears twice"),
        ("ppo", "value_clip", {"steps": 0}, "steps = 0"),
        ("ppo", "value_clip", {"seeds": "0"}, "seeds = '0'"),
        ("ppo", "kl_stop", {}, "give its value, as in kl_stop=VALUE"),
        ("ppo", "kl_stop=-1", {}, "tricks.kl_stop = -1: should be greater than 0"),
        ("ppo", "kl_stop=NaN", {}, "a number must be finite"),
        ("ppo", "value_clip=0.2", {}, "tricks.value_clip = 0.2: should be a valid boolean"),
        ("ppo", "advantage_normalisation=minibach", {}, "did you mean 'minibatch'?"),
        ("ppo", "value_clip=false", {}, "that is off"),
        ("ppo", "reward_clip=null", {}, "that is off"),
        (
            "ppo",
            f"{FOUR},reward_clip,observation_clip,gradient_clip",
            {},
            "7 tricks make 128 cells, at most 64 are allowed; one-in or one-out needs 8",
        ),
    ],
)
def test_what_cannot_be_a_design_is_one_line(algorithm, tricks, options, says):
    with pytest.raises(InputError) as error:
        made(tricks, algorithm, **options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_three_parts_of_td3_make_eight_cells_from_ddpg_to_td3():
    parts = "clipped_double_q,policy_delay,target_noise"
    cells = made(parts, "td3", steps=20_000).variants
    assert len(cells) == 8
    assert cells["none"].config == td3.Config()
    assert [cell.config for cell in cells.values()][-1] == td3.PRESETS["td3"]
