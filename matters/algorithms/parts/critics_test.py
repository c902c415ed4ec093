from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from matters.algorithms import ddpg, sac, td3
from matters.algorithms.conftest import PROBLEM, batch_of, changed, double, generators, module
from matters.algorithms.interface import Problem
from matters.algorithms.parts.critics import (
    Critics,
    critic_step,
    gradient_to_action,
    init_critics,
    no_bootstrap,
    q_values,
    to_environment,
)

CONFIG = td3.Config(hidden=(12, 20), batch_size=7, critic_learning_rate=1e-2)


def critics(
    seeds: int = 3, number: int = 2, config: Any = CONFIG, problem: Problem = PROBLEM, **options: Any
) -> Critics:
    options = {"dtype": torch.float64} | options
    return init_critics(config, problem, generators(range(seeds)), number=number, **options)


def plain(own: Critics, row: int) -> torch.nn.Sequential:
    """The `torch.nn` network of one row of critics."""
    return module([view[row] for view in own.theta.views])


@pytest.mark.parametrize("number", [1, 2])
def test_every_critic_of_every_seed_is_evaluated_with_its_own_parameters_and_inputs(number: int) -> None:
    own, batch = critics(number=number), double(batch_of(range(3), 7))
    found = q_values(own, own.theta.arrays, batch.observation, batch.action).value
    assert found.shape == (3, number, 7)
    inputs = torch.cat([batch.observation, batch.action], dim=-1)
    for seed in range(3):
        for k in range(number):
            expected = plain(own, seed * number + k)(inputs[seed])[:, 0].detach()
            torch.testing.assert_close(found[seed, k], expected)


def test_critics_of_a_seed_are_drawn_apart_and_their_targets_start_at_them() -> None:
    own = critics()
    assert not torch.equal(own.theta.matrix[:, 0], own.theta.matrix[:, 1])
    assert torch.equal(own.theta.matrix, own.target.matrix)
    assert torch.equal(critics(number=1).theta.matrix[:, 0], own.theta.matrix[:, 0])


@pytest.mark.parametrize("number", [1, 2])
def test_the_slope_to_the_action_is_autograds(number: int) -> None:
    own, batch = critics(number=number), double(batch_of(range(3), 7))
    action = batch.action.clone().requires_grad_()
    q = q_values(own, own.theta.arrays, batch.observation, batch.action)
    slope = gradient_to_action(own, q, 2 * q.value, actions=3)
    total = torch.zeros((), dtype=torch.float64)
    for row in range(3 * number):
        seed = row // number
        total = (
            total + (plain(own, row)(torch.cat([batch.observation[seed], action[seed]], dim=-1)) ** 2).sum()
        )
    torch.testing.assert_close(slope, torch.autograd.grad(total, action)[0])


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_a_fit_is_adams_step_down_the_summed_mean_squares(factor: float) -> None:
    config = changed(CONFIG, critic_weight_decay=0.3)
    own, batch = critics(), double(batch_of(range(3), 7))
    target = torch.linspace(-1, 1, 21, dtype=torch.float64).view(3, 7)
    networks = [plain(own, row) for row in range(6)]
    step = critic_step(own, config, batch, target, factor=factor)
    x = torch.cat([batch.observation, batch.action], dim=-1)
    for row, network in enumerate(networks):
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2, weight_decay=0.3)
        loss = factor * torch.nn.functional.mse_loss(network(x[row // 2])[:, 0], target[row // 2])
        loss.backward()
        optimiser.step()
        torch.testing.assert_close(step.loss.flatten()[row], loss.detach())
        torch.testing.assert_close(own.theta.views[0][row], network[0].weight.detach().T)
        torch.testing.assert_close(own.theta.views[3][row], network[2].bias.detach()[None])


def test_a_fit_comes_to_targets_that_stay() -> None:
    own, batch = critics(), double(batch_of(range(3), 7))
    target = torch.linspace(-1, 1, 21, dtype=torch.float64).view(3, 7)
    losses = [critic_step(own, CONFIG, batch, target).loss for _ in range(300)]
    assert (losses[-1] < 1e-3 * losses[0]).all()


def test_a_time_limit_is_terminal_with_the_trick_alone() -> None:
    batch = batch_of(range(3), 50)
    assert (batch.terminated | batch.truncated).sum() > batch.terminated.sum()
    assert torch.equal(no_bootstrap(CONFIG, batch), batch.terminated)
    other = changed(CONFIG, tricks__time_limit_terminal=True)
    assert torch.equal(no_bootstrap(other, batch), batch.terminated | batch.truncated)


def test_executed_actions_reach_the_bounds_exactly_and_their_middle() -> None:
    low, high = (-0.4, -1.0, 0.1), (0.4, 3.0, np.float32(0.7).item())
    problem = Problem(4, 3, tuple(np.float32(low).tolist()), high)
    ends = torch.tensor([[[-1.0] * 3, [0.0] * 3, [1.0] * 3]])
    found = to_environment(CONFIG, problem, ends)[0]
    torch.testing.assert_close(found[0], torch.tensor(low), rtol=0, atol=0)
    torch.testing.assert_close(found[2], torch.tensor(high), rtol=0, atol=0)
    torch.testing.assert_close(found[1], torch.tensor([0.0, 1.0, 0.4]))


@pytest.mark.parametrize("rule", [ddpg, td3, sac])
@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"batch_size": 100, "buffer_size": 99}, "buffer_size\n.*should be at least batch_size, 100"),
        ({"batch_size": 2_000_000}, "buffer_size\n.*should be at least batch_size, 2000000"),
        ({"target_rate": 0.0}, "target_rate\n.*greater than 0"),
        ({"target_rate": 1.01}, "target_rate\n.*less than or equal to 1"),
        ({"warmup": 0}, "warmup\n.*greater than 0"),
        ({"critic_weight_decay": -1.0}, "critic_weight_decay\n.*greater than or equal to 0"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_by_name(
    rule: Any, values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        rule.Config(**values)
