import numpy as np
import pytest
import torch

from matters.harness.training.environments import Environments, restore, resumable, saved
from matters.suites.tasks.environments import make
from matters.suites.tasks.yardsticks import ENVIRONMENTS, MUJOCO


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


def streams(*seeds):
    return [np.random.SeedSequence(seed) for seed in seeds]


def test_a_seed_meets_the_same_environments_alone_and_among_others():
    together = Environments("Hopper-v5", streams(0, 1, 2), 2)
    alone = Environments("Hopper-v5", streams(1), 2)
    assert torch.equal(together.reset()[1:2], alone.reset())
    generator = np.random.default_rng(0)
    for _ in range(60):
        action = torch.from_numpy(generator.uniform(-1, 1, (3, 2, 3)).astype(np.float32))
        of_all, of_one = together.step(action), alone.step(action[1:2])
        assert torch.equal(of_all.observation[1:2], of_one.observation)
        assert torch.equal(of_all.successor[1:2], of_one.successor)
        assert torch.equal(of_all.reward[1:2], of_one.reward)
        assert [episode for row, episode in of_all.episodes if row == 1] == [
            episode for _, episode in of_one.episodes
        ]


def test_environments_of_one_seed_start_differently():
    observation = Environments("Hopper-v5", streams(0), 2).reset()
    assert not torch.equal(observation[0, 0], observation[0, 1])


def test_the_successor_of_a_last_step_is_that_episodes_own_and_the_observation_the_next_ones():
    environments = Environments("probe/Endless-v0", streams(0), 1)
    environments.reset()
    ends = []
    for step in range(1, 11):
        transition = environments.step(torch.zeros(1, 1, 1))
        assert not transition.terminated.any()
        if transition.truncated.any():
            ends.append(step)
            ((row, episode),) = transition.episodes
            assert (row, episode.length, episode.episode_return, episode.terminated) == (0, 5, 5.0, False)
        else:
            assert torch.equal(transition.observation, transition.successor)
    assert ends == [5, 10]


def test_recorded_returns_are_sums_of_raw_rewards():
    environments = Environments("InvertedPendulum-v5", streams(3), 1)
    environments.reset()
    steps = 0
    while True:
        steps += 1
        transition = environments.step(torch.full((1, 1, 1), 3.0))
        if transition.episodes:
            break
    ((_, episode),) = transition.episodes
    # One a step, and none for the step in which it falls.
    assert (episode.length, episode.episode_return, episode.terminated) == (steps, steps - 1.0, True)


def test_keeping_some_seeds_leaves_theirs_as_they_were():
    reduced, full = (Environments("Hopper-v5", streams(0, 1, 2), 1) for _ in range(2))
    for environments in (reduced, full):
        environments.reset()
        environments.step(torch.zeros(3, 1, 3))
    reduced.keep([0, 2])
    action = torch.full((3, 1, 3), 0.5)
    assert torch.equal(reduced.step(action[:2]).observation, full.step(action).observation[[0, 2]])


def test_the_table_and_the_environments_agree_on_sizes():
    for name in ("Hopper-v5", "Humanoid-v5"):
        problem = Environments(name, streams(0), 1).problem
        assert (problem.observation_size, problem.action_size) == (
            MUJOCO[name].observation_size,
            MUJOCO[name].action_size,
        )
