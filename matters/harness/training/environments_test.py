import numpy as np
import pytest
import torch

from matters.algorithms.experience import collect
from matters.harness.training.environments import Environments
from matters.harness.training.population import begin
from matters.suites.loading import suite
from matters.suites.tasks.yardsticks import ENVIRONMENTS, MUJOCO


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


@pytest.mark.parametrize("environment_id", sorted(ENVIRONMENTS))
def test_a_restored_row_goes_on_bit_for_bit_across_resets(environment_id):
    original, copy = (Environments(environment_id, streams(*seeds), 2) for seeds in ((1, 2), (3, 4)))
    assert original.simulators.resumable
    for environments in (original, copy):
        environments.reset()
    shape = (160, 2, 2, original.problem.action_size)
    actions = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32))
    for action in actions[:60]:
        original.step(action)
    # Into the other seed's place: what is saved is all that counts.
    copy.put_row(0, original.row(1))
    for action in actions[60:]:
        found, expected = copy.step(action.flip(0)), original.step(action)
        for name in ("observation", "successor", "reward", "terminated", "truncated"):
            assert torch.equal(getattr(found, name)[0], getattr(expected, name)[1])
        assert [one for row, one in found.episodes if row == 0] == [
            one for row, one in expected.episodes if row == 1
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


def test_rollouts_that_begin_anew_begin_with_first_observations_and_count_no_cut_episode():
    table = {"algorithm": "vpg", "config": {"horizon": 16, "tricks": {"reset_each_rollout": True}}}
    header = {"name": "x", "title": "x", "environments": ["InvertedPendulum-v5"], "seeds": 2, "steps": 64}
    made = suite({"suite": {**header, "questions": []}, "variants": {"x": table}})
    learner = begin(list(made.cells()[0].specs))
    for _ in range(3):
        seen = list(collect(learner))
        # An episode of this task begins within 0.01 of upright and at rest; a few steps lead farther away.
        assert (seen[0].observation.abs() <= 0.01).all()
        assert (seen[2].observation.abs() > 0.01).any()
        assert learner.environments.lengths.max() <= 16


def grouped(*seeds: int) -> Environments:
    return Environments("Hopper-v5", streams(*seeds), 6, group=3)


def played(environments: Environments, steps: int, seed: int = 0) -> dict[int, list[np.ndarray]]:
    """By environment of the first seed, the first observation of each episode that began."""
    generator, begun = np.random.default_rng(seed), {n: [] for n in range(6)}
    for _ in range(steps):
        action = generator.uniform(-1, 1, (*environments.shape, 3)).astype(np.float32)
        stepped = environments.step(torch.from_numpy(action))
        for row, episode in stepped.episodes:
            if row == 0:
                begun[episode.environment].append(stepped.observation[0, episode.environment].numpy())
    return begun


def test_the_kth_episodes_of_a_group_begin_in_one_state_and_those_of_two_groups_do_not():
    environments = grouped(0, 1)
    for begin_all in (environments.reset, environments.begin_anew, environments.begin_anew):
        first = begin_all()
        for group in (first[0, :3], first[0, 3:]):
            assert (group == group[0]).all()
        assert not torch.equal(first[0, 0], first[0, 3])
        assert not torch.equal(first[0, 0], first[1, 0])
        begun = played(environments, 120)
        numbers = [len(begun[n]) for n in range(6)]
        assert min(numbers) >= 2
        for members in ((0, 1, 2), (3, 4, 5)):
            for k in range(min(numbers)):
                assert all(np.array_equal(begun[n][k], begun[members[0]][k]) for n in members)
        assert not np.array_equal(begun[0][0], begun[0][1])
    # Their lengths differ, so that their generators had gone apart before all were begun anew.
    assert len(set(numbers[:3])) > 1


def test_each_time_groups_begin_anew_they_begin_elsewhere_and_a_restored_row_does_so_alike():
    original, copy = grouped(1, 2), grouped(2, 4)
    starts = [original.reset(), original.begin_anew(), original.begin_anew()]
    assert len({start[0, 0].numpy().tobytes() for start in starts}) == 3
    copy.reset()
    copy.put_row(0, original.row(1))
    for _ in range(2):
        assert torch.equal(copy.begin_anew()[0], original.begin_anew()[1])


def test_a_seed_in_groups_meets_the_same_environments_alone_and_when_others_are_left():
    together, alone, left = grouped(0, 1, 2), grouped(1), grouped(0, 1, 2)
    for environments in (together, alone, left):
        environments.reset()
    left.keep([1])
    expected = alone.begin_anew()
    assert torch.equal(together.begin_anew()[1:2], expected)
    assert torch.equal(left.begin_anew(), expected)
