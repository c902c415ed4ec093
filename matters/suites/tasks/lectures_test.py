import itertools
from collections.abc import Callable
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from matters.algorithms import npg
from matters.suites.errors import InputError
from matters.suites.tasks import environments, yardsticks
from matters.suites.tasks.lectures import (
    HORIZON,
    Chain,
    Regulator,
    chain_fisher,
    chain_gradient,
    chain_occupancy,
    chain_return,
    lqr_best_episode_return,
    lqr_best_gain,
    lqr_episode_return,
    lqr_fisher,
    lqr_gradient,
    lqr_return,
)

LQR_POLICIES = [(-0.2, 1.0), (-0.638, 0.3), (-1.5, 0.5), (0.2, 0.1)]
CHAIN_POLICIES = [(np.log(4.0), -np.log(4.0)), (0.0, 0.0), (-1.0, 2.0), (3.0, 1.0)]
# Kakade's start: π(stay) is 0.8 and 0.2, so that the poorer state has 0.8 of the time.
CHAIN_START = np.log([4.0, 0.25])
START_SQUARE = 0.01  # E[s²] of the regulator's first state


def slope(of: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Central differences."""
    return np.array([(of(at + step * e) - of(at - step * e)) / (2 * step) for e in np.eye(len(at))])


def curvature(of: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-3) -> np.ndarray:
    return np.array([slope(lambda x, i=i: slope(of, x, step)[i], at, step) for i in range(len(at))])


# ---- worked numbers and finite differences


def test_a_regulator_that_never_acts_costs_what_its_noise_costs() -> None:
    # k = σ = 0: E[s²] goes from 0.01 towards 0.01 / (1 - 0.49); the sum is one geometric series in 0.49 γ.
    assert lqr_return(0.0, 0.0, discount=0.9) == pytest.approx(-(0.01 + 0.9 * 0.1) / (1 - 0.9 * 0.49))


def test_a_chain_of_fair_coins_is_worked_by_hand() -> None:
    # Half the time in each state, half of it staying: (1 + 2) / 4. The second state is worth 1/2 more.
    assert chain_return([0.0, 0.0]) == 0.75
    assert chain_occupancy([0.0, 0.0]) == pytest.approx([0.5, 0.5])
    assert chain_gradient([0.0, 0.0]) == pytest.approx([0.125 * 0.5, 0.125 * 2.5])
    assert chain_fisher([0.0, 0.0]) == pytest.approx(np.diag([0.125, 0.125]))
    assert chain_occupancy(CHAIN_START) == pytest.approx([0.8, 0.2])


@pytest.mark.parametrize("policy", LQR_POLICIES)
@pytest.mark.parametrize("discount", [0.5, 0.99])
def test_the_gradient_of_the_regulator_is_the_slope_of_its_return(
    policy: tuple[float, float], discount: float
) -> None:
    slopes = slope(lambda x: lqr_return(*x, discount=discount), np.array(policy))
    assert lqr_gradient(*policy, discount=discount) == pytest.approx(slopes, rel=1e-6, abs=1e-6)


@given(st.tuples(st.floats(-6, 6), st.floats(-6, 6)))
def test_the_gradient_of_the_chain_is_the_slope_of_its_return(theta: tuple[float, float]) -> None:
    assert chain_gradient(theta) == pytest.approx(slope(chain_return, np.array(theta)), rel=1e-5, abs=1e-9)


@given(st.tuples(st.floats(-6, 6), st.floats(-6, 6)))
def test_the_chain_earns_what_its_transition_matrix_says(theta: tuple[float, float]) -> None:
    stay = 1 / (1 + np.exp(-np.array(theta)))
    moves = np.array([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]])
    values, vectors = np.linalg.eig(moves.T)
    share = vectors[:, np.argmax(values.real)].real
    share /= share.sum()
    assert chain_occupancy(theta) == pytest.approx(share, rel=1e-8)
    assert chain_return(theta) == pytest.approx(share @ (stay * [1.0, 2.0]), rel=1e-8)


@pytest.mark.parametrize("policy", LQR_POLICIES)
def test_the_fisher_matrix_of_the_regulator_is_the_curvature_of_the_kl(policy: tuple[float, float]) -> None:
    assert lqr_fisher(*policy) == pytest.approx(curvature(lqr_kl(policy), np.array(policy)), rel=1e-2)


@pytest.mark.parametrize("theta", CHAIN_POLICIES)
def test_the_fisher_matrix_of_the_chain_is_the_curvature_of_the_kl(theta: tuple[float, float]) -> None:
    assert chain_fisher(theta) == pytest.approx(curvature(chain_kl(theta), np.array(theta)), abs=1e-6)


def lqr_kl(old: tuple[float, float], discount: float = 0.99) -> Callable[[np.ndarray], float]:
    """KL(old ‖ new) of two Gaussians, averaged over the old one's states, as a function of the new (k, σ)."""
    square = START_SQUARE
    weights, squares = [], []
    for t in range(3000):  # 0.99^3000 is 1e-13
        weights.append((1 - discount) * discount**t)
        squares.append(square)
        square = (0.7 + old[0]) ** 2 * square + old[1] ** 2 + 0.01
    mean_square = float(np.dot(weights, squares))

    def kl(new: np.ndarray) -> float:
        gap = (new[0] - old[0]) ** 2 * mean_square
        return float(np.log(new[1] / old[1]) + (old[1] ** 2 + gap) / (2 * new[1] ** 2) - 0.5)

    return kl


def chain_kl(old: tuple[float, float]) -> Callable[[np.ndarray], float]:
    stay = 1 / (1 + np.exp(-np.array(old)))

    def kl(new: np.ndarray) -> float:
        stays = 1 / (1 + np.exp(-new))
        each = stay * np.log(stay / stays) + (1 - stay) * np.log((1 - stay) / (1 - stays))
        return float(chain_occupancy(old) @ each)

    return kl


# ---- Monte Carlo, on the environments


@dataclass
class Sample:
    """Many independent numbers, or vectors, of one mean."""

    draws: np.ndarray

    def agrees_with(self, exact: np.ndarray | float) -> bool:
        error = self.draws.std(0, ddof=1) / np.sqrt(len(self.draws))
        assert np.all(error < 0.15 * np.abs(exact).max()), "too few draws to say anything"
        return bool(np.all(np.abs(self.draws.mean(0) - exact) < 4 * error))


@pytest.fixture(scope="module")
def regulated() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States, actions and rewards [episodes, steps] of a ~ N(-0.4 s, 0.5²)."""
    environment, generator = Regulator(), np.random.default_rng(1)
    environment.reset(seed=1)
    noise = 0.5 * generator.standard_normal((1500, 40))
    states, actions, rewards = (np.empty(noise.shape) for _ in range(3))
    for episode, row in enumerate(noise):
        state = float(environment.reset()[0][0])
        for t, draw in enumerate(row):
            action = -0.4 * state + draw
            seen, reward, *_ = environment.step(np.array([action]))
            states[episode, t], actions[episode, t], rewards[episode, t] = state, action, reward
            state = float(seen[0])
    return states, actions, rewards


POLICY, DISCOUNT = (-0.4, 0.5), 0.8  # 0.8^40 is 1e-4


def scores(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """∇ log π [episodes, steps, 2] in (k, σ)."""
    gain, sigma = POLICY
    miss = actions - gain * states
    return np.stack([miss * states / sigma**2, miss**2 / sigma**3 - 1 / sigma], -1)


def test_the_return_of_the_regulator_is_what_episodes_earn(regulated: tuple[np.ndarray, ...]) -> None:
    _, _, rewards = regulated
    earned = Sample(rewards @ DISCOUNT ** np.arange(rewards.shape[1]))
    assert earned.agrees_with(lqr_return(*POLICY, discount=DISCOUNT))
    assert not earned.agrees_with(lqr_return(-0.4, 0.6, discount=DISCOUNT))


def test_the_gradient_of_the_regulator_is_what_reinforce_estimates(
    regulated: tuple[np.ndarray, ...],
) -> None:
    states, actions, rewards = regulated
    paid = rewards * DISCOUNT ** np.arange(rewards.shape[1])
    to_go = paid[:, ::-1].cumsum(1)[:, ::-1]
    estimates = ((to_go - to_go.mean(0))[..., None] * scores(states, actions)).sum(1)
    assert Sample(estimates).agrees_with(lqr_gradient(*POLICY, discount=DISCOUNT))


def test_the_fisher_matrix_of_the_regulator_is_the_mean_of_squared_scores(
    regulated: tuple[np.ndarray, ...],
) -> None:
    states, actions, _ = regulated
    of = scores(states, actions)
    weights = (1 - DISCOUNT) * DISCOUNT ** np.arange(of.shape[1])
    squares = np.einsum("t,eti,etj->eij", weights, of, of)
    assert Sample(squares).agrees_with(lqr_fisher(*POLICY, discount=DISCOUNT))


@pytest.mark.parametrize(("gain", "sigma"), [(-0.4, 0.5), (0.0, 0.0)])
def test_an_episode_of_the_regulator_earns_its_expected_return(gain: float, sigma: float) -> None:
    environment, generator = environments.make("lecture/LQR-v0"), np.random.default_rng(2)
    environment.reset(seed=2)
    earned = np.zeros(100)
    for episode in range(100):
        (state,), _ = environment.reset()
        ended = False
        while not ended:
            action = gain * state + sigma * generator.standard_normal()
            (state,), reward, _, ended, _ = environment.step(np.array([action]))
            earned[episode] += float(reward)
    assert Sample(earned).agrees_with(lqr_episode_return(gain, sigma))


def test_the_chain_as_an_environment_earns_the_average_reward() -> None:
    environment, generator = Chain(), np.random.default_rng(3)
    environment.reset(seed=3)
    theta = (-1.0, 0.5)
    stay = 1 / (1 + np.exp(-np.array(theta)))
    rewards = np.empty((100, 200))  # a hundred batches, nearly independent
    state = 0
    for place in np.ndindex(rewards.shape):
        action = 1.0 if generator.random() < stay[state] else -1.0
        (seen,), rewards[place], *_ = environment.step(np.array([action]))
        state = int(seen > 0)
    assert Sample(rewards.mean(1)).agrees_with(chain_return(theta))


# ---- what is best, and the constants that normalise returns


@pytest.mark.parametrize("discount", [0.5, 0.99])
@pytest.mark.parametrize("sigma", [0.01, 1.0])
def test_the_best_gain_is_best_for_every_exploration(discount: float, sigma: float) -> None:
    best = lqr_best_gain(discount=discount)
    assert lqr_gradient(best, sigma, discount=discount)[0] == pytest.approx(0.0, abs=1e-9)
    for other in (best - 0.1, best + 0.1):
        assert lqr_return(other, sigma, discount=discount) < lqr_return(best, sigma, discount=discount)


def test_no_gain_beats_the_best_episode_and_the_best_gain_nearly_reaches_it() -> None:
    gains = np.linspace(-1.2, 0.0, 121)
    reached = max(lqr_episode_return(gain, 0.0) for gain in gains)
    assert 0 < lqr_best_episode_return() - reached < -1e-3 * lqr_best_episode_return()


def test_the_frozen_constants_are_the_exact_ones() -> None:
    regulator = yardsticks.ENVIRONMENTS["lecture/LQR-v0"]
    assert regulator.random is not None
    assert regulator.on_policy is not None
    assert regulator.random.value == pytest.approx(lqr_episode_return(0.0, 1 / np.sqrt(3)), abs=1e-4)
    assert regulator.on_policy.value == pytest.approx(lqr_best_episode_return(), abs=1e-5)
    chain = yardsticks.ENVIRONMENTS["lecture/Chain-v0"]
    assert chain.random is not None
    assert chain.on_policy is not None
    # The first step is in the first state, and half of the others in each.
    assert chain.random.value == 0.5 + (HORIZON - 1) * chain_return([0.0, 0.0])
    assert chain.on_policy.value == best_of_all_choices()


def best_of_all_choices() -> float:
    """By going backwards from the end."""
    first, second = 0.0, 0.0
    for _ in range(HORIZON):
        first, second = max(1 + first, second), max(2 + second, first)
    return first


# ---- what the theory says


def natural(gradient: np.ndarray, fisher: np.ndarray, **settings: int) -> np.ndarray:
    """The direction of `npg`, from an exact gradient and Fisher matrix: its own solver, on one padded row."""
    size = len(gradient)
    row, matrix = torch.zeros(1, 64), torch.zeros(64, 64)
    row[0, :size], matrix[:size, :size] = torch.from_numpy(gradient), torch.from_numpy(fisher)
    direction, _ = npg.solve(lambda v: v @ matrix, row, npg.Config(**settings), parameters=size)
    return direction[0, :size].double().numpy()


@dataclass(frozen=True)
class Problem:
    """A problem at one policy, in its own parameters θ."""

    at: np.ndarray
    returned: Callable[[np.ndarray], float]
    divergence: Callable[[np.ndarray], float]
    gradient: np.ndarray
    fisher: np.ndarray


PROBLEMS = {
    "regulator": Problem(
        np.array([-0.2, 0.8]),
        lambda x: lqr_return(*x),
        lqr_kl((-0.2, 0.8)),
        lqr_gradient(-0.2, 0.8),
        lqr_fisher(-0.2, 0.8),
    ),
    "chain": Problem(
        CHAIN_START,
        chain_return,
        chain_kl(CHAIN_START),
        chain_gradient(CHAIN_START),
        chain_fisher(CHAIN_START),
    ),
}


def seen_in(problem: Problem, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """With ψ = W θ: vanilla and natural direction of ψ, measured in ψ alone, read as directions of θ."""
    back = np.linalg.inv(change)
    psi = change @ problem.at
    slopes = slope(lambda x: problem.returned(back @ x), psi)
    fisher = curvature(lambda x: problem.divergence(back @ x), psi)
    return back @ slopes, back @ natural(slopes, fisher)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_direction_of_npg_does_not_see_a_linear_change_of_parameters(problem: Problem, seed: int) -> None:
    change = np.random.default_rng(seed).normal(size=(2, 2)) + 2 * np.eye(2)
    assume(abs(np.linalg.det(change)) > 0.5)
    _, direction = seen_in(problem, change)
    for how in ({}, {"dense_up_to": 0}):  # factored, and by conjugate gradient
        own = natural(problem.gradient, problem.fisher, **how)
        assert direction == pytest.approx(own, rel=0.02)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_the_vanilla_gradient_is_another_where_a_parameter_is_scaled(problem: Problem) -> None:
    same, _ = seen_in(problem, np.eye(2))
    scaled, _ = seen_in(problem, np.diag([1.0, 10.0]))
    assert same == pytest.approx(problem.gradient, rel=1e-4)
    assert scaled == pytest.approx(problem.gradient / [1.0, 100.0], rel=1e-4)


def climb(gain: float, sigma: float, *, natural_steps: bool, steps: int, kl: float) -> list[np.ndarray]:
    """Steps along the exact gradient, each of the same length √(2 kl / dᵀ F d) in the Fisher metric."""
    path = [np.array([gain, sigma])]
    for _ in range(steps):
        gradient, fisher = lqr_gradient(*path[-1]), lqr_fisher(*path[-1])
        direction = natural(gradient, fisher) if natural_steps else gradient
        path.append(path[-1] + np.sqrt(2 * kl / (direction @ fisher @ direction)) * direction)
    return path


@pytest.mark.parametrize("start", [(-0.2, 1.0), (-1.5, 1.0), (-0.1, 0.5), (0.1, 1.0)])
@pytest.mark.parametrize("kl", [0.001, 0.01])
def test_on_the_regulator_the_vanilla_gradient_gives_up_exploring_before_the_gain_is_right(
    start: tuple[float, float], kl: float
) -> None:
    best, steps = lqr_best_gain(), int(10 / np.sqrt(kl))
    missing = {}
    for natural_steps in (True, False):
        path = climb(*start, natural_steps=natural_steps, steps=steps, kl=kl)
        spent = next(place for place in path if place[1] < start[1] / 10)
        missing[natural_steps] = [abs(place[0] - best) / abs(start[0] - best) for place in (spent, path[-1])]
    # Once nine tenths of the exploration are spent, and after as many steps of as much KL.
    assert max(missing[True]) < 0.05
    assert min(missing[False]) > 0.35


def test_on_the_regulator_the_deterministic_gradient_is_the_limit_of_the_stochastic_one() -> None:
    # Silver et al. 2014, theorem 2: with σ = 0 the return still has a slope in the gain.
    for gain in (-0.2, -0.9):
        limit = slope(lambda x: lqr_return(x[0], 0.0), np.array([gain]))[0]
        gaps = [abs(lqr_gradient(gain, sigma)[0] - limit) / abs(limit) for sigma in (0.5, 0.1, 0.02, 0.004)]
        assert gaps == sorted(gaps, reverse=True)
        # The noise of the policy adds to that of the dynamics, 0.1: the gap shrinks with σ² / 0.01.
        assert gaps[2] / gaps[3] == pytest.approx(25.0, rel=0.01)
        assert gaps[3] < 2e-3


def chain_path(step: float, *, natural_steps: bool) -> list[float]:
    """J along steps of `step` times the exact gradient, until it reaches 1.5."""
    theta, path = CHAIN_START, [chain_return(CHAIN_START)]
    while path[-1] < 1.5:
        gradient = chain_gradient(theta)
        theta = theta + step * (natural(gradient, chain_fisher(theta)) if natural_steps else gradient)
        path.append(chain_return(theta))
    return path


@pytest.mark.parametrize("step", [0.1, 0.3, 1.0, 3.0])
def test_on_the_chain_the_vanilla_gradient_is_stuck_on_the_poorer_plateau_and_the_natural_one_is_not(
    step: float,
) -> None:
    vanilla, direct = chain_path(step, natural_steps=False), chain_path(step, natural_steps=True)
    assert len(vanilla) > 50 * (len(direct) - 1)
    on_plateau = [0.9 < value < 1.1 for value in vanilla]
    assert np.mean(on_plateau) > 0.8
    assert max(len(list(group)) for on, group in itertools.groupby(on_plateau) if on) == sum(on_plateau)


def test_the_chains_vanilla_gradient_learns_to_stay_where_it_already_is() -> None:
    # Staying is worth 1.4 in the poorer state and 1.6 in the other; the time spent there weighs 4 to 1.
    gradient = chain_gradient(CHAIN_START)
    assert gradient == pytest.approx([0.8 * 0.16 * 1.4, 0.2 * 0.16 * 1.6])
    assert natural(gradient, chain_fisher(CHAIN_START)) == pytest.approx([1.4, 1.6])


# ---- the environments


@pytest.mark.parametrize("name", ["LQR", "Chain"])
@pytest.mark.filterwarnings("ignore")
def test_a_lecture_problem_is_a_gymnasium_environment(name: str) -> None:
    check_env(gymnasium.make(f"lecture/{name}-v0").unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", ["LQR", "Chain"])
def test_an_episode_is_cut_by_the_time_limit_only(name: str) -> None:
    environment = environments.make(f"lecture/{name}-v0")
    environment.reset(seed=0)
    ends = [environment.step(np.zeros(1, np.float32))[2:4] for _ in range(HORIZON)]
    assert ends == [(False, False)] * (HORIZON - 1) + [(False, True)]


@pytest.mark.parametrize(
    ("stays", "earned"), [((1, 1), 100.0), ((-1, 1), 198.0), ((-1, -1), 0.0), ((1, -1), 100.0)]
)
def test_a_deterministic_policy_of_the_chain_earns_what_the_table_says(
    stays: tuple[int, int], earned: float
) -> None:
    environment = environments.make("lecture/Chain-v0")
    (seen,), _ = environment.reset(seed=0)
    total = 0.0
    for _ in range(HORIZON):
        (seen,), reward, *_ = environment.step(np.array([0.5 * stays[int(seen > 0)]], np.float32))
        total += float(reward)
    assert total == earned


def test_an_action_beyond_the_bounds_is_taken_as_it_is() -> None:
    environment = Regulator()
    (state,), _ = environment.reset(seed=0)
    _, reward, *_ = environment.step(np.array([-3.0]))
    assert reward == pytest.approx(-(state**2 + 0.1 * 9.0))


@pytest.mark.parametrize("gain", [0.4, -1.8])
def test_a_policy_whose_return_is_infinite_is_refused(gain: float) -> None:
    for of in (lqr_return, lqr_gradient, lqr_fisher):
        with pytest.raises(InputError, match=f"gain = {gain}: the return is infinite"):
            of(gain, 0.5)


def test_a_policy_without_exploration_has_no_fisher_matrix() -> None:
    assert np.isfinite(lqr_return(-0.5, 0.0))
    with pytest.raises(InputError, match="sigma = 0"):
        lqr_fisher(-0.5, 0.0)
