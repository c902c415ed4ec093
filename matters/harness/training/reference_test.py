"""Runs of references: recorded and evaluated as ours are, and functions of their specs."""

import gymnasium
import numpy as np
import pytest

from matters.algorithms import load
from matters.harness.training import worker
from matters.harness.training.recorder import Recorder
from matters.harness.training.reference import RecordedEpisodes
from matters.harness.training.worker import train_population
from matters.results.lease import Lease
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

QUICK = {"batch_size": 8, "net_arch": (8,), "learning_starts": 90}


def spec(name, *, seed=0, steps=210, **changes):
    rule = load(name)
    config = rule.Config.model_validate(QUICK | changes)
    return RunSpec(
        algorithm=name,
        algorithm_version=rule.VERSION,
        environment="InvertedPendulum-v5",
        config=config.model_dump(mode="json"),
        seed=seed,
        steps=steps,
        evaluation=Evaluation(points=3, episodes=2),
    )


def trained(path, one):
    Store.open(path, create=True)
    news = []
    train_population(path, [one], news.append)
    store = Store.open(path)
    status = store.status(one.run_id)
    assert status.state == "done", status.error
    return store.record(one.run_id), status, news


OFF_POLICY = pytest.mark.parametrize("name", ["sb3-ddpg", "sb3-td3", "sb3-sac"])


@OFF_POLICY
def test_an_off_policy_reference_is_evaluated_at_its_points_and_recorded_in_blocks(tmp_path, name):
    record, status, news = trained(tmp_path, spec(name))
    assert record.evaluations["step"].tolist() == [0, 0, 70, 70, 140, 140, 210, 210]
    assert [one.steps for one in news if one.state == "running"] == [0, 70, 100, 140, 200, 210]
    # While it warms up there is nothing to record.
    assert record.updates["step"].tolist() == [100, 140, 200, 210]
    assert np.isfinite(record.updates["critic_loss"]).all()
    assert status.steps == 210


@OFF_POLICY
def test_p1_an_off_policy_reference_run_twice_has_one_digest_and_another_seed_another(tmp_path, name):
    found = [
        trained(tmp_path / str(index), spec(name, seed=seed))[1].digest
        for index, seed in enumerate((3, 3, 4))
    ]
    assert found[0] == found[1] != found[2]


def test_a_reference_that_never_leaves_its_warm_up_is_a_run_without_updates(tmp_path):
    record, status, _ = trained(tmp_path, spec("sb3-td3", learning_starts=1000))
    assert len(record.updates.get("step", ())) == 0
    assert status.steps == 210


def test_of_an_on_policy_reference_every_update_is_evaluated_and_those_that_reach_a_blocks_end_recorded(
    tmp_path,
):
    rule = load("sb3-a2c")
    one = spec("sb3-td3").model_copy(
        update={"algorithm": "sb3-a2c", "config": rule.Config(n_steps=15).model_dump(mode="json")}
    )
    record, _, news = trained(tmp_path, one)
    assert [one.steps for one in news if one.state == "running"] == list(range(0, 211, 15))
    assert record.evaluations["step"].tolist() == [0, 0, 75, 75, 150, 150, 210, 210]
    assert record.updates["step"].tolist() == [75, 105, 150, 210]


@pytest.mark.parametrize("name", ["sb3-ddpg", "sb3-td3", "sb3-sac", "sb3-ppo", "sb3-a2c", "sb3-trpo"])
def test_a_reference_whose_numbers_are_no_longer_finite_has_diverged_whatever_its_library_does(
    tmp_path, name
):
    # Stable-Baselines3's TD3 and DDPG never look, the others raise: one event has one record.
    rule = load(name)
    quick = {"learning_starts": 60} if "learning_starts" in rule.Config.model_fields else {"n_steps": 40}
    if "batch_size" in rule.Config.model_fields:
        quick["batch_size"] = 20
    huge = {"learning_rate": 1e30} if name != "sb3-trpo" else {"target_kl": 1e30, "learning_rate": 1e30}
    config = rule.Config(**quick, **huge)
    one = spec("sb3-td3").model_copy(
        update={"algorithm": name, "config": config.model_dump(mode="json"), "environment": "Hopper-v5"}
    )
    record, status, news = trained(tmp_path, one)
    assert status.state == "done"
    assert 0 < status.diverged_at < 210
    assert record.diverged_at == status.diverged_at == status.steps
    assert np.isfinite(record.evaluations["return"]).all()
    assert news[-1].message == f"diverged at step {status.diverged_at}"


def test_an_environment_that_reuses_its_array_changes_no_observation_that_a_reference_keeps():
    class Reusing(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-9, 9, (1,), np.float64)
        action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

        def __init__(self):
            self.buffer = np.zeros(1)

        def reset(self, **_):
            self.buffer[:] = 0
            return self.buffer, {}

        def step(self, _):
            self.buffer += 1
            return self.buffer, 0.0, False, False, {}

    recorded = RecordedEpisodes(Reusing(), Recorder())
    recorded.reset()
    first = recorded.step(np.zeros(1))[0]
    recorded.step(np.zeros(1))
    assert first.tolist() == [1.0]


def test_a_reference_whose_end_cannot_be_written_is_tried_again_and_said(tmp_path, monkeypatch):
    one, tries, real = spec("sb3-td3"), [], Lease.finish

    def finish(self, *arguments, **options):
        tries.append(None)
        if len(tries) < 3:
            raise OSError(28, "No space left on device", "status.json")
        real(self, *arguments, **options)

    monkeypatch.setattr(Lease, "finish", finish)
    monkeypatch.setattr(worker, "PATIENCE", (0.0, 0.0, 0.0))
    _, status, news = trained(tmp_path, one)
    assert (status.state, len(tries)) == ("done", 3)
    said = [progress.message for progress in news if progress.message]
    assert said == ["cannot be written, is tried again in 0 s: No space left on device: status.json"] * 2
