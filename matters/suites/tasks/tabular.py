"""Finite Markov decision problems, solved exactly: what the theorems of policy gradients speak of.

A policy is a table π [S, A] of probabilities. Its values come from one linear system, its discounted
occupancy d, which sums to 1, from its transpose; nothing is sampled. What is stated here as a function is
held to in tabular_test.py, theorem by theorem, with numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Mdp:
    """P(s'|s, a) [S, A, S], r(s, a) [S, A], the distribution of the first state [S], and γ."""

    transition: NDArray[np.float64]
    reward: Table
    start: Vector
    discount: float


def random_mdp(generator: np.random.Generator, states: int, actions: int, discount: float) -> Mdp:
    """Transitions uniform on the simplex, rewards uniform in ±1, a random start."""
    return Mdp(
        generator.dirichlet(np.ones(states), (states, actions)),
        generator.uniform(-1, 1, (states, actions)),
        generator.dirichlet(np.ones(states)),
        discount,
    )


def softmax(logits: Table) -> Table:
    """π(a|s) ∝ exp θ(s, a), each row for itself."""
    weights: Table = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights


# ---- values


def values(mdp: Mdp, policy: Table) -> Vector:
    """V(s) of the policy: (I − γ P_π)⁻¹ r_π."""
    moves = np.einsum("sa,sat->st", policy, mdp.transition)
    found: Vector = np.linalg.solve(np.eye(len(moves)) - mdp.discount * moves, (policy * mdp.reward).sum(1))
    return found


def action_values(mdp: Mdp, policy: Table) -> Table:
    """Q(s, a) = r + γ E V(s')."""
    found: Table = mdp.reward + mdp.discount * mdp.transition @ values(mdp, policy)
    return found


def advantages(mdp: Mdp, policy: Table) -> Table:
    """A = Q − V."""
    found: Table = action_values(mdp, policy) - values(mdp, policy)[:, None]
    return found


def occupancy(mdp: Mdp, policy: Table) -> Vector:
    """d(s) = (1 − γ) Σ γᵗ P(s_t = s), which sums to 1."""
    moves = np.einsum("sa,sat->st", policy, mdp.transition)
    found: Vector = np.linalg.solve(
        np.eye(len(moves)) - mdp.discount * moves.T, (1 - mdp.discount) * mdp.start
    )
    return found


def returned(mdp: Mdp, policy: Table) -> float:
    """J(π), the expected discounted return."""
    return float(mdp.start @ values(mdp, policy))


def best(mdp: Mdp) -> Table:
    """A deterministic policy that is best from every state, by Howard's policy iteration (1960)."""
    policy = np.full(mdp.reward.shape, 1 / mdp.reward.shape[1])
    while True:
        better = greedy(action_values(mdp, policy))
        if np.max((better * advantages(mdp, policy)).sum(1)) < 1e-12:
            return policy
        policy = better


def greedy(worth: Table) -> Table:
    """The policy that takes the action of the largest worth."""
    found: Table = np.eye(worth.shape[1])[worth.argmax(1)]
    return found


# ---- what a new policy is worth, from the old one's data


def gain(mdp: Mdp, old: Table, new: Table) -> float:
    """𝔸 = E over d_old and the new policy of A_old: what one step of the new policy gains on average."""
    return float(occupancy(mdp, old) @ (new * advantages(mdp, old)).sum(1))


def surrogate(mdp: Mdp, old: Table, new: Table) -> float:
    """L(new) = J(old) + 𝔸 / (1 − γ): the return if the new policy met the old one's states.

    Schulman et al. 2015, "Trust region policy optimization", equation 3.
    """
    return returned(mdp, old) + gain(mdp, old, new) / (1 - mdp.discount)


def lower_bound(mdp: Mdp, old: Table, new: Table) -> float:
    """J(new) ≥ L(new) − 2 γ ε E[D_TV] / (1 − γ)², with ε = max |E_new A_old| over states.

    E is over d_old, and D_TV = ½ Σ |new − old|. Achiam et al. 2017, "Constrained policy optimization",
    corollary 1.
    """
    epsilon = np.abs((new * advantages(mdp, old)).sum(1)).max()
    distance = occupancy(mdp, old) @ total_variation(old, new)
    penalty = 2 * mdp.discount * epsilon * distance / (1 - mdp.discount) ** 2
    return surrogate(mdp, old, new) - float(penalty)


def trust_region_bound(mdp: Mdp, old: Table, new: Table) -> float:
    """J(new) ≥ M(new) = L(new) − 4 γ ε max KL(old ‖ new) / (1 − γ)², with ε = max |A_old|.

    M is J at the old policy, so that to maximise M never loses. Schulman et al. 2015, theorem 1, equation 9.
    """
    epsilon = np.abs(advantages(mdp, old)).max()
    penalty = 4 * mdp.discount * epsilon * kl(old, new).max() / (1 - mdp.discount) ** 2
    return surrogate(mdp, old, new) - float(penalty)


def total_variation(first: Table, second: Table) -> Vector:
    """D_TV = ½ Σ |first − second| of each row."""
    found: Vector = 0.5 * np.abs(first - second).sum(-1)
    return found


def kl(first: Table, second: Table) -> Vector:
    """KL(first ‖ second) of each row; 0 log 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(first > 0, first * np.log(first / second), 0.0)
    found: Vector = terms.sum(-1)
    return found


# ---- conservative policy iteration


@dataclass(frozen=True)
class ConservativeStep:
    """π ← (1 − α) π + α π̂, with what the theorem says that it gains at least."""

    policy: Table
    mixing: float
    promised: float
    returned: float


def conservative_steps(
    mdp: Mdp, policy: Table, *, tolerance: float, factor: float = 1.0
) -> Iterator[ConservativeStep]:
    """Conservative policy iteration towards the greedy policy, until its 𝔸 is below the tolerance.

        J(π_α) − J(π) ≥ α / (1 − γ) [ 𝔸 − 2 α γ ε / (1 − γ) ],      ε = max |E_π̂ A_π|

    which α = (1 − γ) 𝔸 / (4 γ ε) maximises; `factor` multiplies it, and at 2 the bound is 0. Kakade and
    Langford 2002, "Approximately optimal approximate reinforcement learning", theorem 4.1; they go on to α =
    (1 − γ) 𝔸 / (4 R), which is shorter.
    """
    rest = 1 - mdp.discount
    while True:
        towards = greedy(action_values(mdp, policy))
        found = gain(mdp, policy, towards)
        if found < tolerance:
            return
        epsilon = float(np.abs((towards * advantages(mdp, policy)).sum(1)).max())
        mixing = min(1.0, factor * rest * found / (4 * mdp.discount * epsilon))
        promised = mixing / rest * (found - 2 * mixing * mdp.discount * epsilon / rest)
        policy = (1 - mixing) * policy + mixing * towards
        yield ConservativeStep(policy, mixing, promised, returned(mdp, policy))


# ---- gradients of a softmax policy


def score(policy: Table) -> NDArray[np.float64]:
    """∇θ log π(a|s) for π = softmax θ, [S, A, S A]: one at (s, a) less π at s."""
    states, actions = policy.shape
    found = np.zeros((states, actions, states, actions))
    for s in range(states):
        found[s, :, s] = np.eye(actions) - policy[s]
    return found.reshape(states, actions, -1)


def policy_gradient(mdp: Mdp, policy: Table, critic: Table | None = None) -> Vector:
    """∇J = E[∇log π Q] / (1 − γ) over d and π, [S A]; `critic` may stand in place of Q.

    Sutton et al. 2000, "Policy gradient methods for reinforcement learning with function approximation",
    theorem 1.
    """
    worth = action_values(mdp, policy) if critic is None else critic
    weight = occupancy(mdp, policy)[:, None] * policy * worth / (1 - mdp.discount)
    found: Vector = np.einsum("sa,sap->p", weight, score(policy))
    return found


def fisher(mdp: Mdp, policy: Table) -> NDArray[np.float64]:
    """F = E[∇log π ∇log πᵀ] over d and π, [S A, S A]. Kakade 2002, "A natural policy gradient"."""
    weight, of = occupancy(mdp, policy)[:, None] * policy, score(policy)
    found: NDArray[np.float64] = np.einsum("sa,sap,saq->pq", weight, of, of)
    return found


def compatible_weights(mdp: Mdp, policy: Table) -> Vector:
    """w of the least square error of wᵀ∇log π from A over d and π, the shortest where there are several.

    Its critic wᵀ∇log π gives the exact gradient (Sutton et al. 2000, theorem 2), and w is the natural one up
    to 1 / (1 − γ) (Kakade 2002, theorem 1; Peters and Schaal 2008, "Natural actor-critic").
    """
    root: Table = np.sqrt(occupancy(mdp, policy)[:, None] * policy)
    features = (root[..., None] * score(policy)).reshape(policy.size, -1)
    found = np.linalg.lstsq(features, (root * advantages(mdp, policy)).ravel(), rcond=1e-12)[0]
    return np.asarray(found, dtype=np.float64)


def sarsa_step(mdp: Mdp, policy: Table, critic: Table, rate: float) -> Table:
    """The expected step of a tabular Sarsa critic: Q += α E[ r + γ Q(s', a') − Q ], each pair for itself.

    Rummery and Niranjan 1994, "On-line Q-learning using connectionist systems"; the critic of QAC.
    """
    following = mdp.transition @ (policy * critic).sum(1)
    found: Table = critic + rate * (mdp.reward + mdp.discount * following - critic)
    return found
