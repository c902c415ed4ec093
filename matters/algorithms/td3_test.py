"""TD3, and DDPG as TD3 with its three parts off."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from matters.algorithms import ddpg, td3
from matters.algorithms.conftest import (
    BANDIT,
    PROBLEM,
    acted,
    bandit,
    batch_of,
    bits,
    changed,
    double,
    generators,
    module,
    normal,
    practised,
    weights_of,
)
from matters.algorithms.parts.critics import critic_step
from matters.algorithms.parts.deterministic_policy import Deterministic, policy_step
from matters.algorithms.parts.theta import Theta

SMALL: dict[str, Any] = {"hidden": (12, 20), "batch_size": 9, "buffer_size": 50, "warmup": 8}
CONFIG = td3.Config(**SMALL, tricks=td3.PARTS)


def same(config: ddpg.Config) -> td3.Config:
    """TD3 without its three parts, with the settings of a DDPG."""
    return td3.Config(
        **config.model_dump(exclude={"tricks"}), tricks=td3.Tricks(**config.tricks.model_dump())
    )


@pytest.mark.parametrize("preset", ddpg.PRESETS)
@pytest.mark.parametrize("exploration", ["gaussian", "ornstein-uhlenbeck", None])
def test_without_its_three_parts_td3_is_ddpg_bit_for_bit(preset: str, exploration: str | None) -> None:
    config = changed(ddpg.PRESETS[preset], **SMALL, exploration=exploration)
    ours, theirs = practised(td3, same(config), [0, 1]), practised(ddpg, config, [0, 1])
    for row in (0, 1):
        assert bits(ours, row) == bits(theirs, row)


@pytest.mark.parametrize("part", ["clipped_double_q", "policy_delay", "target_noise"])
def test_control_with_any_one_of_them_it_is_not(part: str) -> None:
    without, some = (
        CONFIG.model_copy(update={"tricks": tricks})
        for tricks in (td3.Tricks(), td3.Tricks(**{part: getattr(CONFIG.tricks, part)}))
    )
    ours, theirs = practised(td3, some, [0, 1, 2]), practised(td3, without, [0, 1, 2])
    assert not torch.equal(ours.policy.matrix, theirs.policy.matrix)


class Paper:
    """Algorithm 1 of TD3's paper for one seed, on `torch.nn`; with its three parts off it is DDPG's."""

    def __init__(self, state: Deterministic, config: Any, row: int) -> None:
        critics = state.critics.theta.matrix.shape[1]
        self.config, self.steps = config, 0
        self.actor = module([view[row] for view in state.policy.views], tanh=True)
        views = state.critics.theta.views
        self.critics = [module([view[row * critics + k] for view in views]) for k in range(critics)]
        self.actor_target, self.critic_targets = deepcopy(self.actor), deepcopy(self.critics)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), lr=config.learning_rate)
        self.critic_adam = torch.optim.Adam(
            [p for critic in self.critics for p in critic.parameters()],
            lr=config.critic_learning_rate,
            weight_decay=config.critic_weight_decay,
        )

    def step(self, s: Tensor, a: Tensor, r: Tensor, end: Tensor, s2: Tensor, noise: Tensor) -> None:
        config = self.config
        self.steps += 1
        with torch.no_grad():
            a2 = self.actor_target(s2)
            if getattr(config.tricks, "target_noise", None):
                bound = config.target_noise_clip
                a2 = (a2 + (config.tricks.target_noise * noise).clamp(-bound, bound)).clamp(-1, 1)
            values = [critic(torch.cat([s2, a2], 1))[:, 0] for critic in self.critic_targets]
            y = r + config.discount * (~end).double() * torch.stack(values).amin(0)
        loss = sum(((critic(torch.cat([s, a], 1))[:, 0] - y) ** 2).mean() for critic in self.critics)
        self.critic_adam.zero_grad()
        torch.as_tensor(loss).backward()
        self.critic_adam.step()
        if self.steps % (getattr(config.tricks, "policy_delay", None) or 1) == 0:
            self.actor_adam.zero_grad()
            (-self.critics[0](torch.cat([s, self.actor(s)], 1)).mean()).backward()
            self.actor_adam.step()
            for target, network in zip(
                [self.actor_target, *self.critic_targets], [self.actor, *self.critics], strict=True
            ):
                for old, new in zip(target.parameters(), network.parameters(), strict=True):
                    old.data = config.target_rate * new.data + (1 - config.target_rate) * old.data


@pytest.mark.parametrize(
    ("rule", "config"),
    [pytest.param(td3, config, id=name) for name, config in td3.PRESETS.items()]
    + [
        pytest.param(ddpg, config, id=name)
        for name, config in ddpg.PRESETS.items()
        if name != "ddpg-batch-norm"  # its networks are transcribed in normalised_mlp_test.py
    ],
)
def test_updates_are_a_literal_transcription_of_the_paper(rule: Any, config: Any) -> None:
    config = changed(config, **SMALL)
    state = rule.init(config, PROBLEM, generators([0, 1]), dtype=torch.float64)
    papers = [Paper(state, config, row) for row in (0, 1)]
    for k in range(6):
        batch = double(batch_of([0, 1], 9, k))
        noise = normal(generators([0, 1], k), 9, 3).double()
        if rule is td3:
            td3.gradient_step(state, config, batch, noise)
        else:
            ddpg.gradient_step(state, config, batch)
        for row, paper in enumerate(papers):
            own = {name: tensor[row] for name, tensor in vars(batch).items() if tensor is not None}
            paper.step(
                own["observation"],
                own["action"],
                own["reward"],
                own["terminated"],
                own["successor"],
                noise[row],
            )
    for row, paper in enumerate(papers):
        critics = len(paper.critics)
        pairs = [(state.policy.views, row, paper.actor), (state.target.views, row, paper.actor_target)]
        for views, networks in (
            (state.critics.theta.views, paper.critics),
            (state.critics.target.views, paper.critic_targets),
        ):
            pairs += [(views, row * critics + k, networks[k]) for k in range(critics)]
        for views, index, network in pairs:
            for mine, other in zip(views, weights_of(network), strict=True):
                torch.testing.assert_close(mine[index], other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_policy_and_targets_move_with_every_dth_step_of_the_critics_and_at_no_other(delay: int) -> None:
    config = changed(CONFIG, tricks__policy_delay=None if delay == 1 else delay)
    state = td3.init(config, PROBLEM, generators([0, 1]))

    def delayed() -> list[Tensor]:
        return [t.matrix.clone() for t in (state.policy, state.target, state.critics.target)]

    for step in range(1, 7):
        before, critics = delayed(), state.critics.theta.matrix.clone()
        metrics = td3.update(state, config, batch_of([0, 1], 9, step), generators([0, 1], step))
        moved = [not torch.equal(old, new) for old, new in zip(before, delayed(), strict=True)]
        assert moved == [step % delay == 0] * 3
        assert ("actor_loss" in metrics) == (step % delay == 0)
        assert not torch.equal(critics, state.critics.theta.matrix)
    assert state.updates.tolist() == [6, 6]


def untouched(theta: Theta) -> bool:
    """Whether the optimiser has not seen a gradient to it."""
    return not (theta.first.any() or theta.second.any() or theta.steps.any())


def test_the_critics_step_reaches_no_parameter_of_the_policy_nor_the_policys_one_of_the_critics() -> None:
    state, batch = td3.init(CONFIG, PROBLEM, generators([0, 1])), batch_of([0, 1], 9)
    policy, critics = state.policy.matrix.clone(), state.critics.theta.matrix.clone()
    policy_step(state, CONFIG, batch)
    assert torch.equal(critics, state.critics.theta.matrix)
    assert untouched(state.critics.theta)
    assert not torch.equal(policy, state.policy.matrix)
    policy = state.policy.matrix.clone()
    critic_step(state.critics, CONFIG, batch, torch.ones(2, 9))
    assert torch.equal(policy, state.policy.matrix)
    assert state.policy.steps.tolist() == [1, 1]
    assert not torch.equal(critics, state.critics.theta.matrix)


def test_an_update_draws_the_noise_of_each_seed_from_its_generator_and_takes_the_step() -> None:
    first, second = (td3.init(CONFIG, PROBLEM, generators([0, 1])) for _ in range(2))
    batch = batch_of([0, 1], 9)
    td3.update(first, CONFIG, batch, generators([0, 1], 7))
    td3.gradient_step(second, CONFIG, batch, normal(generators([0, 1], 7), 9, 3))
    assert bits(first, 1) == bits(second, 1)


def test_the_smaller_of_two_critics_is_in_the_target_and_a_lone_one_whatever_it_is() -> None:
    batch = batch_of([0], 9)
    batch.terminated[:] = False
    state = td3.init(changed(CONFIG, tricks__target_noise=None), PROBLEM, generators([0]))
    for matrix in (state.critics.theta.matrix, state.critics.target.matrix):
        matrix.zero_()
    bias = state.critics.target.views[-1]
    bias[0], bias[1] = 5.0, -3.0
    step = td3.gradient_step(state, changed(CONFIG, tricks__target_noise=None), batch, None)
    torch.testing.assert_close(step.target, batch.reward + 0.99 * -3.0)


def test_exploration_is_gaussian_about_the_policy_and_clipped() -> None:
    state = td3.init(CONFIG, PROBLEM, generators([0]))
    seen = torch.ones(1, 1, 5)
    middle = acted(td3, CONFIG, state, seen, None)
    torch.testing.assert_close(middle, state.network.forward(state.policy.arrays, seen).output.tanh())
    noise = torch.tensor([[[1.0, -2.0, 1e9]]])
    expected = torch.cat([(middle + 0.1 * noise)[..., :2], torch.ones(1, 1, 1)], dim=-1)
    torch.testing.assert_close(acted(td3, CONFIG, state, seen, noise), expected)
    silent = changed(CONFIG, exploration=None)
    assert torch.equal(acted(td3, silent, state, seen, noise), middle)


def ou(state: Deterministic, config: Any, noise: Tensor | None, memory: Tensor) -> Tensor:
    """The Ornstein–Uhlenbeck process after one step: what exploration adds."""
    found: Tensor = ddpg.act(state, config, torch.zeros(len(memory), 1, 5), noise, memory).memory
    return found


@pytest.mark.parametrize("dt", [1.0, 0.01])
def test_ornstein_uhlenbeck_noise_is_the_process_of_its_name(dt: float) -> None:
    config = ddpg.Config(**SMALL, ou_step=dt)
    state = ddpg.init(config, PROBLEM, generators([0, 1]))
    x = torch.zeros(2, 1, 3, dtype=torch.float64)
    process = torch.zeros(2, 1, 3)
    own = generators([0, 1], 5)
    for _ in range(50):
        noise = normal(own, 1, 3)
        x = x + 0.15 * (0 - x) * dt + 0.2 * dt**0.5 * noise.double()
        process = ou(state, config, noise, process)
        torch.testing.assert_close(process.double(), x, rtol=1e-4, atol=1e-6)


def test_only_ornstein_uhlenbeck_noise_has_a_memory_and_acting_leaves_the_one_it_was_given_alone() -> None:
    config = ddpg.Config(**SMALL)
    state = ddpg.init(config, PROBLEM, generators([0]))
    assert ddpg.sizes(config, PROBLEM).memory == 3
    assert ddpg.sizes(changed(config, exploration="gaussian"), PROBLEM).memory == 0
    given = torch.ones(1, 1, 3)
    assert not torch.equal(ou(state, config, torch.ones(1, 1, 3), given), torch.ones(1, 1, 3))
    assert torch.equal(given, torch.ones(1, 1, 3))


def test_evaluating_does_not_move_the_process() -> None:
    config = ddpg.Config(**SMALL)
    state = ddpg.init(config, PROBLEM, generators([0]))
    assert torch.equal(ou(state, config, None, torch.ones(1, 1, 3)), torch.ones(1, 1, 3))


@pytest.mark.parametrize("rule", [ddpg, td3])
def test_on_a_bandit_the_policy_comes_to_the_best_action_and_the_critic_to_the_rewards(rule: Any) -> None:
    def reward(action: Tensor) -> Tensor:
        return 1 - (action - 0.3) ** 2

    rates = {"target_rate": 0.05, "learning_rate": 1e-3, "critic_learning_rate": 1e-2}
    config = rule.Config(**rates, hidden=(16, 16), critic_weight_decay=0.0, last_layer=None)
    state = rule.init(config, BANDIT, generators([0, 1]))
    batch, own = bandit([0, 1], 64, reward), generators([0, 1], 1)
    for _ in range(300):
        metrics = rule.update(state, config, batch, own)
    best = acted(rule, config, state, torch.ones(2, 1, 1), None)
    assert ((best - 0.3).abs() < 0.15).all()
    assert (metrics["critic_loss"] < 0.02).all()
    assert ((metrics["actor_loss"] + 1).abs() < 0.1).all()  # −Q(s, μ(s)), and the best reward is 1


def test_last_layers_are_drawn_from_their_own_range() -> None:
    state = ddpg.init(ddpg.Config(**SMALL), PROBLEM, generators([0, 1]))
    for theta in (state.policy, state.critics.theta):
        assert all(view.abs().max() <= 3e-3 for view in theta.views[-2:])
        assert all(view.abs().max() > 0.1 for view in theta.views[:-2])


def test_presets_without_a_part_or_with_one_alone_are_what_their_names_say() -> None:
    full = td3.PRESETS["td3"]
    for name, part in (("cdq", "clipped_double_q"), ("delay", "policy_delay"), ("smoothing", "target_noise")):
        without, only = td3.PRESETS[f"td3-no-{name}"], td3.PRESETS[f"td3-only-{name}"]
        off = td3.Tricks.model_fields[part].default
        assert without == changed(full, **{f"tricks__{part}": off})
        assert only == full.model_copy(update={"tricks": td3.Tricks(**{part: getattr(full.tricks, part)})})


def test_tuned_ddpg_is_td3_without_its_parts() -> None:
    assert same(ddpg.PRESETS["ddpg-tuned"]) == td3.PRESETS["td3"].model_copy(update={"tricks": td3.Tricks()})


def test_an_exploration_that_would_grow_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"ou_step\n.*should be less than 2 / ou_reversion, 13.3333"):
        ddpg.Config(ou_step=20.0)
