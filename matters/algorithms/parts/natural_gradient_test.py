"""The natural-gradient family on small problems: its identities, from VPG's neighbour to PPO's."""

import numpy as np
import pytest
import torch

from matters.algorithms import npg, tnpg, trpo
from matters.algorithms.interface import Problem, Rollout
from matters.algorithms.maths.conjugate_gradient import dense, dot
from matters.algorithms.maths.distributions import gaussian_kl
from matters.algorithms.parts import actor_critic
from matters.algorithms.parts.natural_gradient import fisher_product, surrogate_gradient
from matters.algorithms.parts.optimisers import gradient

PROBLEM = Problem(2, 1, (-1.0,), (1.0,))
SEEDS, STEPS = 3, 40
SMALL = {"horizon": STEPS, "hidden": (3,), "value_minibatch_size": 16, "value_epochs": 2}
SMOOTH = {"tanh_activations": True}


def config_of(rule, *, tricks=None, **changes):
    kinds = {"tricks": rule.Tricks(**(SMOOTH | (tricks or {})))}
    return rule.PRESETS[rule.__name__.rpartition(".")[2]].model_copy(update=SMALL | kinds | changes)


def state_of(rule, config, dtype=torch.float64):
    return rule.init(config, PROBLEM, [np.random.default_rng(seed) for seed in range(SEEDS)], dtype)


def generators():
    return [np.random.default_rng(100 + seed) for seed in range(SEEDS)]


def rollout_of(state, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(SEEDS, STEPS, 1, *shape, generator=generator, dtype=dtype)

    observation = draw(2)
    sampled = state.actor.sample(state.policy, observation.flatten(1, 2), draw(1).flatten(1, 2))
    action, record = (part.unflatten(1, (STEPS, 1)) for part in sampled)
    never = torch.zeros(SEEDS, STEPS, 1, dtype=torch.bool)
    return Rollout(observation, draw(2), action, draw(), draw() > 2, never, record)


def prepared(rule=tnpg, **changes):
    config = config_of(rule, **changes)
    state = state_of(rule, config)
    rollout = rollout_of(state)
    return config, state, rollout, actor_critic.prepare(state, config, rollout)


def test_the_fisher_product_is_the_jacobians_and_the_finite_differences_of_the_kls_gradient():
    config, state, _, batch = prepared(damping=0.0)
    product = fisher_product(state, config, batch, generators())
    vector = torch.randn_like(state.policy.matrix)
    vector[:, state.policy.layout.parameters :] = 0
    image = product(vector)

    # JᵀMJ: M is the Fisher information of a Gaussian in (μ, log σ), diag(1/σ²) and 2.
    def outputs(theta):
        return state.actor(state.policy.layout.views(theta), batch.observation)

    log_std = state.policy.views[-1]
    for seed in range(SEEDS):
        jacobian_mean, jacobian_log_std = torch.autograd.functional.jacobian(outputs, state.policy.matrix)
        j = jacobian_mean[seed, :, 0, seed]
        k = jacobian_log_std[seed, 0, :, seed]
        weight = (-2 * log_std[seed, 0, 0]).exp()
        expected = weight * j.T @ (j @ vector[seed]) / STEPS + 2 * k.T @ (k @ vector[seed])
        assert torch.allclose(image[seed], expected, rtol=1e-9, atol=1e-12)

    # Finite differences of the gradient of KL(old ‖ new) at θ_old.
    mean_old, log_std_old = (tensor.clone() for tensor in outputs(state.policy.matrix))

    def slope(theta):
        theta = theta.clone().requires_grad_()
        mean, log_std = outputs(theta)
        kl = gaussian_kl(mean_old, log_std_old, mean, log_std).mean(1)
        return torch.autograd.grad(kl.sum(), theta)[0]

    tiny = 1e-5
    centre = state.policy.matrix
    differences = (slope(centre + tiny * vector) - slope(centre - tiny * vector)) / (2 * tiny)
    assert torch.allclose(image, differences, rtol=1e-5, atol=1e-8)


def test_the_fisher_product_of_a_beta_is_the_jacobians_and_the_finite_differences_of_the_kls_gradient():
    config, state, _, batch = prepared(damping=0.0, policy="beta")
    vector = torch.randn_like(state.policy.matrix)
    vector[:, state.policy.layout.parameters :] = 0
    image = fisher_product(state, config, batch, generators())(vector)

    def outputs(theta):
        return state.actor(state.policy.layout.views(theta), batch.observation)

    # JᵀMJ: M is the Fisher information of a Beta in (α, β), ψ′ of each on the diagonal less ψ′(α + β).
    alpha, beta = outputs(state.policy.matrix)
    for seed in range(SEEDS):
        jacobians = torch.autograd.functional.jacobian(outputs, state.policy.matrix)
        j, k = (jacobian[seed, :, 0, seed] for jacobian in jacobians)
        a, b = alpha[seed, :, 0], beta[seed, :, 0]
        own_a, own_b, both = (torch.polygamma(1, x) for x in (a, b, a + b))
        along_a, along_b = j @ vector[seed], k @ vector[seed]
        expected = j.T @ ((own_a - both) * along_a - both * along_b)
        expected += k.T @ ((own_b - both) * along_b - both * along_a)
        assert torch.allclose(image[seed], expected / STEPS, rtol=1e-9, atol=1e-12)

    def slope(theta):
        theta = theta.clone().requires_grad_()
        kl = state.actor.kl((alpha, beta), outputs(theta)).mean(1)
        return torch.autograd.grad(kl.sum(), theta)[0]

    tiny = 1e-5
    centre = state.policy.matrix
    differences = (slope(centre + tiny * vector) - slope(centre - tiny * vector)) / (2 * tiny)
    assert torch.allclose(image, differences, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("policy", ["gaussian", "beta"])
def test_the_fisher_information_is_symmetric_and_positive(policy):
    config, state, _, batch = prepared(damping=0.0, policy=policy)
    matrix = dense(
        fisher_product(state, config, batch, generators()),
        state.policy.layout.parameters,
        state.policy.matrix,
    )
    assert torch.allclose(matrix, matrix.transpose(1, 2), atol=1e-12)
    assert torch.linalg.eigvalsh(matrix).min() > -1e-12


@pytest.mark.parametrize("policy", ["gaussian", "beta"])
def test_the_surrogates_gradient_is_that_which_autograd_finds(policy):
    _, state, _, batch = prepared(policy=policy)
    batch.log_prob += 0.1  # so that no ratio is 1
    here = state.actor(state.policy.leaves, batch.observation)
    ratio = (state.actor.log_prob(here, batch.action) - batch.log_prob).exp()
    expected = (ratio * batch.advantage).mean(1)
    (theirs,) = gradient(expected, state.policy)
    objective, g = surrogate_gradient(state, batch)
    torch.testing.assert_close(objective, expected.detach())
    torch.testing.assert_close(g, theirs)


def test_damping_adds_its_multiple_of_the_identity():
    _, state, _, batch = prepared()
    vector = torch.randn_like(state.policy.matrix)
    plain, damped = (
        fisher_product(state, config_of(tnpg, damping=damping), batch, generators())(vector)
        for damping in (0.0, 0.3)
    )
    assert torch.allclose(damped - plain, 0.3 * vector)


def test_factoring_and_conjugate_gradient_solve_npgs_system_alike():
    config, state, _, batch = prepared(npg)
    _, g = surrogate_gradient(state, batch)
    fisher = fisher_product(state, config, batch, generators())
    parameters = state.policy.layout.parameters
    factored, residual = npg.solve(fisher, g, config, parameters=parameters)
    iterated, other = npg.solve(
        fisher, g, config.model_copy(update={"dense_up_to": 0, "tolerance": 1e-12}), parameters=parameters
    )
    assert (residual < 1e-9).all()
    assert (other < 1e-9).all()
    assert torch.allclose(factored, iterated, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("policy", ["gaussian", "beta"])
@pytest.mark.parametrize("rule", [npg, tnpg, trpo])
def test_the_realised_kl_is_delta_to_second_order(rule, policy):
    errors = []
    for kl in (1e-5, 1e-7, 1e-9):
        extra = {"line_search_steps": 0} if rule is trpo else {}
        config, state, rollout, _ = prepared(
            rule, kl=kl, damping=0.0 if rule is not npg else 1e-6, policy=policy, **extra
        )
        metrics = rule.update(state, config, rollout, generators(), progress=0.0)
        errors.append((metrics["mean_kl"] / kl - 1).abs().max().item())
    # The relative error falls with the length of the step, √δ: a tenth for a hundredth of δ.
    assert errors[1] < 0.3 * errors[0]
    assert errors[2] < 0.3 * errors[1], errors
    assert errors[2] < 0.05, errors


def updated(rule, config, *, seed=0):
    state = state_of(rule, config)
    rule.update(state, config, rollout_of(state, seed=seed), generators(), progress=0.0)
    return state


def test_trpo_with_its_line_search_off_is_tnpg_bit_for_bit():
    searching_off = updated(trpo, config_of(trpo, line_search_steps=0))
    truncated = updated(tnpg, config_of(tnpg))
    assert torch.equal(searching_off.policy.matrix, truncated.policy.matrix)
    assert torch.equal(searching_off.value.matrix, truncated.value.matrix)


def test_tnpg_with_as_many_steps_as_parameters_is_npg():
    for damping in (1e-3, 1e-1):
        truncated = updated(tnpg, config_of(tnpg, cg_steps=100, damping=damping))
        exact = updated(npg, config_of(npg, damping=damping))
        assert torch.allclose(truncated.policy.matrix, exact.policy.matrix, rtol=1e-6, atol=1e-8)


def test_tnpg_with_fewer_steps_is_not_npg():
    truncated = updated(tnpg, config_of(tnpg, cg_steps=2, damping=1e-3))
    exact = updated(npg, config_of(npg, damping=1e-3))
    assert not torch.allclose(truncated.policy.matrix, exact.policy.matrix, rtol=1e-2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kl", [0.01, 0.5, 5.0])
def test_the_line_search_never_accepts_a_kl_above_delta_or_a_worse_surrogate(seed, kl):
    config = config_of(trpo, kl=kl)
    state = state_of(trpo, config)
    rollout = rollout_of(state, seed=seed)
    batch = actor_critic.prepare(state, config, rollout)
    before = state.policy.matrix.clone()
    metrics = trpo.update(state, config, rollout, generators(), progress=0.0)
    gain, moved = trpo.surrogate_and_kl(state, batch, state.policy.matrix)
    stayed = metrics["line_search_factor"] == 0
    assert (moved <= kl).all()
    assert ((gain > batch.advantage.mean(1)) | stayed).all()
    assert torch.equal(state.policy.matrix[stayed], before[stayed])


def test_a_rejected_step_of_one_seed_leaves_the_others_accepted_ones_alone(monkeypatch):
    config = config_of(trpo)
    accepted = updated(trpo, config)
    start = state_of(trpo, config).policy.matrix
    measured = trpo.surrogate_and_kl

    def one_refuses(*arguments):
        gain, moved = measured(*arguments)
        moved[1] = float("inf")
        return gain, moved

    monkeypatch.setattr(trpo, "surrogate_and_kl", one_refuses)
    refused = updated(trpo, config)
    assert torch.equal(refused.policy.matrix[1], start[1])
    assert torch.equal(refused.policy.matrix[[0, 2]], accepted.policy.matrix[[0, 2]])
    assert not torch.equal(accepted.policy.matrix, start)


def test_the_natural_step_follows_from_f_inverse_g_and_delta():
    config, state, rollout, batch = prepared(npg, damping=0.05)
    before = state.policy.matrix.clone()
    _, g = surrogate_gradient(state, batch)
    n = state.policy.layout.parameters
    matrix = dense(fisher_product(state, config, batch, generators()), n, before)
    npg.update(state, config, rollout, generators(), progress=0.0)
    for seed in range(SEEDS):
        x = torch.linalg.solve(matrix[seed], g[seed, :n])
        expected = before[seed, :n] + (2 * config.kl / (g[seed, :n] @ x)).sqrt() * x
        assert torch.allclose(state.policy.matrix[seed, :n], expected, rtol=1e-6, atol=1e-9)


def test_the_order_in_which_policy_and_value_learn_does_not_matter():
    config, state, rollout, batch = prepared()
    tnpg.update(state, config, rollout, generators(), progress=0.0)
    other = state_of(tnpg, config)
    from matters.algorithms.parts.value_fit import fit_value

    fit_value(other, config, batch, generators(), progress=0.0)
    assert torch.equal(other.value.matrix, state.value.matrix)
    _, g = surrogate_gradient(other, batch)
    fresh = state_of(tnpg, config)
    _, h = surrogate_gradient(fresh, batch)
    assert torch.equal(g, h)
    assert (dot(g, g) > 0).all()


def test_delta_moves_linearly_to_its_final_value():
    from matters.algorithms.parts.natural_gradient import step_kl

    config = config_of(trpo, kl=0.07, tricks={"kl_final": 0.04})
    assert [step_kl(config, progress=p) for p in (0.0, 0.5)] == pytest.approx([0.07, 0.055])
    assert step_kl(config_of(trpo, kl=0.07), progress=0.9) == 0.07
