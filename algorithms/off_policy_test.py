from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from algorithms import ddpg, sac, td3
from algorithms.conftest import PROBLEM, batch_of, changed, double, generators, module
from algorithms.interface import Problem
from algorithms.off_policy import Critics, executed, first_critics, fit, q_values, terminal
from algorithms.theta import gradient

CONFIG = td3.Config(hidden=(12, 20), batch_size=7, critic_learning_rate=1e-2)


def critics(
    seeds: int = 3, number: int = 2, config: Any = CONFIG, problem: Problem = PROBLEM, **options: Any
) -> Critics:
    options = {"dtype": torch.float64} | options
    return first_critics(config, problem, generators(range(seeds)), number=number, **options)


@pytest.mark.parametrize("number", [1, 2])
def test_every_critic_of_every_seed_is_evaluated_with_its_own_parameters_and_inputs(number: int) -> None:
    own, batch = critics(number=number), double(batch_of(range(3), 7))
    found = q_values(own, own.theta.frozen, batch.observation, batch.action)
    assert found.shape == (3, number, 7)
    inputs = torch.cat([batch.observation, batch.action], dim=-1)
    for seed in range(3):
        for k in range(number):
            plain = module([view[seed * number + k] for view in own.theta.frozen])
            torch.testing.assert_close(found[seed, k], plain(inputs[seed])[:, 0].detach())
    first = q_values(own, own.theta.member(0), batch.observation, batch.action)
    torch.testing.assert_close(first, found[:, :1])


def test_critics_of_a_seed_are_drawn_apart_and_their_targets_start_at_them() -> None:
    own = critics()
    assert not torch.equal(own.theta.matrix[:, 0], own.theta.matrix[:, 1])
    assert torch.equal(own.theta.matrix, own.target.matrix)
    assert torch.equal(critics(number=1).theta.matrix[:, 0], own.theta.matrix[:, 0])


def test_the_slope_to_the_action_is_that_of_the_networks_as_they_are() -> None:
    # It goes another way: with inputs padded.
    own, batch = critics(), double(batch_of(range(3), 7))
    action = batch.action.requires_grad_()
    value = q_values(own, own.theta.frozen, batch.observation, action)
    (slope,) = torch.autograd.grad((value**2).sum(), action)
    for seed in range(3):
        plain = [module([view[2 * seed + k] for view in own.theta.frozen]) for k in (0, 1)]
        x = torch.cat([batch.observation[seed], action[seed]], dim=-1)
        values = torch.cat([network(x) for network in plain], dim=1)
        (theirs,) = torch.autograd.grad((values**2).sum(), action)
        torch.testing.assert_close(slope[seed], theirs[seed])


@pytest.mark.parametrize(
    ("hidden", "size"), [((256, 256), 256), ((400, 300), 100), ((400, 300), 64), ((20, 50), 25)], ids=str
)
@pytest.mark.parametrize("sizes", [(11, 3), (17, 6), (4, 1), (348, 17)], ids=str)
def test_the_slope_to_the_action_has_the_same_bits_alone_and_in_a_population(
    hidden: tuple[int, ...], size: int, sizes: tuple[int, int]
) -> None:
    problem = Problem(*sizes, (-1.0,) * sizes[1], (1.0,) * sizes[1])
    config = changed(CONFIG, hidden=hidden)

    def slope(seeds: list[int], views: str) -> Tensor:
        own = first_critics(config, problem, generators(seeds), torch.float32, number=2)
        batch = batch_of(seeds, size, problem=problem)
        action = batch.action.requires_grad_()
        taken = own.theta.member(0) if views == "first" else own.theta.frozen
        value = q_values(own, taken, batch.observation, action)
        return torch.autograd.grad(value.mean(2).sum(), action)[0]

    for views in ("first", "both"):
        alone = slope([3], views)[0]
        assert torch.equal(alone, slope([8, 3, 1], views)[1])


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_a_fit_is_adams_step_down_the_summed_mean_squares(factor: float) -> None:
    config = changed(CONFIG, critic_weight_decay=0.3)
    own, batch = critics(), double(batch_of(range(3), 7))
    target = torch.linspace(-1, 1, 21, dtype=torch.float64).view(3, 7)
    plain = [module([view[row] for view in own.theta.frozen]) for row in range(6)]
    step = fit(own, config, batch, target, factor=factor)
    x = torch.cat([batch.observation, batch.action], dim=-1)
    for row, network in enumerate(plain):
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2, weight_decay=0.3)
        loss = factor * torch.nn.functional.mse_loss(network(x[row // 2])[:, 0], target[row // 2])
        loss.backward()
        optimiser.step()
        torch.testing.assert_close(step.loss.flatten()[row], loss.detach())
        torch.testing.assert_close(own.theta.frozen[0][row], network[0].weight.detach().T)
        torch.testing.assert_close(own.theta.frozen[3][row], network[2].bias.detach()[None])


def test_a_fit_comes_to_targets_that_stay() -> None:
    own, batch = critics(), double(batch_of(range(3), 7))
    target = torch.linspace(-1, 1, 21, dtype=torch.float64).view(3, 7)
    losses = [fit(own, CONFIG, batch, target).loss for _ in range(300)]
    assert (losses[-1] < 1e-3 * losses[0]).all()


def test_no_gradient_is_computed_to_parameters_that_only_pass_one_on() -> None:
    own, batch = critics(), double(batch_of(range(3), 7))
    action = batch.action.requires_grad_()
    value = q_values(own, own.theta.frozen, batch.observation, action)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        gradient(value.mean(2).sum(1), own.theta)


def test_a_time_limit_is_terminal_with_the_trick_alone() -> None:
    batch = batch_of(range(3), 50)
    assert (batch.terminated | batch.truncated).sum() > batch.terminated.sum()
    assert torch.equal(terminal(CONFIG, batch), batch.terminated)
    other = changed(CONFIG, tricks__time_limit_terminal=True)
    assert torch.equal(terminal(other, batch), batch.terminated | batch.truncated)


def test_executed_actions_reach_the_bounds_exactly_and_their_middle() -> None:
    low, high = (-0.4, -1.0, 0.1), (0.4, 3.0, np.float32(0.7).item())
    problem = Problem(4, 3, tuple(np.float32(low).tolist()), high)
    ends = torch.tensor([[[-1.0] * 3, [0.0] * 3, [1.0] * 3]])
    found = executed(CONFIG, problem, ends)[0]
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
