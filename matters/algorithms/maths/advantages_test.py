import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from matters.algorithms.maths.advantages import (
    explained_variance,
    generalised_advantage,
    standardised,
    standardised_in_groups,
)

QUICK = settings(deadline=None, max_examples=25)


def row(*numbers: int | float) -> Tensor:
    """One seed, one environment: [1, T, 1]."""
    return torch.tensor(numbers, dtype=torch.float64)[None, :, None]


def flags(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.bool)[None, :, None]


def random_rollout(seed: int, time: int = 12) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Rewards, values, successors' values, terminated and ended of 3 seeds with 2 environments."""
    generator = torch.Generator().manual_seed(seed)
    reward, value, value_next = torch.randn(3, 3, time, 2, generator=generator, dtype=torch.float64)
    terminated, truncated = torch.rand(2, 3, time, 2, generator=generator) < 0.2
    return reward, value, value_next, terminated, terminated | truncated


def literal(
    reward: Tensor,
    value: Tensor,
    value_next: Tensor,
    terminated: Tensor,
    ended: Tensor,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """Equation 16 of Schulman et al. 2016 as the sum that it is: Σₗ (γλ)ˡ δₜ₊ₗ up to the episode's end."""
    seeds, time, environments = reward.shape
    advantage = torch.zeros_like(reward)
    for s in range(seeds):
        for n in range(environments):
            for t in range(time):
                for k in range(t, time):
                    bootstrap = 0.0 if terminated[s, k, n] else discount * float(value_next[s, k, n])
                    delta = float(reward[s, k, n]) + bootstrap - float(value[s, k, n])
                    advantage[s, t, n] += (discount * gae_lambda) ** (k - t) * delta
                    if ended[s, k, n]:
                        break
    return advantage


def test_gae_of_a_rollout_with_a_termination_a_truncation_and_a_cut_is_as_worked_by_hand() -> None:
    # γ = λ = ½, so γλ = ¼. Episodes: steps 0, 1 (terminated); 2, 3 (truncated); 4, 5 (the rollout's end).
    advantage = generalised_advantage(
        row(1, 2, 3, 4, 5, 6),
        row(10, 20, 30, 40, 50, 60),
        row(20, 99, 40, 8, 60, 16),  # 99 must not matter; 8 and 16 are what is bootstrapped with
        flags(0, 1, 0, 0, 0, 0),
        flags(0, 1, 0, 1, 0, 0),
        discount=0.5,
        gae_lambda=0.5,
    )
    # δ = 1 + 10 − 10, 2 + 0 − 20, 3 + 20 − 30, 4 + 4 − 40, 5 + 30 − 50, 6 + 8 − 60
    # which is 1, −18, −7, −32, −15, −46; each first step adds a quarter of the second one's.
    assert torch.equal(advantage, row(1 - 18 / 4, -18, -7 - 32 / 4, -32, -15 - 46 / 4, -46))


@QUICK
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_gae_is_the_papers_sum(seed: int, discount: float, gae_lambda: float) -> None:
    rollout = random_rollout(seed)
    found = generalised_advantage(*rollout, discount=discount, gae_lambda=gae_lambda)
    torch.testing.assert_close(found, literal(*rollout, discount, gae_lambda))


@QUICK
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_gae_with_lambda_1_is_the_discounted_return_minus_the_value(seed: int, discount: float) -> None:
    reward, value, _, terminated, ended = random_rollout(seed)
    # The successor's value is the next step's value inside an episode, and anything at a cut.
    value_next = torch.cat([value[:, 1:], torch.full_like(value[:, :1], 3.0)], dim=1)
    value_next = torch.where(ended, 7.0, value_next)
    found = generalised_advantage(
        reward, value, value_next, terminated, ended, discount=discount, gae_lambda=1.0
    )
    expected = torch.empty_like(reward)
    future = value_next[:, -1]
    for t in reversed(range(reward.shape[1])):
        future = torch.where(ended[:, t], value_next[:, t], future)
        future = reward[:, t] + discount * torch.where(terminated[:, t], 0.0, future)
        expected[:, t] = future - value[:, t]
    torch.testing.assert_close(found, expected)


@QUICK
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_gae_with_lambda_0_is_the_temporal_difference(seed: int, discount: float) -> None:
    reward, value, value_next, terminated, ended = random_rollout(seed)
    found = generalised_advantage(
        reward, value, value_next, terminated, ended, discount=discount, gae_lambda=0.0
    )
    assert torch.equal(found, reward + discount * torch.where(terminated, 0.0, value_next) - value)


def test_gae_without_values_and_with_lambda_1_is_the_reward_to_go() -> None:
    zero = row(0, 0, 0, 0)
    found = generalised_advantage(
        row(1, 2, 4, 8), zero, zero, flags(0, 1, 0, 0), flags(0, 1, 0, 0), discount=0.5, gae_lambda=1.0
    )
    assert torch.equal(found, row(2, 2, 8, 8))


def test_a_time_limit_bootstraps_and_a_termination_does_not() -> None:
    reward, value, value_next = row(1), row(0), row(100)
    gae = {"discount": 0.9, "gae_lambda": 0.95}
    limit = generalised_advantage(reward, value, value_next, flags(0), flags(1), **gae)
    terminal = generalised_advantage(reward, value, value_next, flags(1), flags(1), **gae)
    assert (float(limit), float(terminal)) == (91.0, 1.0)


def test_what_comes_after_an_episodes_end_does_not_change_its_advantages() -> None:
    gae = {"discount": 0.9, "gae_lambda": 0.95}
    first = generalised_advantage(
        row(1, 2, 3), row(4, 5, 6), row(5, 9, 9), flags(0, 0, 0), flags(0, 1, 0), **gae
    )
    second = generalised_advantage(
        row(1, 2, 8), row(4, 5, 7), row(5, 9, 8), flags(0, 0, 1), flags(0, 1, 1), **gae
    )
    assert torch.equal(first[:, :2], second[:, :2])
    assert first[0, 2, 0] != second[0, 2, 0]


def test_the_value_of_an_endless_reward_of_1_stays_put_at_1_over_1_minus_gamma_only_with_bootstrap() -> None:
    endless = torch.full((1, 50, 1), 1 / (1 - 0.9), dtype=torch.float64)
    limits = torch.arange(50)[None, :, None] % 10 == 9
    gae = {"discount": 0.9, "gae_lambda": 0.95}
    never = torch.zeros_like(limits)
    right = generalised_advantage(torch.ones_like(endless), endless, endless, never, limits, **gae)
    wrong = generalised_advantage(torch.ones_like(endless), endless, endless, limits, limits, **gae)
    torch.testing.assert_close(right, torch.zeros_like(right))
    assert wrong.max() < -0.5


def test_standardised_advantages_have_mean_0_and_sample_deviation_1_in_each_seed() -> None:
    advantage = torch.randn(3, 40, dtype=torch.float64) * torch.tensor([[1e-3], [1.0], [1e3]]) + 5
    found = standardised(advantage)
    torch.testing.assert_close(found.mean(1), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(found.var(1), torch.ones(3, dtype=torch.float64), atol=1e-4, rtol=0)


def test_standardised_advantages_divide_by_n_minus_1() -> None:
    torch.testing.assert_close(
        standardised(torch.tensor([[0.0, 2.0]])), torch.tensor([[-(0.5**0.5), 0.5**0.5]])
    )


@pytest.mark.parametrize("advantage", [[[3.0]], [[2.0, 2.0, 2.0]]])
def test_standardised_is_finite_for_one_sample_and_for_equal_ones(advantage: list[list[float]]) -> None:
    found = standardised(torch.tensor(advantage))
    assert torch.equal(found, torch.tensor([[3.0]]) if len(advantage[0]) == 1 else torch.zeros(1, 3))


def test_explained_variance_is_1_for_the_target_0_for_a_constant_and_negative_for_worse() -> None:
    target = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert float(explained_variance(target, target)) == 1
    assert float(explained_variance(target + 5, target)) == 1  # an offset is not variance
    assert float(explained_variance(torch.full_like(target, 9.0), target)) == 0
    assert float(explained_variance(-target, target)) == pytest.approx(-3)
    assert float(explained_variance(target / 2, target)) == pytest.approx(0.75)


def test_explained_variance_of_a_constant_target_is_nan_and_only_there() -> None:
    target = torch.tensor([[2.0, 2.0], [1.0, 2.0]])
    assert explained_variance(torch.zeros(2, 2), target).isnan().tolist() == [True, False]


@pytest.mark.parametrize(("samples", "size"), [(12, 4), (13, 4), (3, 4), (4, 4), (5, 1)])
def test_groups_are_standardised_as_each_would_be_alone(samples: int, size: int) -> None:
    advantage = torch.randn(3, samples, generator=torch.Generator().manual_seed(0))
    alone = [standardised(group) for group in advantage.split(size, dim=1)]
    assert torch.allclose(standardised_in_groups(advantage, size=size), torch.cat(alone, dim=1))


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1.0])
def test_a_seed_whose_batch_hardly_varies_is_standardised_alone_as_among_others(noise: float) -> None:
    generator = torch.Generator().manual_seed(0)
    alike = torch.randn(20, 1, generator=generator).expand(20, 32)
    rows = alike + noise * torch.randn(20, 32, generator=generator)
    whole, groups = standardised(rows), standardised_in_groups(rows, size=32)
    explained = explained_variance(torch.zeros_like(rows), rows)
    for k, row in enumerate(rows):
        alone = row[None].clone()
        assert torch.equal(standardised(alone)[0], whole[k])
        assert torch.equal(standardised_in_groups(alone, size=32)[0], groups[k])
        assert torch.equal(
            explained_variance(torch.zeros_like(alone), alone).nan_to_num(), explained[k : k + 1].nan_to_num()
        )
