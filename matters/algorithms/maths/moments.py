"""Running mean and variance, per seed.

Every environment step adds a few numbers, which is less work than PyTorch's overhead: so the state is
tensors, and the arithmetic is NumPy's, on the same memory.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

DIVERGING = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""A seed that diverges is noticed at the end of its update and recorded as a failure; NumPy need not warn."""


@dataclass
class Moments:
    """Mean [S, D], variance [S, D] and sample count [S, 1] of everything seen, in float64."""

    mean: Tensor
    variance: Tensor
    count: Tensor


PRIOR = 1e-4
"""The count that OpenAI baselines start from (common/running_mean_std.py)."""


def start(seeds: int, size: int, *, count: float = PRIOR) -> Moments:
    """Mean 0, variance 1 and a small count or none, so that the first samples take over at once."""
    return Moments(
        mean=torch.zeros(seeds, size, dtype=torch.float64),
        variance=torch.ones(seeds, size, dtype=torch.float64),
        count=torch.full((seeds, 1), count, dtype=torch.float64),
    )


@DIVERGING
def include(moments: Moments, samples: Float[np.ndarray, "S N D"], *, unbiased: bool = False) -> None:
    """Take in `samples`, in place.

    With batch mean m, variance v and size n, δ = m − mean, and the total t = count + n:

        mean ← mean + δ n / t
        variance ← (variance · count + v n + δ² count n / t) / t

    Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
    If `unbiased`, variances are over n − 1, and that of a single sample x is x², as in modular_rl's
    RunningStat, which Engstrom et al.'s code uses.
    """
    less = 1 if unbiased else 0
    mean, variance, count = (part.numpy() for part in (moments.mean, moments.variance, moments.count))
    samples = samples.astype(np.float64, copy=False)
    n = samples.shape[1]
    batch_mean = samples.sum(1) / n
    deviation = samples - batch_mean[:, None]
    squares = (deviation * deviation).sum(1)  # v n
    delta = batch_mean - mean
    total = count + n
    mean += delta * (n / total)
    variance *= np.maximum(count - less, 0)
    variance += squares + delta * delta * (count * n / total)
    variance /= np.maximum(total - less, 1) if unbiased else total
    if unbiased:
        np.copyto(variance, mean * mean, where=total == 1)
    count[:] = total


def restore(moments: Moments, samples: Float[Tensor, "S B"]) -> Float[Tensor, "S B"]:
    """x √(variance + 1e-8) + mean, for moments of one number, in the samples' type; undoes `standardise`."""
    spread = np.sqrt(moments.variance.numpy() + 1e-8)
    return torch.from_numpy((samples.numpy() * spread + moments.mean.numpy()).astype(samples.numpy().dtype))


@DIVERGING
def standardise(moments: Moments, samples: Float[np.ndarray, "S N D"]) -> Float[np.ndarray, "S N D"]:
    """(x − mean) / √(variance + 1e-8), in the samples' own type."""
    centred: np.ndarray = samples - moments.mean.numpy()[:, None]
    centred /= np.sqrt(moments.variance.numpy() + 1e-8)[:, None]
    return centred.astype(samples.dtype, copy=False)
