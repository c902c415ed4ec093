"""Lockstep parity of DDPG, TD3 and SAC, and that a difference in method would be seen."""

import pytest
import torch

from matters.algorithms import ddpg, load, sac, td3
from matters.harness.parity.comparisons import NAMES, parity
from matters.harness.parity.off_policy import ddpg_parity, sac_parity, td3_parity
from matters.harness.parity.tolerance import rows_after_adam

SMALL = {"hidden": (24, 16), "batch_size": 32}

NETWORKS = {
    "ddpg": ["policy", "target policy", "critic 0", "target critic 0"],
    "td3": ["policy", "target policy", "critic 0", "target critic 0", "critic 1", "target critic 1"],
    "sac": ["policy", "critic 0", "target critic 0", "critic 1", "target critic 1"],
}


@pytest.mark.parametrize("name", [name for name in NAMES if load(name).KIND == "off-policy"])
def test_ten_gradient_steps_equal_stable_baselines3s_in_both_precisions(name):
    found = parity(name)
    assert found.passed, [row for row in found.rows if not row.passed]
    assert {row.tolerance for row in found.rows} == {1e-5, 1e-9}
    quantities = {row.quantity for row in found.rows if "float64" in row.quantity}
    terms = ["Q", "target", "critic loss", "actor loss"] + ["temperature", "temperature loss"] * (
        name == "sac"
    )
    assert {f"{term}, each step (float64)" for term in terms} <= quantities
    after = [quantity for quantity in quantities if "after the last step" in quantity]
    # Weight and bias of three layers; SAC's policy has two heads, and log α.
    assert len(after) == 6 * len(NETWORKS[name]) + 3 * (name == "sac")
    assert all(any(quantity.startswith(network) for quantity in after) for network in NETWORKS[name])
    assert found.known_differences


@pytest.mark.parametrize("compare", [ddpg_parity, td3_parity, sac_parity])
def test_parity_holds_from_other_first_parameters_and_with_other_batches(compare):
    rows = compare(torch.float64, seed=1, **SMALL)
    assert all(row.passed for row in rows), rows


@pytest.mark.parametrize(
    "change",
    [
        {"discount": 0.989},
        {"target_rate": 0.0051},
        {"learning_rate": 1.001e-3},
        {"critic_learning_rate": 1.001e-3},
        {"critic_weight_decay": 1e-6},
        {"tricks": ddpg.Tricks(time_limit_terminal=True)},
    ],
)
def test_a_changed_hyperparameter_breaks_the_parity_of_ddpg(change):
    assert not all(row.passed for row in ddpg_parity(torch.float64, **SMALL, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"tricks": td3.PARTS.model_copy(update={"clipped_double_q": False})},
        {"tricks": td3.PARTS.model_copy(update={"policy_delay": None})},
        {"tricks": td3.PARTS.model_copy(update={"target_noise": None})},
        {"target_noise_clip": 0.499},
    ],
)
def test_td3_without_one_of_its_parts_breaks_parity(change):
    assert not all(row.passed for row in td3_parity(torch.float64, **SMALL, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"tricks": sac.PRESETS["sac-sb3"].tricks.model_copy(update={"squash_epsilon": None})},
        {"tricks": sac.PRESETS["sac-sb3"].tricks.model_copy(update={"log_temperature_loss": False})},
        {"learn_temperature": False},
        {"target_entropy": -2.9},
        {"temperature_learning_rate": 3.01e-4},
    ],
)
def test_a_switched_trick_or_another_temperature_breaks_the_parity_of_sac(change):
    assert not all(row.passed for row in sac_parity(torch.float64, **SMALL, **change))


def test_in_norm_a_single_number_that_rounding_decided_passes_in_single_precision_only():
    theirs = torch.ones(100, 100)
    ours = theirs.clone()
    ours[3, 4] += 5e-5
    assert [row.passed for row in rows_after_adam({"x": (ours, theirs)}, torch.float32)] == [True]
    assert [row.passed for row in rows_after_adam({"x": (ours, theirs)}, torch.float64)] == [False]
    assert [row.passed for row in rows_after_adam({"x": (theirs + 5e-5, theirs)}, torch.float32)] == [False]
