import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import ndtr
from torch import Tensor
from torch.distributions import (
    Beta,
    Independent,
    Normal,
    TanhTransform,
    TransformedDistribution,
    kl_divergence,
)

from matters.algorithms.maths.distributions import (
    beta_entropy,
    beta_entropy_gradients,
    beta_kl,
    beta_kl_gradients,
    beta_log_prob,
    beta_log_prob_gradients,
    beta_mode,
    gaussian_entropy,
    gaussian_kl,
    gaussian_kl_gradients,
    gaussian_log_prob,
    gaussian_log_prob_gradients,
    log_tanh_derivative,
    squashed_gaussian_gradients,
    squashed_gaussian_log_prob,
)
from matters.algorithms.maths.kernels import softplus


def drawn(seed: int, seeds: int = 3, batch: int = 7, size: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """An action, a mean [S, B, A] and a log σ [S, 1, A]."""
    generator = torch.Generator().manual_seed(seed)
    action, mean = torch.randn(2, seeds, batch, size, generator=generator, dtype=torch.float64)
    return action, mean, torch.randn(seeds, 1, size, generator=generator, dtype=torch.float64)


def theirs(mean: Tensor, log_std: Tensor) -> Independent:
    return Independent(Normal(mean, log_std.exp().expand_as(mean)), 1)


@pytest.mark.parametrize("seed", range(3))
def test_log_probability_entropy_and_divergence_are_pytorchs(seed: int) -> None:
    action, mean, log_std = drawn(seed)
    _, mean_new, log_std_new = drawn(seed + 100)
    old, new = theirs(mean, log_std), theirs(mean_new, log_std_new)
    torch.testing.assert_close(gaussian_log_prob(action, mean, log_std), old.log_prob(action))
    torch.testing.assert_close(gaussian_entropy(log_std).expand(-1, 7), old.entropy())
    torch.testing.assert_close(gaussian_kl(mean, log_std, mean_new, log_std_new), kl_divergence(old, new))


@pytest.mark.parametrize("seed", range(3))
def test_slopes_of_each_term_are_those_that_autograd_finds(seed: int) -> None:
    action, *here = drawn(seed)
    _, *old = drawn(seed + 100)
    x, *betas = drawn_betas(seed, torch.float64)
    _, *old_betas = drawn_betas(seed + 100, torch.float64)
    weight = torch.randn(x.shape[:2], generator=torch.Generator().manual_seed(seed + 10), dtype=torch.float64)
    for term, slopes, before, parameters in (
        (gaussian_log_prob, gaussian_log_prob_gradients, [action], here),
        (gaussian_kl, gaussian_kl_gradients, old, here),
        (beta_log_prob, beta_log_prob_gradients, [x], betas),
        (beta_entropy, beta_entropy_gradients, [], betas),
        (beta_kl, beta_kl_gradients, old_betas, betas),
    ):
        leaves = [parameter.clone().requires_grad_() for parameter in parameters]
        value = term(*before, *leaves)
        own = weight[: len(value), : value.shape[1]]
        expected = torch.autograd.grad(value, leaves, own)
        for mine, other in zip(slopes(*before, *parameters, own), expected, strict=True):
            torch.testing.assert_close(mine, other)


def test_the_standard_normal_at_0_has_log_density_minus_half_log_two_pi_an_axis() -> None:
    zero = torch.zeros(1, 1, 2, dtype=torch.float64)
    assert float(gaussian_log_prob(zero, zero, zero)) == pytest.approx(-1.8378770664093453)
    assert float(gaussian_entropy(zero)) == pytest.approx(2.8378770664093453)


def test_the_divergence_of_a_distribution_from_itself_is_0_and_its_slope_too() -> None:
    _, mean, log_std = drawn(0)
    mean_new, log_std_new = mean.clone().requires_grad_(), log_std.clone().requires_grad_()
    kl = gaussian_kl(mean, log_std, mean_new, log_std_new)
    torch.testing.assert_close(kl.detach(), torch.zeros_like(kl), atol=1e-14, rtol=0)
    for slope in torch.autograd.grad(kl.sum(), (mean_new, log_std_new)):
        torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)


def test_the_divergence_is_positive_and_not_symmetric() -> None:
    _, mean, log_std = drawn(0)
    _, mean_new, log_std_new = drawn(1)
    forth = gaussian_kl(mean, log_std, mean_new, log_std_new)
    back = gaussian_kl(mean_new, log_std_new, mean, log_std)
    assert (forth > 0).all()
    assert not torch.allclose(forth, back)


def test_the_divergence_to_a_shifted_unit_gaussian_is_half_the_squared_shift() -> None:
    zero = torch.zeros(1, 1, 3)
    shift = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert float(gaussian_kl(zero, zero, shift, zero)) == pytest.approx(7.0)


def test_the_mean_log_ratio_of_old_samples_estimates_the_divergence() -> None:
    # What PPO's early stop relies on: E[ρ − 1 − log ρ] under the old policy is KL(old ‖ new).
    generator = torch.Generator().manual_seed(0)
    mean = torch.zeros(1, 200_000, 2)
    log_std, log_std_new = torch.zeros(1, 1, 2), torch.full((1, 1, 2), 0.1)
    action = torch.randn(1, 200_000, 2, generator=generator)
    mean_new = mean + 0.2
    log_ratio = gaussian_log_prob(action, mean_new, log_std_new) - gaussian_log_prob(action, mean, log_std)
    estimate = (log_ratio.exp() - 1 - log_ratio).mean()
    assert float(estimate) == pytest.approx(
        float(gaussian_kl(mean[:, :1], log_std, mean_new[:, :1], log_std_new)), rel=0.03
    )


def drawn_betas(seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """x in (0, 1), and α and β above 1, from nearly uniform to sharp; [S, B, A] each."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(3, 7, 4, generator=generator, dtype=dtype)
    alpha, beta = 1 + (2 * torch.randn(2, 3, 7, 4, generator=generator, dtype=dtype)).exp()
    return x, alpha, beta


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_betas_log_probability_entropy_and_divergence_are_pytorchs(seed: int, dtype: torch.dtype) -> None:
    x, alpha, beta = drawn_betas(seed, dtype)
    _, alpha_new, beta_new = drawn_betas(seed + 100, dtype)
    old, new = (
        Independent(Beta(a.double(), b.double()), 1) for a, b in ((alpha, beta), (alpha_new, beta_new))
    )
    torch.testing.assert_close(beta_log_prob(x, alpha, beta), old.log_prob(x.double()).to(dtype))
    torch.testing.assert_close(beta_entropy(alpha, beta), old.entropy().to(dtype))
    torch.testing.assert_close(beta_kl(alpha, beta, alpha_new, beta_new), kl_divergence(old, new).to(dtype))


def test_beta_2_2_has_density_three_halves_at_its_mode_and_beta_1_1_is_uniform() -> None:
    one = torch.ones(1, 1, 1)
    assert float(beta_log_prob(one / 2, 2 * one, 2 * one)) == pytest.approx(math.log(1.5))
    assert float(beta_log_prob(one / 5, one, one)) == pytest.approx(0.0)
    assert float(beta_entropy(one, one)) == pytest.approx(0.0)
    # KL(uniform ‖ Beta(2, 2)) = −E[log 6 x (1 − x)] = 2 − log 6.
    assert float(beta_kl(one, one, 2 * one, 2 * one)) == pytest.approx(2 - math.log(6))


def test_the_betas_divergence_from_itself_is_0_and_its_slope_too() -> None:
    _, alpha, beta = drawn_betas(0)
    alpha_new, beta_new = alpha.clone().requires_grad_(), beta.clone().requires_grad_()
    kl = beta_kl(alpha, beta, alpha_new, beta_new)
    torch.testing.assert_close(kl.detach(), torch.zeros_like(kl), atol=1e-12, rtol=0)
    for slope in torch.autograd.grad(kl.sum(), (alpha_new, beta_new)):
        torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)


def test_the_betas_divergence_has_two_derivatives() -> None:
    _, alpha, beta = (tensor[:1, :2, :2] for tensor in drawn_betas(0))
    _, *new = (tensor[:1, :2, :2].clone().requires_grad_() for tensor in drawn_betas(1))
    assert torch.autograd.gradcheck(lambda *now: beta_kl(alpha, beta, *now), new)
    assert torch.autograd.gradgradcheck(lambda *now: beta_kl(alpha, beta, *now), new)


def test_a_small_divergence_of_sharp_betas_is_not_lost_in_single_precision() -> None:
    alpha, beta = torch.full((1, 1, 1), 5000.0), torch.full((1, 1, 1), 3000.0)
    found = float(beta_kl(alpha, beta, 1.01 * alpha, beta))
    exact = Beta(alpha.double(), beta.double()), Beta((1.01 * alpha).double(), beta.double())
    assert found == pytest.approx(float(kl_divergence(*exact)), rel=1e-6)
    assert 0.01 < found < 0.2


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_a_sample_that_was_rounded_to_a_bound_is_improbable_and_not_impossible(x: float) -> None:
    two = torch.full((1, 1, 1), 2.0)
    found = float(beta_log_prob(torch.full((1, 1, 1), x), two, two))
    assert found == pytest.approx(math.log(6 * 2**-24), abs=1e-3)


def test_the_betas_mode_is_where_its_density_is_largest() -> None:
    grid = torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64)[None, :, None]
    for alpha, beta in ((1.5, 3.0), (4.0, 1.2), (30.0, 20.0)):
        a, b = torch.full_like(grid, alpha), torch.full_like(grid, beta)
        best = grid[0, beta_log_prob(grid, a, b)[0].argmax(), 0]
        assert float(best) == pytest.approx(float(beta_mode(a, b)[0, 0, 0]), abs=1e-3)


def test_the_mode_of_a_uniform_beta_is_the_middle_and_of_no_number_none() -> None:
    parameters = torch.tensor([1.0, torch.nan])[None, None]
    middle, none = beta_mode(parameters, parameters)[0, 0].tolist()
    assert middle == 0.5
    assert math.isnan(none)


def of_betas(function: Callable[..., Tensor], *order: int) -> Callable[[Tensor], Tensor]:
    """The function of α and β made of the halves of a last axis."""

    def made(x: Tensor) -> Tensor:
        parts = (1 + softplus(x)).chunk(2, dim=-1)
        return function(*(parts[index] for index in order))

    return made


@pytest.mark.parametrize(
    "function",
    [
        softplus,
        of_betas(lambda a, b: beta_log_prob(a / (a + b), a, b), 0, 1),
        of_betas(beta_entropy, 0, 1),
        of_betas(beta_kl, 0, 1, 1, 0),
        of_betas(beta_mode, 0, 1),
    ],
    ids=["softplus", "log-probability", "entropy", "divergence", "mode"],
)
def test_a_seed_alone_has_the_bits_of_the_same_seed_among_ten(function: Callable[[Tensor], Tensor]) -> None:
    generator = np.random.default_rng(0)
    for actions in (1, 2, 3, 4, 6, 7, 8, 11, 17):
        for batch in (1, 2, 7, 16, 25):
            x = torch.from_numpy(3 * generator.standard_normal((10, batch, 2 * actions), dtype=np.float32))
            among = function(x)
            for seeds in ([3], [8, 1, 3]):
                own = x[seeds].clone()
                assert torch.equal(function(own)[-1], among[3])
                own.requires_grad_()
                everyone = x.clone().requires_grad_()
                (slope,) = torch.autograd.grad(function(own).sum(), own)
                (slopes,) = torch.autograd.grad(function(everyone).sum(), everyone)
                assert torch.equal(slope[-1], slopes[3])


def exact_log_tanh_slope(x: float) -> float:
    """log(1 − tanh² x) = 2 log(2 / (eˣ + e⁻ˣ)), to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        up = Decimal(x).exp()
        return float(2 * (2 / (up + 1 / up)).ln())


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float32, 3e-7), (torch.float64, 1e-15)])
@pytest.mark.parametrize("x", [0.0, 1e-3, 0.5, 1.0, 3.0, 9.0, 19.0, 20.0, 45.0, 80.0, 300.0])
def test_the_log_slope_of_tanh_is_exact_however_large_x_is(
    x: float, dtype: torch.dtype, relative: float
) -> None:
    for signed in (x, -x):
        argument = torch.tensor(signed, dtype=dtype, requires_grad=True)
        found = log_tanh_derivative(argument)
        # At 0 it is a difference of numbers near log 2.
        value = float(found.detach())
        assert value == pytest.approx(exact_log_tanh_slope(signed), rel=relative, abs=2 * relative)
        (slope,) = torch.autograd.grad(found, argument)
        assert float(slope) == pytest.approx(-2 * math.tanh(signed), rel=1e-6, abs=1e-6)


def test_control_the_logarithm_as_it_is_written_is_infinite_where_tanh_rounds_to_1() -> None:
    x = torch.tensor(20.0)
    assert (1 - x.tanh() ** 2).log() == -torch.inf
    assert torch.isfinite(log_tanh_derivative(x))


def squashed_density(action: float, mean: float, log_std: float, epsilon: float | None = None) -> float:
    """The density of tanh u at an action, u Gaussian."""
    u = torch.tensor([[[math.atanh(action)]]], dtype=torch.float64)
    spread = torch.tensor([[[log_std]]], dtype=torch.float64)
    noise = (u - mean) * (-spread).exp()
    return float(squashed_gaussian_log_prob(noise, spread, u, epsilon=epsilon).exp())


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, -1.0), (0.5, -0.5), (-2.0, 0.3)])
def test_the_squashed_density_integrates_to_1_and_to_the_probability_of_each_part(
    mean: float, log_std: float
) -> None:
    edge = math.tanh(15.0)  # what lies beyond weighs less than 1e-6 here
    for end in (-0.9, 0.0, 0.6, edge):
        found, _ = quad(squashed_density, -edge, end, args=(mean, log_std), limit=500)
        assert found == pytest.approx(ndtr((math.atanh(end) - mean) / math.exp(log_std)), abs=1e-5)


def test_control_with_an_epsilon_of_one_tenth_it_does_not() -> None:
    found, _ = quad(squashed_density, -0.999, 0.999, args=(0.0, -0.5, 0.1))
    assert found < 0.95


@pytest.mark.parametrize("epsilon", [None, 1e-6, 0.1])
def test_the_squashed_slopes_are_those_that_autograd_finds_also_far_out(epsilon: float | None) -> None:
    noise, mean, _ = drawn(1)
    log_std, to_action, _ = drawn(2)  # one log σ a sample here
    mean = 3 * mean  # some actions at ±1 but for 1e-5
    weight = torch.tensor([[0.3], [0.0], [-2.0]], dtype=torch.float64)  # one a seed, for its whole batch
    leaves = [parameter.clone().requires_grad_() for parameter in (mean, log_std)]
    u = leaves[0] + leaves[1].exp() * noise
    log_prob = squashed_gaussian_log_prob(noise, leaves[1], u, epsilon=epsilon)
    expected = torch.autograd.grad((to_action * u.tanh()).sum() + (weight * log_prob).sum(), leaves)
    found = squashed_gaussian_gradients(noise, log_std, u.detach().tanh(), to_action, weight, epsilon=epsilon)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)


def test_far_out_in_single_precision_the_squashed_slopes_stay_finite_and_exact() -> None:
    zero, one = torch.zeros(1, 1, 1), torch.ones(1, 1)
    to_mean, to_log_std = squashed_gaussian_gradients(
        torch.ones(1, 1, 1), zero, torch.full((1, 1, 1), 20.0).tanh(), zero, one
    )
    assert float(to_mean) == 2.0  # of −log(1 − tanh² u) ≈ 2u − log 4
    assert float(to_log_std) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_the_squashed_log_probability_and_its_slopes_are_pytorchs(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    noise, mean, log_std = torch.randn(3, 2, 7, 4, generator=generator, dtype=torch.float64)
    log_std = log_std - 1
    slopes = []
    for ours in (True, False):
        m, s = mean.clone().requires_grad_(), log_std.clone().requires_grad_()
        u = m + s.exp() * noise
        if ours:
            log_prob = squashed_gaussian_log_prob(noise, s, u)
        else:
            squashed = TransformedDistribution(Normal(m, s.exp()), [TanhTransform(cache_size=1)])
            log_prob = Normal(m, s.exp()).log_prob(u).sum(-1)
            log_prob = log_prob - squashed.transforms[0].log_abs_det_jacobian(u, u.tanh()).sum(-1)
        slopes.append((log_prob.detach(), *torch.autograd.grad(log_prob.sum(), (m, s))))
    for mine, other in zip(*slopes, strict=True):
        torch.testing.assert_close(mine, other)


def test_an_epsilon_of_a_millionth_bounds_the_log_slope_and_changes_little_elsewhere() -> None:
    zero = torch.zeros(1, 1, 1)
    exact, bounded = (
        squashed_gaussian_log_prob(zero, zero, torch.full((1, 1, 1), 20.0), epsilon=epsilon)
        for epsilon in (None, 1e-6)
    )
    assert float(bounded) == pytest.approx(-math.log(1e-6) - 0.5 * math.log(2 * math.pi), rel=1e-4)
    assert float(exact) == pytest.approx(40 - math.log(4) - 0.5 * math.log(2 * math.pi))
    middle = torch.full((1, 1, 1), 0.7)
    torch.testing.assert_close(
        squashed_gaussian_log_prob(zero, zero, middle),
        squashed_gaussian_log_prob(zero, zero, middle, epsilon=1e-6),
        rtol=0,
        atol=1e-5,
    )
