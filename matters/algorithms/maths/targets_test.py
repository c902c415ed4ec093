import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matters.algorithms.maths.targets import bootstrapped, smoothed


def test_a_target_is_the_reward_and_what_is_to_come_but_nothing_comes_after_the_end() -> None:
    reward = torch.tensor([[1.0, 2.0, 3.0]])
    value = torch.tensor([[10.0, 20.0, 30.0]])
    target = bootstrapped(reward, value, torch.tensor([[False, True, False]]), discount=0.5)
    assert target.tolist() == [[6.0, 2.0, 18.0]]


def test_a_value_that_is_no_number_does_not_reach_past_the_end() -> None:
    value = torch.tensor([[torch.nan, torch.inf, torch.nan]])
    ends = torch.tensor([[True, True, False]])
    target = bootstrapped(torch.ones(1, 3), value, ends, discount=0.9)
    assert target[0, :2].tolist() == [1.0, 1.0]
    assert torch.isnan(target[0, 2])


@pytest.mark.parametrize(("ends", "value"), [(False, 10.0), (True, 1.0)])
def test_an_endless_reward_of_1_is_worth_1_over_1_minus_the_discount_and_a_single_one_1(
    ends: bool, value: float
) -> None:
    found = torch.zeros(1, 1, dtype=torch.float64)
    for _ in range(400):
        found = bootstrapped(torch.ones_like(found), found, torch.full((1, 1), ends), discount=0.9)
    assert float(found) == pytest.approx(value)


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 10), st.floats(0, 2), st.integers(0, 1000))
def test_a_smoothed_action_is_in_one_and_no_further_off_than_the_clip(
    scale: float, clip: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    action = torch.rand(2, 9, 3, generator=generator) * 2 - 1
    moved = smoothed(action, torch.randn(2, 9, 3, generator=generator), scale=scale, clip=clip)
    assert (moved.abs() <= 1).all()
    assert ((moved - action).abs() <= clip + 1e-6).all()


def test_noise_within_the_clip_is_scaled_and_added() -> None:
    action = torch.tensor([[[0.0, 0.5, -0.9, 0.9]]])
    noise = torch.tensor([[[1.0, -1.0, 5.0, 5.0]]])
    moved = smoothed(action, noise, scale=0.2, clip=0.5)
    torch.testing.assert_close(moved, torch.tensor([[[0.2, 0.3, -0.4, 1.0]]]))
