"""Lockstep parity of the off-policy algorithms: ten gradient steps of ours and of the reference's.

Both start from the same parameters and get the same batches and the same noise, theirs by way of PyTorch's
global generator.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from stable_baselines3 import DDPG, SAC, TD3
from torch import Tensor

from matters.algorithms import ddpg, sac, td3
from matters.algorithms.parts.critics import Critics
from matters.algorithms.reference.sb3_off_policy import DdpgConfig, SacConfig, Td3Config
from matters.harness.parity.off_policy_lockstep import Watched, layers, learn, start
from matters.harness.parity.tape import Tower, paired_parameters
from matters.harness.parity.tolerance import Row, rows, rows_after_adam

Terms = Mapping[str, tuple[Sequence[Tensor], Sequence[Tensor]]]


def ddpg_parity(dtype: torch.dtype, *, seed: int = 0, **changes: Any) -> list[Row]:
    """`ddpg-sb3` against Stable-Baselines3's DDPG, ten gradient steps.

    `changes` are fields of our config. The same change is made on both sides for `hidden` and `batch_size`;
    any other is made on ours alone, which is how the tests show that a difference would be seen.
    """
    config = ddpg.PRESETS["ddpg-sb3"].model_copy(update=changes)
    both = start(DDPG, DdpgConfig(net_arch=config.hidden), ddpg, config, deterministic, dtype, seed=seed)
    watched = learn(both, dtype, seed=seed)
    steps = [ddpg.gradient_step(both.state, config, batch) for batch in both.batches]
    return compare(both.parameters, deterministic_terms(steps, watched), dtype)


def td3_parity(dtype: torch.dtype, *, seed: int = 0, **changes: Any) -> list[Row]:
    """`td3-sb3` against Stable-Baselines3's TD3, ten gradient steps; `changes` as in `ddpg_parity`."""
    config = td3.PRESETS["td3-sb3"].model_copy(update=changes)
    both = start(TD3, Td3Config(net_arch=config.hidden), td3, config, deterministic, dtype, seed=seed)
    watched = learn(both, dtype, seed=seed)
    noise = torch.Generator().manual_seed(seed)
    steps = [
        td3.gradient_step(both.state, config, batch, normal(batch.action, noise)) for batch in both.batches
    ]
    return compare(both.parameters, deterministic_terms(steps, watched), dtype)


def sac_parity(dtype: torch.dtype, *, seed: int = 0, **changes: Any) -> list[Row]:
    """`sac-sb3` against Stable-Baselines3's SAC, ten gradient steps; `changes` as in `ddpg_parity`."""
    config = sac.PRESETS["sac-sb3"].model_copy(update=changes)
    both = start(SAC, SacConfig(net_arch=config.hidden), sac, config, squashed, dtype, seed=seed)
    watched = learn(both, dtype, seed=seed)
    noise = torch.Generator().manual_seed(seed)
    steps = [
        sac.gradient_step(
            both.state, config, batch, torch.stack([normal(batch.action, noise) for _ in range(2)], 1)
        )
        for batch in both.batches
    ]
    ours = critic_terms(steps, watched) | {
        "critic loss": ([step.fit.loss[0].sum() for step in steps], [each[1] for each in watched.losses]),
        "actor loss": ([step.actor_loss[0] for step in steps], [each[2] for each in watched.losses]),
        "temperature": ([step.temperature[0] for step in steps], watched.temperatures),
    }
    if config.learn_temperature:
        losses = [step.temperature_loss[0] for step in steps if step.temperature_loss is not None]
        ours["temperature loss"] = (losses, [each[0] for each in watched.losses])
    return compare(both.parameters, ours, dtype)


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers as the reference draws them next from a generator of the same seed."""
    return torch.empty_like(like).normal_(generator=generator)


def deterministic(model: Any, state: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Parameters of DDPG and TD3 by name, ours and theirs."""
    towers: dict[str, Tower] = {
        "policy": (layers(model.actor.mu), state.policy.views),
        "target policy": (layers(model.actor_target.mu), state.target.views),
    }
    return paired_parameters(towers | critic_towers(model, state.critics))


def squashed(model: Any, state: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Parameters of SAC by name, ours and theirs. Its last layer is two in theirs: for μ and for log σ."""
    hidden = layers(model.actor.latent_pi)
    weight, bias = state.policy.views[-2:]
    heads = {"mean": model.actor.mu, "log σ": model.actor.log_std}
    pairs = paired_parameters({"policy": (hidden, state.policy.views)})
    for name, head, w, b in zip(heads, heads.values(), weight.chunk(2, -1), bias.chunk(2, -1), strict=True):
        pairs[f"policy weight of {name}"] = (w[0], head.weight.detach().T)
        pairs[f"policy bias of {name}"] = (b[0], head.bias.detach()[None])
    pairs["log temperature"] = (state.log_temperature.views[0][0], model.log_ent_coef.detach())
    return pairs | paired_parameters(critic_towers(model, state.critics))


def critic_towers(model: Any, critics: Critics) -> dict[str, Tower]:
    """The critics that both have, and their targets."""
    towers: dict[str, Tower] = {}
    for k in range(min(critics.theta.matrix.shape[1], len(model.critic.q_networks))):
        target = critics.target.layout.views(critics.target.matrix[:, k])
        towers[f"critic {k}"] = (layers(model.critic.q_networks[k]), critics.theta.member(k))
        towers[f"target critic {k}"] = (layers(model.critic_target.q_networks[k]), target)
    return towers


def critic_terms(steps: Sequence[Any], watched: Watched) -> dict[str, tuple[list[Tensor], list[Tensor]]]:
    """The critics' values of the batch, and their targets: ours and theirs."""
    return {
        "Q": ([step.fit.value[0] for step in steps], watched.values),
        "target": ([step.target[0] for step in steps], watched.targets),
    }


def deterministic_terms(steps: Sequence[Any], watched: Watched) -> Terms:
    """Those, and the losses of DDPG and TD3; the actor's only for the steps that update it."""
    critic_losses = [step.fit.loss[0].sum() for step in steps]
    actor_losses = [step.actor_loss[0] for step in steps if step.actor_loss is not None]
    return critic_terms(steps, watched) | {
        "critic loss": (critic_losses, [each[0] for each in watched.losses]),
        "actor loss": (actor_losses, [each[1] for each in watched.losses if len(each) > 1]),
    }


def compare(parameters: Mapping[str, tuple[Tensor, Tensor]], terms: Terms, dtype: torch.dtype) -> list[Row]:
    """Terms of every gradient step, and all parameters after the last: ours against theirs."""
    pairs = {f"{name}, each step": (torch.stack([*a]), torch.stack([*b])) for name, (a, b) in terms.items()}
    moved = {f"{name} after the last step": pair for name, pair in parameters.items()}
    return rows(pairs, dtype) + rows_after_adam(moved, dtype)
