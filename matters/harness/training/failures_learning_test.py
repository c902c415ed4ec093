"""The failures of PPO that Hsu et al. 2020 show on toys, as they come out here: half a minute each, run by
`nox -s learning`.
"""

import numpy as np
import pytest
import torch

from matters.harness.training.loop import train
from matters.harness.training.population import begin
from matters.suites.loading import load_suite
from matters.suites.tasks.probes import FAILURES

pytestmark = pytest.mark.learning


def learnt(variant, task):
    """The last actions without noise of the twenty seeds of a cell of the suite, and what they earn."""
    (cell,) = load_suite("revisiting-ppo-toys").restricted(only=f"{variant}/probe/{task}-v0").cells()
    training = begin(list(cell.specs))
    for _event in train(training):
        pass
    action = training.policy()(torch.zeros(len(cell.specs), 1, 1)).numpy()[:, 0, 0]
    reward = np.array([FAILURES[task].reward(0.0, float(one)) for one in action])
    print(f"{variant} on {task}: mean reward {reward.mean():.3f}, actions {np.sort(action).round(2)}")
    return action, reward


def test_a_clipped_gaussian_leaves_the_bounds_and_never_finds_a_narrow_reward():
    action, reward = learnt("gaussian-clip", "SinglePeak")
    assert reward.max() == 0
    assert (np.abs(action) > FAILURES["SinglePeak"].bound).mean() > 0.5


def test_of_many_actions_clipping_ends_at_a_fairly_good_one_and_a_penalty_at_the_best():
    _, clipped = learnt("discretised-clip", "ManyActions")
    _, penalised = learnt("discretised-reverse", "ManyActions")
    assert (clipped == 1).mean() <= 0.6 < 0.8 <= (penalised == 1).mean()
    assert clipped.min() > FAILURES["ManyActions"].uniform
