"""REINFORCE and its baselines: what an action is weighed with, on recorded rollouts and on an exact chain."""

from itertools import product

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from matters.algorithms import rloo, vpg
from matters.algorithms.conftest import PROBLEM, changed, collect, generators
from matters.algorithms.interface import Rollout
from matters.algorithms.maths.episodes import episodes
from matters.algorithms.parts.actor_critic import Actor
from matters.algorithms.parts.episodic import rewards_to_go
from matters.algorithms.rloo import Config

SMALL = Config(horizon=24, environments=4, group_size=2, hidden=(8,), learning_rate=3e-3)
SEEDS = (0, 1, 2)


def begun(config: Config = SMALL) -> tuple[Actor, Rollout]:
    state = rloo.init(config, PROBLEM, generators(SEEDS))
    return state, collect(rloo, state, config, SEEDS)


def one_step_episodes(rollout: Rollout) -> Rollout:
    rollout.terminated[:] = True
    rollout.truncated[:] = False
    return rollout


def test_every_action_of_an_episode_has_its_whole_return_and_the_cut_ones_count_for_nothing() -> None:
    config = changed(SMALL, baseline=None)
    state, rollout = begun(config)
    batch = rloo.prepare(state, config, rollout)
    to_go, found = rewards_to_go(config, rollout)
    assert batch.weight is not None
    weight, advantage = batch.weight.view(3, 24, 4), batch.advantage.view(3, 24, 4)
    for s, n in product(range(3), range(4)):
        for k in range(int(found.number[s, -1, n]) + 1):
            steps = found.number[s, :, n] == k
            assert (advantage[s, steps, n] == to_go[s, steps, n][0]).all()
            cut = k > 0 and steps[-1] and not (rollout.terminated | rollout.truncated)[s, -1, n]
            assert bool((weight[s, steps, n] == 0).all()) == bool(cut)
    torch.testing.assert_close(batch.weight.mean(1), torch.ones(3))


def test_rewards_to_go_are_vpgs_and_so_is_the_step_where_all_episodes_are_whole() -> None:
    config = changed(SMALL, weighed_with="reward-to-go", baseline=None)
    theirs = vpg.Config(
        horizon=24, environments=4, hidden=(8,), learning_rate=3e-3, baseline=False, gae_lambda=1.0
    )
    state, rollout = begun(config)
    rollout.terminated[:, -1] = True
    rollout.truncated[:, -1] = False
    other = vpg.init(theirs, PROBLEM, generators(SEEDS))
    assert torch.equal(state.policy.matrix, other.policy.matrix)
    rloo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    vpg.update(other, theirs, rollout, generators(SEEDS, 1), progress=0.0)
    torch.testing.assert_close(state.policy.matrix, other.policy.matrix, rtol=0, atol=1e-6)


def test_the_leave_one_out_baseline_is_of_the_others_in_the_group() -> None:
    state, rollout = begun()
    rollout = one_step_episodes(rollout)
    advantage = rloo.prepare(state, SMALL, rollout).advantage.view(3, 24, 4)
    reward = rollout.reward
    torch.testing.assert_close(advantage[..., 0], reward[..., 0] - reward[..., 1])
    torch.testing.assert_close(advantage[..., 1], reward[..., 1] - reward[..., 0])
    torch.testing.assert_close(advantage[..., 2], reward[..., 2] - reward[..., 3])


@pytest.mark.parametrize("weighed_with", ["return", "reward-to-go"])
def test_the_mean_of_the_batch_is_taken_from_all(weighed_with: str) -> None:
    config = changed(SMALL, baseline="batch-mean", weighed_with=weighed_with)
    state, rollout = begun(config)
    rollout = one_step_episodes(rollout)
    advantage = rloo.prepare(state, config, rollout).advantage
    reward = rollout.reward.flatten(1)
    torch.testing.assert_close(advantage, reward - reward.mean(1, keepdim=True), rtol=1e-4, atol=1e-5)


# ---- the three weights on a chain whose gradient is exact


def chain_gradients(discount: float) -> dict[str, np.ndarray]:
    """Of a chain of three steps with two actions each, and P(action 1) = σ(θ_t): the exact gradient of the
    expected discounted return, and what each weight expects, over all 2³ episodes.
    """
    theta = np.array([0.3, -0.5, 0.8])
    p = 1 / (1 + np.exp(-theta))

    def returned(actions: tuple[int, ...]) -> np.ndarray:
        """Rewards of which each depends on all actions so far."""
        return np.array([1.0 + actions[0], 2.0 * actions[0] * actions[1], 3.0 * actions[2] - actions[1]])

    discounts = discount ** np.arange(3)
    found = {name: np.zeros(3) for name in ("exact", "return", "with γᵗ", "without γᵗ")}
    for actions in product((0, 1), repeat=3):
        chance = float(np.prod([q if a else 1 - q for a, q in zip(actions, p, strict=True)]))
        score = np.array(actions) - p
        reward = returned(actions)
        to_go = torch.tensor(reward)[None, :, None].clone()
        for t in (1, 0):
            to_go[0, t, 0] += discount * to_go[0, t + 1, 0]
        ended = torch.tensor([False, False, True])[None, :, None]
        one = episodes(to_go, ended)
        whole, age = one.at_steps(one.returned)[0, :, 0].numpy(), one.age[0, :, 0].numpy()
        found["return"] += chance * score * whole
        found["with γᵗ"] += chance * score * discount**age * to_go[0, :, 0].numpy()
        found["without γᵗ"] += chance * score * to_go[0, :, 0].numpy()
    for t in range(3):
        for actions in product((0, 1), repeat=3):
            others = [q if a else 1 - q for k, (a, q) in enumerate(zip(actions, p, strict=True)) if k != t]
            sign = 1 if actions[t] else -1
            found["exact"][t] += (
                sign * p[t] * (1 - p[t]) * float(np.prod(others)) * float(returned(actions) @ discounts)
            )
    return found


def test_whole_returns_and_rewards_to_go_with_their_factor_expect_the_gradient_without_it_not() -> None:
    found = chain_gradients(0.7)
    assert found["return"] == pytest.approx(found["exact"], abs=1e-14)
    assert found["with γᵗ"] == pytest.approx(found["exact"], abs=1e-14)
    # Without the factor, the t-th part is γ⁻ᵗ times too large.
    assert found["without γᵗ"] == pytest.approx(found["exact"] / 0.7 ** np.arange(3), abs=1e-14)
    undiscounted = chain_gradients(1.0)
    assert undiscounted["without γᵗ"] == pytest.approx(undiscounted["exact"], abs=1e-14)


def test_the_whole_return_varies_more_than_the_reward_to_go_the_more_the_longer_an_episode_is() -> None:
    # Rewards of independent noise: a score is multiplied by a sum of T of them, or of (T + 1) / 2 on average.
    rng = np.random.default_rng(0)
    for steps, ratio in ((10, 10 / 5.5), (40, 40 / 20.5)):
        reward, score = rng.standard_normal((2, 20_000, steps))
        to_go = reward[:, ::-1].cumsum(1)[:, ::-1]
        whole = (score * reward.sum(1, keepdims=True)).sum(1).var()
        assert whole / (score * to_go).sum(1).var() == pytest.approx(ratio, rel=0.05)


def test_the_factor_is_that_of_a_steps_age() -> None:
    config = changed(SMALL, weighed_with="reward-to-go", baseline=None, discount=0.9)
    state, rollout = begun(config)
    plain = rloo.prepare(state, config, rollout).advantage
    found = rloo.prepare(state, changed(config, discounted_gradient=True), rollout).advantage
    age = rewards_to_go(config, rollout)[1].age.flatten(1)
    torch.testing.assert_close(found, plain * 0.9**age)
    assert age.max() > 3


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"group_size": 3}, "group_size = 3: should divide environments = 4"),
        ({"group_size": 8}, "group_size = 8: should divide environments = 4"),
        ({"group_size": 1}, "group_size = 1: leaves no other episode; should be 2 or more for RLOO"),
        ({"weighed_with": "reward-to-go"}, "weighed_with = 'reward-to-go': the leave-one-out baseline is of"),
    ],
)
def test_a_group_that_cannot_be_is_refused_in_one_line(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"environments": 4, **values})
    (complaint,) = caught.value.errors()
    assert says in complaint["msg"]
    assert "\n" not in complaint["msg"]


def test_an_update_without_a_whole_episode_moves_nothing_and_breaks_nothing() -> None:
    state, rollout = begun()
    rollout.terminated[:], rollout.truncated[:] = False, False
    rollout.terminated[:, 0] = True  # the first ones, of one step, are all alike; all others are cut
    rollout.reward[:, 0] = 1.0
    before = state.policy.matrix.clone()
    rloo.update(state, SMALL, rollout, generators(SEEDS, 1), progress=0.0)
    assert torch.equal(state.policy.matrix, before)
