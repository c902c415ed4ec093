"""Observations and rewards before learning: normalisation and clipping, as state of the algorithm."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.maths.moments import DIVERGING, Moments, include, standardise
from matters.algorithms.parts.tricks import OnPolicyTricks, PolicyTricks


def normalise_observation(
    moments: Moments, observation: Float[Tensor, "S N O"], tricks: PolicyTricks, *, learn: bool
) -> Float[Tensor, "S N O"]:
    """What the policy sees of a raw observation; with `learn`, the moments take it in first, in place."""
    if tricks.observation_normalisation:
        raw = observation.numpy()
        if learn:
            include(moments, raw, unbiased=tricks.sample_moments)
        observation = torch.from_numpy(standardise(moments, raw))
    if tricks.observation_clip is not None:
        observation = observation.clamp(-tricks.observation_clip, tricks.observation_clip)
    return observation


@DIVERGING
def scale_reward(
    moments: Moments,
    running: Float[Tensor, "S N"],
    reward: Float[Tensor, "S T N"],
    ended: Bool[Tensor, "S T N"],
    tricks: OnPolicyTricks,
    *,
    discount: float,
) -> Float[Tensor, "S T N"]:
    """The rewards to learn from; `moments` and the `running` returns are updated, in place.

    Scaling, step by step: R ← γ R + r; take R into the moments; r ← r / √(variance + 1e-8); R ← 0 at an
    episode's end. Engstrom et al. 2020, algorithm 1, with the variance's prior of OpenAI baselines. Where
    scaling is by rewards, the moments take in r itself, and r ← (r − mean) / √(variance + 1e-8) + mean.
    """
    if tricks.reset_each_rollout:
        running.zero_()
    if tricks.reward_scale is not None:
        reward = tricks.reward_scale * reward
    if tricks.reward_scaling == "rewards":
        raw, scaled = reward.numpy().astype(np.float64), np.empty(reward.shape)
        for t in range(raw.shape[1]):
            include(moments, raw[:, t, :, None], unbiased=tricks.sample_moments)
            mean = moments.mean.numpy()
            scaled[:, t] = (raw[:, t] - mean) / np.sqrt(moments.variance.numpy() + 1e-8) + mean
        reward = torch.from_numpy(scaled).to(reward.dtype)
    elif tricks.reward_scaling:
        raw, over, discounted = reward.numpy().astype(np.float64), ended.numpy(), running.numpy()
        scaled = np.empty_like(raw)
        for t in range(raw.shape[1]):
            discounted *= discount
            discounted += raw[:, t]
            include(moments, discounted[..., None], unbiased=tricks.sample_moments)
            scaled[:, t] = raw[:, t] / np.sqrt(moments.variance.numpy() + 1e-8)
            discounted[over[:, t]] = 0.0
        reward = torch.from_numpy(scaled).to(reward.dtype)
    if tricks.reward_clip is not None:
        reward = reward.clamp(-tricks.reward_clip, tricks.reward_clip)
    return reward
