"""What MDPO's steps are, by identities and numbers; the authors' code is held in transcribed_test.py."""

from typing import Any

import pytest
import torch
from torch import Tensor

from matters.algorithms import mdpo, ppo, vpg
from matters.algorithms.conftest import PROBLEM, changed, collect, generators
from matters.algorithms.interface import Rollout
from matters.algorithms.maths.distributions import gaussian_kl
from matters.algorithms.mdpo import Config, differentiate
from matters.algorithms.parts.actor_critic import ActorCritic, Batch, prepare

SMALL = Config(horizon=24, environments=2, hidden=(8,), learning_rate=3e-3, policy_steps=4)
SEEDS = (0, 1, 2)


def begun(config: Config = SMALL, dtype: torch.dtype = torch.float32) -> tuple[ActorCritic, Rollout]:
    """A first state and a rollout of it."""
    state = mdpo.init(config, PROBLEM, generators(SEEDS), dtype)
    rollout = collect(mdpo, mdpo.init(config, PROBLEM, generators(SEEDS)), config, SEEDS)
    if dtype == torch.float64:
        rollout = Rollout(**{k: v.double() if v.is_floating_point() else v for k, v in vars(rollout).items()})
    return state, rollout


def moved(config: Config = SMALL, by: float = 0.1) -> tuple[ActorCritic, Batch]:
    """A state in double precision that has left the policy that acted, with the batch of that."""
    state, rollout = begun(config, torch.float64)
    batch = prepare(state, config, rollout)
    step = torch.randn(state.policy.matrix.shape, generator=torch.Generator().manual_seed(0)).double()
    state.policy.matrix += by * step
    state.policy.matrix[:, state.policy.layout.parameters :] = 0.0
    return state, batch


def parts(gradient: Tensor, state: ActorCritic) -> Tensor:
    return gradient[:, : state.policy.layout.parameters]


@pytest.mark.parametrize("policy", ["gaussian", "beta"])
@pytest.mark.parametrize("tricks", [{}, {"forward_kl": True}, {"ratio_clip": 0.05}])
def test_the_gradient_is_autograds_of_the_objective(policy: str, tricks: dict[str, Any]) -> None:
    config = changed(SMALL, policy=policy, **{f"tricks__{name}": value for name, value in tricks.items()})
    state, batch = moved(config)
    objective, descent = differentiate(state, config, batch, penalty=3.0)
    leaves = [view.detach().clone().requires_grad_() for view in state.policy.views]
    new = state.actor(leaves, batch.observation)
    ratio = (state.actor.log_prob(new, batch.action) - batch.log_prob).exp()
    surrogate = ratio * batch.advantage
    if config.tricks.ratio_clip is not None:
        surrogate = torch.minimum(surrogate, ratio.clamp(0.95, 1.05) * batch.advantage)
    kl = state.actor.kl(*((batch.old, new) if config.tricks.forward_kl else (new, batch.old)))
    expected = surrogate.mean(1) - 3.0 * kl.mean(1)
    torch.testing.assert_close(objective, expected.detach())
    slopes = torch.autograd.grad(-expected.sum(), leaves)
    torch.testing.assert_close(
        parts(descent, state), torch.cat([one.flatten(1) for one in slopes], 1), rtol=1e-6, atol=1e-9
    )


def test_the_first_of_its_steps_is_the_policy_gradients_whatever_the_penalty() -> None:
    state, rollout = begun(dtype=torch.float64)
    batch = prepare(state, SMALL, rollout)
    _, ascent = vpg.policy_gradient(state, batch)
    for tricks in (mdpo.Tricks(), mdpo.Tricks(forward_kl=True), mdpo.Tricks(ratio_clip=0.2)):
        _, descent = differentiate(state, SMALL.model_copy(update={"tricks": tricks}), batch, penalty=100.0)
        # To rounding alone: what acted was computed sample by sample in single precision.
        torch.testing.assert_close(-descent, ascent, rtol=0, atol=1e-4 * float(ascent.abs().max()))
    state, batch = moved()
    _, descent = differentiate(state, SMALL, batch, penalty=100.0)
    _, ascent = vpg.policy_gradient(state, batch)
    assert (descent + ascent).abs().max() > ascent.abs().max(), "control: away from there it is not"


def test_with_the_divergence_turned_round_it_is_ppos_fixed_penalty() -> None:
    state, batch = moved()
    for forward in (True, False):
        config = changed(SMALL, tricks__forward_kl=forward)
        theirs = ppo.Config(objective="kl-fixed", tricks=ppo.Tricks(reverse_kl=not forward))
        beside = ppo.State(**vars(state), kl_coefficient=torch.full((3,), 3.0))
        _, (expected, _) = ppo.differentiate(beside, theirs, batch)
        _, descent = differentiate(state, config, batch, penalty=3.0)
        torch.testing.assert_close(descent, expected)


def test_the_two_divergences_have_one_curvature_at_the_old_policy_and_are_two_away_from_it() -> None:
    old = torch.tensor([[[0.2]]], dtype=torch.float64), torch.tensor([[[-0.3]]], dtype=torch.float64)

    def kl(x: Tensor, forward: bool) -> Tensor:
        new = x[0].view(1, 1, 1), x[1].view(1, 1, 1)
        return gaussian_kl(*((*old, *new) if forward else (*new, *old))).sum()

    here = torch.tensor([0.2, -0.3], dtype=torch.float64)
    hessians = [torch.autograd.functional.hessian(lambda x, f=f: kl(x, f), here) for f in (True, False)]
    assert (hessians[0] - hessians[1]).abs().max() < 4e-16
    assert hessians[0].diagonal().tolist() == pytest.approx([1 / torch.tensor(-0.6).exp().item(), 2.0])
    # Twice the spread: log 2 + 1/8 − 1/2 one way, − log 2 + 2 − 1/2 the other.
    twice = here + torch.tensor([0.0, torch.tensor(2.0).log()], dtype=torch.float64)
    assert [float(kl(twice, f)) for f in (True, False)] == pytest.approx([0.31815, 0.80685], abs=1e-5)


def test_the_divergence_is_subtracted_so_that_a_small_t_keeps_the_policy_near() -> None:
    # A teaching text has E[ρ Â] + (1/η) KL, which would drive the policy away from the one that acted.
    found = []
    for step_size in (10.0, 0.1, 0.01):
        config = changed(SMALL, step_size=step_size, policy_steps=20)
        state, rollout = begun(config)
        metrics = mdpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
        found.append(metrics["mean_kl"])
    assert (found[1] < 0.8 * found[0]).all()
    assert (found[2] < 0.5 * found[1]).all()


def test_t_falls_linearly_to_nothing_and_the_rate_of_adam_by_itself() -> None:
    config = changed(SMALL, anneal_step_size=True, step_size=2.0, tricks__anneal_lr=True)
    state, rollout = begun(config)
    metrics = mdpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.75)
    assert metrics["kl_coefficient"].tolist() == pytest.approx([1 / 0.5] * 3)
    assert metrics["learning_rate"].tolist() == pytest.approx([7.5e-4] * 3)


def test_an_update_is_m_steps_on_the_whole_batch_and_then_the_fit_of_v() -> None:
    config = changed(SMALL, policy_steps=7, value_epochs=2, value_minibatch_size=16)
    state, rollout = begun(config)
    mdpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
    assert state.policy.steps.tolist() == [7.0] * 3
    assert state.value.steps.tolist() == [6.0] * 3  # 48 samples, twice


def test_the_fit_of_v_does_not_touch_the_policy() -> None:
    found = []
    for epochs in (0, 5):
        config = changed(SMALL, value_epochs=epochs)
        state, rollout = begun(config)
        mdpo.update(state, config, rollout, generators(SEEDS, 1), progress=0.0)
        found.append(state.policy.matrix)
    assert torch.equal(*found)


def test_it_bounds_the_ratio_only_where_it_is_clipped() -> None:
    assert mdpo.FACTS.bounds(SMALL) == ()
    (bound,) = mdpo.FACTS.bounds(changed(SMALL, tricks__ratio_clip=0.3))
    assert (bound.quantity, bound.start) == ("max_ratio", 1.3)
