"""A3C in turns: what it is with one worker and with one step for all, and whose parameters act."""

from typing import Any

import numpy as np
import torch

from matters.algorithms import a2c, a3c
from matters.algorithms.conftest import PROBLEM, bits, changed, collect, generators, trained

SEEDS = (0, 1, 2)
ONE_STEP: dict[str, Any] = {"horizon": 12, "hidden": (8,), "learning_rate": 1e-2}


def test_one_worker_is_a2c_with_one_environment_bit_for_bit() -> None:
    tricks = {"tricks__gradient_clip": 0.5, "tricks__reward_scaling": True, "entropy_coefficient": 0.01}
    for changes in ({}, tricks, {"policy": "beta"}):
        one = changed(a3c.Config(**ONE_STEP, environments=1), **changes)
        theirs = changed(a2c.Config(**ONE_STEP, environments=1), **changes)
        ours, other = trained(a3c, one, SEEDS, updates=4), trained(a2c, theirs, SEEDS, updates=4)
        for row in range(3):
            found, expected = bits(ours, row), bits(other, row)
            assert {name: found[name] for name in expected} == expected


def test_gradients_averaged_and_applied_once_are_a2cs_to_rounding_and_one_after_another_not() -> None:
    theirs = trained(a2c, a2c.Config(**ONE_STEP, environments=4), SEEDS, updates=3)
    for synchronous in (True, False):
        config = changed(a3c.Config(**ONE_STEP, environments=4), tricks__synchronous=synchronous)
        ours = trained(a3c, config, SEEDS, updates=3)
        gap = (ours.policy.matrix - theirs.policy.matrix).abs().max()
        assert (gap < 1e-5) == synchronous


def test_a_worker_acts_with_its_copy_and_copies_the_shared_parameters_after_its_own_step() -> None:
    config = a3c.Config(**ONE_STEP, environments=4)
    state = a3c.init(config, PROBLEM, generators(SEEDS))
    before = state.policies.clone()
    assert (before == state.policy.matrix[:, None]).all()
    rollout = collect(a3c, state, config, SEEDS)
    a3c.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    order = np.stack([generator.permutation(4) for generator in generators(SEEDS, 1)])
    for s in range(3):
        distances = [(state.policies[s, n] - before[s, n]).norm().item() for n in order[s]]
        assert torch.equal(state.policies[s, order[s, -1]], state.policy.matrix[s])
        assert len(set(distances)) == 4, "each worker's copy is of another moment"
    seen = torch.ones(3, 4, 5)
    actions = a3c.act(state, config, seen, torch.zeros(3, 4, 3), torch.zeros(3, 4, 0)).action
    assert len({tuple(row) for row in actions[0].tolist()}) == 4
    mode = a3c.act(state, config, seen, None, torch.zeros(3, 4, 0)).action
    assert (mode == mode[:, :1]).all(), "what is evaluated is the shared policy"


def test_values_move_towards_their_targets_and_the_policy_towards_what_paid() -> None:
    # A teaching text has A3C's dw with the sign that would drive V away from its target.
    config = changed(a3c.Config(**ONE_STEP, environments=4), value_coefficient=1.0, learning_rate=1e-3)
    state = a3c.init(config, PROBLEM, generators(SEEDS))
    rollout = collect(a3c, state, config, SEEDS)
    losses = [
        a3c.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)["value_loss"]
        for _ in range(30)
    ]
    assert (losses[-1] < 0.9 * losses[0]).all()


def test_its_copies_are_kept_and_given_back_with_the_state() -> None:
    state = trained(a3c, a3c.Config(**ONE_STEP, environments=3), SEEDS)
    assert {"policies", "values"} <= bits(state, 0).keys()
