"""What rules without a value function share: groups of episodes, and how a rollout of them becomes a batch.

Every rollout begins with new episodes. The N environments of a seed fall into groups of G, each of which
begins its episodes in one state: the k-th episodes of a group differ in nothing but their actions, and may be
compared with each other. That takes dynamics without randomness of their own, as MuJoCo's are; where there is
some, a group draws the same, step by step.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from matters.algorithms.interface import Rollout, When
from matters.algorithms.maths.advantages import generalised_advantage
from matters.algorithms.maths.episodes import Episodes, episodes
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.actor_critic import Actor, Batch, PolicyConfig
from matters.algorithms.parts.tricks import PolicyTricks

FACTS = replace(
    actor_critic.FACTS,
    begins_anew=lambda config: True,  # noqa: ARG005
    group="group_size",
    lag=None,
    scratch=lambda config, state: 0,  # noqa: ARG005
)
"""What every rule without a value function is."""


class EpisodicTricks(PolicyTricks):
    """The tricks of a policy, and those of a rule that steps with Adam along whole returns."""

    adam_epsilon: PositiveFloat | None = Field(
        None, description="Adam's ε; off: 1e-8, Adam's paper; OpenAI baselines, Stable-Baselines3: 1e-5"
    )


class EpisodicConfig(PolicyConfig):
    """The settings of every rule that learns from whole episodes."""

    horizon: PositiveInt = Field(
        1000,
        description="T, steps of each environment in a rollout, which begins new episodes; those that its "
        "end cuts short are left out, unless they began with it",
    )
    environments: PositiveInt = Field(8, description="N, environments of each seed")
    group_size: PositiveInt = Field(
        4, description="G, environments that begin each of their episodes in one state"
    )

    @model_validator(mode="after")
    def _groups_fill_the_environments(self) -> "EpisodicConfig":
        if self.environments % self.group_size:
            raise ValueError(
                f"group_size = {self.group_size}: should divide environments = {self.environments}"
            )
        return self


NO_EFFECT: dict[str, When] = actor_critic.NO_EFFECT_ON_A_POLICY | {
    "tricks.sample_moments": When(
        "observations are not normalised", lambda config: not config.tricks.observation_normalisation
    ),
}

init, observe, act = actor_critic.init_actor, actor_critic.observe, actor_critic.act
sizes, to_environment, parameters = actor_critic.sizes, actor_critic.to_environment, actor_critic.parameters


def rewards_to_go(config: EpisodicConfig, rollout: Rollout) -> tuple[Float[Tensor, "S T N"], Episodes]:
    """Σ γᵏ r from each step to its episode's end, and the episodes themselves."""
    reward = rollout.reward
    ended, nothing = rollout.terminated | rollout.truncated, torch.zeros_like(reward)
    to_go = generalised_advantage(
        reward, nothing, nothing, ended, ended, discount=config.discount, gae_lambda=1.0
    )
    return to_go, episodes(to_go, ended)


def weighed_batch(
    state: Actor,
    rollout: Rollout,
    *,
    returned: Float[Tensor, "S T N"],
    advantage: Float[Tensor, "S T N"],
    weight: Float[Tensor, "S T N"],
) -> Batch:
    """The rollout as a batch: what each action is weighed with, and how much each step counts.

    Weights are brought to a mean of 1. The return less the advantage stands in place of values: what was
    subtracted, unless advantages are divided by a spread; then the variance that it explains says nothing.
    """
    flat = weight.flatten(1)
    flat = flat * (flat.shape[1] / flat.sum(1, keepdim=True).clamp_min(1e-30))
    action = rollout.action.flatten(1, 2)
    old = state.actor.recorded(rollout.record.flatten(1, 2))
    return Batch(
        observation=rollout.observation.flatten(1, 2),
        action=action,
        advantage=advantage.flatten(1),
        target=returned.flatten(1),
        value=(returned - advantage).flatten(1),
        log_prob=state.actor.log_prob(old, action),
        old=old,
        weight=flat,
    )
