import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms.maths.moments import Moments, start
from matters.algorithms.parts.normalisation import normalise_observation, scale_reward
from matters.algorithms.parts.tricks import OnPolicyTricks

SEEDS, TIME, ENVIRONMENTS, SIZE = 3, 40, 2, 4


class RunningMeanStd:
    """OpenAI baselines' running_mean_std.py, from its description: a prior of 1e-4 samples, Chan's update."""

    def __init__(self, *shape: int) -> None:
        self.mean, self.var, self.count = np.zeros(shape), np.ones(shape), 1e-4

    def update(self, batch: np.ndarray) -> None:
        mean, var, count = batch.mean(0), batch.var(0), len(batch)
        delta, total = mean - self.mean, self.count + count
        m2 = self.var * self.count + var * count + delta**2 * self.count * count / total
        self.mean, self.var, self.count = self.mean + delta * count / total, m2 / total, total


class VecNormalize:
    """OpenAI baselines' vec_normalize.py for one seed's environments, from its description."""

    def __init__(self, discount: float) -> None:
        self.observations, self.returns = RunningMeanStd(SIZE), RunningMeanStd()
        self.ret, self.discount = np.zeros(ENVIRONMENTS), discount

    def observe(self, observation: np.ndarray) -> np.ndarray:
        self.observations.update(observation)
        deviation = np.sqrt(self.observations.var + 1e-8)
        return np.clip((observation - self.observations.mean) / deviation, -10, 10)

    def pay(self, reward: np.ndarray, done: np.ndarray) -> np.ndarray:
        self.ret = self.ret * self.discount + reward
        self.returns.update(self.ret)
        scaled = np.clip(reward / np.sqrt(self.returns.var + 1e-8), -10, 10)
        self.ret[done] = 0.0
        return scaled


def drawn(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Observations [S, T, N, O], rewards and ended [S, T, N], of another scale in each seed."""
    generator = np.random.default_rng(seed)
    scale = np.array([1.0, 10.0, 0.1])[:, None, None]
    observation = generator.normal(5, 2, (SEEDS, TIME, ENVIRONMENTS, SIZE)) * scale[..., None]
    reward = generator.normal(1, 3, (SEEDS, TIME, ENVIRONMENTS)) * scale
    ended = generator.random((SEEDS, TIME, ENVIRONMENTS)) < 0.1
    return torch.tensor(observation).float(), torch.tensor(reward).float(), torch.tensor(ended)


def pay(
    reward: Tensor,
    ended: Tensor,
    tricks: OnPolicyTricks,
    moments: Moments | None = None,
    running: Tensor | None = None,
) -> Tensor:
    moments = start(len(reward), 1) if moments is None else moments
    running = torch.zeros(len(reward), ENVIRONMENTS, dtype=torch.float64) if running is None else running
    return scale_reward(moments, running, reward, ended, tricks, discount=0.99)


BASELINES = OnPolicyTricks(
    observation_normalisation=True, observation_clip=10.0, reward_scaling=True, reward_clip=10.0
)


def test_observations_are_normalised_as_openai_baselines_does() -> None:
    observation, _, _ = drawn()
    moments = start(SEEDS, SIZE)
    theirs = [VecNormalize(0.99) for _ in range(SEEDS)]
    for t in range(TIME):
        found = normalise_observation(moments, observation[:, t], BASELINES, learn=True)
        expected = np.stack([theirs[s].observe(observation[s, t].double().numpy()) for s in range(SEEDS)])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_rewards_are_scaled_and_clipped_as_openai_baselines_does() -> None:
    _, reward, ended = drawn()
    found = pay(reward, ended, BASELINES)
    for s in range(SEEDS):
        theirs = VecNormalize(0.99)
        for t in range(TIME):
            expected = theirs.pay(reward[s, t].double().numpy(), ended[s, t].numpy())
            np.testing.assert_allclose(found[s, t], expected, rtol=1e-5, atol=1e-6)


def test_reward_scaling_goes_on_where_the_last_rollout_ended() -> None:
    _, reward, ended = drawn()
    whole = pay(reward, ended, BASELINES)
    moments, running = start(SEEDS, 1), torch.zeros(SEEDS, ENVIRONMENTS, dtype=torch.float64)
    parts = [
        pay(reward[:, part], ended[:, part], BASELINES, moments, running)
        for part in (slice(0, 13), slice(13, TIME))
    ]
    assert torch.equal(torch.cat(parts, 1), whole)


def test_reward_scaling_divides_and_does_not_shift() -> None:
    reward = torch.full((1, 200, ENVIRONMENTS), 5.0)
    found = pay(reward, torch.zeros_like(reward, dtype=torch.bool), OnPolicyTricks(reward_scaling=True))
    assert (found > 0).all()
    assert torch.equal(found[:, -1], found[:, -1, :1].expand(-1, ENVIRONMENTS))


def test_frozen_moments_learn_nothing_and_are_still_used() -> None:
    observation, _, _ = drawn()
    moments = start(SEEDS, SIZE)
    normalise_observation(moments, observation[:, 0], BASELINES, learn=True)
    before = [tensor.clone() for tensor in (moments.mean, moments.variance, moments.count)]
    found = normalise_observation(moments, observation[:, 1], BASELINES, learn=False)
    for old, new in zip(before, (moments.mean, moments.variance, moments.count), strict=True):
        assert torch.equal(old, new)
    assert not torch.equal(found, observation[:, 1])
    normalise_observation(moments, observation[:, 1], BASELINES, learn=True)
    assert not torch.equal(before[0], moments.mean)


def test_off_is_the_identity_and_leaves_the_moments_alone() -> None:
    observation, reward, ended = drawn()
    moments = start(SEEDS, SIZE)
    assert torch.equal(
        normalise_observation(moments, observation[:, 0], OnPolicyTricks(), learn=True), observation[:, 0]
    )
    assert torch.equal(pay(reward, ended, OnPolicyTricks()), reward)
    assert torch.equal(moments.mean, torch.zeros_like(moments.mean))
    assert torch.equal(moments.count, start(SEEDS, SIZE).count)


@pytest.mark.parametrize("limit", [0.5, 2.0])
def test_clips_bound_what_they_say(limit: float) -> None:
    observation, reward, ended = drawn()
    tricks = OnPolicyTricks(observation_clip=limit, reward_clip=limit)
    clipped = normalise_observation(start(SEEDS, SIZE), observation[:, 0], tricks, learn=True)
    assert torch.equal(clipped, observation[:, 0].clamp(-limit, limit))
    assert torch.equal(pay(reward, ended, tricks), reward.clamp(-limit, limit))


def test_a_seeds_observations_and_rewards_do_not_see_the_other_seeds() -> None:
    observation, reward, ended = drawn()
    other_observation, other_reward = observation.clone(), reward.clone()
    other_observation[1], other_reward[1] = torch.nan, torch.inf
    others = [0, 2]
    here = normalise_observation(start(SEEDS, SIZE), observation[:, 0], BASELINES, learn=True)
    there = normalise_observation(start(SEEDS, SIZE), other_observation[:, 0], BASELINES, learn=True)
    assert torch.equal(here[others], there[others])
    assert torch.equal(pay(reward, ended, BASELINES)[others], pay(other_reward, ended, BASELINES)[others])
