"""Two lecture problems whose expected return, gradient and Fisher matrix are known exactly.

The linear-quadratic regulator with a Gaussian policy, on which the vanilla gradient spends its exploration
before the gain is right (Kakade 2002; Peters and Schaal 2008), and Kakade's chain of two states, on which it
climbs to the poorer state's plateau first (Kakade 2002; Bagnell and Schneider 2003). Each exact quantity of a
policy is a pure function; beside these stands the problem as an environment, registered with Gymnasium as
`lecture/LQR-v0` and `lecture/Chain-v0` when `tasks.environments` is imported. The numbers of the regulator
are chosen here, after the examples in those papers.

Kakade 2002, "A natural policy gradient", NeurIPS; Bagnell and Schneider 2003, "Covariant policy search",
IJCAI; Peters and Schaal 2008, "Natural actor-critic", Neurocomputing 71.
"""

import math
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from matters.suites.errors import InputError

Observation = NDArray[np.float64]
Action = NDArray[np.float32]
Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

HORIZON = 100
"""Steps after which the time limit cuts an episode of either problem."""

# ---- The linear-quadratic regulator

TRANSITION = 0.7
"""A of s' = A s + B a + w."""
CONTROL = 1.0
"""B."""
STATE_COST = 1.0
"""Q of the reward -(Q s² + R a²)."""
ACTION_COST = 0.1
"""R."""
NOISE = 0.1
"""Standard deviation of w."""
START = 0.1
"""Standard deviation of the first state; its mean is 0."""


def lqr_return(gain: float, sigma: float, *, discount: float = 0.99) -> float:
    """J(k, σ) = E[ Σ γᵗ r_t ] of a ~ N(k s, σ²), without a time limit: -(Q + R k²) M - R σ² / (1 - γ).

    M is the discounted sum of E[s²]. Raises InputError where J is infinite: γ (A + B k)² ≥ 1.
    """
    squares = _discounted_squares(gain, sigma, discount)
    return -(STATE_COST + ACTION_COST * gain**2) * squares - ACTION_COST * sigma**2 / (1 - discount)


def lqr_gradient(gain: float, sigma: float, *, discount: float = 0.99) -> Vector:
    """∇J = (∂J/∂k, ∂J/∂σ) of `lqr_return`."""
    loop = TRANSITION + CONTROL * gain
    contraction = 1 - discount * loop**2
    cost = STATE_COST + ACTION_COST * gain**2
    squares = _discounted_squares(gain, sigma, discount)
    by_gain = -2 * squares * (ACTION_COST * gain + cost * discount * CONTROL * loop / contraction)
    by_sigma = -2 * sigma * (ACTION_COST + cost * discount * CONTROL**2 / contraction) / (1 - discount)
    return np.array([by_gain, by_sigma])


def lqr_fisher(gain: float, sigma: float, *, discount: float = 0.99) -> Matrix:
    """F = E[∇ log π ∇ log πᵀ] in (k, σ): diag(E[s²], 2) / σ², over the discounted distribution of states.

    Raises InputError for σ ≤ 0.
    """
    if sigma <= 0:
        raise InputError(f"sigma = {sigma}: should be greater than 0 for a Fisher matrix")
    return np.diag([(1 - discount) * _discounted_squares(gain, sigma, discount), 2.0]) / sigma**2


def lqr_best_gain(*, discount: float = 0.99) -> float:
    """k*, which is best for every σ: from the Riccati equation, a quadratic for one state."""
    a, b, q, r = TRANSITION, CONTROL, STATE_COST, ACTION_COST
    linear = r - discount * (b**2 * q + a**2 * r)
    value = (math.sqrt(linear**2 + 4 * discount * b**2 * q * r) - linear) / (2 * discount * b**2)
    return -discount * a * b * value / (r + discount * b**2 * value)


def lqr_episode_return(gain: float, sigma: float) -> float:
    """Expected return of an episode as it is recorded: `HORIZON` steps, not discounted."""
    square, total = START**2, 0.0
    for _ in range(HORIZON):
        action_square = gain**2 * square + sigma**2
        total -= STATE_COST * square + ACTION_COST * action_square
        square = (TRANSITION + CONTROL * gain) ** 2 * square + CONTROL**2 * sigma**2 + NOISE**2
    return total


def lqr_best_episode_return() -> float:
    """The largest possible expected return of an episode: the Riccati recursion from its end."""
    a, b, q, r = TRANSITION, CONTROL, STATE_COST, ACTION_COST
    value, total = 0.0, 0.0
    for _ in range(HORIZON):
        total -= value * NOISE**2
        value = q + a**2 * value - (a * b * value) ** 2 / (r + b**2 * value)
    return total - value * START**2


def _discounted_squares(gain: float, sigma: float, discount: float) -> float:
    """M = Σ γᵗ E[s_t²], from E[s'²] = (A + B k)² E[s²] + B² σ² + noise²."""
    contraction = 1 - discount * (TRANSITION + CONTROL * gain) ** 2
    if contraction <= 0:
        raise InputError(f"gain = {gain}: the return is infinite; it needs γ (A + B k)² < 1")
    drive = CONTROL**2 * sigma**2 + NOISE**2
    return (START**2 + discount * drive / (1 - discount)) / contraction


class Regulator(gymnasium.Env[Observation, Action]):
    """The regulator: observe s, act a, earn -(Q s² + R a²). Its whole state is `state` and `np_random`.

    An action beyond the bounds is taken as it is, so that the exact answers hold for an unclipped Gaussian.
    """

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.state = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.state = START * self.np_random.standard_normal()
        return np.array([self.state]), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        control = float(action[0])
        reward = -(STATE_COST * self.state**2 + ACTION_COST * control**2)
        noise = NOISE * self.np_random.standard_normal()
        self.state = TRANSITION * self.state + CONTROL * control + noise
        return np.array([self.state]), reward, False, False, {}


# ---- Kakade's chain of two states: staying earns 1 in the first and 2 in the second, going earns nothing

PAY = (1.0, 2.0)


def chain_return(theta: ArrayLike) -> float:
    """J(θ), the average reward: Σ_s ρ(s) π(stay|s) pay(s), with π(stay|s) = 1 / (1 + exp(-θ_s)).

    Args:
        theta: [2], the log-odds of staying in each state.
    """
    return float(np.sum(chain_occupancy(theta) * _sigmoid(theta) * PAY))


def chain_gradient(theta: ArrayLike) -> Vector:
    """∇J [2]: ρ(s) π(stay|s) π(go|s) A(s), A(s) being how much more staying once is worth than going once.

    Sutton et al. 2000, theorem 1, for the average reward. The bias h solves h(s) + J = E[r + h(s')].
    """
    stay, go = _sigmoid(theta), _sigmoid(-np.asarray(theta, dtype=np.float64))
    bias = (stay[0] * PAY[0] - stay[1] * PAY[1]) / (go[0] + go[1])  # h of the first less h of the second
    worth = np.array([PAY[0] + bias, PAY[1] - bias])
    gradient: Vector = chain_occupancy(theta) * stay * go * worth
    return gradient


def chain_fisher(theta: ArrayLike) -> Matrix:
    """F [2, 2] = E[∇ log π ∇ log πᵀ] over the stationary states: diag(ρ(s) π(stay|s) π(go|s))."""
    stay, go = _sigmoid(theta), _sigmoid(-np.asarray(theta, dtype=np.float64))
    return np.diag(chain_occupancy(theta) * stay * go)


def chain_occupancy(theta: ArrayLike) -> Vector:
    """ρ [2], the stationary share of each state: the other's π(go) over the sum of both."""
    go = _sigmoid(-np.asarray(theta, dtype=np.float64))
    occupancy: Vector = go[::-1] / go.sum()
    return occupancy


def _sigmoid(x: ArrayLike) -> Vector:
    """1 / (1 + exp(-x)), written so that nothing overflows."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(x, dtype=np.float64)))


class Chain(gymnasium.Env[Observation, Action]):
    """The chain: observe -1 in the first state and 1 in the second; an action above 0 stays, others go.

    Our algorithms act in boxes, so the sign of a continuous action is the choice. A Gaussian policy
    N(μ(s), σ²) then stays with probability Φ(μ(s) / σ): two free parameters of a probit in place of the
    sigmoid's. A deterministic policy earns 100 on the poorer state's plateau, 198 where it leaves it and
    stays in the other, 0 where it always goes. An episode begins in the first state.
    """

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.state = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.state = 0
        return self._observe(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        if action[0] > 0:
            return self._observe(), PAY[self.state], False, False, {}
        self.state = 1 - self.state
        return self._observe(), 0.0, False, False, {}

    def _observe(self) -> Observation:
        return np.array([2.0 * self.state - 1.0])


def register() -> None:
    """Put both problems into Gymnasium's registry."""
    for name, entry in (("LQR", "Regulator"), ("Chain", "Chain")):
        if f"lecture/{name}-v0" not in gymnasium.registry:
            gymnasium.register(
                id=f"lecture/{name}-v0",
                entry_point=f"matters.suites.tasks.lectures:{entry}",
                max_episode_steps=HORIZON,
            )
