"""The diagonal Gaussian, also squashed by tanh, and independent Betas. One number per sample.

Beside each term stand its slopes: those of Σ weight · term over the samples, with respect to both parameters
of the distribution. distributions_test.py compares them with autograd's.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.maths.kernels import exp, log, tanh

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

NEAREST_BOUND = 2.0**-24
"""How near to 0 or 1 a Beta's density is evaluated: half the spacing of single precision below 1, as near as
a sample that was rounded to a bound may have been. At the bound itself the density is 0."""


def gaussian_log_prob(
    action: Float[Tensor, "S B A"], mean: Float[Tensor, "S B A"], log_std: Float[Tensor, "S #B A"]
) -> Float[Tensor, "S B"]:
    """log N(a; μ, σ²) = −Σᵢ [ ½ ((aᵢ − μᵢ) / σᵢ)² + log σᵢ + ½ log 2π ]."""
    z = (action - mean) * exp(-log_std)
    return -0.5 * (z * z).sum(-1) - (log_std + HALF_LOG_TWO_PI).sum(-1)


def gaussian_log_prob_gradients(
    action: Float[Tensor, "S B A"],
    mean: Float[Tensor, "S B A"],
    log_std: Float[Tensor, "S #B A"],
    weight: Float[Tensor, "S B"],
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S #B A"]]:
    """To μ, weight · (a − μ) / σ²; to log σ, Σ weight · [ ((a − μ) / σ)² − 1 ], or per sample if σ is.

    Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
    learning", section 6.
    """
    precision = exp(-log_std)
    z = (action - mean) * precision
    weight = weight[..., None]
    return weight * z * precision, _summed_like(log_std, weight * (z * z - 1))


def gaussian_entropy(log_std: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
    """H = Σᵢ (log σᵢ + ½ log 2πe); it depends on the observation only as σ does."""
    return (log_std + (HALF_LOG_TWO_PI + 0.5)).sum(-1)


def gaussian_kl(
    mean_old: Float[Tensor, "S B A"],
    log_std_old: Float[Tensor, "S #B A"],
    mean_new: Float[Tensor, "S B A"],
    log_std_new: Float[Tensor, "S #B A"],
) -> Float[Tensor, "S B"]:
    """KL(old ‖ new) = Σᵢ [ log σₙ/σₒ + (σₒ² + (μₒ − μₙ)²) / (2 σₙ²) − ½ ]."""
    precision = exp(-2 * log_std_new)
    spread = exp(2 * log_std_old) + (mean_old - mean_new) ** 2
    return (log_std_new - log_std_old + 0.5 * spread * precision - 0.5).sum(-1)


def gaussian_kl_gradients(
    mean_old: Float[Tensor, "S B A"],
    log_std_old: Float[Tensor, "S #B A"],
    mean_new: Float[Tensor, "S B A"],
    log_std_new: Float[Tensor, "S #B A"],
    weight: Float[Tensor, "S B"],
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S #B A"]]:
    """To μₙ, weight · (μₙ − μₒ) / σₙ²; to log σₙ, Σ weight · [ 1 − (σₒ² + (μₒ − μₙ)²) / σₙ² ]."""
    precision = exp(-2 * log_std_new)
    change = mean_new - mean_old
    spread = exp(2 * log_std_old) + change * change
    weight = weight[..., None]
    return weight * change * precision, _summed_like(log_std_new, weight * (1 - spread * precision))


def gaussian_reverse_kl_gradients(
    mean_old: Float[Tensor, "S B A"],
    log_std_old: Float[Tensor, "S #B A"],
    mean_new: Float[Tensor, "S B A"],
    log_std_new: Float[Tensor, "S #B A"],
    weight: Float[Tensor, "S B"],
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S #B A"]]:
    """Of Σ weight · KL(new ‖ old): to μₙ, weight · (μₙ − μₒ) / σₒ²; to log σₙ, Σ weight · [σₙ²/σₒ² − 1]."""
    precision = exp(-2 * log_std_old)
    weight = weight[..., None]
    growth = exp(2 * (log_std_new - log_std_old)) - 1
    return weight * (mean_new - mean_old) * precision, _summed_like(log_std_new, weight * growth)


def _summed_like(log_std: Float[Tensor, "S #B A"], each: Float[Tensor, "S B A"]) -> Float[Tensor, "S #B A"]:
    """The slope with respect to log σ from those of the samples: their sum where all of them share it."""
    return each if log_std.shape[1] == each.shape[1] else each.sum(1, keepdim=True)


def gaussian_fisher(
    log_std: Float[Tensor, "S #B A"],
    to_mean: Float[Tensor, "S B A"],
    to_log_std: Float[Tensor, "S #B A"],
    weight: float,
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S #B A"]]:
    """The Fisher information, 1/σ² of μ and 2 of log σ, times changes of both; over all B samples of a shared
    log σ.

    Amari 1998, "Natural gradient works efficiently in learning", section 3.
    """
    samples = 1 if log_std.shape[1] == to_mean.shape[1] else to_mean.shape[1]
    return to_mean * (weight * exp(-2 * log_std)), to_log_std * (2 * weight * samples)


def squashed_gaussian_log_prob(
    noise: Float[Tensor, "S B A"],
    log_std: Float[Tensor, "S B A"],
    unsquashed: Float[Tensor, "S B A"],
    *,
    epsilon: float | None = None,
) -> Float[Tensor, "S B"]:
    """log π(a) of a = tanh(u), u = μ + σ ε, from the standard normal `noise` ε that drew `unsquashed` u.

        log π(a) = −Σᵢ [ ½ εᵢ² + log σᵢ + ½ log 2π + log(1 − tanh² uᵢ) ]

    With ε in place of (u − μ) / σ no division is needed, and the slope is the same. `epsilon` is what
    references add to 1 − tanh² u to keep its logarithm finite. Haarnoja et al. 2018, "Soft actor-critic",
    appendix C.
    """
    if epsilon is None:
        slope = log_tanh_derivative(unsquashed)
    else:
        action = tanh(unsquashed)
        slope = log(1 - action * action + epsilon)
    return -(0.5 * noise * noise + HALF_LOG_TWO_PI + log_std + slope).sum(-1)


def squashed_gaussian_gradients(
    noise: Float[Tensor, "S B A"],
    log_std: Float[Tensor, "S B A"],
    action: Float[Tensor, "S B A"],
    to_action: Float[Tensor, "S B A"],
    weight: Float[Tensor, "S #B"],
    *,
    epsilon: float | None = None,
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
    """Slopes of a loss whose slope to a = tanh(μ + σ ε) is `to_action`, to log π(a) `weight`, for fixed ε:

        to μ,       d = to_action · (1 − a²) + weight · 2a
        to log σ,   d σ ε − weight

    With `epsilon` in log π, 2a becomes 2a (1 − a²) / (1 − a² + `epsilon`). Haarnoja et al. 2018, "Soft
    actor-critic algorithms and applications", equation 10.
    """
    tanh_derivative, weight = 1 - action * action, weight[..., None]
    steepness = 2 * action if epsilon is None else 2 * action * tanh_derivative / (tanh_derivative + epsilon)
    to_mean = to_action * tanh_derivative + weight * steepness
    return to_mean, to_mean * noise * exp(log_std) - weight


def log_tanh_derivative(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 − tanh² x) = 2 (log 2 − |x| − log(1 + e^−2|x|)), which stays exact where tanh x rounds to ±1."""
    size = x.abs()
    return 2 * (math.log(2) - size - exp(-2 * size).log1p())


# The Betas are computed in double precision. log Γ(α + β) of a sharp policy is in the thousands, and its
# rounding in single precision would be as large as the divergences that are to be kept near 0.01.


def beta_log_prob(
    x: Float[Tensor, "S B A"], alpha: Float[Tensor, "S B A"], beta: Float[Tensor, "S B A"]
) -> Float[Tensor, "S B"]:
    """log Beta(x; α, β) = Σᵢ [ (αᵢ − 1) log xᵢ + (βᵢ − 1) log(1 − xᵢ) − log B(αᵢ, βᵢ) ]."""
    a, b = alpha.double(), beta.double()
    x = x.double().clamp(NEAREST_BOUND, 1 - NEAREST_BOUND)
    return ((a - 1) * log(x) + (b - 1) * (-x).log1p() - _log_beta(a, b)).sum(-1).to(alpha.dtype)


def beta_log_prob_gradients(
    x: Float[Tensor, "S B A"],
    alpha: Float[Tensor, "S B A"],
    beta: Float[Tensor, "S B A"],
    weight: Float[Tensor, "S B"],
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
    """To α, weight · [ log x − ψ(α) + ψ(α + β) ]; to β, weight · [ log(1 − x) − ψ(β) + ψ(α + β) ]."""
    a, b = alpha.double(), beta.double()
    x = x.double().clamp(NEAREST_BOUND, 1 - NEAREST_BOUND)
    both, weight = (a + b).digamma(), weight[..., None]
    to_a, to_b = log(x) - a.digamma() + both, (-x).log1p() - b.digamma() + both
    return (weight * to_a).to(alpha.dtype), (weight * to_b).to(alpha.dtype)


def beta_entropy(alpha: Float[Tensor, "S B A"], beta: Float[Tensor, "S B A"]) -> Float[Tensor, "S B"]:
    """H = Σᵢ [ log B(αᵢ, βᵢ) − (αᵢ − 1) ψ(αᵢ) − (βᵢ − 1) ψ(βᵢ) + (αᵢ + βᵢ − 2) ψ(αᵢ + βᵢ) ]."""
    a, b = alpha.double(), beta.double()
    slopes = (a - 1) * a.digamma() + (b - 1) * b.digamma() - (a + b - 2) * (a + b).digamma()
    return (_log_beta(a, b) - slopes).sum(-1).to(alpha.dtype)


def beta_entropy_gradients(
    alpha: Float[Tensor, "S B A"], beta: Float[Tensor, "S B A"], weight: Float[Tensor, "S B"]
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
    """To α, weight · [ (α + β − 2) ψ′(α + β) − (α − 1) ψ′(α) ]; to β likewise."""
    a, b = alpha.double(), beta.double()
    both, weight = (a + b - 2) * torch.polygamma(1, a + b), weight[..., None]
    to_a, to_b = (both - (part - 1) * torch.polygamma(1, part) for part in (a, b))
    return (weight * to_a).to(alpha.dtype), (weight * to_b).to(alpha.dtype)


def beta_kl(
    alpha_old: Float[Tensor, "S B A"],
    beta_old: Float[Tensor, "S B A"],
    alpha_new: Float[Tensor, "S B A"],
    beta_new: Float[Tensor, "S B A"],
) -> Float[Tensor, "S B"]:
    """KL(old ‖ new) = Σᵢ [ log B(new)/B(old) + (αₒ − αₙ) ψ(αₒ) + (βₒ − βₙ) ψ(βₒ) − (Δα + Δβ) ψ(αₒ + βₒ) ],

    with Δα = αₒ − αₙ and Δβ = βₒ − βₙ.
    """
    a, b, a_new, b_new = (tensor.double() for tensor in (alpha_old, beta_old, alpha_new, beta_new))
    slopes = (
        (a - a_new) * a.digamma() + (b - b_new) * b.digamma() - (a - a_new + b - b_new) * (a + b).digamma()
    )
    return (_log_beta(a_new, b_new) - _log_beta(a, b) + slopes).sum(-1).to(alpha_new.dtype)


def beta_kl_gradients(
    alpha_old: Float[Tensor, "S B A"],
    beta_old: Float[Tensor, "S B A"],
    alpha_new: Float[Tensor, "S B A"],
    beta_new: Float[Tensor, "S B A"],
    weight: Float[Tensor, "S B"],
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
    """To αₙ, weight · [ ψ(αₙ) − ψ(αₙ + βₙ) − ψ(αₒ) + ψ(αₒ + βₒ) ]; to βₙ likewise."""
    a, b, a_new, b_new = (tensor.double() for tensor in (alpha_old, beta_old, alpha_new, beta_new))
    both, weight = (a + b).digamma() - (a_new + b_new).digamma(), weight[..., None]
    to_a, to_b = (new.digamma() - old.digamma() + both for old, new in ((a, a_new), (b, b_new)))
    return (weight * to_a).to(alpha_new.dtype), (weight * to_b).to(alpha_new.dtype)


def beta_reverse_kl_gradients(
    alpha_old: Float[Tensor, "S B A"],
    beta_old: Float[Tensor, "S B A"],
    alpha_new: Float[Tensor, "S B A"],
    beta_new: Float[Tensor, "S B A"],
    weight: Float[Tensor, "S B"],
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
    """Of Σ weight · KL(new ‖ old): `beta_fisher` of the new (α, β) times (αₙ − αₒ, βₙ − βₒ)."""
    to_a, to_b = beta_fisher(alpha_new, beta_new, alpha_new - alpha_old, beta_new - beta_old, 1.0)
    return weight[..., None] * to_a, weight[..., None] * to_b


def beta_fisher(
    alpha: Float[Tensor, "S B A"],
    beta: Float[Tensor, "S B A"],
    to_alpha: Float[Tensor, "S B A"],
    to_beta: Float[Tensor, "S B A"],
    weight: float,
) -> tuple[Float[Tensor, "S B A"], Float[Tensor, "S B A"]]:
    """The Fisher information, ψ′ of each on the diagonal less ψ′(α + β), times changes of α and β."""
    a, b = alpha.double(), beta.double()
    both = torch.polygamma(1, a + b) * (to_alpha + to_beta)
    found = (torch.polygamma(1, own) * change - both for own, change in ((a, to_alpha), (b, to_beta)))
    first, second = ((weight * part).to(alpha.dtype) for part in found)
    return first, second


def beta_mode(alpha: Float[Tensor, "S B A"], beta: Float[Tensor, "S B A"]) -> Float[Tensor, "S B A"]:
    """(α − 1) / (α + β − 2) for α, β ≥ 1; 1/2 where both are 1, the uniform distribution."""
    above = alpha + beta - 2
    return torch.where(above == 0, 0.5, (alpha - 1) / above)


def _log_beta(a: Float[Tensor, "S B A"], b: Float[Tensor, "S B A"]) -> Float[Tensor, "S B A"]:
    """log B(a, b) = log Γ(a) + log Γ(b) − log Γ(a + b)."""
    return a.lgamma() + b.lgamma() - (a + b).lgamma()
