"""Native tasks are Gymnasium's, bit for bit: observations, rewards, ends, and what is drawn at resets."""

from dataclasses import replace

import gymnasium
import mujoco
import numpy as np
import pytest
import torch

from matters.algorithms import load
from matters.harness.training.environments import simulators
from matters.harness.training.loop import train
from matters.harness.training.native import Native
from matters.harness.training.population import begin
from matters.harness.training.through_gymnasium import ThroughGymnasium
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks import native
from matters.suites.tasks.environments import make
from matters.suites.tasks.yardsticks import MUJOCO

COUNT = 3


def uniform(generator):
    return lambda observation, step, shape: generator.uniform(-1, 1, shape)


def waves(generator):
    """Scripted: slow waves of a size and pace of their own in each joint, now and then beyond the bounds."""
    del generator
    return lambda observation, step, shape: (
        1.2 * np.sin(step / np.arange(5, 5 + np.prod(shape))).reshape(shape)
    )


def gentle(generator):
    """Near to doing nothing, so that what can stand stands for a while."""
    return lambda observation, step, shape: 0.02 * generator.standard_normal(shape)


def same(found, expected):
    return np.array_equal(np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64))


def compare(environment_id, policy, steps, seed, ours=None):
    """Step both and compare all that they give; returns how many episodes were terminated and truncated."""
    ours = ours or simulators(environment_id, COUNT)
    assert isinstance(ours, Native)
    theirs = [make(environment_id) for _ in range(COUNT)]
    seeds = np.random.SeedSequence(seed).generate_state(COUNT).tolist()
    first = [environment.reset(seed=one)[0] for environment, one in zip(theirs, seeds, strict=True)]
    observation = ours.reset(range(COUNT), seeds)
    assert observation.dtype == first[0].dtype
    assert same(observation, first)
    ends = np.zeros(2, dtype=int)
    for step in range(steps):
        shape = (COUNT, ours.problem.action_size)
        action = np.asarray(policy(observation, step, shape), dtype=np.float32)
        stepped = ours.step(action)
        expected = [environment.step(row)[:4] for environment, row in zip(theirs, action, strict=True)]
        for found, numbers in zip(stepped, zip(*expected, strict=True), strict=True):
            assert same(found, numbers), (environment_id, step)
        ends += stepped.terminated.sum(), stepped.truncated.sum()
        observation = stepped.observation.copy()
        over = np.flatnonzero(stepped.terminated | stepped.truncated).tolist()
        if over:
            observation = ours.reset(over).copy()
            assert same(observation[over], [theirs[index].reset()[0] for index in over]), (
                environment_id,
                step,
            )
    for generator, environment in zip(ours.generators, theirs, strict=True):
        assert generator.bit_generator.state == environment.unwrapped.np_random.bit_generator.state
    return ends


@pytest.mark.parametrize("policy", [uniform, waves, gentle])
@pytest.mark.parametrize("environment_id", sorted(MUJOCO))
def test_a_native_task_gives_gymnasiums_numbers(environment_id, policy):
    compare(environment_id, policy(np.random.default_rng(1)), 110, seed=2)


@pytest.mark.native
@pytest.mark.parametrize("policy", [uniform, waves, gentle])
@pytest.mark.parametrize("environment_id", sorted(MUJOCO))
def test_a_native_task_gives_gymnasiums_numbers_over_thousands_of_steps(environment_id, policy):
    for seed in range(3):
        _, truncated = compare(environment_id, policy(np.random.default_rng(seed)), 2200, seed)
        if environment_id in (
            "HalfCheetah-v5",
            "Swimmer-v5",
            "HumanoidStandup-v5",
            "Reacher-v5",
            "Pusher-v5",
        ):
            assert truncated


@pytest.mark.native
@pytest.mark.parametrize("environment_id", sorted(MUJOCO))
def test_a_native_task_gives_gymnasiums_numbers_under_a_trained_policy(environment_id):
    rule = load("ppo")
    spec = RunSpec(
        algorithm="ppo",
        algorithm_version=rule.VERSION,
        environment=environment_id,
        config=rule.PRESETS["ppo-sb3"].model_dump(mode="json"),
        seed=0,
        steps=30_000,
        evaluation=Evaluation(),
    )
    training = begin([spec])
    for _ in train(training):
        pass
    mode, generator = training.policy(), np.random.default_rng(0)

    def policy(observation, step, shape):
        action = mode(torch.from_numpy(observation.astype(np.float32))[None])[0].numpy()
        return action + 0.05 * generator.standard_normal(shape)

    for seed in range(3):
        compare(environment_id, policy, 2200, seed)


def test_the_comparison_notices_contact_forces_that_are_not_computed():
    ours = simulators("Ant-v5", COUNT)
    ours.task = replace(ours.task, contact_forces=False)
    with pytest.raises(AssertionError, match="Ant-v5"):
        compare("Ant-v5", waves(None), 110, seed=2, ours=ours)


def test_the_comparison_notices_another_order_of_draws():
    ours = simulators("HalfCheetah-v5", COUNT)
    start = ours.task.start
    ours.task = replace(ours.task, start=lambda generator, qpos, qvel: start(generator, qvel, qpos)[::-1])
    with pytest.raises(AssertionError):
        compare("HalfCheetah-v5", uniform(np.random.default_rng(0)), 1, seed=2, ours=ours)


def test_simulations_that_are_not_stepped_stand_still_and_others_do_not_notice():
    some, every = (simulators("Hopper-v5", COUNT) for _ in range(2))
    for one in (some, every):
        one.reset(range(COUNT), [5, 6, 7])
    action = np.full((COUNT, 3), 0.3, dtype=np.float32)
    first = some.step(action, [0, 2]).observation.copy()
    assert same(first[[0, 2]], every.step(action).observation[[0, 2]])
    second = some.step(action, [2]).observation
    assert same(second[0], first[0])
    assert same(second[2], every.step(action).observation[2])


def test_keeping_some_leaves_them_as_they_were():
    reduced, full = (simulators("Ant-v5", COUNT) for _ in range(2))
    action = np.full((COUNT, 8), 0.3, dtype=np.float32)
    for one in (reduced, full):
        one.reset(range(COUNT), [5, 6, 7])
        one.step(action)
    reduced.keep([2, 0])
    few, all_ = reduced.step(action[:2]), full.step(action)
    assert same(few.observation, all_.observation[[2, 0]])
    assert same(few.reward, all_.reward[[2, 0]])


def test_a_time_limit_ends_an_episode_after_its_last_step_and_not_before():
    ours = simulators("Reacher-v5", 2)
    ours.reset([0, 1], [1, 2])
    action = np.zeros((2, 2), dtype=np.float32)
    for _ in range(10):
        ours.step(action, [0])
    ended = [ours.step(action).truncated.tolist() for _ in range(40)]
    assert ended[:-1] == [[False, False]] * 39
    assert ended[-1] == [True, False]


@pytest.mark.parametrize("environment_id", sorted(MUJOCO))
def test_the_versions_at_hand_are_among_those_that_were_shown_equal(environment_id):
    assert native.native(environment_id) is not None, "run `nox -s native` and add the versions to SHOWN"


def test_other_versions_and_arguments_go_through_gymnasium(monkeypatch):
    assert isinstance(simulators("probe/Endless-v0", 1), ThroughGymnasium)
    entry_point = gymnasium.registry["Hopper-v5"].entry_point
    gymnasium.register("HeavyHopper-v0", entry_point, max_episode_steps=1000, kwargs={"frame_skip": 5})
    heavier = gymnasium.registry.pop("HeavyHopper-v0")
    monkeypatch.setitem(gymnasium.registry, "Hopper-v5", heavier)
    assert native.native("Hopper-v5") is None
    monkeypatch.undo()
    assert native.native("Hopper-v5", {"arguments": {"frame_skip": 5}}) is None
    monkeypatch.setattr(native, "SHOWN", {("1.3.0", mujoco.__version__)})
    assert isinstance(simulators("Hopper-v5", 1), ThroughGymnasium)


@pytest.mark.parametrize("environment_id", ["Hopper-v5", "Humanoid-v5"])
def test_training_environments_are_the_same_natively_and_through_gymnasium(environment_id, monkeypatch):
    found = []
    for shown in (native.SHOWN, set()):
        monkeypatch.setattr(native, "SHOWN", shown)
        ours = simulators(environment_id, 2)
        ours.reset([0, 1], [3, 4])
        generator, told = np.random.default_rng(0), []
        for _ in range(60):
            stepped = ours.step(
                generator.uniform(-0.4, 0.4, (2, ours.problem.action_size)).astype(np.float32)
            )
            over = np.flatnonzero(stepped.terminated | stepped.truncated).tolist()
            told.append([np.asarray(part, dtype=np.float32).tobytes() for part in stepped])
            if over:
                told.append(ours.reset(over).astype(np.float32).tobytes())
        found.append(told)
    assert found[0] == found[1]
