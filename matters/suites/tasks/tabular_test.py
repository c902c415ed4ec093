"""The theorems of policy gradients on finite problems, each with its numbers."""

from itertools import pairwise, product

import numpy as np
import pytest

from matters.suites.tasks import tabular
from matters.suites.tasks.tabular import (
    Mdp,
    action_values,
    advantages,
    best,
    compatible_weights,
    conservative_steps,
    fisher,
    gain,
    kl,
    lower_bound,
    occupancy,
    policy_gradient,
    random_mdp,
    returned,
    sarsa_step,
    score,
    softmax,
    surrogate,
    total_variation,
    trust_region_bound,
    values,
)


def problems(count: int, seed: int = 0, states: int = 5, actions: int = 3):
    """Problems, each with two policies; half of the second ones are near the first."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        mdp = random_mdp(rng, states, actions, float(rng.choice([0.5, 0.9, 0.99])))
        logits = rng.normal(size=(states, actions))
        near = rng.normal(size=(states, actions)) * (0.05 if k % 2 else 2.0)
        yield mdp, softmax(logits), softmax(logits + near)


# Two states that either action moves between or stays in: worked by hand at γ = 1/2.
STAY, GO = 0, 1
CHAIN = Mdp(
    np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]),
    np.array([[1.0, 0.0], [2.0, 0.0]]),
    np.array([1.0, 0.0]),
    0.5,
)


def test_a_chain_of_two_states_is_worked_by_hand() -> None:
    stays = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert values(CHAIN, stays) == pytest.approx([2.0, 4.0])
    assert action_values(CHAIN, stays) == pytest.approx(np.array([[2.0, 2.0], [4.0, 1.0]]))
    assert occupancy(CHAIN, stays) == pytest.approx([1.0, 0.0])
    coins = np.full((2, 2), 0.5)
    # V = ½ r + ½ · ½ (V₁ + V₂) each: V₁ + V₂ = 1.5 + ½ (V₁ + V₂) = 3.
    assert values(CHAIN, coins) == pytest.approx([1.25, 1.75])
    assert occupancy(CHAIN, coins) == pytest.approx([0.75, 0.25])
    assert returned(CHAIN, coins) == pytest.approx(1.25)


# ---- performance difference, surrogate and bounds


def test_the_performance_difference_lemma_holds_to_rounding() -> None:
    # Kakade and Langford 2002, lemma 6.1: the states are the new policy's, the advantages the old one's.
    worst = 0.0
    for mdp, old, new in problems(300):
        states = occupancy(mdp, new)
        found = states @ (new * advantages(mdp, old)).sum(1) / (1 - mdp.discount)
        worst = max(worst, abs(found - (returned(mdp, new) - returned(mdp, old))))
    assert worst < 1e-12


def test_with_the_new_policys_own_advantages_it_would_always_be_0() -> None:
    # A teaching text has Q of the new policy there.
    for mdp, old, new in problems(20):
        assert occupancy(mdp, new) @ (new * advantages(mdp, new)).sum(1) == pytest.approx(0.0, abs=1e-12)
        assert abs(returned(mdp, new) - returned(mdp, old)) > 1e-6


def test_the_surrogate_has_the_value_and_the_gradient_of_the_return_at_the_old_policy() -> None:
    for mdp, old, _ in problems(20):
        assert surrogate(mdp, old, old) == pytest.approx(returned(mdp, old), abs=1e-13)
        logits, step = np.log(old), 1e-6
        slopes = np.zeros((2, old.size))
        for k in range(old.size):
            change = np.zeros(old.size)
            change[k] = step
            change = change.reshape(old.shape)
            up, down = softmax(logits + change), softmax(logits - change)
            slopes[0, k] = (surrogate(mdp, old, up) - surrogate(mdp, old, down)) / (2 * step)
            slopes[1, k] = (returned(mdp, up) - returned(mdp, down)) / (2 * step)
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-6, abs=1e-6)
        assert policy_gradient(mdp, old) == pytest.approx(slopes[1], rel=1e-6, abs=1e-6)


def test_the_lower_bound_holds_with_half_the_sum_of_differences_and_is_tighter_than_with_the_whole() -> None:
    slack, loose = [], []
    for mdp, old, new in problems(2000):
        bound = lower_bound(mdp, old, new)
        slack.append(returned(mdp, new) - bound)
        # A teaching text has Σ |·| for D_TV: valid, and its penalty is twice as large.
        loose.append(slack[-1] + surrogate(mdp, old, new) - bound)
    assert min(slack) >= 0.0
    assert min(slack) < 1e-4, "there are pairs for which it is nearly an equation"
    assert all(x > y for x, y in zip(loose, slack, strict=True))


def test_without_the_penalty_the_surrogate_is_no_bound() -> None:
    assert any(surrogate(mdp, old, new) > returned(mdp, new) + 1e-3 for mdp, old, new in problems(100))


def test_the_trust_region_bound_holds_and_maximising_it_never_loses() -> None:
    for mdp, old, new in problems(500):
        assert trust_region_bound(mdp, old, new) <= returned(mdp, new) + 1e-12
        assert trust_region_bound(mdp, old, old) == pytest.approx(returned(mdp, old), abs=1e-12)
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, 4, 3, 0.9)
    policy, path = softmax(rng.normal(size=(4, 3))), []
    for _ in range(60):
        path.append(returned(mdp, policy))
        direction = policy_gradient(mdp, policy).reshape(policy.shape)
        tries = [softmax(np.log(policy) + size * direction) for size in np.geomspace(1e-6, 1, 40)]
        policy = max([policy, *tries], key=lambda new: trust_region_bound(mdp, policy, new))
    assert (np.diff(path) >= 0).all()
    assert path[-1] > path[0]


def test_pinskers_inequality_in_both_norms_and_mixing_them_up_is_wrong_by_two() -> None:
    rng = np.random.default_rng(0)
    first = rng.dirichlet(np.ones(4), 10_000)
    second = softmax(np.log(first) + rng.normal(size=first.shape) * rng.uniform(0, 1, (10_000, 1)))
    distance, divergence = total_variation(first, second), kl(first, second)
    ratio = distance / np.sqrt(divergence / 2)
    assert ratio.max() <= 1.0
    assert ratio.max() > 0.98
    assert 2 * distance / np.sqrt(2 * divergence) == pytest.approx(ratio)  # the same for Σ |·| and √(2 KL)
    assert (2 * distance > np.sqrt(divergence / 2)).mean() > 0.5  # Σ |·| with the bound of its half


def test_the_kl_is_half_the_change_squared_in_the_fisher_metric_not_all_of_it() -> None:
    rng = np.random.default_rng(2)
    logits, change = rng.normal(size=(2, 1, 6))
    policy = softmax(logits)[0]
    metric = np.diag(policy) - np.outer(policy, policy)
    for size in (1e-2, 1e-3):
        step = size * change
        found = float(kl(softmax(logits), softmax(logits + step))[0])
        assert found / (step[0] @ metric @ step[0]) == pytest.approx(0.5, rel=5 * size)


def test_in_polar_coordinates_the_metric_is_one_and_r_squared() -> None:
    r, angle, step = 2.0, 0.7, np.array([1e-4, 3e-4])

    def place(at: np.ndarray) -> np.ndarray:
        return at[0] * np.array([np.cos(at[1]), np.sin(at[1])])

    moved = place(np.array([r, angle]) + step) - place(np.array([r, angle]))
    assert moved @ moved == pytest.approx(step @ np.diag([1.0, r**2]) @ step, rel=1e-3)
    assert moved @ moved != pytest.approx(step @ np.diag([1.0, r]) @ step, rel=0.1)


def test_the_weights_of_lambda_sum_to_one_only_if_they_are_multiplied_by_one_less_lambda() -> None:
    # A teaching text divides by 1 − λ: those weights sum to 100 at λ = 0.9.
    lambdas = 0.9 ** np.arange(2000)
    assert (0.1 * lambdas).sum() == pytest.approx(1.0)
    assert (lambdas / 0.1).sum() == pytest.approx(100.0)


# ---- what a change of the policy does to its states


def test_the_states_of_a_policy_within_epsilon_are_within_twice_epsilon_a_step() -> None:
    rng = np.random.default_rng(3)
    tightest = 0.0
    for _ in range(300):
        mdp = random_mdp(rng, 4, 3, 0.9)
        old = softmax(rng.normal(size=(4, 3)))
        new = softmax(np.log(old) + 0.3 * rng.normal(size=(4, 3)))
        epsilon = total_variation(old, new).max()
        first = second = mdp.start
        for t in range(1, 30):
            first = first @ np.einsum("sa,sat->st", old, mdp.transition)
            second = second @ np.einsum("sa,sat->st", new, mdp.transition)
            gap = np.abs(first - second).sum()
            assert gap <= 2 * epsilon * t + 1e-15
            tightest = max(tightest, gap / (2 * epsilon * t))
        shift = np.abs(occupancy(mdp, new) - occupancy(mdp, old)).sum()
        assert shift <= 2 * mdp.discount * epsilon / (1 - mdp.discount) + 1e-15
    assert tightest > 0.2


# ---- conservative policy iteration


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_conservative_policy_iteration_never_loses_and_ends_at_the_best_policy(factor: float) -> None:
    mdp = random_mdp(np.random.default_rng(4), 4, 3, 0.8)
    policy = np.full((4, 3), 1 / 3)
    before, steps = returned(mdp, policy), 0
    for step in conservative_steps(mdp, policy, tolerance=1e-10, factor=factor):
        assert step.returned - before >= max(step.promised, 0.0) - 1e-12
        if factor == 2.0 and step.mixing < 1:
            assert step.promised == pytest.approx(0.0, abs=1e-12)
        before, steps = step.returned, steps + 1
    gap = returned(mdp, best(mdp)) - before
    assert 0 <= gap < 1e-8
    assert steps > 50


def test_the_greedy_step_that_it_avoids_can_lose_from_the_start_where_the_advantage_is_an_estimate() -> None:
    # With exact advantages policy iteration never loses; with those that see only the start's neighbourhood
    # it may: chattering between two policies, of which the mixture is better than either.
    rng = np.random.default_rng(5)
    lost = 0
    for mdp, old, _ in problems(100, seed=5):
        noisy = advantages(mdp, old) + rng.normal(size=old.shape)
        lost += returned(mdp, tabular.greedy(noisy)) < returned(mdp, old)
    assert lost > 10


# ---- gradients: compatible critics, natural actor-critic, Sarsa


def test_a_compatible_critic_gives_the_exact_gradient_and_another_one_does_not() -> None:
    rng = np.random.default_rng(6)
    for mdp, policy, _ in problems(50, seed=6):
        exact = policy_gradient(mdp, policy)
        compatible = score(policy) @ compatible_weights(mdp, policy)
        assert policy_gradient(mdp, policy, compatible) == pytest.approx(exact, abs=1e-11)
        # Adding a function of the state changes nothing; two free features of one's own do not do.
        shifted = compatible + rng.normal(size=(len(policy), 1))
        assert policy_gradient(mdp, policy, shifted) == pytest.approx(exact, abs=1e-10)
        assert np.abs(policy_gradient(mdp, policy, rng.normal(size=policy.shape)) - exact).max() > 1e-3


def test_the_weights_of_the_compatible_critic_are_the_natural_gradient() -> None:
    worst = 0.0
    for mdp, policy, _ in problems(50, seed=7):
        natural = np.linalg.pinv(fisher(mdp, policy), rcond=1e-10) @ policy_gradient(mdp, policy)
        w = compatible_weights(mdp, policy)
        worst = max(worst, np.abs(natural * (1 - mdp.discount) - w).max() / np.abs(w).max())
    assert worst < 1e-8


def test_episodic_natural_actor_critic_regresses_returns_on_summed_scores() -> None:
    # Every episode of three steps of the chain, with its probability: a weighted regression of R on
    # [Σ γᵗ ∇log π, 1], whose solution is (E ψψᵀ)⁻¹ E[ψ R] because E ψ = 0. Peters and Schaal 2008, table 1.
    policy = softmax(np.array([[0.3, -0.2], [0.1, 0.4]]))
    of, rows, returns, chances = score(policy), [], [], []
    for actions in product((STAY, GO), repeat=3):
        state, chance, psi, total = 0, 1.0, np.zeros(4), 0.0
        for t, action in enumerate(actions):
            chance *= policy[state, action]
            psi += CHAIN.discount**t * of[state, action]
            total += CHAIN.discount**t * CHAIN.reward[state, action]
            state = int(CHAIN.transition[state, action].argmax())
        rows.append([*psi, 1.0])
        returns.append(total)
        chances.append(chance)
    root, features = np.sqrt(chances), np.array(rows)
    w = np.linalg.lstsq(root[:, None] * features, root * np.array(returns), rcond=1e-12)[0]
    gradient = (np.array(chances) * np.array(returns)) @ features[:, :4]
    metric = features[:, :4].T @ (np.array(chances)[:, None] * features[:, :4])
    assert np.array(chances) @ features[:, :4] == pytest.approx(np.zeros(4), abs=1e-15)
    assert w[:4] == pytest.approx(np.linalg.pinv(metric, rcond=1e-10) @ gradient, abs=1e-12)
    assert w[4] == pytest.approx(np.dot(chances, returns))


def test_a_sarsa_critic_converges_to_q_and_its_actor_to_the_policy_gradient() -> None:
    mdp, policy, _ = next(problems(1, seed=8))
    critic = np.zeros_like(policy)
    gaps = []
    for _ in range(400 if mdp.discount < 0.95 else 4000):
        critic = sarsa_step(mdp, policy, critic, 0.5)
        gaps.append(np.abs(critic - action_values(mdp, policy)).max())
    assert gaps[-1] < 1e-6
    assert all(x >= y for x, y in pairwise(gaps)), "each step contracts by 1 − α (1 − γ)"
    assert policy_gradient(mdp, policy, critic) == pytest.approx(policy_gradient(mdp, policy), abs=1e-4)
    # The first step of an untrained critic points elsewhere: the critic must be the faster of the two.
    first = policy_gradient(mdp, policy, sarsa_step(mdp, policy, np.zeros_like(policy), 0.5))
    exact = policy_gradient(mdp, policy)
    assert first @ exact / np.linalg.norm(first) / np.linalg.norm(exact) < 0.999


def test_the_one_step_actor_critics_error_is_an_unbiased_advantage_if_its_values_are_right() -> None:
    for mdp, policy, _ in problems(20, seed=9):
        v = values(mdp, policy)
        expected_error = mdp.reward + mdp.discount * mdp.transition @ v - v[:, None]
        assert expected_error == pytest.approx(advantages(mdp, policy), abs=1e-12)
        assert policy_gradient(mdp, policy, expected_error) == pytest.approx(
            policy_gradient(mdp, policy), abs=1e-11
        )


# ---- off-policy


def episodes_of(policy: np.ndarray, steps: int):
    """Every episode of the chain: its probability under the policy, its actions' pairs and its return."""
    for actions in product((STAY, GO), repeat=steps):
        state, chance, pairs, total = 0, 1.0, [], 0.0
        for t, action in enumerate(actions):
            chance *= policy[state, action]
            pairs.append((state, action))
            total += CHAIN.discount**t * CHAIN.reward[state, action]
            state = int(CHAIN.transition[state, action].argmax())
        yield chance, pairs, total


def test_importance_weights_of_whole_episodes_give_the_gradient_from_another_policys_episodes() -> None:
    behaviour, target = (
        softmax(np.array([[0.0, 0.5], [0.2, 0.0]])),
        softmax(np.array([[0.8, 0.0], [0.0, 0.9]])),
    )
    of = score(target)
    on = sum(p * total * sum(of[pair] for pair in pairs) for p, pairs, total in episodes_of(target, 4))
    off = unweighted = np.zeros(4)
    for chance, pairs, total in episodes_of(behaviour, 4):
        ratio = np.prod([target[pair] / behaviour[pair] for pair in pairs])
        off = off + chance * ratio * total * sum(of[pair] for pair in pairs)
        unweighted = unweighted + chance * total * sum(of[pair] for pair in pairs)
    assert off == pytest.approx(on, abs=1e-15)
    assert np.abs(unweighted - on).max() > 0.05


def test_their_variance_grows_exponentially_with_the_horizon() -> None:
    behaviour, target = np.full((2, 2), 0.5), np.tile([0.8, 0.2], (2, 1))
    second_moments = []
    for steps in (1, 2, 4, 8):
        moment = sum(
            p * np.prod([target[pair] / behaviour[pair] for pair in pairs]) ** 2
            for p, pairs, _ in episodes_of(behaviour, steps)
        )
        second_moments.append(moment)
    # Each step multiplies it by Σ π² / μ = (0.64 + 0.04) / 0.5 = 1.36.
    assert second_moments == pytest.approx([1.36**steps for steps in (1, 2, 4, 8)])


# ---- the deterministic policy gradient


def test_the_deterministic_gradient_is_the_limit_of_the_stochastic_one() -> None:
    # Q(a) = sin 3a − a⁴/4 at a state with μ = θ = 0.4: the score's gradient, by Gauss-Hermite quadrature.
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    mu = 0.4

    def q(a: np.ndarray) -> np.ndarray:
        return np.sin(3 * a) - a**4 / 4

    exact = 3 * np.cos(3 * mu) - mu**3
    sigmas = np.array([0.5, 0.1, 0.02, 0.004])
    found = [float(weights @ (points / sigma * q(mu + sigma * points))) for sigma in sigmas]
    gaps = np.abs(np.array(found) - exact)
    # sin's part shrinks by exp(−9σ²/2), the quartic's slope grows by 3μσ².
    closed = 3 * np.cos(3 * mu) * np.exp(-4.5 * sigmas**2) - mu**3 - 3 * mu * sigmas**2
    assert found == pytest.approx(closed, abs=1e-9)
    assert (np.diff(gaps) < 0).all()
    assert gaps[-1] < 1e-3 * abs(exact)


def test_a_compatible_critic_of_a_deterministic_policy_gives_its_gradient() -> None:
    # μ(s) = θ s and any Q(s, a): w is of ∂Q/∂a at μ, in φ = (a − μ) ∇μ. Silver et al. 2014, theorem 3.
    states, theta = np.array([0.5, 1.0, -2.0]), 0.3

    def slope(s: np.ndarray) -> np.ndarray:
        return 2 * s - 0.5 * (theta * s) ** 2

    exact = (states * slope(states)).mean()
    squares = states @ states
    w = (states @ slope(states)) / squares  # least squares of ∇a Q^w = s w from ∇a Q
    assert (states * (states * w)).mean() == pytest.approx(exact)


def test_the_best_policy_is_better_than_all_others() -> None:
    mdp = random_mdp(np.random.default_rng(10), 3, 2, 0.9)
    found = returned(mdp, best(mdp))
    others = [returned(mdp, np.eye(2)[list(choice)]) for choice in product((0, 1), repeat=3)]
    assert found == pytest.approx(max(others))
    assert gain(mdp, best(mdp), best(mdp)) == pytest.approx(0.0, abs=1e-12)
