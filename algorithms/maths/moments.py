"""Running mean and variance, per seed."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Moments:
    """Mean [S, D], variance [S, D] and sample count [S, 1] of everything seen, in float64."""

    mean: Tensor
    variance: Tensor
    count: Tensor


def start(seeds: int, size: int) -> Moments:
    """Mean 0, variance 1 and a count of 1e-4, so that the first samples take over at once.

    The prior is that of OpenAI baselines (common/running_mean_std.py), which published PPO results used.
    """
    return Moments(
        mean=torch.zeros(seeds, size, dtype=torch.float64),
        variance=torch.ones(seeds, size, dtype=torch.float64),
        count=torch.full((seeds, 1), 1e-4, dtype=torch.float64),
    )


def include(moments: Moments, samples: Tensor) -> None:
    """Take in `samples` [S, N, D], in place.

    With batch mean m, variance v and size n, and δ = m − mean, of total t = count + n:

        mean ← mean + δ n / t
        variance ← (variance · count + v n + δ² count n / t) / t

    Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
    """
    samples = samples.double()
    n = samples.shape[1]
    mean = samples.mean(1)
    variance = ((samples - mean[:, None]) ** 2).mean(1)
    delta = mean - moments.mean
    total = moments.count + n
    moments.mean.add_(delta * (n / total))
    moments.variance.copy_(
        (moments.variance * moments.count + variance * n + delta * delta * (moments.count * n / total))
        / total
    )
    moments.count.copy_(total)


def standardise(moments: Moments, samples: Tensor) -> Tensor:
    """(x − mean) / √(variance + 1e-8) for `samples` [S, N, D], in the samples' own type."""
    centred = samples.double() - moments.mean[:, None]
    return (centred / (moments.variance + 1e-8).sqrt()[:, None]).to(samples.dtype)
