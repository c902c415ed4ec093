"""Returns of whole episodes and their baselines, by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms.maths.advantages import generalised_advantage, standardised
from matters.algorithms.maths.episodes import batch_advantage, episodes, group_advantage, leave_one_out


def to_go(reward: Tensor, ended: Tensor, discount: float) -> Tensor:
    nothing = torch.zeros_like(reward)
    return generalised_advantage(reward, nothing, nothing, ended, ended, discount=discount, gae_lambda=1.0)


# Two environments of five steps: one ends after two steps and after four, the other after three.
ENDED = torch.tensor([[[0, 0], [1, 0], [0, 1], [1, 0], [0, 0]]], dtype=torch.bool)
REWARD = torch.tensor([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0], [5.0, 50.0]]])


def test_the_episodes_of_a_rollout_by_hand() -> None:
    found = episodes(to_go(REWARD, ENDED, 0.5), ENDED)
    assert found.number[0].T.tolist() == [[0, 0, 1, 1, 2], [0, 0, 0, 1, 1]]
    assert found.age[0].T.tolist() == [[0, 1, 0, 1, 0], [0, 1, 2, 0, 1]]
    assert found.returned[0].tolist() == [[2.0, 5.0, 5.0, 0.0, 0.0], [27.5, 65.0, 0.0, 0.0, 0.0]]
    assert found.length[0].tolist() == [[2, 2, 1, 0, 0], [3, 2, 0, 0, 0]]
    # The last pieces were cut by the rollout's end.
    assert found.whole[0].tolist() == [[True, True, False, False, False], [True, False, False, False, False]]
    assert found.at_steps(found.returned)[0].T.tolist() == [[2, 2, 5, 5, 5], [27.5, 27.5, 27.5, 65, 65]]


def test_an_episode_that_lasts_the_whole_rollout_is_whole() -> None:
    found = episodes(REWARD, torch.zeros_like(ENDED))
    assert found.whole[0].tolist() == [[True, False, False, False, False]] * 2


def test_a_whole_return_is_the_sum_of_discounted_rewards_at_every_step() -> None:
    rng = np.random.default_rng(0)
    ended = torch.from_numpy(rng.random((3, 20, 4)) < 0.2)
    reward = torch.from_numpy(rng.standard_normal((3, 20, 4)))
    found = episodes(to_go(reward, ended, 0.9), ended)
    at = found.at_steps(found.returned)
    for s, n in np.ndindex(3, 4):
        start = 0
        for t in range(20):
            if t and ended[s, t - 1, n]:
                start = t
            rest = ended[s, start:, n].nonzero()
            stop = start + int(rest[0, 0]) + 1 if len(rest) else 20
            own = sum(0.9**k * float(reward[s, start + k, n]) for k in range(stop - start))
            assert float(at[s, t, n]) == pytest.approx(own)
            assert found.age[s, t, n] == t - start


RETURNED = torch.tensor([[[1.0], [3.0], [8.0], [10.0], [20.0], [60.0]]])
ALL = torch.ones_like(RETURNED, dtype=torch.bool)


def test_the_advantage_in_a_group_by_hand() -> None:
    found = group_advantage(RETURNED, ALL, group=3)[0, :, 0]
    assert found.tolist() == pytest.approx(
        np.array([-3, -1, 4, -20, -10, 30]) / np.repeat([13**0.5, 700**0.5], 3)
    )
    plain = group_advantage(RETURNED, ALL, group=3, spread=False)[0, :, 0]
    assert plain.tolist() == pytest.approx([-3, -1, 4, -20, -10, 30])


def test_leaving_one_out_is_n_over_n_minus_one_times_the_difference_from_the_mean() -> None:
    found = leave_one_out(RETURNED, ALL, group=3)[0, :, 0]
    assert found.tolist() == pytest.approx([1 - 5.5, 3 - 4.5, 8 - 2, 10 - 40, 20 - 35, 60 - 15])
    plain = group_advantage(RETURNED, ALL, group=3, spread=False)
    torch.testing.assert_close(leave_one_out(RETURNED, ALL, group=3), plain * 3 / 2)


def test_what_is_not_whole_counts_for_nothing_and_what_stands_alone_has_no_advantage() -> None:
    whole = ALL.clone()
    whole[0, [2, 4, 5]] = False
    for advantage in (
        group_advantage(RETURNED, whole, group=3),
        group_advantage(RETURNED, whole, group=3, spread=False),
        leave_one_out(RETURNED, whole, group=3),
    ):
        found = advantage[0, :, 0]
        assert (found[2:] == 0).all()
        assert found[0] == -found[1] != 0
    assert leave_one_out(RETURNED, whole, group=3)[0, 0, 0] == -2.0


def test_over_the_whole_batch_it_is_what_a_policy_gradients_advantages_are_standardised_to() -> None:
    returned = torch.randn(2, 8, 1, dtype=torch.float64)
    found = batch_advantage(returned, torch.ones_like(returned, dtype=torch.bool))
    torch.testing.assert_close(found[..., 0], standardised(returned[..., 0]))
    one_group = group_advantage(returned, torch.ones_like(returned, dtype=torch.bool), group=8)
    torch.testing.assert_close(found, one_group)


def test_an_advantage_of_a_group_does_not_see_scale_or_shift_of_rewards_and_without_spread_sees_scale() -> (
    None
):
    moved = 7.0 * RETURNED - 3.0
    torch.testing.assert_close(
        group_advantage(moved, ALL, group=3), group_advantage(RETURNED, ALL, group=3), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(
        group_advantage(moved, ALL, group=3, spread=False),
        7.0 * group_advantage(RETURNED, ALL, group=3, spread=False),
    )


def test_the_leave_one_out_baseline_keeps_the_gradient_and_the_groups_own_mean_shrinks_it() -> None:
    # A two-armed bandit with p = P(arm 1) = 0.3 and rewards 0 and 1: d E[r]/d logit = p (1 − p) = 0.21. The
    # mean over all 2³ outcomes of a group of three is exact.
    p, exact = 0.3, 0.21
    means = {"leave one out": 0.0, "own mean": 0.0}
    for arms in np.ndindex(2, 2, 2):
        chance = np.prod([p if arm else 1 - p for arm in arms])
        returned = torch.tensor(arms, dtype=torch.float64)[None, :, None]
        score = torch.tensor(arms, dtype=torch.float64) - p
        whole = torch.ones_like(returned, dtype=torch.bool)
        for name, advantage in (
            ("leave one out", leave_one_out(returned, whole, group=3)),
            ("own mean", group_advantage(returned, whole, group=3, spread=False)),
        ):
            means[name] += float(chance * (score * advantage[0, :, 0]).mean())
    assert means["leave one out"] == pytest.approx(exact, abs=1e-12)
    assert means["own mean"] == pytest.approx(exact * 2 / 3, abs=1e-12)
