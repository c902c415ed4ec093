import numpy as np
import pytest
import torch

from algorithms.networks import Mlp
from algorithms.policies import GaussianPolicy
from algorithms.theta import Theta

POLICY = GaussianPolicy(Mlp((3, 8, 2), True))


def theta(seeds: int = 2, log_std: float = -0.5) -> Theta:
    rows = [
        POLICY.initial(np.random.default_rng(seed), orthogonal=True, log_std=log_std) for seed in range(seeds)
    ]
    return Theta.of(rows, POLICY.layout)


def test_log_sigma_is_the_last_parameter_and_does_not_depend_on_the_observation() -> None:
    assert POLICY.layout.names[-1] == "log_std"
    assert POLICY.layout.shapes[-1] == (1, 2)
    _, first = POLICY(theta().frozen, torch.zeros(2, 4, 3))
    _, second = POLICY(theta().frozen, torch.ones(2, 4, 3))
    assert torch.equal(first, second)
    assert torch.equal(first, torch.full((2, 1, 2), -0.5))


def test_without_noise_the_action_is_the_mean() -> None:
    observation = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    mean, _ = POLICY(theta().frozen, observation)
    assert torch.equal(POLICY.sample(theta(), observation, None), mean)
    assert torch.equal(POLICY.sample(theta(), observation, torch.zeros(2, 4, 2)), mean)


def test_noise_is_scaled_by_sigma() -> None:
    observation, noise = torch.zeros(2, 4, 3), torch.ones(2, 4, 2)
    mean = POLICY.sample(theta(log_std=-1.0), observation, None)
    action = POLICY.sample(theta(log_std=-1.0), observation, noise)
    torch.testing.assert_close(action - mean, torch.full((2, 4, 2), float(np.exp(-1.0))))


def test_sampled_actions_have_the_policys_moments() -> None:
    noise = torch.randn(2, 50_000, 2, generator=torch.Generator().manual_seed(0))
    observation = torch.ones(2, 50_000, 3)
    own = theta()
    mean, log_std = POLICY(own.frozen, observation)
    action = POLICY.sample(own, observation, noise)
    torch.testing.assert_close(action.mean(1), mean[:, 0], atol=0.02, rtol=0)
    torch.testing.assert_close(action.std(1), log_std[:, 0].exp(), atol=0.02, rtol=0)


@pytest.mark.parametrize(("orthogonal", "largest"), [(True, 0.05), (False, 10.0)])
def test_the_first_policy_barely_looks_at_the_observation_where_layers_are_scaled(
    orthogonal: bool, largest: float
) -> None:
    row = POLICY.initial(np.random.default_rng(0), orthogonal=orthogonal, log_std=0.0)
    mean, _ = POLICY(Theta.of([row], POLICY.layout).frozen, torch.ones(1, 1, 3))
    assert 0 < mean.abs().max() < largest
    assert (float(mean.abs().max()) > 0.05) is not orthogonal
