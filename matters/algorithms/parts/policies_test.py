import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from matters.algorithms.parts.discretised_policy import DiscretisedPolicy
from matters.algorithms.parts.mlp import Mlp, glorot, orthogonal
from matters.algorithms.parts.optimisers import gradient
from matters.algorithms.parts.policies import LAST_GAIN, BetaPolicy, GaussianPolicy, Policy, sum_of
from matters.algorithms.parts.theta import Theta

POLICY = GaussianPolicy(Mlp((3, 8, 2), True), log_std=-0.5)
OTHERS = [
    GaussianPolicy(Mlp((3, 8, 2), True), log_std=-0.5, softplus=True),
    GaussianPolicy(Mlp((3, 8, 4), True), log_std=-0.5, of_state=True),
    GaussianPolicy(Mlp((3, 8, 4), True), log_std=-0.5, of_state=True, softplus=True),
]
"""σ as the softplus of a parameter, of the observation, and both."""
BETA = BetaPolicy(Mlp((3, 8, 4), True), (-1.0, -0.3), (1.0, 0.1))
ATOMS = DiscretisedPolicy(Mlp((3, 8, 10), True), (-1.0, -0.3), (1.0, 0.1), 5)
LOW, HIGH = torch.tensor(BETA.low), torch.tensor(BETA.high)


def theta(policy: Policy = POLICY, *, seeds: int = 2, gain: bool = True) -> Theta:
    initialiser = orthogonal(LAST_GAIN) if gain else glorot
    rows = [policy.initial(np.random.default_rng(seed), initialiser) for seed in range(seeds)]
    return Theta.of(rows, policy.layout)


def actions_of(policy: Policy, own: Theta, observation: Tensor, noise: Tensor | None) -> Tensor:
    """The actions alone."""
    return policy.sample(own, observation, noise)[0]


def test_log_sigma_is_the_last_parameter_and_does_not_depend_on_the_observation() -> None:
    assert POLICY.layout.names[-1] == "log_std"
    assert POLICY.layout.shapes[-1] == (1, 2)
    _, first = POLICY(theta().views, torch.zeros(2, 4, 3))
    _, second = POLICY(theta().views, torch.ones(2, 4, 3))
    assert torch.equal(first, second)
    assert torch.equal(first, torch.full((2, 1, 2), -0.5))


@pytest.mark.parametrize("policy", [POLICY, BETA, ATOMS, *OTHERS])
def test_gradients_written_out_are_those_that_autograd_finds(policy: Policy) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = [policy.initial(np.random.default_rng(seed), glorot) for seed in range(2)]
    own = Theta.of(rows, policy.layout, torch.float64)
    observation = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    action = 0.1 * torch.rand(2, 7, 2, generator=generator, dtype=torch.float64)  # within BETA's bounds
    weight = torch.randn(2, 7, generator=generator, dtype=torch.float64)

    here = policy(own.leaves, observation)
    spread = policy.entropy(here)
    other = Theta.of(rows[::-1], policy.layout, torch.float64)
    old = policy(other.views, observation)
    terms = policy.log_prob(here, action) + policy.kl(old, here) + policy.kl(here, old)
    total = (weight * terms).sum(1) + 0.3 * spread.sum(1)
    (expected,) = gradient(total, own)

    distribution, forward = policy.forward(own.arrays, observation)
    for mine, theirs in zip(distribution, here, strict=True):
        torch.testing.assert_close(mine, theirs.detach())
    slopes = [
        policy.log_prob_gradient(distribution, action, weight),
        policy.kl_gradient(old, distribution, weight),
        policy.reverse_kl_gradient(old, distribution, weight),
        policy.entropy_gradient(distribution, torch.full_like(spread, 0.3).detach()),
    ]
    torch.testing.assert_close(policy.gradient(forward, sum_of(slopes)), expected)
    assert expected.abs().max() > 0.1


@pytest.mark.parametrize("policy", [POLICY, BETA, ATOMS, *OTHERS])
def test_a_tangent_is_the_jacobian_times_the_direction(policy: Policy) -> None:
    own = Theta.of(
        [policy.initial(np.random.default_rng(seed), glorot) for seed in range(2)],
        policy.layout, torch.float64,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    observation = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    direction = torch.randn(own.matrix.shape, generator=generator, dtype=torch.float64)
    _, forward = policy.forward(own.arrays, observation)
    _, expected = torch.autograd.functional.jvp(
        lambda theta: policy(policy.layout.views(theta), observation), own.matrix, direction
    )
    for mine, theirs in zip(policy.tangent(forward, direction), expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("policy", [POLICY, BETA, ATOMS])
def test_fisher_information_is_the_hessian_of_the_kl_at_no_change(policy: Policy) -> None:
    own = Theta.of([policy.initial(np.random.default_rng(0), glorot)], policy.layout, torch.float64)
    generator = torch.Generator().manual_seed(0)
    here, _ = policy.forward(own.arrays, torch.randn(1, 7, 3, generator=generator, dtype=torch.float64))
    change = tuple(torch.randn(part.shape, generator=generator, dtype=torch.float64) for part in here)
    _, expected = torch.autograd.functional.hvp(lambda *new: policy.kl(here, new).sum(), here, change)
    for mine, theirs in zip(policy.fisher(here, change, 0.5), expected, strict=True):
        torch.testing.assert_close(mine, 0.5 * theirs)


def test_without_noise_the_action_is_the_mean() -> None:
    observation = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    mean, _ = POLICY(theta().views, observation)
    action = actions_of(POLICY, theta(), observation, None)
    torch.testing.assert_close(action, mean)
    assert torch.equal(actions_of(POLICY, theta(), observation, torch.zeros(2, 4, 2)), action)


@pytest.mark.parametrize("policy", [POLICY, BETA, ATOMS])
def test_a_policy_that_diverges_warns_nobody(policy: Policy) -> None:
    own = Theta.of([np.full(policy.layout.width, number) for number in (1e38, np.inf)], policy.layout)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        action = actions_of(policy, own, torch.ones(2, 1, 3), torch.ones(2, 1, 2))
    assert not action.isfinite().all()


def test_noise_is_scaled_by_sigma() -> None:
    observation, noise = torch.zeros(2, 4, 3), torch.ones(2, 4, 2)
    policy = replace(POLICY, log_std=-1.0)
    mean = actions_of(policy, theta(policy), observation, None)
    action = actions_of(policy, theta(policy), observation, noise)
    torch.testing.assert_close(action - mean, torch.full((2, 4, 2), float(np.exp(-1.0))))


def test_sampled_actions_have_the_policys_moments() -> None:
    noise = torch.randn(2, 50_000, 2, generator=torch.Generator().manual_seed(0))
    observation = torch.ones(2, 50_000, 3)
    own = theta()
    mean, log_std = POLICY(own.views, observation)
    action = actions_of(POLICY, own, observation, noise)
    torch.testing.assert_close(action.mean(1), mean[:, 0], atol=0.02, rtol=0)
    torch.testing.assert_close(action.std(1), log_std[:, 0].exp(), atol=0.02, rtol=0)


@pytest.mark.parametrize("policy", [POLICY, BETA, ATOMS])
@pytest.mark.parametrize("gain", [True, False])
def test_the_first_policy_barely_looks_at_the_observation_where_layers_are_scaled(
    policy: Policy, gain: bool
) -> None:
    own = theta(policy, gain=gain)
    here, there = (policy(own.views, torch.full((2, 1, 3), value))[0] for value in (-1.0, 1.0))
    moved = (here - there).abs().max()
    assert 0 < moved < 10
    assert (moved > 0.1) is not gain


# ---- the Beta policy


def observations(batch: int) -> Tensor:
    return torch.randn(2, batch, 3, generator=torch.Generator().manual_seed(0))


def test_every_beta_has_one_mode() -> None:
    alpha, beta = BETA(theta(BETA, gain=False).views, 30 * observations(500))
    assert alpha.shape == beta.shape == (2, 500, 2)
    assert (alpha > 1).all()
    assert (beta > 1).all()
    assert (alpha / beta).log().abs().max() > 1


def test_the_betas_samples_are_functions_of_noise_with_the_distribution_of_its_density() -> None:
    observation = torch.ones(2, 20_000, 3)
    noise = torch.randn(2, 20_000, 2, generator=torch.Generator().manual_seed(0))
    own = theta(BETA, gain=False)
    alpha, beta = BETA(own.views, observation[:, :1])
    action = actions_of(BETA, own, observation, noise)
    assert torch.equal(action, actions_of(BETA, own, observation, noise))
    for seed in range(2):
        for axis in range(2):
            x = (action[seed, :, axis] - LOW[axis]) / (HIGH - LOW)[axis]
            law = scipy.stats.beta(float(alpha[seed, 0, axis]), float(beta[seed, 0, axis]))
            assert scipy.stats.kstest(x.double().numpy(), law.cdf).pvalue > 0.01


def test_more_noise_is_more_action() -> None:
    noise = torch.linspace(-4, 4, 100)[None, :, None].expand(2, -1, 2)
    action = actions_of(BETA, theta(BETA), torch.ones(2, 100, 3), noise)
    assert (action.diff(dim=1) > 0).all()


def test_noise_of_0_is_the_median_and_none_the_mode() -> None:
    own, observation = theta(BETA, gain=False), observations(4)
    alpha, beta = (parameter.double() for parameter in BETA(own.views, observation))
    median = torch.from_numpy(scipy.stats.beta(alpha.numpy(), beta.numpy()).ppf(0.5))
    found = actions_of(BETA, own, observation, torch.zeros(2, 4, 2))
    torch.testing.assert_close(found, (LOW + (HIGH - LOW) * median).float())
    mode = (alpha - 1) / (alpha + beta - 2)
    torch.testing.assert_close(actions_of(BETA, own, observation, None), (LOW + (HIGH - LOW) * mode).float())


@pytest.mark.parametrize("bias", [-60.0, 0.0, 60.0, 1e6])
@pytest.mark.parametrize("noise", [-9.0, 0.0, 9.0, None])
def test_no_action_is_out_of_bounds_however_extreme_and_each_has_a_log_probability(
    bias: float, noise: float | None
) -> None:
    own = theta(BETA)
    own.views[-1][..., :2] = bias
    draw = None if noise is None else torch.full((2, 4, 2), noise)
    action = actions_of(BETA, own, observations(4), draw)
    assert (action >= LOW).all()
    assert (action <= HIGH).all()
    assert BETA.log_prob(BETA(own.views, observations(4)), action).isfinite().all()


def test_the_betas_density_and_entropy_are_those_of_the_action_in_its_own_units() -> None:
    own, observation = theta(BETA, gain=False), observations(1)
    edges = [torch.linspace(low, high, 401) for low, high in zip(BETA.low, BETA.high, strict=True)]
    grid = torch.cartesian_prod(*((edge[1:] + edge[:-1]) / 2 for edge in edges))
    area = float(edges[0].diff()[0] * edges[1].diff()[0])
    distribution = BETA(own.views, observation)
    everywhere = tuple(parameter.expand(-1, len(grid), -1) for parameter in distribution)
    log_density = BETA.log_prob(everywhere, grid.expand(2, -1, -1))
    torch.testing.assert_close((log_density.exp() * area).sum(1), torch.ones(2), atol=1e-3, rtol=0)
    entropy = -(log_density.exp() * log_density * area).sum(1)
    torch.testing.assert_close(BETA.entropy(distribution)[:, 0], entropy, atol=2e-3, rtol=0)


def test_the_mean_log_ratio_of_old_samples_estimates_the_betas_divergence() -> None:
    noise = torch.randn(2, 100_000, 2, generator=torch.Generator().manual_seed(0))
    observation = torch.ones(2, 100_000, 3)
    own, new = theta(BETA), theta(BETA, gain=False)
    old_policy, new_policy = BETA(own.views, observation), BETA(new.views, observation)
    action = actions_of(BETA, own, observation, noise)
    estimate = (BETA.log_prob(old_policy, action) - BETA.log_prob(new_policy, action)).mean(1)
    torch.testing.assert_close(estimate, BETA.kl(old_policy, new_policy)[:, 0], rtol=0.05, atol=0.005)


@pytest.mark.parametrize("bound", [float("inf"), float("-inf"), float("nan")])
def test_a_beta_of_unbounded_actions_is_refused_in_one_line(bound: float) -> None:
    for low, high in (((-1.0, bound), (1.0, 1.0)), ((-1.0, -1.0), (1.0, bound))):
        with pytest.raises(ValueError, match=r"^policy = 'beta': needs bounded actions; axis 1 is [^\n]*$"):
            BetaPolicy(BETA.concentrations, low, high)


@pytest.mark.parametrize("policy", [POLICY, BETA])
def test_what_is_recorded_of_an_action_is_the_distribution_that_drew_it(policy: Policy) -> None:
    own, observation = theta(policy, gain=False), observations(6)
    noise = torch.randn(*observation.shape[:2], policy.noise_size)
    action, record = policy.sample(own, observation, noise)
    assert record.shape[2] == policy.record_size
    recorded, here = policy.recorded(record), policy(own.views, observation)
    torch.testing.assert_close(policy.log_prob(recorded, action), policy.log_prob(here, action))
    torch.testing.assert_close(policy.kl(recorded, here), torch.zeros(observation.shape[:2]))
    assert policy.sample(own, observation, None)[1].shape[2] == 0


@pytest.mark.parametrize("policy", OTHERS)
def test_the_first_sigma_is_the_one_asked_for_however_it_is_made(policy: GaussianPolicy) -> None:
    # The perceptron's outputs are 0 where its last layer is.
    own = theta(policy)
    own.views[-2 if policy.of_state else -3].zero_()
    mean, log_std = policy(own.views, torch.randn(2, 4, 3))
    assert mean.shape == (2, 4, 2)
    torch.testing.assert_close(log_std, torch.full_like(log_std, -0.5))


@pytest.mark.parametrize("policy", OTHERS)
def test_what_is_sampled_is_recorded_with_the_distribution_that_a_call_gives(policy: GaussianPolicy) -> None:
    own, seen, noise = theta(policy, gain=False), torch.randn(2, 4, 3), torch.randn(2, 4, 2)
    action, record = policy.sample(own, seen, noise)
    mean, log_std = policy.recorded(record)
    expected = policy(own.views, seen)
    torch.testing.assert_close(mean, expected[0])
    torch.testing.assert_close(log_std, expected[1].expand_as(mean))
    torch.testing.assert_close(action, mean + log_std.exp() * noise)
    torch.testing.assert_close(actions_of(policy, own, seen, None), mean)


@pytest.mark.parametrize("policy", [POLICY, BETA, *OTHERS])
def test_the_fisher_product_is_the_hessian_of_the_divergence(policy: Policy) -> None:
    own, seen = theta(policy, gain=False), torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1))
    here = tuple(part.double() for part in policy.forward(own.arrays, seen)[0])
    step = tuple(
        1e-4 * torch.randn(part.shape, generator=torch.Generator().manual_seed(2)).double() for part in here
    )
    there = tuple(part + change for part, change in zip(here, step, strict=True))
    product = policy.fisher(here, step, 1.0)
    twice = 2 * policy.kl(here, there).sum(1)
    found = sum((change * part).flatten(1).sum(1) for change, part in zip(step, product, strict=True))
    torch.testing.assert_close(found, twice, rtol=1e-2, atol=0)
