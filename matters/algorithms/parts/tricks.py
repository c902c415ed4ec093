"""Tricks: choices that papers leave open or that code makes beside them, each a named switch.

Off is the paper, with these exceptions: tanh, which PPO's paper has; ε under RMSProp's root and a falling
step size, which A3C's has; TD3's three parts; and DDPG's `batch_norm` and `late_actions`.

Numbers in brackets are Engstrom et al. 2020, "Implementation matters in deep policy gradients", section 3.
"""

from typing import Literal

from pydantic import Field, PositiveFloat

from matters.algorithms.interface import Frozen


class PolicyTricks(Frozen):
    """The tricks of a stochastic policy and its step. `False` or `None` is off."""

    observation_normalisation: bool = Field(
        False, description="standardise observations with running mean and variance [6]"
    )
    observation_clip: PositiveFloat | None = Field(
        None, description="clip observations, standardised if that is on, to ± this [7]; OpenAI baselines: 10"
    )
    sample_moments: bool = Field(
        False,
        description="running moments without a prior, variances over n − 1 (Engstrom's code); off: OpenAI "
        "baselines' prior, over n",
    )
    orthogonal_init: bool = Field(
        False, description="orthogonal weights with a gain for each layer [3]; off: Glorot-uniform"
    )
    last_policy_gain: PositiveFloat | None = Field(
        None,
        description="weights of the policy's last layer times this, in place of 0.01 for orthogonal ones "
        "(Andrychowicz et al. 2021: 0.01)",
    )
    tanh_activations: bool = Field(False, description="tanh between layers [8]; off: ReLU")
    anneal_lr: bool = Field(False, description="learning rates fall linearly to 0 over training [4]")
    gradient_clip: PositiveFloat | None = Field(
        None, description="largest norm of the whole gradient [9]; OpenAI baselines, Stable-Baselines3: 0.5"
    )
    log_std_init: float | None = Field(
        None, description="start of log σ; off: 0; Spinning Up and Tianshou: −0.5"
    )
    action_clip: bool = Field(
        False, description="clip actions to the bounds before the environment gets them (all references)"
    )
    action_squash: bool = Field(
        False,
        description="tanh of the policy's actions, scaled to the bounds, goes to the environment "
        "(Andrychowicz et al. 2021); the entropy is that of the actions before it",
    )
    softplus_std: bool = Field(
        False, description="σ = softplus(x) of a parameter x; off: e^x (Andrychowicz et al. 2021)"
    )
    state_dependent_std: bool = Field(
        False,
        description="σ depends on the observation, too; off: free parameters (Andrychowicz et al. 2021)",
    )


class OnPolicyTricks(PolicyTricks):
    """Those tricks, and those of rewards and the value function: what every actor-critic here can use."""

    reward_scale: PositiveFloat | None = Field(
        None, description="rewards times this, before all else (Henderson et al. 2018; rllab: 1)"
    )
    reward_scaling: bool | Literal["rewards"] = Field(
        False,
        description="divide rewards by the standard deviation of their running discounted sum [2]; "
        "'rewards': shrink them towards their running mean by their own deviation (Engstrom's code for "
        "PPO-NoClip)",
    )
    reward_clip: PositiveFloat | None = Field(
        None, description="clip rewards, scaled if scaling is on, to ± this [5]; OpenAI baselines: 10"
    )
    time_limit_terminal: bool = Field(
        False, description="treat a time limit as a terminal state: no bootstrap (Engstrom's code, CleanRL)"
    )
    last_step_bootstraps_itself: bool = Field(
        False,
        description="bootstrap a rollout's last step with V of its own state, not of its successor "
        "(Engstrom's code)",
    )
    value_loss_excludes_ends: bool = Field(
        False, description="no value loss at the last step of an episode (Engstrom's code)"
    )
    reset_each_rollout: bool = Field(
        False, description="begin all episodes anew with each rollout, whole or not (Engstrom's code)"
    )


class AdamTricks(OnPolicyTricks):
    """Those tricks, and Adam's."""

    adam_epsilon: PositiveFloat | None = Field(
        None, description="Adam's ε; off: 1e-8, Adam's paper; OpenAI baselines, Stable-Baselines3: 1e-5"
    )


class OffPolicyTricks(Frozen):
    """The tricks that every off-policy algorithm here can use. `False` or `None` is off."""

    critic_huber: PositiveFloat | None = Field(
        None,
        description="errors of Q beyond this count linearly (Huber 1964; OpenAI baselines' DQN, 1)",
    )
    reward_scale: PositiveFloat | None = Field(
        None,
        description="rewards times this (Haarnoja et al. 2018, version 1: 5, on Humanoid 20; Henderson et "
        "al. 2018 try 0.1 to 100)",
    )
    episode_end_updates: bool = Field(
        False,
        description="learn where episodes end, as many gradient steps as the episode had steps, in the "
        "warm-up too (Fujimoto et al.'s code of 2018, commit 32c6d47); off: after each step",
    )
    time_limit_terminal: bool = Field(
        False,
        description="treat a time limit as a terminal state: no bootstrap (code with one flag for both)",
    )


class DeterministicTricks(OffPolicyTricks):
    """Those tricks, and those of algorithms with a deterministic policy."""

    batch_norm: bool = Field(
        False,
        description="batch normalisation of the state input and the policy's hidden layers, and in Q of what "
        "is before the action (Lillicrap et al. 2016, section 3)",
    )
    late_actions: bool = Field(
        False, description="actions enter Q at its second layer (Lillicrap et al. 2016, section 7)"
    )
