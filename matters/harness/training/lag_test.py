"""Parameters of some updates ago act: which, and that they are part of a run's state."""

import pytest
import torch

from matters.algorithms import load
from matters.harness.training.loop import train
from matters.harness.training.population import Updated, begin
from matters.harness.training.promises_test import Stopped, digests, ignore
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.errors import InputError
from matters.suites.loading import suite
from matters.suites.spec import Evaluation, RunSpec


def spec(seed, lag, updates=8):
    """A2C with rollouts of five steps in each of two environments."""
    rule = load("a2c")
    config = rule.PRESETS["a2c"].model_copy(update={"lag": lag, "environments": 2, "learning_rate": 0.01})
    return RunSpec(
        algorithm="a2c",
        algorithm_version=rule.VERSION,
        environment="probe/Copy-v0",
        config=config.model_dump(mode="json"),
        seed=seed,
        steps=10 * updates,
        evaluation=Evaluation(points=2, episodes=1),
    )


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_in_every_rollout_the_parameters_of_so_many_updates_ago_act(monkeypatch, lag):
    population = begin([spec(0, lag), spec(1, lag)])
    rule, acting = population.algorithm, []
    act = rule.act

    def watched(state, *arguments):
        acting.append(state.policy.matrix.clone())
        return act(state, *arguments)

    monkeypatch.setattr(rule, "act", watched)
    had = [population.state.policy.matrix.clone()]
    had += [
        population.state.policy.matrix.clone() for event in train(population) if isinstance(event, Updated)
    ]
    assert len(acting) == 8 * 5
    for step, matrix in enumerate(acting):
        assert torch.equal(matrix, had[max(0, step // 5 - lag)])
    assert not torch.equal(had[0], had[-1])


def test_a_rollout_keeps_the_distribution_that_acted_not_the_one_that_learns():
    population = begin([spec(0, 2)])
    first = population.state.policy.views[-1].clone()
    records, update = [], population.algorithm.update

    def watched(state, config, rollout, *rest, **options):
        records.append(rollout.record)
        return update(state, config, rollout, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population.algorithm, "update", watched)
        list(train(population))
    for record in records[:3]:
        assert (record[..., 1] == first.flatten()).all()
    assert (records[3][..., 1] != first.flatten()).all()


def test_a_seed_with_a_lag_has_the_same_digest_alone_and_among_three(tmp_path):
    three = digests(tmp_path / "three", [spec(seed, 2) for seed in (7, 3, 1)])
    assert digests(tmp_path / "alone", [spec(3, 2)]) == {3: three[3]}
    assert digests(tmp_path / "now", [spec(3, 0)]) != {3: three[3]}


def test_runs_with_a_lag_go_on_from_any_checkpoint_to_the_same_digest(tmp_path):
    specs = [spec(seed, 2) for seed in (0, 3)]
    whole = digests(tmp_path / "whole", specs)
    path = tmp_path / "pieces"
    Store.open(path, create=True)
    for end in (20, 30, 50):  # fewer updates than the lag, as many, and more

        def stop(progress, end=end):
            if progress.steps == end:
                raise Stopped

        with pytest.raises(Stopped):
            train_population(path, specs, stop, checkpoint_seconds=0)
    train_population(path, specs, ignore)
    store = Store.open(path)
    assert {one.seed: store.status(one.run_id).digest for one in specs} == whole


@pytest.mark.parametrize("lag", [4, 100])
def test_a_lag_of_a_whole_run_is_refused_in_one_line(lag):
    table = {
        "suite": {
            "name": "x", "title": "x", "environments": ["Hopper-v5"], "seeds": 1,
            "steps": 8000, "questions": [],
        },
        "variants": {"ppo": {"algorithm": "ppo", "config": {"lag": lag}}},
    }  # fmt: skip
    with pytest.raises(InputError, match=rf"config.lag = {lag}: should be less than the 4 updates"):
        suite(table)
    table["variants"]["ppo"]["config"]["lag"] = 3
    suite(table)
