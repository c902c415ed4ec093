import numpy as np
import pytest

from matters.harness.training.through_gymnasium import restore, resumable, saved
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
