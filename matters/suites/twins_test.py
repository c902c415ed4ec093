import pytest

from matters import algorithms
from matters.suites.twins import differences, twin_of
from matters.suites.variant import variant

TWINS = [name for name in algorithms.ALGORITHMS if algorithms.load(name).FACTS.twin is not None]


def ours(algorithm="ppo", **config):
    twin = algorithms.load(algorithm).FACTS.twin
    return variant("mine", {"algorithm": algorithm, "preset": twin.preset, "config": config})


def theirs(algorithm="sb3-ppo", **config):
    return variant("stable", {"algorithm": algorithm, "config": config})


@pytest.mark.parametrize("name", TWINS)
def test_the_preset_of_a_reference_and_the_reference_are_twins_whatever_they_are_called(name):
    assert differences(ours(name), theirs(algorithms.load(name).FACTS.twin.reference)) == ()


def test_a_setting_that_both_have_may_be_changed_on_both_sides():
    changed = ours(learning_rate=1e-4, horizon=512, tricks={"gradient_clip": 1.0})
    assert differences(changed, theirs(learning_rate=1e-4, n_steps=512, max_grad_norm=1.0)) == ()


def test_a_setting_changed_on_one_side_keeps_them_apart_and_is_named():
    assert differences(ours(learning_rate=1e-4), theirs()) == ("learning_rate",)
    assert differences(ours(), theirs(n_steps=512, clip_range_vf=0.2)) == ("horizon", "clip_range_vf")


def test_a_variant_with_a_setting_that_the_reference_lacks_is_no_twin():
    assert twin_of(ours(tricks={"value_clip": True})) is None
    assert differences(ours(tricks={"value_clip": True}), theirs()) is None
    assert twin_of(variant("x", {"algorithm": "ppo"})) is None


def test_a_reference_of_another_algorithm_is_no_twin_and_neither_is_one_of_ours():
    assert differences(ours(), theirs("sb3-a2c")) is None
    assert differences(theirs(), theirs()) is None


def test_a_setting_of_one_environment_counts_too():
    own = {"environments": {"Hopper-v5": {"learning_rate": 1e-4}}}
    mine = variant("mine", {"algorithm": "ppo", "preset": "ppo-sb3"} | own)
    assert differences(mine, theirs()) == ("learning_rate",)
    assert differences(mine, variant("stable", {"algorithm": "sb3-ppo"} | own)) == ()
