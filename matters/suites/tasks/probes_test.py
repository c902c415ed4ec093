import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from matters.suites.tasks import environments, probes, yardsticks

NAMES = [*probes.TASKS, *probes.FAILURES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_a_probe_is_a_gymnasium_environment(name: str) -> None:
    check_env(gymnasium.make(f"probe/{name}-v0").unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("discount", [0.5, 0.9])
def test_the_best_policy_earns_the_known_value(name: str, discount: float) -> None:
    task = (probes.TASKS | probes.FAILURES)[name]
    env = probes.Probe(name)
    for episode in range(20):
        observation, _ = env.reset(seed=episode)
        expected, earned, weight = task.value(float(observation[0]), discount), 0.0, 1.0
        for _ in range(200):
            best = task.best_action(float(observation[0])) if task.best_action else 0.3
            observation, reward, terminated, _, _ = env.step(np.array([best], np.float32))
            earned += weight * reward
            weight *= discount
            if terminated:
                break
        assert earned == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [name for name, task in probes.TASKS.items() if task.best_action])
def test_any_other_action_earns_less(name: str) -> None:
    task, env = probes.TASKS[name], probes.Probe(name)
    observation, _ = env.reset(seed=1)
    assert task.best_action is not None
    best = task.best_action(float(observation[0]))
    for action in np.linspace(-1, 1, 21):
        env.reset(seed=1)
        reward = env.step(np.array([action], np.float32))[1]
        assert reward == pytest.approx(-((action - best) ** 2), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_ends_as_the_table_says(name: str) -> None:
    env = environments.make(f"probe/{name}-v0")
    env.reset(seed=0)
    steps, terminated, truncated = 0, False, False
    while not (terminated or truncated):
        _, _, terminated, truncated, _ = env.step(np.zeros(1, np.float32))
        steps += 1
    assert steps == yardsticks.ENVIRONMENTS[f"probe/{name}-v0"].horizon
    assert (terminated, truncated) == ((False, True) if name == "Endless" else (True, False))


@pytest.mark.parametrize("name", probes.FAILURES)
def test_a_failure_pays_its_best_action_most_and_uniform_actions_what_is_said(name: str) -> None:
    task = probes.FAILURES[name]
    assert task.best_action is not None
    actions = np.linspace(-task.bound, task.bound, 200_001)
    rewards = np.array([task.reward(0.0, float(action)) for action in actions])
    assert task.reward(0.0, task.best_action(0.0)) == pytest.approx(rewards.max(), abs=1e-6)
    assert rewards.mean() == pytest.approx(task.uniform, abs=1e-4)
    assert env_bounds(name) == (-task.bound, task.bound)


def env_bounds(name: str) -> tuple[float, float]:
    space = probes.Probe(name).action_space
    assert isinstance(space, gymnasium.spaces.Box)
    return float(space.low[0]), float(space.high[0])


def test_the_lower_peak_is_nearer_to_a_policy_that_begins_at_0() -> None:
    reward = probes.FAILURES["TwoPeaks"].reward
    assert reward(0.0, 0.1) > reward(0.0, 0.0) > reward(0.0, -0.1)
    assert reward(0.0, 1.0) == pytest.approx(0.9, abs=1e-3)


def test_endless_has_another_value_where_time_limits_are_terminal() -> None:
    # Fitted by one-step bootstrapping: the mean over the k steps of an episode, the last without a successor.
    value, discount, k = 0.0, 0.9, probes.ENDLESS_LIMIT
    for _ in range(2000):
        value = float(np.mean([1.0 + discount * value * (step < k) for step in range(1, k + 1)]))
    assert probes.endless_value_if_terminal(discount) == pytest.approx(value)
    assert probes.TASKS["Endless"].value(0.0, discount) == pytest.approx(10.0)
    assert value < 4.0


def test_the_same_seed_draws_the_same_observations() -> None:
    def observations(seed: int) -> list[float]:
        env = probes.Probe("Copy")
        env.reset(seed=seed)
        return [float(env.reset()[0][0]) for _ in range(5)]

    assert observations(3) == observations(3) != observations(4)
