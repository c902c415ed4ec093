import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms import vpg
from matters.algorithms.conftest import PROBLEM, changed, collect, generators
from matters.algorithms.interface import Problem, Rollout
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, prepare
from matters.algorithms.parts.optimisers import global_norm
from matters.algorithms.vpg import Config

SMALL = Config(horizon=24, environments=2, hidden=(8,), value_steps=5, learning_rate=3e-3)
SEEDS = (0, 1, 2)


def begun(config: Config = SMALL, dtype: torch.dtype = torch.float32) -> tuple[ActorCritic, Rollout]:
    """A first state and a rollout of it."""
    state = vpg.init(config, PROBLEM, generators(SEEDS), dtype)
    rollout = collect(vpg, vpg.init(config, PROBLEM, generators(SEEDS)), config, SEEDS)
    if dtype == torch.float64:
        rollout = Rollout(**{k: v.double() if v.is_floating_point() else v for k, v in vars(rollout).items()})
    return state, rollout


def learnt(config: Config, progress: float = 0.0) -> ActorCritic:
    """The state after one update."""
    state, rollout = begun(config)
    vpg.update(state, config, rollout, generators(SEEDS, 1), progress=progress)
    return state


def linear_gaussian(samples: int) -> tuple[ActorCritic, Tensor, Tensor]:
    """A policy N(w s + b, σ²) in one dimension, float64, with observations and actions [1, B, 1]."""
    config = Config(horizon=samples, hidden=())
    state = vpg.init(config, Problem(1, 1, (-1.0,), (1.0,)), generators([0]), torch.float64)
    state.policy.matrix[0, :3] = torch.tensor([0.7, -0.2, -0.4], dtype=torch.float64)  # w, b, log σ
    own = np.random.default_rng(1)
    s = torch.from_numpy(own.standard_normal((1, samples, 1)))
    a = 0.7 * s - 0.2 + np.exp(-0.4) * torch.from_numpy(own.standard_normal((1, samples, 1)))
    return state, s, a


def policy_slope(state: ActorCritic, s: Tensor, a: Tensor, advantage: Tensor) -> Tensor:
    """∇ of the surrogate to w, b and log σ."""
    unused = torch.zeros_like(advantage)
    batch = Batch(s, a, advantage, target=unused, value=unused, log_prob=unused, old=(a, a))
    _, found = vpg.policy_gradient(state, batch)
    return found[0, :3]


def test_the_gradient_of_a_linear_gaussian_policy_is_the_analytic_one() -> None:
    state, s, a = linear_gaussian(50)
    advantage = torch.from_numpy(np.random.default_rng(2).standard_normal((1, 50)))
    z = (a - 0.7 * s + 0.2) / np.exp(-0.4)
    weight = advantage[..., None]
    score = torch.cat([z * s / np.exp(-0.4), z / np.exp(-0.4), z**2 - 1], dim=-1)
    torch.testing.assert_close(policy_slope(state, s, a, advantage), (score * weight).mean((0, 1)))


def test_the_gradient_estimates_that_of_the_expected_return() -> None:
    # Reward −(a − 1)² after one step: J = −E[(w s + b − 1)²] − σ², with s standard normal.
    state, s, a = linear_gaussian(400_000)
    w, b, variance = 0.7, -0.2, np.exp(-0.8)
    expected = torch.tensor([-2 * w, -2 * (b - 1), -2 * variance], dtype=torch.float64)
    found = policy_slope(state, s, a, -((a - 1) ** 2)[..., 0])
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.02)
    # A baseline that depends on the observation only changes the noise, not the mean.
    shifted = policy_slope(state, s, a, -((a - 1) ** 2)[..., 0] + 3 + s[..., 0])
    torch.testing.assert_close(shifted, expected, rtol=0.05, atol=0.05)


def paper(
    state: ActorCritic, config: Config, rollout: Rollout, row: int
) -> tuple[list[Tensor], list[Tensor]]:
    """One seed's update written out: a policy step, then full-batch steps on V; the parameters afterwards."""
    pi, v = ([x[row].clone().requires_grad_() for x in theta.views] for theta in (state.policy, state.value))

    def network(p: list[Tensor], s: Tensor) -> Tensor:
        return (s @ p[0] + p[1]).clamp(min=0) @ p[2] + p[3]

    s, a, r = rollout.observation[row], rollout.action[row], rollout.reward[row]
    with torch.no_grad():
        value = network(v, s)[..., 0] * config.baseline
        value_next = network(v, rollout.successor[row])[..., 0] * config.baseline
        advantage, trace = torch.zeros_like(r), torch.zeros_like(r[0])
        for t in reversed(range(len(r))):
            terminated, truncated = rollout.terminated[row, t], rollout.truncated[row, t]
            delta = r[t] + config.discount * value_next[t] * (~terminated) - value[t]
            trace = delta + config.discount * config.gae_lambda * trace * ~(terminated | truncated)
            advantage[t] = trace
    log_prob = torch.distributions.Normal(network(pi[:-1], s), pi[-1].exp()).log_prob(a).sum(-1)
    (-log_prob * advantage).mean().backward()
    torch.optim.Adam(pi, lr=config.learning_rate).step()
    fit = torch.optim.Adam(v, lr=config.value_learning_rate)
    for _ in range(config.value_steps if config.baseline else 0):
        fit.zero_grad()
        ((network(v, s)[..., 0] - advantage - value) ** 2).mean().backward()
        fit.step()
    return [x.detach() for x in pi], [x.detach() for x in v]


@pytest.mark.parametrize(
    "config",
    [SMALL, changed(SMALL, gae_lambda=1.0), changed(SMALL, baseline=False, gae_lambda=1.0, value_steps=0)],
    ids=["GAE", "baseline", "REINFORCE"],
)
def test_with_all_tricks_off_an_update_is_the_papers(config: Config) -> None:
    state, rollout = begun(config, torch.float64)
    expected = [paper(state, config, rollout, row) for row in range(3)]
    vpg.update(state, config, rollout, generators(SEEDS, 1), progress=0.7)
    for row in range(3):
        for theta, parameters in zip((state.policy, state.value), expected[row], strict=True):
            for ours, theirs in zip(theta.views, parameters, strict=True):
                torch.testing.assert_close(ours[row], theirs, rtol=1e-7, atol=1e-9)


def test_reinforce_uses_no_value_function() -> None:
    config = changed(vpg.PRESETS["reinforce"], horizon=24, environments=2, hidden=(8,))
    state, rollout = begun(config)
    other, _ = begun(config)
    other.value.matrix += 10.0
    before = other.value.matrix.clone()
    for each in (state, other):
        vpg.update(each, config, rollout, generators(SEEDS, 1), progress=0.0)
    assert torch.equal(state.policy.matrix, other.policy.matrix)
    assert torch.equal(other.value.matrix, before)


def test_control_a_baseline_does_use_the_value_function() -> None:
    state, rollout = begun()
    other, _ = begun()
    other.value.matrix += 10.0
    for each in (state, other):
        vpg.update(each, SMALL, rollout, generators(SEEDS, 1), progress=0.0)
    assert not torch.equal(state.policy.matrix, other.policy.matrix)


def test_reinforce_weighs_each_action_with_its_reward_to_go() -> None:
    config = changed(SMALL, baseline=False, gae_lambda=1.0, discount=1.0)
    state, rollout = begun(config)
    advantage = prepare(state, config, rollout, baseline=False).advantage.view(3, 24, 2)
    ended = rollout.terminated | rollout.truncated
    expected = torch.zeros(3, 2)
    for t in reversed(range(24)):
        expected = rollout.reward[:, t] + torch.where(ended[:, t], 0.0, expected)
        torch.testing.assert_close(advantage[:, t], expected)


def test_the_policy_steps_before_v_is_fitted() -> None:
    fitted, unfitted = learnt(SMALL), learnt(changed(SMALL, value_steps=0))
    assert torch.equal(fitted.policy.matrix, unfitted.policy.matrix)
    assert not torch.equal(fitted.value.matrix, unfitted.value.matrix)
    assert fitted.value.steps.tolist() == [5.0] * 3
    assert fitted.policy.steps.tolist() == [1.0] * 3


def test_fitting_v_lowers_its_error() -> None:
    state, rollout = begun()
    losses = [
        vpg.update(state, SMALL, rollout, generators(SEEDS, 1), progress=0.0)["value_loss"] for _ in range(20)
    ]
    assert (losses[-1] < losses[0]).all()


def test_annealing_shrinks_the_steps_of_policy_and_value() -> None:
    annealed = changed(SMALL, value_steps=1, tricks__anneal_lr=True)
    state, rollout = begun(annealed)
    before = state.policy.matrix.clone(), state.value.matrix.clone()
    metrics = vpg.update(state, annealed, rollout, generators(SEEDS, 1), progress=0.9)
    assert metrics["learning_rate"].tolist() == pytest.approx([3e-4] * 3)
    assert (state.policy.matrix - before[0]).abs().max() == pytest.approx(3e-4, rel=1e-3)
    assert (state.value.matrix - before[1]).abs().max() == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("limit", [1e-3, 1e3])
def test_gradient_clip_bounds_the_policys_gradient_and_the_values_each(limit: float) -> None:
    config = changed(SMALL, value_steps=1)
    clipped, free = learnt(changed(config, tricks__gradient_clip=limit)), learnt(config)
    for part in ("policy", "value"):
        # After one step Adam's first moment is a tenth of the gradient that it was given.
        applied, whole = (10 * global_norm(getattr(state, part).first) for state in (clipped, free))
        assert (applied <= limit * 1.0001).all()
        torch.testing.assert_close(applied, whole.clamp(max=limit), rtol=1e-4, atol=0)


def test_advantage_normalisation_is_over_the_batch() -> None:
    state, rollout = begun()
    batch = prepare(state, SMALL, rollout)
    batch.advantage = vpg.standardised(batch.advantage)
    _, ascent = vpg.policy_gradient(state, batch)
    normalised = learnt(changed(SMALL, tricks__advantage_normalisation=True))
    torch.testing.assert_close(10 * normalised.policy.first, -ascent)
