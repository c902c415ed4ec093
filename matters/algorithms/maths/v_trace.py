"""Advantages and targets of V from a rollout that another policy made."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.maths.kernels import Array, array


def v_trace(
    reward: Float[Tensor, "S T N"],
    value: Float[Tensor, "S T N"],
    value_next: Float[Tensor, "S T N"],
    terminated: Bool[Tensor, "S T N"],
    ended: Bool[Tensor, "S T N"],
    ratio: Float[Tensor, "S T N"],
    *,
    discount: float,
    trace_lambda: float,
    ratio_clip: float,
    trace_clip: float,
) -> tuple[Float[Tensor, "S T N"], Float[Tensor, "S T N"]]:
    """V-trace: the advantage of each action, and how far V's target is from V.

    With δₜ = rₜ + γ (1 − terminatedₜ) V(sₜ₊₁) − V(sₜ), ρₜ = min(ρ̄, π/μ) and cₜ = λ min(c̄, π/μ):

        eₜ = ρₜ δₜ + γ cₜ (1 − endedₜ) eₜ₊₁,         the target is V(sₜ) + eₜ
        Âₜ = ρₜ (δₜ + γ λ (1 − endedₜ) eₜ₊₁)

    so Â takes the mean of V(sₜ₊₁) and its target with weights 1 − λ and λ, as rlax does: where π acted, the
    ratios are 1, and both are the generalised advantage estimate, bit for bit. With the target alone in that
    place (scalable_agent), that holds for λ = 1 only.

    Espeholt et al. 2018, "IMPALA: scalable distributed deep-RL with importance weighted actor-learner
    architectures", equation 1 and section 4.2; λ as in remark 2.
    """
    # The terms and their order are those of `generalised_advantage`.
    delta = reward + discount * (~terminated).to(reward.dtype) * value_next - value
    decay = discount * trace_lambda * (~ended).to(delta.dtype)
    weight, trace = ratio.clamp(max=ratio_clip), ratio.clamp(max=trace_clip)
    advantage, error = torch.empty_like(delta), torch.empty_like(delta)
    parts = (advantage, error, delta, decay, weight, trace)
    into, errors, deltas, decays, weights, traces = (array(each.transpose(0, 1)) for each in parts)
    running: Array = 0.0
    for t in reversed(range(len(into))):
        into[t] = weights[t] * (deltas[t] + decays[t] * running)
        running = weights[t] * deltas[t] + decays[t] * traces[t] * running
        errors[t] = running
    return advantage, error
