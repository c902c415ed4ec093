"""GRPO: its gradient, its reference policy, and what it is in special cases."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from matters.algorithms import grpo, ppo, vpg
from matters.algorithms.conftest import PROBLEM, changed, collect, generators
from matters.algorithms.grpo import Config, State
from matters.algorithms.interface import Rollout
from matters.algorithms.maths.surrogates import low_variance_kl
from matters.algorithms.parts.actor_critic import Batch

SMALL = Config(
    horizon=24, environments=4, group_size=2, hidden=(8,), learning_rate=3e-3, epochs=2, minibatch_size=32
)
SEEDS = (0, 1, 2)


def begun(config: Config = SMALL, dtype: torch.dtype = torch.float32) -> tuple[State, Rollout]:
    state = grpo.init(config, PROBLEM, generators(SEEDS), dtype)
    rollout = collect(grpo, grpo.init(config, PROBLEM, generators(SEEDS)), config, SEEDS)
    if dtype == torch.float64:
        rollout = Rollout(**{k: v.double() if v.is_floating_point() else v for k, v in vars(rollout).items()})
    return state, rollout


def moved(config: Config) -> tuple[State, Batch]:
    """A state in double precision that has left the policy that acted, with the batch of that."""
    state, rollout = begun(config, torch.float64)
    batch = grpo.prepare(state, config, rollout)
    step = torch.randn(state.policy.matrix.shape, generator=torch.Generator().manual_seed(0)).double()
    state.policy.matrix += 0.1 * step
    state.policy.matrix[:, state.policy.layout.parameters :] = 0.0
    return state, batch


@pytest.mark.parametrize("policy", ["gaussian", "beta"])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_the_gradient_is_autograds_of_the_objective(policy: str, beta: float) -> None:
    config = changed(SMALL, policy=policy, kl_coefficient=beta)
    state, batch = moved(config)
    objective, _, descent = grpo.differentiate(state, config, batch)
    leaves = [view.detach().clone().requires_grad_() for view in state.policy.views]
    log_prob = state.actor.log_prob(state.actor(leaves, batch.observation), batch.action)
    ratio = (log_prob - batch.log_prob).exp()
    surrogate = torch.minimum(ratio * batch.advantage, ratio.clamp(0.8, 1.2) * batch.advantage)
    penalty: Tensor | float = 0.0
    if beta:
        assert batch.reference_log_prob is not None
        log_r = batch.reference_log_prob - log_prob
        penalty = log_r.exp() - log_r - 1
    expected = (batch.weight * (surrogate - beta * penalty)).mean(1)
    torch.testing.assert_close(objective, expected.detach())
    slopes = torch.autograd.grad(-expected.sum(), leaves)
    own = descent[:, : state.policy.layout.parameters]
    torch.testing.assert_close(own, torch.cat([one.flatten(1) for one in slopes], 1), rtol=1e-6, atol=1e-9)


def test_without_a_coefficient_a_reference_however_far_away_is_not_looked_at() -> None:
    state, rollout = begun()
    state.reference[:] = 1e6
    metrics = grpo.update(state, SMALL, rollout, generators(SEEDS, 1), progress=0.0)
    assert torch.isfinite(state.policy.matrix).all()
    assert (metrics["reference_kl"] == 0).all()


def bandit_rollout(rollout: Rollout) -> Rollout:
    rollout.terminated[:] = True
    rollout.truncated[:] = False
    return rollout


def test_with_one_group_one_epoch_and_no_reference_it_is_the_policy_gradient_of_standardised_returns() -> (
    None
):
    shape: dict[str, Any] = {"horizon": 1, "environments": 24, "hidden": (8,), "learning_rate": 3e-3}
    config = Config(**shape, group_size=24, epochs=1, minibatch_size=24)
    theirs = vpg.Config(
        **shape, baseline=False, gae_lambda=1.0, tricks=vpg.Tricks(advantage_normalisation=True)
    )
    state, rollout = begun(config)
    rollout = bandit_rollout(rollout)
    other = vpg.init(theirs, PROBLEM, generators(SEEDS))
    assert torch.equal(state.policy.matrix, other.policy.matrix)
    grpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    vpg.update(other, theirs, rollout, generators(SEEDS, 1), progress=0.0)
    # To rounding: the ratio to the policy that acted is 1 to rounding, and samples are in another order.
    torch.testing.assert_close(state.policy.first, other.policy.first, rtol=0, atol=1e-6)
    torch.testing.assert_close(state.policy.matrix, other.policy.matrix, rtol=0, atol=1e-5)


def test_its_surrogate_is_ppos_clipped_one_where_all_steps_count_alike() -> None:
    config = changed(SMALL, tricks__steps_alike=True)
    state, batch = moved(config)
    batch.weight = torch.ones_like(batch.advantage)
    _, _, descent = grpo.differentiate(state, config, batch)
    policy = ppo.init(ppo.Config(hidden=(8,)), PROBLEM, generators(SEEDS), torch.float64)
    policy.policy.matrix.copy_(state.policy.matrix)
    _, (expected, _) = ppo.differentiate(policy, ppo.Config(hidden=(8,)), batch)
    torch.testing.assert_close(descent, expected)


def test_an_episode_counts_once_however_long_it_is_and_with_the_switch_by_its_steps() -> None:
    state, rollout = begun()
    rollout.terminated[:], rollout.truncated[:] = False, False
    rollout.terminated[:, [3, 23]] = True  # episodes of 4 and of 20 steps
    for alike, shares in ((False, (0.5, 0.5)), (True, (4 / 24, 20 / 24))):
        config = changed(SMALL, tricks__steps_alike=alike)
        weight = grpo.prepare(state, config, rollout).weight
        assert weight is not None
        weight = weight.view(3, 24, 4).sum(2)
        found = weight[:, :4].sum(1) / weight.sum(1), weight[:, 4:].sum(1) / weight.sum(1)
        for own, expected in zip(found, shares, strict=True):
            assert own.tolist() == pytest.approx([expected] * 3)


@pytest.mark.parametrize("baseline", ["group", "leave-one-out", "batch"])
def test_returns_that_are_all_alike_teach_nothing(baseline: str) -> None:
    config = changed(SMALL, baseline=baseline)
    state, rollout = begun(config)
    rollout = bandit_rollout(rollout)
    rollout.reward[:] = 2.0
    before = state.policy.matrix.clone()
    grpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    assert torch.equal(state.policy.matrix, before)


# ---- the KL to the reference


def test_the_low_variance_estimate_is_never_negative_and_expects_the_kl() -> None:
    # N(0, 1) against N(0.5, 0.8²), by the trapezium rule over ± 10.
    x = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    numbers = torch.tensor([[0.0, 1.0], [0.5, 0.8]], dtype=torch.float64)
    p, q = (torch.distributions.Normal(*row) for row in numbers)
    found, _ = low_variance_kl(p.log_prob(x)[None], q.log_prob(x)[None])
    assert (found >= 0).all()
    expected = torch.trapezoid(p.log_prob(x).exp() * found[0], x)
    exact = torch.distributions.kl_divergence(p, q)
    assert float(expected) == pytest.approx(float(exact), abs=1e-9)
    # The plain estimate −log r has the same mean and, near the reference, far more variance.
    near = torch.distributions.Normal(0.05, 1.0)
    k3, _ = low_variance_kl(p.log_prob(x)[None], near.log_prob(x)[None])
    plain = p.log_prob(x) - near.log_prob(x)

    def variance(y: Tensor) -> float:
        mean = torch.trapezoid(p.log_prob(x).exp() * y, x)
        return float(torch.trapezoid(p.log_prob(x).exp() * (y - mean) ** 2, x))

    assert variance(k3[0]) < 0.01 * variance(plain)


def test_its_slope_is_the_derivative() -> None:
    x = torch.tensor([[-2.0, -0.3, 0.0, 1.5]], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([[-1.0, -0.3, 0.4, 0.2]], dtype=torch.float64)
    found, slope = low_variance_kl(x, reference)
    (expected,) = torch.autograd.grad(found.sum(), x)
    torch.testing.assert_close(slope.detach(), expected)


def test_the_reference_is_the_first_policy_or_is_renewed_every_so_many_updates() -> None:
    for every in (None, 2):
        config = changed(SMALL, kl_coefficient=0.1, reference_every=every)
        state, rollout = begun(config)
        policies, references = [], []
        for _ in range(4):
            policies.append(state.policy.matrix.clone())
            grpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
            references.append(state.reference.clone())
        expected = [0, 0, 0, 0] if every is None else [0, 0, 2, 2]
        assert all(torch.equal(found, policies[k]) for found, k in zip(references, expected, strict=True))


def test_a_large_coefficient_keeps_the_policy_near_the_reference() -> None:
    found = []
    for beta in (1e-6, 1.0, 100.0):
        config = changed(SMALL, kl_coefficient=beta, epochs=20)
        state, rollout = begun(config)
        grpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
        found.append(grpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)["reference_kl"])
    assert (found[1] < found[0]).all()
    assert (found[2] < 0.5 * found[1]).all()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"group_size": 3}, "group_size = 3: should divide environments = 4"),
        ({"group_size": 1}, "group_size = 1: one episode has no spread; should be 2 or more"),
    ],
)
def test_a_group_that_cannot_be_is_refused_in_one_line(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Config.model_validate({"environments": 4, **values})
    Config.model_validate({"environments": 4, "group_size": 1, "baseline": "batch"})
