"""Returns of whole episodes, and what is subtracted from them in place of a value function.

Episodes begin with the rollout. In each environment the k-th of them is number k; those numbered k in a group
of environments, which began in one state, are compared with each other.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from matters.algorithms.maths.kernels import sqrt


@dataclass(frozen=True)
class Episodes:
    """The episodes of a rollout, by environment and number; there are at most T of them in each."""

    number: Int[Tensor, "S T N"]
    """That of the episode to which a step belongs."""
    age: Int[Tensor, "S T N"]
    """How many steps of it came before."""
    returned: Float[Tensor, "S N T"]
    """Its whole discounted return; 0 where there is no such episode."""
    length: Int[Tensor, "S N T"]
    """Its steps."""
    whole: Bool[Tensor, "S N T"]
    """Whether it is one, and was not cut short by the rollout's end. One that lasts the whole rollout is: it
    was as long as any could be."""

    def at_steps(self, numbers: Float[Tensor, "S N T"]) -> Float[Tensor, "S T N"]:
        """A number per episode, at each step of it."""
        return numbers.gather(2, self.number.transpose(1, 2)).transpose(1, 2)


def episodes(to_go: Float[Tensor, "S T N"], ended: Bool[Tensor, "S T N"]) -> Episodes:
    """The episodes of a rollout, from the rewards-to-go Σ γᵏ r of its steps."""
    seeds, steps, environments = ended.shape
    before = torch.cat([torch.zeros_like(ended[:, :1]), ended[:, :-1]], dim=1)
    number = before.cumsum(1)
    time = torch.arange(steps)[None, :, None].expand_as(number)
    first = before.clone()
    first[:, 0] = True
    began = torch.where(first, time, 0).cummax(1).values
    returned = to_go.new_zeros(seeds, environments, steps)
    length = torch.zeros(seeds, environments, steps, dtype=torch.long)
    s, t, n = first.nonzero(as_tuple=True)
    returned[s, n, number[s, t, n]] = to_go[s, t, n]
    length.scatter_add_(2, number.transpose(1, 2), torch.ones_like(length))
    whole = torch.zeros_like(length, dtype=torch.bool)
    s, t, n = ended.nonzero(as_tuple=True)
    whole[s, n, number[s, t, n]] = True
    whole[:, :, 0] = True
    return Episodes(number, time - began, returned, length, whole)


def group_advantage(
    returned: Float[Tensor, "S N T"], whole: Bool[Tensor, "S N T"], *, group: int, spread: bool = True
) -> Float[Tensor, "S N T"]:
    """(R − mean) / (standard deviation + 1e-8) over the whole episodes of a number in each group.

    The standard deviation is over n − 1. 0 for an episode that is not whole or has none to be compared with.
    Without `spread` nothing is divided. Shao et al. 2024, "DeepSeekMath", section 4.1.2; Liu et al. 2025,
    "Understanding R1-Zero-like training", for the second.
    """
    count, total = _sums(whole.to(returned.dtype), group), _sums(returned * whole, group)
    gap = (returned - total / count.clamp_min(1)) * (whole & (count > 1))
    if not spread:
        return gap
    variance = _sums(gap * gap, group) / (count - 1).clamp_min(1)
    return gap / (sqrt(variance) + 1e-8)


def leave_one_out(
    returned: Float[Tensor, "S N T"], whole: Bool[Tensor, "S N T"], *, group: int
) -> Float[Tensor, "S N T"]:
    """R less the mean of the other whole episodes of its number in its group; 0 where there is none.

    Kool, van Hoof and Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!", equation 8.
    """
    count, total = _sums(whole.to(returned.dtype), group), _sums(returned * whole, group)
    others = (total - returned) / (count - 1).clamp_min(1)
    return (returned - others) * (whole & (count > 1))


def batch_advantage(
    returned: Float[Tensor, "S N T"], whole: Bool[Tensor, "S N T"], *, spread: bool = True
) -> Float[Tensor, "S N T"]:
    """As `group_advantage`, over all whole episodes of a seed, whatever their number and start."""
    kept = whole.to(returned.dtype)
    count = kept.flatten(1).sum(1)[:, None, None]
    mean = (returned * kept).flatten(1).sum(1)[:, None, None] / count.clamp_min(1)
    gap = (returned - mean) * (whole & (count > 1))
    if not spread:
        return gap
    variance = (gap * gap).flatten(1).sum(1)[:, None, None] / (count - 1).clamp_min(1)
    return gap / (sqrt(variance) + 1e-8)


def _sums(x: Float[Tensor, "S N T"], group: int) -> Float[Tensor, "S N T"]:
    """Over the members of each group, given to every member. One after another, so that nothing but the group
    decides how a sum is rounded."""
    seeds, environments, steps = x.shape
    members = x.view(seeds, environments // group, group, steps)
    total = members[:, :, 0].clone()
    for k in range(1, group):
        total = total + members[:, :, k]
    return total[:, :, None].expand_as(members).reshape(x.shape)
