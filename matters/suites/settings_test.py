"""What variants are: found from their settings, whatever their names."""

import tomllib

import pytest

from matters import algorithms
from matters.suites.errors import InputError
from matters.suites.loading import suite
from matters.suites.settings import (
    ABSENT,
    PerEnvironment,
    difference_text,
    differences,
    nearest_preset,
    preset,
    settings,
    sources,
)
from matters.suites.suite import Suite
from matters.suites.variant import variant

PLACES = ("Hopper-v5", "Walker2d-v5")
HEADER = """
[suite]
name = "small"
title = "Small"
environments = ["Hopper-v5", "Walker2d-v5"]
seeds = 2
steps = 4_000
"""


def made(text: str, header: str = "questions = []") -> Suite:
    return suite(tomllib.loads(f"{HEADER}{header}\n{text}"))


@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_a_preset_is_nearest_to_itself_and_differs_from_itself_in_nothing(algorithm: str) -> None:
    for name in algorithms.load(algorithm).PRESETS:
        found, apart = nearest_preset(preset(algorithm, name).model_copy(update={"name": "anything"}))
        assert not apart
        assert not differences(preset(algorithm, name), preset(algorithm, found))


def test_a_name_says_nothing_about_what_a_variant_is() -> None:
    code_level = algorithms.load("ppo").PRESETS["ppo"].tricks.model_dump(mode="json", exclude_none=True)
    masked = variant("ppo-m", {"algorithm": "ppo", "preset": "ppo-m", "config": {"tricks": code_level}})
    name, apart = nearest_preset(masked)
    assert (name, apart) == ("ppo", {"value_coefficient": (0.5, 1.0)})
    assert difference_text(apart) == "value_coefficient 0.5 → 1"


def test_a_setting_that_has_no_effect_is_no_difference_and_neither_is_off_against_none() -> None:
    plain, other = (variant("x", {"algorithm": "ppo", "config": c}) for c in ({}, {"objective": "none"}))
    assert set(differences(plain, other)) == {"objective"}
    assert "kl_target" not in settings(plain)
    trpo, ppo = preset("trpo", "trpo"), preset("ppo", "ppo-m")
    found = differences(trpo, ppo)
    assert found["algorithm"] == ("trpo", "ppo")
    assert found["kl"] == (0.01, ABSENT)
    assert not {"entropy_coefficient", "tricks.advantage_normalisation", "tricks.value_clip"} & set(found)


def test_settings_of_one_environment_are_differences_on_it_and_other_runs() -> None:
    text = """
[variants.one]
algorithm = "ppo"
[variants.two]
algorithm = "ppo"
config = { learning_rate = 1e-4 }
environments."Hopper-v5" = { learning_rate = 3e-4, tricks = { value_clip = false } }
"""
    found = made(text)
    one, two = found.variants.values()
    apart = differences(one, two, PLACES)
    assert apart == {
        "learning_rate": (
            3e-4,
            PerEnvironment((("Hopper-v5", 3e-4), ("Walker2d-v5", 1e-4))),
        ),
        "tricks.value_clip": (True, PerEnvironment((("Hopper-v5", False), ("Walker2d-v5", True)))),
    }
    assert "off on Hopper-v5, on on Walker2d-v5" in difference_text(apart)
    rates = {(c.variant, c.environment): c.specs[0].config["learning_rate"] for c in found.cells()}
    assert rates["two", "Hopper-v5"] == 3e-4
    assert rates["two", "Walker2d-v5"] == 1e-4
    smoke = made(text.replace("learning_rate = 3e-4,", "horizon = 10_000,")).smoke().variants["two"]
    assert smoke.on("Hopper-v5").model_dump()["horizon"] == 4000


def test_every_setting_of_every_algorithm_says_what_it_is() -> None:
    for name in algorithms.ALGORITHMS:
        assert all(sources(algorithms.load(name).Config).values())


@pytest.mark.parametrize(
    ("text", "header", "says"),
    [
        (
            '[variants.x]\nalgorithm = "ppo"\nenvironments."Hoper-v5" = { clip = 0.1 }',
            "",
            "variants.x.environments.Hoper-v5: not an environment of the suite; did you mean 'Hopper-v5'?",
        ),
        (
            '[variants.x]\nalgorithm = "ppo"\nenvironments."Hopper-v5" = { clp = 0.1 }',
            "",
            "variants.x.environments.Hopper-v5.clp: unknown field; did you mean 'clip'?",
        ),
        (
            '[variants.ppo-m-released]\nalgorithm = "ppo"\npreset = "ppo-m-released"\nconfig.clip = 0.1',
            "",
            "variants.ppo-m-released: a name that ends in '-released' is for a released preset as it is",
        ),
        ('[variants.my-released]\nalgorithm = "ppo"', "", "variants.my-released: a name that ends in"),
    ],
)
def test_what_cannot_be_compared_is_said_by_its_field(text: str, header: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        made(f'[variants.ppo]\nalgorithm = "ppo"\n{text}', header or "questions = []")
    assert says in str(caught.value)


def test_a_setting_that_is_off_here_and_without_effect_there_is_off() -> None:
    ours, theirs = preset("ppo", "ppo-released"), preset("ppo", "ppo-m-released")
    found = differences(ours, theirs, ("Walker2d-v5", "Hopper-v5"))
    assert "tricks.value_clip" in found
    assert "tricks.value_clip_in_spreads" not in found
