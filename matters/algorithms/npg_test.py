"""What NPG is for: its step is one of distributions, whatever parameters name them."""

from typing import Any

import pytest
import torch

from matters.algorithms import npg
from matters.algorithms.conftest import PROBLEM, acted, collect, generators
from matters.algorithms.interface import Rollout

SEEDS = [0, 1]
CHANGE = torch.eye(PROBLEM.observation_size) + torch.diag(torch.tensor([0.5, -0.5, 2.0, 0.0, -0.7]))
CHANGE[0, 3] = CHANGE[4, 1] = 0.8


def linear(config: npg.Config) -> Any:
    """A policy whose mean is linear in what it observes, and a value function that is 0 everywhere."""
    state = npg.init(config, PROBLEM, generators(SEEDS), torch.float64)
    state.value.matrix.zero_()
    return state


def actions_after_a_step(config: npg.Config, *, changed: bool) -> torch.Tensor:
    """What the policy does after one update; with `changed`, of one that observes C s where the other does s.

    Its weights are C⁻¹ W, so that before the update both act alike.
    """
    state = linear(config)
    seen = collect(npg, npg.init(config, PROBLEM, generators(SEEDS)), config, SEEDS)
    values = vars(seen).items()
    rollout = Rollout(**{name: v.double() if v.is_floating_point() else v for name, v in values})
    change = CHANGE.double() if changed else torch.eye(PROBLEM.observation_size, dtype=torch.float64)
    state.policy.views[0].copy_(torch.linalg.solve(change, state.policy.views[0]))
    rollout.observation, rollout.successor = rollout.observation @ change, rollout.successor @ change
    mean, deviation = state.actor(state.policy.views, rollout.observation.flatten(1, 2))
    rollout.record = torch.cat([mean, deviation.expand_as(mean)], -1).view(*rollout.action.shape[:3], -1)
    npg.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    probe = torch.linspace(-1, 1, 20, dtype=torch.float64).view(1, 4, 5).expand(2, 4, 5)
    return acted(npg, config, state, probe @ change, None)


@pytest.mark.parametrize("dense_up_to", [256, 0], ids=["factored", "by conjugate gradient"])
def test_a_step_of_npg_gives_the_same_policy_whatever_linear_map_its_parameters_went_through(
    dense_up_to: int,
) -> None:
    config = npg.Config(hidden=(), horizon=80, damping=0.0, dense_up_to=dense_up_to, tolerance=1e-12)
    plain, mapped = (actions_after_a_step(config, changed=changed) for changed in (False, True))
    torch.testing.assert_close(plain, mapped, rtol=1e-6, atol=1e-8)


def test_control_a_step_along_the_gradient_itself_does_not() -> None:
    config = npg.Config(hidden=(), horizon=80, damping=0.0, direction="gradient")
    plain, mapped = (actions_after_a_step(config, changed=changed) for changed in (False, True))
    assert (plain - mapped).abs().max() > 1e-2
