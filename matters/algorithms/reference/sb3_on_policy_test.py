import inspect

import pytest
from stable_baselines3 import PPO

from matters.algorithms.reference.sb3_on_policy import PpoConfig

THEIRS = inspect.signature(PPO).parameters


@pytest.mark.parametrize("field", PpoConfig.model_fields)
def test_a_field_is_an_argument_of_theirs_with_their_default(field: str) -> None:
    assert getattr(PpoConfig(), field) == THEIRS[field].default


def test_the_arguments_that_are_not_fields_change_no_learning_on_boxes_or_are_the_harnesss() -> None:
    assert set(THEIRS) - set(PpoConfig.model_fields) == {
        "policy",
        "env",
        "seed",
        "device",  # given by the harness
        "use_sde",
        "sde_sample_freq",
        "rollout_buffer_class",
        "rollout_buffer_kwargs",
        "policy_kwargs",  # defaults
        "stats_window_size",
        "tensorboard_log",
        "verbose",
        "_init_setup_model",  # logging
    }
