import random

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from matters.harness.training.through_gymnasium import ThroughGymnasium, restore, resumable, saved
from matters.suites.tasks.environments import make
from matters.suites.tasks.yardsticks import ENVIRONMENTS


def played(environment, actions):
    out = []
    for action in actions:
        observation, reward, terminated, truncated, _ = environment.step(action)
        out.append((observation.tobytes(), float(reward), terminated, truncated))
        if terminated or truncated:
            observation, _ = environment.reset()
            out.append(observation.tobytes())
    return out


@pytest.mark.parametrize("environment_id", sorted(ENVIRONMENTS))
def test_a_restored_environment_goes_on_bit_for_bit_across_resets(environment_id):
    original, copy = make(environment_id), make(environment_id)
    assert resumable(original)
    original.reset(seed=1)
    copy.reset(seed=2)
    size = original.action_space.shape[0]
    actions = np.random.default_rng(0).uniform(-1, 1, (260, size)).astype(np.float32)
    played(original, actions[:60])
    restore(copy, saved(original))
    assert played(copy, actions[60:]) == played(original, actions[60:])


@pytest.mark.parametrize("environment_id", ["Ant-v5", "Humanoid-v5"])
def test_positions_and_velocities_alone_would_not_restore_rewards(environment_id):
    original, copy = make(environment_id), make(environment_id)
    original.reset(seed=1)
    copy.reset(seed=2)
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (3, original.action_space.shape[0]))
    played(original, actions[:2])
    inner, target = original.unwrapped, copy.unwrapped
    target.set_state(inner.data.qpos.copy(), inner.data.qvel.copy())
    assert original.step(actions[2])[1] != copy.step(actions[2])[1]


def test_an_environment_with_parts_that_cannot_be_saved_is_not_resumable():
    environment = make("Hopper-v5")
    environment.reset(seed=0)
    environment.unwrapped.socket = object()
    assert not resumable(environment)


class Remembering(gymnasium.Env):
    """Pays by what it remembers of its steps, and keeps that in one of several ways."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    episodes: list[int] = []  # noqa: RUF012  what it is here to show

    def __init__(self, how):
        self.how = how
        self.number = self.steps = 0
        self.drawing = np.random.default_rng(0)
        self.one = np.zeros(1)
        if how == "a list in a tuple":
            self.hidden = ([0],)
        if how == "one array under two names":
            self.same = self.one[:]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.number = 0
        self.episodes.append(1)
        return np.zeros(2), {}

    def step(self, action):
        self.number += 1
        self.steps += 1
        self.one[0] += 1
        if self.how == "a list in a tuple":
            self.hidden[0][0] += 1
        paid = {
            "a number": lambda: self.number,
            "a list in a tuple": lambda: self.hidden[0][0] > 1000,
            "one array under two names": lambda: self.same[0] > 1000,
            "the program's generator": random.random,
            "its own generator": self.np_random.random,
            "what its class remembers of episodes": lambda: len(self.episodes),
            "all its steps, whose number no reset clears": lambda: self.steps,
            "a generator that no reset seeds": self.drawing.random,
        }[self.how]()
        return np.array([float(action[0]), 1.0]), float(paid), False, False, {}


@pytest.fixture
def remembering():
    gymnasium.register("test/Remembering-v0", Remembering, max_episode_steps=900)
    yield
    gymnasium.registry.pop("test/Remembering-v0")


@pytest.mark.usefixtures("remembering")
@pytest.mark.parametrize(
    ("how", "attributes_tell", "goes_on"),
    [
        ("a number", False, True),
        ("its own generator", False, True),
        # These two matter late, so that no trial of a few steps would find them.
        ("a list in a tuple", True, False),
        ("one array under two names", True, False),
        ("the program's generator", False, False),
        ("what its class remembers of episodes", False, False),
        # Training would go on alike, but evaluations are played in new environments after an interruption.
        ("all its steps, whose number no reset clears", False, False),
        ("a generator that no reset seeds", False, False),
    ],
)
def test_only_an_environment_that_was_shown_to_go_on_is_resumable(how, attributes_tell, goes_on):
    simulators = ThroughGymnasium("test/Remembering-v0", 1, {"kwargs": {"how": how}})
    assert resumable(simulators.environments[0]) is not attributes_tell
    assert simulators.resumable is goes_on
