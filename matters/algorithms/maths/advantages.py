"""Estimates of the advantage A(s, a) from a rollout."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.maths.kernels import Array, array


def generalised_advantage(
    reward: Float[Tensor, "S T N"],
    value: Float[Tensor, "S T N"],
    value_next: Float[Tensor, "S T N"],
    terminated: Bool[Tensor, "S T N"],
    ended: Bool[Tensor, "S T N"],
    *,
    discount: float,
    gae_lambda: float,
) -> Float[Tensor, "S T N"]:
    """Generalised advantage estimate.

        δₜ = rₜ + γ (1 − terminatedₜ) V(sₜ₊₁) − V(sₜ)
        Âₜ = δₜ + γλ (1 − endedₜ) Âₜ₊₁

    `value_next` is the value of the true successor, also where an episode ended, so that a time limit (ended
    but not terminated) still bootstraps and only cuts the trace. The rollout's last step is cut likewise.
    λ = 1 gives return − V, λ = 0 gives δ; with V = 0 and λ = 1 it is the reward-to-go.

    Schulman et al. 2016, "High-dimensional continuous control using generalized advantage estimation",
    equations 11 and 16 to 18.
    """
    delta = reward + discount * (~terminated).to(reward.dtype) * value_next - value
    # Multiply and add are separate on purpose: a fused multiply-add rounds differently in the vector part and
    # in the tail of an array, and a seed's place in the array must not matter.
    decay = discount * gae_lambda * (~ended).to(delta.dtype)
    advantage = torch.empty_like(delta)
    into, deltas, decays = (array(each.transpose(0, 1)) for each in (advantage, delta, decay))
    running: Array = 0.0
    for t in reversed(range(len(into))):
        running = deltas[t] + decays[t] * running
        into[t] = running
    return advantage


def standardised(advantage: Float[Tensor, "S B"]) -> Float[Tensor, "S B"]:
    """(Â − mean) / (standard deviation + 1e-8), per seed; one sample is returned as it is.

    The denominator is the sample standard deviation (n − 1), as in Stable-Baselines3 and CleanRL.
    """
    if advantage.shape[1] < 2:
        return advantage
    return (advantage - advantage.mean(1, keepdim=True)) / (deviation(advantage) + 1e-8)


def deviation(samples: Float[Tensor, "S B"]) -> Float[Tensor, "S 1"]:
    """The sample standard deviation (n − 1) of each row, the same whichever other rows there are."""
    return _never_alone(samples).std(1, keepdim=True)[: len(samples)]


def _never_alone(rows: Float[Tensor, "S B"]) -> Float[Tensor, "R B"]:
    """The rows, a single one twice.

    PyTorch computes the variance of one row in another way than that of each of several. The two differ
    where a row hardly varies, as if all of a batch earned the same; divided by it, that is no small thing.
    """
    return rows if len(rows) > 1 else rows.repeat(2, 1)


def standardised_in_groups(advantage: Float[Tensor, "S B"], *, size: int) -> Float[Tensor, "S B"]:
    """`standardised` within consecutive groups of `size` samples; the last one may be smaller.

    What each minibatch of an epoch would do for itself, done for all of them at once.
    """
    seeds, samples = advantage.shape
    groups = samples // size
    if groups == 0:
        return standardised(advantage)
    whole, rest = advantage[:, : groups * size], advantage[:, groups * size :]
    grouped = standardised(whole.reshape(seeds * groups, size)).view(seeds, groups * size)
    return torch.cat([grouped, standardised(rest)], dim=1)


def explained_variance(value: Float[Tensor, "S B"], target: Float[Tensor, "S B"]) -> Float[Tensor, " S"]:
    """1 − Var[target − V] / Var[target] per seed; NaN where the target does not vary."""
    variance, unexplained = (
        _never_alone(rows).var(1, unbiased=False)[: len(rows)] for rows in (target, target - value)
    )
    return torch.where(variance > 0, 1 - unexplained / variance, torch.nan)
