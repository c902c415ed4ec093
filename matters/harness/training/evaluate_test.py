import numpy as np
import pytest
import torch

from matters.harness.training.evaluate import TOGETHER, Evaluator, _episode_seed, due, nominal_step
from matters.suites.spec import Evaluation, RunSpec
from matters.suites.tasks.environments import make


def spec(seed, environment="Hopper-v5", points=4, episodes=3, steps=100):
    return RunSpec(
        algorithm="ppo",
        algorithm_version=1,
        environment=environment,
        config={},
        seed=seed,
        steps=steps,
        evaluation=Evaluation(points=points, episodes=episodes),
    )


def evaluator(*seeds, **options):
    return Evaluator(
        [spec(seed, **options) for seed in seeds], [np.random.SeedSequence(seed) for seed in seeds]
    )


def policy_of(weights):
    """Row s acts by its own weights."""
    return lambda observation: torch.tanh(observation @ weights[:, : observation.shape[-1]])


def weights(*seeds):
    return torch.stack(
        [torch.from_numpy(np.random.default_rng(s).standard_normal((11, 3))) for s in seeds]
    ).float()


def test_a_seed_is_evaluated_alike_alone_and_among_others_that_take_longer_or_shorter():
    together = evaluator(0, 1, 2)(policy_of(weights(0, 1, 2)), 1)
    assert len(set(together.lengths.sum(1))) > 1
    for row in range(3):
        alone = evaluator(row)(policy_of(weights(row)), 1)
        assert np.array_equal(alone.returns[0], together.returns[row])
        assert np.array_equal(alone.lengths[0], together.lengths[row])


def test_an_episode_is_the_one_of_its_seed_however_many_are_played_side_by_side():
    episodes, seed = 2 * TOGETHER + 2, 3
    policy, one = policy_of(weights(seed)), evaluator(seed, episodes=episodes)
    evaluated = one(policy, 1)
    assert evaluated.returns.shape == evaluated.lengths.shape == (1, episodes)
    environment = make("Hopper-v5")
    for episode in range(episodes):
        seen, _ = environment.reset(seed=_episode_seed(one.streams[0], nominal_step(one.spec, 1), episode))
        total, length, over = 0.0, 0, False
        while not over:
            action = policy(torch.from_numpy(seen.astype(np.float32))[None, None])[0, 0].numpy()
            seen, reward, terminated, truncated, _ = environment.step(action)
            total, length, over = total + float(reward), length + 1, terminated or truncated
        # A product of several observations may round otherwise than one of a single one.
        assert evaluated.returns[0, episode] == pytest.approx(total, rel=1e-3)
        assert evaluated.lengths[0, episode] == length


def test_points_can_be_evaluated_in_any_order_or_again():
    policy, one = policy_of(weights(5)), evaluator(5)
    forwards = [one(policy, point).returns for point in (1, 2, 3)]
    backwards = [one(policy, point).returns for point in (3, 2, 1)]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))
    assert not np.array_equal(forwards[0], forwards[1])


def test_every_variant_meets_the_same_episodes():
    still = lambda observation: torch.zeros(*observation.shape[:2], 3)  # noqa: E731
    assert np.array_equal(evaluator(7)(still, 2).returns, evaluator(7)(still, 2).returns)
    assert not np.array_equal(evaluator(7)(still, 2).returns, evaluator(8)(still, 2).returns)


@pytest.mark.parametrize(
    ("points", "steps", "reached"),
    [
        (10, 50_000, {0: 0, 4096: 0, 6144: 1, 24_576: 4, 26_624: 5, 49_152: 9, 51_200: 10}),
        (4, 100, {24: 0, 25: 1, 60: 2, 100: 4, 400: 4}),
        (1, 7, {6: 0, 7: 1}),
        (10, 5, {1: 2, 5: 10}),
    ],
)
def test_point_k_is_due_once_k_steps_over_points_are_reached(points, steps, reached):
    for step, last in reached.items():
        assert list(due(spec(0, points=points, steps=steps), 0, step)) == list(range(last + 1))


def test_points_that_are_done_are_not_due_again():
    assert list(due(spec(0, points=10, steps=100), 4, 55)) == [4, 5]
    assert list(due(spec(0, points=10, steps=100), 11, 200)) == []


@pytest.mark.parametrize("more", [4, TOGETHER + 2])
def test_more_episodes_leave_those_before_them_as_they_are(more):
    policy = policy_of(weights(3))
    few, many = evaluator(3, episodes=3)(policy, 2), evaluator(3, episodes=more)(policy, 2)
    assert np.array_equal(few.returns, many.returns[:, :3])
    assert np.array_equal(few.lengths, many.lengths[:, :3])


def test_an_episode_belongs_to_its_step_whatever_the_points_and_the_length_of_the_run():
    policy = policy_of(weights(3))
    one = evaluator(3, points=4, steps=100)(policy, 2)
    for points, steps, point in ((2, 100, 1), (10, 100, 5), (8, 200, 2)):
        other = evaluator(3, points=points, steps=steps)(policy, point)
        assert np.array_equal(one.returns, other.returns)
    assert not np.array_equal(one.returns, evaluator(3, points=4, steps=104)(policy, 2).returns)


def test_an_evaluation_that_takes_long_says_so_and_gives_the_same_numbers(monkeypatch):
    calm = evaluator(0, 1)(policy_of(weights(0, 1)), 1)
    slow, said = evaluator(0, 1), []
    slow.tell = said.append
    monkeypatch.setattr("matters.harness.training.evaluate.SLOW_SECONDS", 0.0)
    found = slow(policy_of(weights(0, 1)), 1)
    assert np.array_equal(found.returns, calm.returns)
    assert said[0] == "an evaluation takes long: 0 steps in 0 s, and 6 episodes go on"
    assert len(said) == calm.lengths.max()
