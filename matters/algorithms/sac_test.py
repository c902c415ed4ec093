import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.distributions import Normal

from matters.algorithms import sac, td3
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
    weights_of,
)
from matters.algorithms.maths.kernels import exp, tanh, tensor
from matters.algorithms.parts.critics import critic_step, q_values

SMALL: dict[str, Any] = {"hidden": (12, 20), "batch_size": 9, "buffer_size": 50, "warmup": 8}
CONFIG = sac.Config(**SMALL)


class Paper:
    """Algorithm 1 of SAC's paper for one seed, on `torch.nn` and `torch.distributions`."""

    def __init__(self, state: sac.State, config: sac.Config, row: int) -> None:
        self.config = config
        self.actor = module([view[row] for view in state.policy.views])
        self.critics = [module([view[2 * row + k] for view in state.critics.theta.views]) for k in (0, 1)]
        self.targets = deepcopy(self.critics)
        self.log_alpha = torch.tensor(math.log(config.temperature), dtype=torch.float64, requires_grad=True)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), lr=config.learning_rate)
        self.critic_adam = torch.optim.Adam(
            [p for critic in self.critics for p in critic.parameters()], lr=config.critic_learning_rate
        )
        self.alpha_adam = torch.optim.Adam([self.log_alpha], lr=config.temperature_learning_rate)
        if state.value is not None:
            self.v = module([view[row] for view in state.value.theta.views])
            self.v_target = deepcopy(self.v)
            self.v_adam = torch.optim.Adam(self.v.parameters(), lr=config.critic_learning_rate)

    def draw(self, s: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        tricks = self.config.tricks
        mean, log_std = self.actor(s).chunk(2, dim=-1)
        if tricks.log_std_range is not None:
            log_std = log_std.clamp(*tricks.log_std_range)
        gaussian = Normal(mean, log_std.exp())
        u = mean + log_std.exp() * noise
        action = u.tanh()
        slope = (1 - action**2 + (tricks.squash_epsilon or 0.0)).log()
        return action, (gaussian.log_prob(u) - slope).sum(-1)

    def smaller(self, critics: list[Any], s: Tensor, a: Tensor) -> Tensor:
        return torch.min(*(critic(torch.cat([s, a], 1))[:, 0] for critic in critics))

    def step(self, s: Tensor, a: Tensor, r: Tensor, end: Tensor, s2: Tensor, noise: Tensor) -> None:
        config = self.config
        alpha = self.log_alpha.detach().exp()
        action, log_prob = self.draw(s, noise[0])
        if config.tricks.value_network:
            aim = (self.smaller(self.critics, s, action) - alpha * log_prob).detach()
            self.v_adam.zero_grad()
            (0.5 * (self.v(s)[:, 0] - aim) ** 2).mean().backward()
            self.v_adam.step()
        with torch.no_grad():
            if config.tricks.value_network:
                value = self.v_target(s2)[:, 0]
            else:
                a2, log_prob2 = self.draw(s2, noise[1])
                value = self.smaller(self.targets, s2, a2) - alpha * log_prob2
            y = (config.tricks.reward_scale or 1.0) * r + config.discount * (~end).double() * value
        loss = sum(0.5 * ((critic(torch.cat([s, a], 1))[:, 0] - y) ** 2).mean() for critic in self.critics)
        self.critic_adam.zero_grad()
        torch.as_tensor(loss).backward()
        self.critic_adam.step()
        self.actor_adam.zero_grad()
        (alpha * log_prob - self.smaller(self.critics, s, action)).mean().backward()
        self.actor_adam.step()
        if config.learn_temperature:
            front = self.log_alpha if config.tricks.log_temperature_loss else self.log_alpha.exp()
            target = -a.shape[-1] if config.target_entropy is None else config.target_entropy
            self.alpha_adam.zero_grad()
            (-front * (log_prob.detach() + target)).mean().backward()
            self.alpha_adam.step()
        followed = list(zip(self.targets, self.critics, strict=True))
        if config.tricks.value_network:
            followed = [(self.v_target, self.v)]
        for target, critic in followed:
            for old, new in zip(target.parameters(), critic.parameters(), strict=True):
                old.data = config.target_rate * new.data + (1 - config.target_rate) * old.data


@pytest.mark.parametrize(
    "config",
    [pytest.param(config, id=name) for name, config in sac.PRESETS.items()]
    + [
        pytest.param(
            sac.Config(target_entropy=0.3, temperature=0.5, temperature_learning_rate=0.1), id="other"
        ),
        pytest.param(sac.Config(tricks=sac.Tricks(log_std_range=(-0.1, 0.05))), id="clamped"),
    ],
)
def test_updates_are_a_literal_transcription_of_the_paper(config: sac.Config) -> None:
    config = changed(config, **SMALL)
    state = sac.init(config, PROBLEM, generators([0, 1]), dtype=torch.float64)
    papers = [Paper(state, config, row) for row in (0, 1)]
    for k in range(6):
        batch = double(batch_of([0, 1], 9, k))
        noise = normal(generators([0, 1], k), 2, 9, 3).double()
        sac.gradient_step(state, config, batch, noise)
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
        pairs = [(state.policy.views, row, paper.actor)]
        for k in (0, 1):
            pairs.append((state.critics.theta.views, 2 * row + k, paper.critics[k]))
            pairs.append((state.critics.target.views, 2 * row + k, paper.targets[k]))
        if state.value is not None:
            pairs.append((state.value.theta.views, row, paper.v))
            pairs.append((state.value.target.views, row, paper.v_target))
        for views, index, network in pairs:
            for mine, other in zip(views, weights_of(network), strict=True):
                torch.testing.assert_close(mine[index], other, rtol=1e-8, atol=1e-11)
        expected = paper.log_alpha.detach().exp()
        torch.testing.assert_close(sac.temperature(state, config)[row], expected)


def test_at_temperature_0_the_target_is_td3s_without_smoothing() -> None:
    ours = changed(CONFIG, temperature=0.0, learn_temperature=False)
    theirs = changed(td3.Config(**SMALL, tricks=td3.PARTS), tricks__target_noise=None)
    state = sac.init(ours, PROBLEM, generators([0, 1]))
    other = td3.init(theirs, PROBLEM, generators([5, 6]))
    for mine, its in (
        (state.critics.theta, other.critics.theta),
        (state.critics.target, other.critics.target),
    ):
        mine.matrix.copy_(its.matrix)
    # The same next action: μ and TD3's policy are the same network, and no noise is drawn.
    for mine, its in zip(state.policy.views, other.target.views, strict=True):
        mine[..., : its.shape[-1]].copy_(its)
    batch = batch_of([0, 1], 9)
    here = sac.gradient_step(state, ours, batch, torch.zeros(2, 2, 9, 3)).target
    there = td3.gradient_step(other, theirs, batch, None).target
    assert torch.equal(here, there)


def test_control_at_another_temperature_it_is_not() -> None:
    batch, noise = batch_of([0], 9), torch.zeros(1, 2, 9, 3)
    targets = [
        sac.gradient_step(sac.init(config, PROBLEM, generators([0])), config, batch, noise).target
        for config in (changed(CONFIG, temperature=t, learn_temperature=False) for t in (0.0, 0.1))
    ]
    assert not torch.allclose(*targets)


def test_the_policys_loss_reaches_no_critic_and_the_critics_no_policy() -> None:
    alone, whole = (sac.init(CONFIG, PROBLEM, generators([0, 1])) for _ in range(2))
    batch, noise = batch_of([0, 1], 9), normal(generators([0, 1]), 2, 9, 3)
    policy = alone.policy.matrix.clone()
    step = sac.gradient_step(whole, CONFIG, batch, noise)
    critic_step(alone.critics, CONFIG, batch, step.target, factor=0.5)
    assert torch.equal(alone.critics.theta.matrix, whole.critics.theta.matrix)
    assert torch.equal(alone.critics.theta.first, whole.critics.theta.first)
    assert torch.equal(alone.policy.matrix, policy)
    assert not alone.policy.first.any()


def test_the_policy_follows_the_critics_after_their_step_and_the_temperature_before_its_own() -> None:
    fast = changed(CONFIG, temperature_learning_rate=1.0)
    state = sac.init(fast, PROBLEM, generators([0]))
    batch, noise = batch_of([0], 9), normal(generators([0]), 2, 9, 3)
    step = sac.gradient_step(state, fast, batch, noise)
    assert float(step.temperature) == 1.0
    assert float(sac.temperature(state, fast)) != 1.0
    again = sac.init(fast, PROBLEM, generators([0]))
    again.critics = state.critics  # as they are after the step
    output = again.network.forward(again.policy.arrays, batch.observation).output
    action, log_prob = sac.sample_squashed(fast, *sac.distribution(fast, output), noise[:, 0])
    value = q_values(again.critics, again.critics.theta.arrays, batch.observation, action).value
    torch.testing.assert_close(step.actor_loss, (log_prob - value.min(1).values).mean(1))


@pytest.mark.parametrize("log_loss", [False, True])
def test_the_temperatures_step_is_down_the_slope_of_its_loss(log_loss: bool) -> None:
    config = changed(CONFIG, temperature=0.3, target_entropy=0.7, tricks__log_temperature_loss=log_loss)
    state = sac.init(config, PROBLEM, generators([0, 1]), dtype=torch.float64)
    log_prob = normal(generators([0, 1]), 9).double()
    log_alpha = torch.full((2,), math.log(0.3), dtype=torch.float64, requires_grad=True)
    loss = -((log_alpha if log_loss else log_alpha.exp())[:, None] * (log_prob + 0.7)).mean(1)
    (slope,) = torch.autograd.grad(loss.sum(), log_alpha)
    found = sac.temperature_step(state, config, sac.temperature(state, config), log_prob)
    torch.testing.assert_close(found, loss.detach())
    torch.testing.assert_close(state.log_temperature.first[:, 0], 0.1 * slope)


@pytest.mark.parametrize(("log_prob", "rises"), [(-5.0, False), (5.0, True)])
def test_the_temperature_rises_where_entropy_is_short_and_falls_where_it_is_plenty(
    log_prob: float, rises: bool
) -> None:
    state = sac.init(CONFIG, PROBLEM, generators([0]))
    sac.temperature_step(state, CONFIG, sac.temperature(state, CONFIG), torch.full((1, 9), log_prob))
    assert (float(sac.temperature(state, CONFIG)) > 1) == rises


def test_the_value_of_the_first_version_is_that_of_its_boltzmann_policy_on_a_bandit() -> None:
    # V = α log ∫ e^(r/α) at the best policy of one step with that temperature.
    rates = {"learning_rate": 5e-3, "critic_learning_rate": 2e-2}
    config = sac.Config(
        **rates,
        hidden=(16, 16),
        temperature=1.0,
        learn_temperature=False,
        tricks=sac.Tricks(value_network=True),
    )
    state = sac.init(config, BANDIT, generators([0, 1]))
    batch, own = bandit([0, 1], 64, squared_distance), generators([0, 1], 1)
    found = []
    for step in range(500):
        sac.update(state, config, batch, own)
        if step >= 400:
            assert state.value is not None
            found.append(state.value.network.forward(state.value.theta.arrays, torch.ones(2, 1, 1)).output)
    action = torch.linspace(-1, 1, 10_001, dtype=torch.float64)
    soft = math.log(float(squared_distance(action).exp().mean() * 2))
    assert (torch.stack(found).mean(0).flatten() - soft).abs().max() < 0.15


def squared_distance(action: Tensor) -> Tensor:
    return -10 * (action - 0.2) ** 2


RATES = {"learning_rate": 5e-3, "critic_learning_rate": 2e-2, "temperature_learning_rate": 2e-2}


def test_on_a_bandit_the_learned_temperature_comes_to_the_target_entropy() -> None:
    # π ∝ exp(r / α) is all but a Gaussian of variance α / 20 here, so its entropy ½ log(2πe α / 20) is −1 at
    # α = 20 e⁻² / 2πe.
    config = sac.Config(**RATES, hidden=(16, 16), target_entropy=-1.0)
    state = sac.init(config, BANDIT, generators([0, 1]))
    batch, own = bandit([0, 1], 64, squared_distance), generators([0, 1], 1)
    last = []
    for step in range(500):
        metrics = sac.update(state, config, batch, own)
        if step >= 400:
            last.append(torch.stack([metrics["entropy"], metrics["temperature"]]))
    entropy, temperature = torch.stack(last).mean(0)
    assert ((entropy + 1).abs() < 0.1).all()
    assert ((temperature - 20 * math.exp(-2) / (2 * math.pi * math.e)).abs() < 0.03).all()
    assert ((acted(sac, config, state, torch.ones(2, 1, 1), None) - 0.2).abs() < 0.1).all()


def test_on_a_bandit_a_fixed_temperature_gives_the_entropy_of_its_boltzmann_policy() -> None:
    config = sac.Config(**RATES, hidden=(16, 16), temperature=0.3, learn_temperature=False)
    state = sac.init(config, BANDIT, generators([0, 1]))
    batch, own = bandit([0, 1], 64, squared_distance), generators([0, 1], 1)
    found = [sac.update(state, config, batch, own)["entropy"] for _ in range(400)]
    action = torch.linspace(-1, 1, 10_001, dtype=torch.float64)
    density = (squared_distance(action) / 0.3).softmax(0) * 5000
    entropy = -(density * density.log()).mean() * 2
    assert ((torch.stack(found[-100:]).mean(0) - entropy).abs() < 0.1).all()


def test_acting_draws_from_the_squashed_gaussian_and_without_noise_takes_its_middle() -> None:
    state = sac.init(CONFIG, PROBLEM, generators([0, 1]))
    seen, noise = torch.ones(2, 1, 5), normal(generators([0, 1]), 1, 3)
    output = tensor(state.network.one_by_one(state.policy.arrays, seen))
    mean, log_std = sac.distribution(CONFIG, output)
    assert torch.equal(acted(sac, CONFIG, state, seen, None), tanh(mean))
    assert torch.equal(acted(sac, CONFIG, state, seen, noise), tanh(mean + exp(log_std) * noise))
    drawn, _ = sac.sample_squashed(CONFIG, mean, log_std, noise)
    assert torch.equal(acted(sac, CONFIG, state, seen, noise), drawn)


def test_log_std_is_kept_in_its_range() -> None:
    state = sac.init(CONFIG, PROBLEM, generators([0]))
    output = state.network.forward(state.policy.arrays, 100 * normal(generators([0]), 50, 5)).output
    _, free = sac.distribution(CONFIG, output)
    narrow = changed(CONFIG, tricks__log_std_range=(-0.5, 0.5))
    _, kept = sac.distribution(narrow, output)
    assert free.abs().max() > 1
    assert torch.equal(kept, free.clamp(-0.5, 0.5))


def test_an_update_draws_the_noise_of_each_seed_from_its_generator_and_takes_the_step() -> None:
    first, second = (sac.init(CONFIG, PROBLEM, generators([0, 1])) for _ in range(2))
    batch = batch_of([0, 1], 9)
    sac.update(first, CONFIG, batch, generators([0, 1], 7))
    sac.gradient_step(second, CONFIG, batch, normal(generators([0, 1], 7), 2, 9, 3))
    assert bits(first, 1) == bits(second, 1)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"temperature": -0.1}, "temperature\n.*greater than or equal to 0"),
        ({"temperature": 0.0}, "learn_temperature\n.*a temperature of 0 cannot be learned"),
        ({"temperature": 0.0, "learn_temperature": True}, "learn_temperature\n"),
        ({"tricks": {"log_std_range": (2.0, -20.0)}}, "log_std_range\n.*the smaller bound, then the larger"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_by_name(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        sac.Config.model_validate(values)
    assert sac.Config(temperature=0.0, learn_temperature=False).temperature == 0
