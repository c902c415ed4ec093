from itertools import pairwise

import pytest
import torch

from matters.algorithms.maths.schedules import adapted_kl_coefficient, linear_decay


def test_linear_decay_starts_at_the_start_and_its_last_update_of_ten_is_a_tenth() -> None:
    rates = [linear_decay(3e-4, progress=update / 10) for update in range(10)]
    assert rates[0] == 3e-4
    assert rates[-1] == pytest.approx(3e-5)
    steps = [before - after for before, after in pairwise(rates)]
    assert steps == pytest.approx([3e-5] * 9)


def test_beta_doubles_above_and_halves_below_the_papers_bounds_and_rests_between() -> None:
    target = 0.01
    kl = torch.tensor([0.0151, 0.0149, 0.01, 0.0067, 0.0066, 0.0, 1.0])
    found = adapted_kl_coefficient(torch.full((7,), 3.0), kl, target=target)
    assert found.tolist() == [6.0, 3.0, 3.0, 3.0, 1.5, 1.5, 6.0]


def test_beta_of_each_seed_follows_its_own_divergence() -> None:
    found = adapted_kl_coefficient(torch.tensor([1.0, 8.0]), torch.tensor([1.0, 0.0]), target=0.1)
    assert found.tolist() == [2.0, 4.0]


def test_beta_neither_grows_nor_shrinks_where_the_divergence_is_not_a_number() -> None:
    assert adapted_kl_coefficient(torch.ones(1), torch.tensor([torch.nan]), target=0.1).tolist() == [1.0]
