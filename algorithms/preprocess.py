"""Observations and rewards before learning: normalisation and clipping, as state of the algorithm."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algorithms.maths.moments import Moments, include, standardise
from algorithms.tricks import OnPolicyTricks


def seen(
    moments: Moments, observation: Float[Tensor, "S N O"], tricks: OnPolicyTricks, *, learn: bool
) -> Float[Tensor, "S N O"]:
    """What the policy sees of a raw observation; with `learn`, the moments take it in first, in place."""
    if tricks.observation_normalisation:
        if learn:
            include(moments, observation)
        observation = standardise(moments, observation)
    if tricks.observation_clip is not None:
        observation = observation.clamp(-tricks.observation_clip, tricks.observation_clip)
    return observation


def paid(
    moments: Moments,
    running: Float[Tensor, "S N"],
    reward: Float[Tensor, "S T N"],
    ended: Bool[Tensor, "S T N"],
    tricks: OnPolicyTricks,
    *,
    discount: float,
) -> Float[Tensor, "S T N"]:
    """The rewards to learn from; `moments` and the `running` returns are carried on, in place.

    Scaling, step by step: R ← γ R + r; take R into the moments; r ← r / √(variance + 1e-8); R ← 0 at an
    episode's end. Engstrom et al. 2020, algorithm 1, with the variance's prior of OpenAI baselines.
    """
    if tricks.reward_scaling:
        scaled = []
        for reward_t, ended_t in zip(reward.double().unbind(1), ended.unbind(1), strict=True):
            running.mul_(discount).add_(reward_t)
            include(moments, running[..., None])
            scaled.append(reward_t / (moments.variance + 1e-8).sqrt())
            running.masked_fill_(ended_t, 0.0)
        reward = torch.stack(scaled, 1).to(reward.dtype)
    if tricks.reward_clip is not None:
        reward = reward.clamp(-tricks.reward_clip, tricks.reward_clip)
    return reward
