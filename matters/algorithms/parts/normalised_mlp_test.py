"""Normalised perceptrons, against autograd; and DDPG with them, against a transcription of its paper."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms import ddpg
from matters.algorithms.conftest import PROBLEM, batch_of, changed, double, generators
from matters.algorithms.interface import ReplayBatch
from matters.algorithms.maths.kernels import array
from matters.algorithms.parts.deterministic_policy import networks
from matters.algorithms.parts.mlp import Mlp, uniform
from matters.algorithms.parts.normalised_mlp import EPSILON, RATE, NormalisedMlp
from matters.algorithms.parts.theta import Theta

NETWORKS = {
    "policy": NormalisedMlp((5, 8, 6, 3), normalised=3),
    "critic": NormalisedMlp((8, 7, 6, 1), normalised=2, beside=3, late=True),
    "early actions": NormalisedMlp((8, 7, 6, 1), normalised=1, beside=3),
    "late actions alone": NormalisedMlp((8, 7, 6, 1), normalised=0, beside=3, late=True),
    "one hidden layer": NormalisedMlp((8, 7, 1), normalised=2, beside=3, late=True),
}
EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def theta(network: NormalisedMlp, seeds: int = 2) -> Theta:
    """Parameters at random, gains and running moments among them."""
    rows = []
    for seed in range(seeds):
        own = np.random.default_rng(seed)
        drawn = network.initial(own, uniform(None))
        names = network.layout.names
        rows.append(
            network.layout.row(
                [
                    part if name.startswith(("weight", "bias")) else part + 0.3 * own.random(part.shape)
                    for name, part in zip(names, drawn, strict=True)
                ]
            )
        )
    return Theta.of(rows, network.layout, torch.float64)


class Paper:
    """The network of one row in `torch`, for autograd."""

    def __init__(self, network: NormalisedMlp, views: list[Tensor], row: int) -> None:
        self.network = network
        pairs = zip(network.layout.names, views, strict=True)
        self.own = {name: view[row].clone().requires_grad_() for name, view in pairs}

    def __call__(self, x: Tensor, *, learn: bool) -> Tensor:
        network, own = self.network, self.own
        seen = network.sizes[0] - network.beside
        here, beside = x[:, :seen], x[:, seen:]
        for layer in range(len(network.sizes) - 1):
            if layer < network.normalised:
                mean, variance = own[f"mean_{layer}"].detach(), own[f"variance_{layer}"].detach()
                if learn:
                    own[f"mean_{layer}"].data = mean + RATE * (here.detach().mean(0) - mean)
                    spread = here.detach().var(0, unbiased=False)
                    own[f"variance_{layer}"].data = variance + RATE * (spread - variance)
                    mean, variance = here.mean(0), here.var(0, unbiased=False)
                standardised = (here - mean) / (variance + EPSILON).sqrt()
                here = own[f"gain_{layer}"] * standardised + own[f"offset_{layer}"]
            if layer:
                here = here.relu()
            if network.beside and layer == int(network.late):
                here = torch.cat([here, beside], 1)
            here = here @ own[f"weight_{layer}"] + own[f"bias_{layer}"]
        return here

    @property
    def learnt(self) -> list[Tensor]:
        return [part for name, part in self.own.items() if not name.startswith(("mean", "variance"))]


def inputs(network: NormalisedMlp, samples: int = 9) -> Tensor:
    return torch.randn(2, samples, network.sizes[0], generator=torch.Generator().manual_seed(1)).double()


@EVERY
@pytest.mark.parametrize("learn", [True, False])
def test_output_and_gradient_are_autograds(network: NormalisedMlp, learn: bool) -> None:
    own, x = theta(network), inputs(network)
    forward = network.forward(own.arrays, x, learn=learn)
    slope = torch.randn(forward.output.shape, generator=torch.Generator().manual_seed(2)).double()
    rows = network.gradient(forward, slope)
    for row in (0, 1):
        paper = Paper(network, own.views, row)
        output = paper(x[row], learn=learn)
        torch.testing.assert_close(forward.output[row], output.detach())
        output.backward(slope[row])
        for name, mine in zip(network.layout.names, network.layout.views(rows), strict=True):
            found = paper.own[name].grad
            expected = torch.zeros_like(mine[row]) if found is None else found
            torch.testing.assert_close(mine[row], expected, rtol=1e-9, atol=1e-12)
    assert not rows[:, network.layout.parameters :].any()


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.beside])
def test_the_gradient_to_the_last_inputs_is_autograds(name: str) -> None:
    network = NETWORKS[name]
    own, x = theta(network), inputs(network)
    forward = network.forward(own.arrays, x)
    slope = torch.ones_like(forward.output)
    found = network.backward_to_last_inputs(forward, slope, number=network.beside)
    for row in (0, 1):
        seen = x[row].clone().requires_grad_()
        Paper(network, own.views, row)(seen, learn=False).sum().backward()
        assert seen.grad is not None
        torch.testing.assert_close(found[row], seen.grad[:, -network.beside :])


@EVERY
def test_acting_is_the_network_with_running_moments_whoever_else_acts(network: NormalisedMlp) -> None:
    own, x = theta(network), inputs(network)
    found = network.one_by_one(own.arrays, x)
    torch.testing.assert_close(torch.from_numpy(found), network.forward(own.arrays, x).output)
    assert np.array_equal(found[:, 3:4], network.one_by_one(own.arrays, x[:, 3:4]))


@EVERY
def test_first_places_change_nothing_but_what_epsilon_does(network: NormalisedMlp) -> None:
    row = network.layout.row(network.initial(np.random.default_rng(0), uniform(None)))
    own = Theta.of([row], network.layout, torch.float64)
    x = inputs(network)[:1]
    same = NormalisedMlp(network.sizes, 0, network.beside, network.late)
    expected = Paper(same, own.views[: len(same.layout.names)], 0)(x[0], learn=False).detach()
    torch.testing.assert_close(network.forward(own.arrays, x).output[0], expected, rtol=1e-3, atol=1e-3)


def test_running_moments_come_to_those_of_the_batches_and_only_a_learning_pass_moves_them() -> None:
    network = NETWORKS["policy"]
    own, x = theta(network), 3 * inputs(network) + 2
    for _ in range(200):
        network.follow_moments(network.forward(own.arrays, x, learn=True))
    mean, variance = (own.views[network.layout.names.index(name)] for name in ("mean_0", "variance_0"))
    torch.testing.assert_close(mean, x.mean(1, keepdim=True))
    torch.testing.assert_close(variance, x.var(1, unbiased=False, keepdim=True))
    before = own.matrix.clone()
    network.follow_moments(network.forward(own.arrays, x))
    assert torch.equal(before, own.matrix)


def test_actions_at_the_second_layer_need_one() -> None:
    with pytest.raises(ValueError, match=r"tricks\.late_actions: needs a hidden layer"):
        NormalisedMlp((8, 1), normalised=0, beside=3, late=True)


def test_the_papers_networks_are_normalised_where_it_says() -> None:
    policy, critic = networks(ddpg.PRESETS["ddpg-batch-norm"], PROBLEM)
    assert isinstance(policy, NormalisedMlp)
    assert isinstance(critic, NormalisedMlp)
    assert policy.widths == (5, 400, 300)
    assert (critic.widths, critic.layers) == ((5, 400), [(5, 400), (403, 300), (300, 1)])


def _as_normalised(network: Mlp | NormalisedMlp) -> NormalisedMlp:
    """The same network as one without normalised layers, if it is a plain perceptron."""
    return network if isinstance(network, NormalisedMlp) else NormalisedMlp(network.sizes, normalised=0)


class Ddpg:
    """Algorithm 1 of Lillicrap et al. 2016 with batch normalisation, for one seed."""

    def __init__(self, state: Any, config: Any, row: int) -> None:
        self.config = config
        critics = state.critics
        policy, value = _as_normalised(state.network), _as_normalised(critics.network)
        self.actor, self.actor_target = (Paper(policy, it.views, row) for it in (state.policy, state.target))
        self.critic, self.critic_target = (
            Paper(value, it.views, row) for it in (critics.theta, critics.target)
        )
        self.actor_adam = torch.optim.Adam(self.actor.learnt, lr=config.learning_rate)
        self.critic_adam = torch.optim.Adam(
            self.critic.learnt, lr=config.critic_learning_rate, weight_decay=config.critic_weight_decay
        )

    def step(self, batch: ReplayBatch, row: int) -> None:
        s, a, s2 = batch.observation[row], batch.action[row], batch.successor[row]
        with torch.no_grad():
            a2 = self.actor_target(s2, learn=False).tanh()
            value = self.critic_target(torch.cat([s2, a2], 1), learn=False)[:, 0]
            y = batch.reward[row] + self.config.discount * (~batch.terminated[row]).double() * value
        loss = ((self.critic(torch.cat([s, a], 1), learn=True)[:, 0] - y) ** 2).mean()
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()
        self.actor_adam.zero_grad()
        action = self.actor(s, learn=True).tanh()
        (-self.critic(torch.cat([s, action], 1), learn=False)).mean().backward()
        self.actor_adam.step()
        rate = self.config.target_rate
        pairs = ((self.actor_target, self.actor), (self.critic_target, self.critic))
        for target, network in pairs:
            for name, old in target.own.items():
                old.data = rate * network.own[name].detach() + (1 - rate) * old.detach()


@pytest.mark.parametrize(
    "changes",
    [
        # An offset before another normalised layer has no effect: its gradient is rounding alone, which Adam
        # would enlarge to steps of full size were there a decay.
        {"critic_weight_decay": 0.0},
        {"tricks__late_actions": False},
        {"tricks__batch_norm": False},
    ],
    ids=str,
)
def test_ddpgs_updates_with_such_networks_are_a_transcription_of_the_paper(changes: dict[str, Any]) -> None:
    config = changed(ddpg.PRESETS["ddpg-batch-norm"], hidden=(12, 20), **changes)
    state = ddpg.init(config, PROBLEM, generators([0, 1]), dtype=torch.float64)
    papers = [Ddpg(state, config, row) for row in (0, 1)]
    for k in range(6):
        batch = double(batch_of([0, 1], 9, k))
        ddpg.gradient_step(state, config, batch)
        for row, paper in enumerate(papers):
            paper.step(batch, row)
    for row, paper in enumerate(papers):
        for mine, other in (
            (state.policy, paper.actor), (state.target, paper.actor_target),
            (state.critics.theta, paper.critic), (state.critics.target, paper.critic_target),
        ):  # fmt: skip
            for view, part in zip(mine.views, other.own.values(), strict=True):
                torch.testing.assert_close(view[row], part.detach(), rtol=1e-7, atol=1e-10)


def test_single_precision_rows_are_on_thetas_memory() -> None:
    network = NETWORKS["critic"]
    row = network.layout.row(network.initial(np.random.default_rng(0), uniform(None)))
    own = Theta.of([row], network.layout)
    array(own.matrix)[:] = 0
    assert not any(part.any() for part in own.arrays)
