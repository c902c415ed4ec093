"""Independent categorical distributions, one per dimension of an action. One number per sample.

Their parameters are logits z of K atoms, p = softmax(z), which need not be normalised. Beside each term stand
its slopes: those of Σ weight · term over the samples, with respect to z.
"""

from jaxtyping import Float, Int
from torch import Tensor

from matters.algorithms.maths.kernels import exp, log


def categorical_log_probs(logits: Float[Tensor, "S B A K"]) -> Float[Tensor, "S B A K"]:
    """log p = z − log Σ e^z, of each atom."""
    shifted = logits - logits.max(-1, keepdim=True).values
    return shifted - log(exp(shifted).sum(-1, keepdim=True))


def categorical_log_prob(
    index: Int[Tensor, "S B A"], logits: Float[Tensor, "S B A K"]
) -> Float[Tensor, "S B"]:
    """Σᵢ log pᵢ of the atoms drawn."""
    return categorical_log_probs(logits).gather(-1, index[..., None])[..., 0].sum(-1)


def categorical_log_prob_gradient(
    index: Int[Tensor, "S B A"], logits: Float[Tensor, "S B A K"], weight: Float[Tensor, "S B"]
) -> Float[Tensor, "S B A K"]:
    """weight · (1 at the atom drawn − p)."""
    each = weight[..., None, None]
    slope = exp(categorical_log_probs(logits)) * -each
    return slope.scatter_add(-1, index[..., None], each.expand(*index.shape, 1))


def categorical_entropy(logits: Float[Tensor, "S B A K"]) -> Float[Tensor, "S B"]:
    """H = −Σᵢ Σ p log p."""
    log_p = categorical_log_probs(logits)
    return -(exp(log_p) * log_p).sum(-1).sum(-1)


def categorical_entropy_gradient(
    logits: Float[Tensor, "S B A K"], weight: Float[Tensor, "S B"]
) -> Float[Tensor, "S B A K"]:
    """−weight · p (log p + Hᵢ), Hᵢ the entropy of that dimension."""
    log_p = categorical_log_probs(logits)
    p = exp(log_p)
    return -weight[..., None, None] * p * (log_p - (p * log_p).sum(-1, keepdim=True))


def categorical_kl(old: Float[Tensor, "S B A K"], new: Float[Tensor, "S B A K"]) -> Float[Tensor, "S B"]:
    """KL(old ‖ new) = Σᵢ Σ pₒ (log pₒ − log pₙ)."""
    log_p = categorical_log_probs(old)
    return (exp(log_p) * (log_p - categorical_log_probs(new))).sum(-1).sum(-1)


def categorical_kl_gradient(
    old: Float[Tensor, "S B A K"], new: Float[Tensor, "S B A K"], weight: Float[Tensor, "S B"]
) -> Float[Tensor, "S B A K"]:
    """To the new logits, weight · (pₙ − pₒ)."""
    return weight[..., None, None] * (exp(categorical_log_probs(new)) - exp(categorical_log_probs(old)))


def categorical_reverse_kl_gradient(
    old: Float[Tensor, "S B A K"], new: Float[Tensor, "S B A K"], weight: Float[Tensor, "S B"]
) -> Float[Tensor, "S B A K"]:
    """Of Σ weight · KL(new ‖ old), to the new logits: weight · pₙ (log pₙ − log pₒ − KLᵢ)."""
    log_p = categorical_log_probs(new)
    p, change = exp(log_p), log_p - categorical_log_probs(old)
    return weight[..., None, None] * p * (change - (p * change).sum(-1, keepdim=True))


def categorical_fisher(
    logits: Float[Tensor, "S B A K"], to_logits: Float[Tensor, "S B A K"], weight: float
) -> Float[Tensor, "S B A K"]:
    """`weight` times the Fisher information, diag p − p pᵀ, times a change of the logits."""
    p = exp(categorical_log_probs(logits))
    return weight * p * (to_logits - (p * to_logits).sum(-1, keepdim=True))
