"""The fit of V that follows a policy's step, where V has passes over the batch of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from matters.algorithms.maths.schedules import linear_decay
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, descend, value_gradient


@torch.inference_mode()
def fit_value(
    state: ActorCritic,
    config: Any,
    batch: Batch,
    generators: Sequence[np.random.Generator],
    *,
    progress: float,
) -> Float[Tensor, " S"]:
    """Fit V to the batch's targets by minibatch steps of Adam; returns the mean loss of the last pass.

    The config says how: `value_epochs`, `value_minibatch_size`, `value_learning_rate`, and the tricks
    `value_clip`, `anneal_lr` and those of Adam.
    """
    rate, size = config.value_learning_rate, batch.advantage.shape[1]
    if config.tricks.anneal_lr:
        rate = linear_decay(rate, progress=progress)
    losses = [torch.zeros(len(generators), dtype=batch.value.dtype)]
    for _ in range(config.value_epochs):
        order = torch.from_numpy(np.stack([generator.permutation(size) for generator in generators]))
        losses = []
        for minibatch in batch.take(order).split(config.value_minibatch_size):
            loss, gradient = value_gradient(state, minibatch, clip=config.tricks.value_clip)
            descend(state.value, gradient, learning_rate=rate, tricks=config.tricks)
            losses.append(loss)
    return torch.stack(losses, dim=1).mean(1)
