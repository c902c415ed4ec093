"""The off-policy loop, told by a rule that learns nothing and keeps a tape of what it was asked."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from matters.algorithms.interface import Acted, Cost, Facts, Frozen, Sizes
from matters.harness.training import population as module
from matters.harness.training.loop import BLOCK, means, train
from matters.harness.training.population import EpisodeEnded, PolicyDue, Updated, begin
from matters.suites.spec import Evaluation, RunSpec


class Config(Frozen):
    batch_size: int = 4
    buffer_size: int = 50
    warmup: int = 10
    train_every: int = 1
    gradient_steps: int = 1


@dataclass
class State:
    theta: torch.Tensor


@dataclass
class Tape:
    """A rule by its methods, as a module is one by its functions. Its k-th update measures k."""

    KIND = "off-policy"
    VERSION = 1
    FACTS = Facts(Cost(1.0, 1.0), warmup="warmup", replay="buffer_size")
    Config = Config
    noises: list = field(default_factory=list)
    executions: list = field(default_factory=list)
    memories: list = field(default_factory=list)
    batches: list = field(default_factory=list)
    updated_at: list = field(default_factory=list)
    acting: list = field(default_factory=list)

    def init(self, config, problem, generators):
        return State(torch.zeros(len(generators), 1))

    def observe(self, state, config, observation, *, learn):
        return observation

    def sizes(self, config, problem):
        return Sizes(noise=1, memory=2, record=3)

    def act(self, state, config, observation, noise, memory):
        self.noises.append(noise)
        self.memories.append(memory)
        step = len(self.executions)
        self.acting.append(step)
        return Acted(
            torch.full((len(observation), 1, 1), 0.5),
            memory + 1,
            torch.full((len(observation), 1, 3), float(step)),
        )

    def to_environment(self, config, problem, action):
        self.executions.append(action)
        return action

    def update(self, state, config, batch, generators):
        self.batches.append(batch)
        self.updated_at.append(len(self.executions))
        state.theta += 1
        metrics = {"k": state.theta[:, 0].clone()}
        if len(self.batches) % 2 == 0:
            metrics["seldom"] = 2 * state.theta[:, 0]
        return metrics

    def parameters(self, state):
        return {"theta": state.theta}


@pytest.fixture
def tape(monkeypatch):
    made = Tape()
    monkeypatch.setattr(module, "load", lambda name: made)
    return made


def spec(seed=0, *, environment="probe/Observation-v0", steps=40, points=2, **config):
    return RunSpec(
        algorithm="tape",
        algorithm_version=1,
        environment=environment,
        config=Config(**config).model_dump(),
        seed=seed,
        steps=steps,
        evaluation=Evaluation(points=points, episodes=1),
    )


def run(*specs):
    training = begin(list(specs))
    return training, list(train(training))


def test_actions_are_drawn_uniformly_for_the_warm_up_and_then_asked_for_with_normal_noise(tape):
    run(spec(steps=600, warmup=300), spec(1, steps=600, warmup=300))
    drawn = torch.stack(tape.executions[:300], 1)
    assert tape.acting == list(range(300, 600))
    for row in drawn.flatten(1):
        assert row.abs().max() <= 1
        assert row.unique().numel() > 290
        # Standard deviations of the mean of 300 and of the mean square: 1/√(3·300) and √(4/45/300).
        assert abs(row.mean()) < 5 / 30
        assert abs((row**2).mean() - 1 / 3) < 5 * 0.0172
    noise = torch.stack(tape.noises, 1).flatten(1)
    assert noise.dtype == torch.float32
    for row in noise:
        assert abs(row.mean()) < 5 / 300**0.5
        assert abs(row.std() - 1) < 0.25
    assert not torch.equal(noise[0], noise[1])


@pytest.mark.parametrize(
    ("config", "at"),
    [
        ({}, list(range(11, 41))),
        ({"warmup": 1}, list(range(2, 41))),
        ({"train_every": 4}, [12, 16, 20, 24, 28, 32, 36, 40]),
        ({"warmup": 12, "train_every": 4, "gradient_steps": 3}, sorted([16, 20, 24, 28, 32, 36, 40] * 3)),
        ({"warmup": 40}, []),
    ],
)
def test_learning_begins_after_the_warm_up_and_comes_as_often_as_asked(tape, config, at):
    run(spec(**config))
    assert tape.updated_at == at


def test_a_batch_holds_what_was_seen_and_done(tape):
    run(spec(steps=60, environment="probe/Delay-v0"), spec(1, steps=60, environment="probe/Delay-v0"))
    for batch in tape.batches:
        assert batch.observation.shape == (2, 4, 1)
        # Two steps an episode: observations 0 and 1, and the second one's reward is 1.
        assert torch.equal(batch.reward, batch.observation[..., 0])
        assert torch.equal(batch.terminated, batch.observation[..., 0] == 1)
        assert torch.equal(batch.successor, torch.ones_like(batch.successor))
        assert not batch.truncated.any()
    assert tape.batches[-1].action.abs().max() <= 1


def test_a_batch_knows_a_time_limit_from_an_end(tape):
    _, events = run(spec(steps=60, environment="probe/Endless-v0"))
    truncated = torch.stack([batch.truncated for batch in tape.batches])
    assert 0.1 < truncated.float().mean() < 0.35  # of five steps one
    assert not any(batch.terminated.any() for batch in tape.batches)
    assert [event.step for event in events if isinstance(event, EpisodeEnded)] == list(range(5, 61, 5))


def test_what_acting_remembers_lasts_to_the_end_of_the_episode(tape):
    run(spec(steps=20, environment="probe/Endless-v0"), spec(1, steps=20, environment="probe/Endless-v0"))
    # Episodes of five steps; acting begins after the warm-up of ten, with an episode.
    assert [memory.tolist() for memory in tape.memories] == [[[[step % 5] * 2]] * 2 for step in range(10)]


def test_a_batch_has_what_acting_recorded_and_0_for_the_warm_up(tape):
    run(spec(steps=60, warmup=30))
    seen = set()
    for batch in tape.batches:
        assert (batch.record[0] == batch.record[0, :, :1]).all()
        seen |= set(batch.record[0, :, 0].tolist())
        assert torch.equal(batch.record[0, :, 0] >= 30, batch.action[0, :, 0] == 0.5)
    assert seen <= {0.0, *map(float, range(30, 60))}
    assert len(seen) > 10


def test_a_block_tells_the_mean_of_what_its_updates_measured_and_nothing_where_there_was_none(tape):
    training, events = run(spec(steps=240, points=2, warmup=106))
    told = {event.step: event.metrics for event in events if isinstance(event, Updated)}
    assert list(told) == [100, 200]
    assert told[100] == {}
    # Updates 1 to 94; every second measures twice its number as well.
    assert told[200]["k"].tolist() == [47.5]
    assert told[200]["seldom"].tolist() == [2 * np.mean(range(2, 95, 2))]
    # What the end cut is left to whoever goes on: updates 95 to 134.
    assert [values[0] for values in training.measured["k"]] == list(range(95, 135))


def test_a_metric_that_was_never_measured_in_a_block_is_not_told(tape):
    _, events = run(spec(steps=200, points=1, warmup=199))
    assert [sorted(event.metrics) for event in events if isinstance(event, Updated)] == [[], ["k"]]


@pytest.mark.parametrize(
    ("steps", "points", "due", "blocks"),
    [
        (250, 4, [63, 125, 188, 250], [100, 200]),
        (90, 1, [90], []),
        (300, 3, [], [100, 200, 300]),
        (7, 7, [1, 2, 3, 4, 5, 6, 7], []),
    ],
)
def test_blocks_end_every_hundred_steps_and_the_population_stops_at_its_points(
    tape, steps, points, due, blocks
):
    _, events = run(spec(steps=steps, points=points))
    assert [event.step for event in events if isinstance(event, PolicyDue)] == due
    assert [event.step for event in events if isinstance(event, Updated)] == blocks


def test_blocks_and_what_they_tell_do_not_depend_on_how_long_the_run_is_or_on_its_points(tape):
    told = []
    for steps, points in ((300, 1), (900, 7)):
        tape.batches.clear()
        _, events = run(spec(steps=steps, points=points))
        blocks = [event for event in events if isinstance(event, Updated)]
        told.append([(event.step, event.metrics["k"].tolist()) for event in blocks])
    assert [step for step, _ in told[1]] == [*range(BLOCK, 901, BLOCK)]
    assert told[0] == told[1][:3]


def test_a_seeds_actions_and_batches_are_its_own_whoever_else_trains(tape):
    run(spec(3))
    batches, executions, tape.batches, tape.executions = tape.batches, tape.executions, [], []
    run(spec(8), spec(3), spec(1))
    for one, several in zip(executions, tape.executions, strict=True):
        assert torch.equal(one[0], several[1])
    for one, several in zip(batches, tape.batches, strict=True):
        for name, tensor in vars(one).items():
            if tensor is None:
                continue
            assert torch.equal(tensor[0], getattr(several, name)[1]), name


def test_the_replay_is_no_larger_than_the_run_is_long(tape):
    assert run(spec(steps=20))[0].replay.capacity == 20
    assert run(spec(steps=60))[0].replay.capacity == 50


def test_means_are_of_each_seed_and_in_double_precision():
    values = [torch.tensor([1e8, 1.0]), torch.tensor([1.0, 2.0]), torch.tensor([-1e8, 3.0])]
    assert means({"x": [value.tolist() for value in values]})["x"].tolist() == [pytest.approx(1 / 3), 2.0]
