import pytest
import torch

from matters.algorithms import ALGORITHMS, load
from matters.harness.parity.comparisons import NAMES, parity
from matters.harness.parity.on_policy import a2c_parity, ppo_parity, trpo_parity
from matters.harness.parity.tolerance import Row, difference, distance

SMALL = {"horizon": 256, "minibatch_size": 64, "epochs": 2}


def test_a_whole_update_of_ppo_sb3_equals_stable_baselines3s_in_both_precisions():
    found = parity("ppo")
    assert found.passed, [row for row in found.rows if not row.passed]
    assert {row.tolerance for row in found.rows} == {1e-5, 1e-9}
    quantities = {row.quantity.rpartition(" (")[0] for row in found.rows}
    assert {"values", "log_probs", "advantages", "returns"} <= quantities
    assert {
        f"{term}, each minibatch"
        for term in ("loss", "policy loss", "value loss", "entropy", "gradient norm")
    } <= (quantities)
    assert sum(quantity.endswith("after the update") for quantity in quantities) == 13
    assert found.known_differences


@pytest.mark.parametrize("seed", [1, 2])
def test_parity_holds_from_other_first_parameters(seed):
    rows = ppo_parity(torch.float64, seed=seed, **SMALL)
    assert all(row.passed for row in rows), rows


def test_a_last_minibatch_that_is_smaller_agrees_too():
    with pytest.warns(UserWarning, match="truncated mini-batch of size 8"):
        rows = ppo_parity(torch.float64, horizon=200, minibatch_size=64, epochs=2)
    assert all(row.passed for row in rows), rows


@pytest.mark.parametrize(
    "change",
    [
        {"adam_epsilon": None},
        {"gradient_clip": 0.4},
        {"advantage_normalisation": "batch"},
        {"value_clip": True},
        {"time_limit_terminal": True},
    ],
)
def test_a_switched_trick_breaks_parity(change):
    from matters.algorithms import ppo

    tricks = ppo.PRESETS["ppo-sb3"].tricks.model_copy(update=change)
    rows = ppo_parity(torch.float64, tricks=tricks, **SMALL)
    assert not all(row.passed for row in rows)


@pytest.mark.parametrize(
    "change", [{"clip": 0.02}, {"gae_lambda": 0.951}, {"discount": 0.989}, {"value_coefficient": 0.6}]
)
def test_a_changed_hyperparameter_breaks_parity(change):
    rows = ppo_parity(torch.float64, **SMALL, **change)
    assert not all(row.passed for row in rows)


def test_a_difference_that_is_not_a_number_does_not_pass():
    assert not Row("x", float("nan"), 1e-5).passed
    assert difference(torch.ones(2), torch.ones(3)) == distance(torch.ones(2), torch.ones(3)) == float("inf")


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError):
        parity("pppo")


def test_every_algorithm_with_a_reference_is_compared_with_it():
    assert set(NAMES) == {name for name in ALGORITHMS if load(name).FACTS.twin is not None}


@pytest.mark.parametrize("name", ["a2c", "trpo"])
def test_a_whole_update_of_a2c_and_of_trpo_equals_the_references_in_both_precisions(name):
    found = parity(name)
    assert found.passed, [row for row in found.rows if not row.passed]
    assert sum(row.quantity.endswith("after the update (float64)") for row in found.rows) == 13


@pytest.mark.parametrize("change", [{"rms_epsilon": 1e-4}, {"value_coefficient": 0.6}, {"gae_lambda": 0.99}])
def test_a_changed_hyperparameter_breaks_the_parity_of_a2c(change):
    assert not all(row.passed for row in a2c_parity(torch.float64, **change))


@pytest.mark.parametrize("change", [{"kl": 0.011}, {"damping": 0.11}, {"cg_steps": 14}, {"value_epochs": 9}])
def test_a_changed_hyperparameter_breaks_the_parity_of_trpo(change):
    assert not all(row.passed for row in trpo_parity(torch.float64, **change))


def test_the_kl_summed_over_the_actions_dimensions_breaks_the_parity_of_trpo():
    from matters.algorithms import trpo

    tricks = trpo.PRESETS["trpo-sb3"].tricks.model_copy(update={"kl_per_action": False})
    assert not all(row.passed for row in trpo_parity(torch.float64, tricks=tricks))
