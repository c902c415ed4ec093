import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from algorithms.maths.distributions import gaussian_entropy, gaussian_kl, gaussian_log_prob


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
