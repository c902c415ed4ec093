"""The promises of an off-policy run, its replay included (P1 to P5)."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matters.algorithms import ALGORITHMS, load
from matters.algorithms.parts import population
from matters.harness.training import checkpoint, loop, replay_file
from matters.harness.training.environments import Environments
from matters.harness.training.loop import train
from matters.harness.training.population import begin
from matters.harness.training.promises_test import Stopped, digests, ignore
from matters.harness.training.replay_file_test import fill_the_disk
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

SMALL = {"hidden": [16, 16], "batch_size": 8, "buffer_size": 30, "warmup": 14}
"""Of 60 steps, 14 warm up and 30 fill the replay. Every few rows end an episode: no policy balances yet."""


@pytest.fixture(autouse=True)
def short_blocks():
    """So that a run of 60 steps can be left five times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "BLOCK", 10)
        yield


RULES = [name for name in ALGORITHMS if load(name).KIND == "off-policy"]


def spec(algorithm, preset, seed, *, environment="InvertedPendulum-v5", steps=60, points=6, **changes):
    """Its points are at 10, 20, 30, 40, 50 and 60 steps: warming up, filling the replay, and after that."""
    rule = load(algorithm)
    config = rule.PRESETS[preset].model_dump(mode="json") | SMALL | changes
    return RunSpec(
        algorithm=algorithm,
        algorithm_version=rule.VERSION,
        environment=environment,
        config=rule.Config.model_validate(config, strict=False).model_dump(mode="json"),
        seed=seed,
        steps=steps,
        evaluation=Evaluation(points=points, episodes=1),
    )


@pytest.mark.parametrize("algorithm", RULES)
def test_p1_a_seed_has_the_same_digest_alone_among_three_and_among_ten(tmp_path, algorithm):
    alone = digests(tmp_path / "1", [spec(algorithm, algorithm, 3)])
    three = digests(tmp_path / "3", [spec(algorithm, algorithm, seed) for seed in (7, 3, 1)])
    ten = digests(tmp_path / "10", [spec(algorithm, algorithm, seed) for seed in range(10)])
    assert alone == {3: ten[3]}
    assert three == {seed: ten[seed] for seed in (7, 3, 1)}
    assert len(set(ten.values())) == 10


@pytest.mark.parametrize("algorithm", RULES)
def test_p1_holds_for_the_widest_observation_and_an_odd_action(tmp_path, algorithm):
    specs = [spec(algorithm, algorithm, seed, environment="Humanoid-v5", steps=30) for seed in range(2)]
    assert digests(tmp_path / "alone", specs[1:])[1] == digests(tmp_path / "together", specs)[1]


OTHERWISE = [("td3", "td3-2018"), ("ddpg", "ddpg-batch-norm"), ("sac", "sac-v1")]
"""Learning at episode ends, with running moments, and with another network."""


@pytest.mark.parametrize(("algorithm", "preset"), OTHERWISE)
def test_p1_and_p2_hold_for_presets_that_learn_otherwise(tmp_path, algorithm, preset):
    specs = [spec(algorithm, preset, seed) for seed in (0, 3)]
    assert digests(tmp_path / "alone", specs[1:])[3] == digests(tmp_path / "together", specs)[3]
    assert interruptions(tmp_path, specs) == 6


def test_updates_at_episode_ends_are_told_where_the_episodes_of_that_seed_ended(tmp_path):
    specs = [spec("td3", "td3-2018", seed) for seed in (0, 3)]
    digests(tmp_path, specs)
    for one in specs:
        record = Store.open(tmp_path).record(one.run_id)
        assert record.updates["step"].tolist() == record.episodes["step"].tolist()
        assert np.isfinite(record.updates["critic_loss"]).all()


def test_p1_every_part_of_a_spec_that_should_matter_does(tmp_path):
    changes = [
        {},
        {"buffer_size": 29},
        {"warmup": 15},
        {"train_every": 2},
        {"gradient_steps": 2},
        {"batch_size": 9},
        {"points": 5},
    ]
    specs = [spec("td3", "td3", 0, **change) for change in changes]
    specs.append(spec("td3", "td3", 1))
    found = [digests(tmp_path / str(index), [one])[one.seed] for index, one in enumerate(specs)]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("algorithm", RULES)
def test_p2_a_run_interrupted_after_every_block_ends_with_the_same_digest(tmp_path, algorithm):
    assert interruptions(tmp_path, [spec(algorithm, algorithm, seed) for seed in (0, 3)]) == 6


def test_p2_so_it_does_when_the_replay_wraps_several_times_between_checkpoints(tmp_path):
    assert interruptions(tmp_path, [spec("td3", "td3", 0, buffer_size=8)]) == 6


def test_p2_so_it_does_between_trainings_and_within_an_episode(tmp_path):
    changes = {"environment": "Hopper-v5", "train_every": 7, "gradient_steps": 3}
    assert interruptions(tmp_path, [spec("sac", "sac", seed, **changes) for seed in (0, 3)]) == 6


def interruptions(tmp_path, specs):
    """Interrupt a population after every block; returns how often, once the digests are as they should be."""
    uninterrupted = digests(tmp_path / "whole", specs)
    path = tmp_path / "pieces"
    Store.open(path, create=True)
    count = 0

    def stop_after_one_block(progress):
        nonlocal announced
        announced += progress.state == "running"
        if announced == 2:  # the first tells where it starts, the second comes after a block and a checkpoint
            raise Stopped

    while True:
        announced = 0
        try:
            train_population(path, specs, stop_after_one_block, checkpoint_seconds=0)
            break
        except Stopped:
            count += 1
            assert {Store.open(path).status(one.run_id).state for one in specs} == {"paused"}
    assert {one.seed: Store.open(path).status(one.run_id).digest for one in specs} == uninterrupted
    assert not list(path.glob("*/checkpoint*"))
    return count


def test_p2_interrupted_runs_can_be_packed_anew(tmp_path):
    specs = [spec("td3", "td3", seed) for seed in range(4)]
    uninterrupted = digests(tmp_path / "whole", specs)
    path = tmp_path / "pieces"
    Store.open(path, create=True)
    for group in (specs[:2], specs[2:3]):
        with pytest.raises(Stopped):
            train_population(path, group, stop_at(40), checkpoint_seconds=0)
    assert digests(path, specs[1:]) == {seed: uninterrupted[seed] for seed in (1, 2, 3)}
    assert digests(path, specs[:1]) == {0: uninterrupted[0]}


def stop_at(step):
    def stop(progress):
        if progress.steps == step:
            raise Stopped

    return stop


KILLED = """
import os, signal, sys
from pathlib import Path
from matters.algorithms.parts.replay import Replay
from matters.harness.training import loop
from matters.harness.training.off_policy_promises_test import ignore, spec
from matters.harness.training.worker import train_population

add = Replay.add

def kill(replay, *arguments):
    if replay.count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    add(replay, *arguments)

Replay.add = kill
loop.BLOCK = 10
specs = [spec("sac", "sac", seed) for seed in (0, 3)]
train_population(Path(sys.argv[1]), specs, ignore, checkpoint_seconds=0)
"""


def test_p2_a_population_killed_again_and_again_by_the_kernel_ends_with_the_same_digests(tmp_path):
    specs = [spec("sac", "sac", seed) for seed in (0, 3)]
    uninterrupted = digests(tmp_path / "whole", specs)
    path = tmp_path / "killed"
    Store.open(path, create=True)
    # In its warm-up, while the replay fills, and after it has wrapped; each time between two checkpoints.
    for step, saved in ((12, 10), (27, 20), (53, 50)):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(step)],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            check=False,
        )
        assert killed.returncode == -9, killed.stderr.decode()
        assert [Store.open(path).status(one.run_id).steps for one in specs] == [saved, saved]
    assert digests(path, specs) == uninterrupted


@pytest.mark.parametrize("step", [10, 50])
def test_p2_rows_that_no_checkpoint_stands_for_are_never_read(tmp_path, monkeypatch, step):
    one = spec("td3", "td3", 0)
    uninterrupted = digests(tmp_path / "whole", [one])
    path = tmp_path / "torn"
    Store.open(path, create=True)
    append = replay_file.append

    def killed_before_the_checkpoint(replay, index, beside):
        counts = append(replay, index, beside)
        if replay.count == step:
            for suffix in (".rows", ".ends"):
                with beside.with_suffix(suffix).open("ab") as file:
                    file.write(b"half of a record")
            raise Stopped
        return counts

    monkeypatch.setattr(replay_file, "append", killed_before_the_checkpoint)
    with pytest.raises(Stopped):
        train_population(path, [one], ignore, checkpoint_seconds=0)
    monkeypatch.undo()
    assert digests(path, [one], checkpoint_seconds=0) == uninterrupted


def stopped_pair(tmp_path):
    """Two runs stopped at step 40: their specs, the digests of a calm training, and the store."""
    specs = [spec("td3", "td3", seed) for seed in range(2)]
    uninterrupted = digests(tmp_path / "whole", specs)
    path = tmp_path / "harmed"
    Store.open(path, create=True)
    with pytest.raises(Stopped):
        train_population(path, specs, stop_at(40), checkpoint_seconds=0)
    return specs, uninterrupted, path


@pytest.mark.parametrize("harm", ["a bit", "the end"])
@pytest.mark.parametrize("part", ["safetensors", "rows", "ends", "policies"])
def test_p8_a_checkpoint_that_a_disk_has_changed_is_found_and_the_run_trained_anew(tmp_path, part, harm):
    specs, uninterrupted, path = stopped_pair(tmp_path)
    news = []
    harmed = Store.open(path).directory(specs[1].run_id) / f"checkpoint.{part}"
    data = bytearray(harmed.read_bytes())
    data[len(data) // 2] ^= 16
    harmed.write_bytes(data if harm == "a bit" else data[:-1])
    train_population(path, specs, news.append)
    ((run_ids, message),) = {(told.run_ids, told.message) for told in news if told.message}
    assert run_ids == (specs[1].run_id,)
    assert message.startswith(f"its checkpoint is damaged, checkpoint.{part}: ")
    assert message.endswith(": it starts anew")
    assert "\n" not in message
    # Seed 0 went on from its own, which was sound.
    assert min(told.steps for told in news if told.run_ids == (specs[0].run_id,)) == 40
    store = Store.open(path)
    assert {one.seed: store.status(one.run_id).digest for one in specs} == uninterrupted


@pytest.mark.parametrize("harm", ["a bad sector", "a folder"])
def test_p8_a_checkpoint_that_the_system_does_not_give_back_is_as_good_as_none(tmp_path, monkeypatch, harm):
    specs, uninterrupted, path = stopped_pair(tmp_path)
    news = []
    harmed = Store.open(path).directory(specs[1].run_id) / "checkpoint.safetensors"
    if harm == "a folder":
        harmed.unlink()
        (harmed / "inside").mkdir(parents=True)
        reason = "Is a directory"
    else:
        reason, read_bytes = "Input/output error", Path.read_bytes

        def read(self):
            if self == harmed:
                raise OSError(errno.EIO, reason, str(self))
            return read_bytes(self)

        monkeypatch.setattr(Path, "read_bytes", read)
    train_population(path, specs, news.append)
    ((run_ids, message),) = {(told.run_ids, told.message) for told in news if told.message}
    assert run_ids == (specs[1].run_id,)
    assert (
        message
        == f"its checkpoint is damaged, checkpoint.safetensors: cannot be read: {reason}: it starts anew"
    )
    store = Store.open(path)
    assert {one.seed: store.status(one.run_id).digest for one in specs} == uninterrupted


def test_p8_a_checkpoint_that_may_not_be_read_now_is_kept_for_later(tmp_path, monkeypatch):
    one = spec("td3", "td3", 0)
    Store.open(tmp_path, create=True)
    with pytest.raises(Stopped):
        train_population(tmp_path, [one], stop_at(40), checkpoint_seconds=0)
    kept = Store.open(tmp_path).directory(one.run_id) / "checkpoint.safetensors"

    read_bytes = Path.read_bytes

    def read(self):
        if self == kept:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(PermissionError):
        train_population(tmp_path, [one], ignore)
    monkeypatch.undo()
    assert checkpoint.step_in(kept, one) == 40


@pytest.mark.parametrize("part", [".rows", ".ends", ".tmp"])
@pytest.mark.parametrize("stopped", [30, 40])
def test_p4_a_checkpoint_that_cannot_be_written_is_told_and_neither_run_nor_older_checkpoint_is_lost(
    tmp_path, monkeypatch, part, stopped
):
    specs = [spec("td3", "td3", seed) for seed in range(2)]
    uninterrupted = digests(tmp_path / "whole", specs)
    path, news = tmp_path / "full", []
    Store.open(path, create=True)

    def stop(progress):
        news.append(progress)
        if progress.steps == stopped:
            raise Stopped

    fill_the_disk(monkeypatch, part, full=lambda: bool(news) and news[-1].steps == 20)
    with pytest.raises(Stopped):
        train_population(path, specs, stop, checkpoint_seconds=0)
    (told,) = [progress.message for progress in news if progress.message]
    assert told.startswith("no checkpoint at step 30: No space left on device")
    assert {Store.open(path).status(one.run_id).steps for one in specs} == {20 if stopped == 30 else 40}
    monkeypatch.undo()
    assert digests(path, specs, checkpoint_seconds=0) == uninterrupted


def test_p3_a_finished_run_is_not_trained_again(tmp_path):
    one = spec("sac", "sac", 0)
    digests(tmp_path, [one])
    news = []
    train_population(tmp_path, [one], news.append)
    assert [progress.state for progress in news] == ["skipped"]


@pytest.mark.parametrize("algorithm", RULES)
def test_p4_a_diverged_seed_is_kept_with_its_last_score_and_the_others_do_not_notice(
    tmp_path, monkeypatch, algorithm
):
    specs = [spec(algorithm, algorithm, seed) for seed in range(3)]
    sound = digests(tmp_path / "sound", specs)
    rule = load(algorithm)
    updates = 0
    update = rule.update

    def poisoned(state, *arguments):
        nonlocal updates
        updates += 1
        metrics = update(state, *arguments)
        if updates == 19:  # at step 33
            state.policy.matrix[1, 0] = float("nan")
        return metrics

    monkeypatch.setattr(rule, "update", poisoned)
    # With checkpoints, so that the replay of those that go on is also saved.
    diverging = digests(tmp_path / "diverging", specs, checkpoint_seconds=0)
    store = Store.open(tmp_path / "diverging")
    assert {seed: diverging[seed] == sound[seed] for seed in range(3)} == {0: True, 1: False, 2: True}
    status, record = store.status(specs[1].run_id), store.record(specs[1].run_id)
    assert status.diverged_at == record.diverged_at == 40
    assert set(record.evaluations["point"].tolist()) == {0, 1, 2, 3}
    assert status.score == pytest.approx(record.evaluations["return"][-2:].mean())


def test_p4_a_failed_run_leaves_no_replay_behind(tmp_path, monkeypatch):
    rule = load("td3")
    update = rule.update

    def broken(state, config, batch, generators):
        if int(state.updates[0]) == 25:
            raise RuntimeError("no more room")
        return update(state, config, batch, generators)

    monkeypatch.setattr(rule, "update", broken)
    Store.open(tmp_path, create=True)
    one = spec("td3", "td3", 0)
    train_population(tmp_path, [one], ignore, checkpoint_seconds=0)
    assert Store.open(tmp_path).status(one.run_id).state == "failed"
    assert not list(tmp_path.glob("*/checkpoint*"))


@pytest.mark.parametrize("algorithm", RULES)
def test_p5_what_one_seed_is_paid_and_sees_is_nobody_elses_business(monkeypatch, algorithm):
    specs = [spec(algorithm, algorithm, seed) for seed in range(3)]
    calm = begin(specs)
    for _event in train(calm):
        pass
    step = Environments.step

    def disturbed(environments, action):
        transition = step(environments, action)
        transition.reward[1] += 7
        transition.observation[1] *= -1
        return transition

    monkeypatch.setattr(Environments, "step", disturbed)
    other = begin(specs)
    for _event in train(other):
        pass
    rows = [
        [
            {name: array.tobytes() for name, array in population.row(one.state, row).items()}
            for row in range(3)
        ]
        for one in (calm, other)
    ]
    assert [a == b for a, b in zip(*rows, strict=True)] == [True, False, True]


def test_a_run_that_ends_in_its_warm_up_is_evaluated_and_has_learnt_nothing(tmp_path):
    one = spec("sac", "sac", 0, warmup=60)
    digests(tmp_path, [one])
    record = Store.open(tmp_path).record(one.run_id)
    assert set(record.evaluations["point"].tolist()) == {0, 1, 2, 3, 4, 5, 6}
    assert record.updates == {}
    assert Store.open(tmp_path).verify() == []


def test_updates_are_told_in_blocks_and_evaluations_come_at_their_points(tmp_path):
    one = spec("td3", "td3", 0, steps=250, points=4)
    digests(tmp_path, [one])
    record = Store.open(tmp_path).record(one.run_id)
    assert record.evaluations["step"].tolist() == [0, 63, 125, 188, 250]
    assert record.updates["step"].tolist() == [*range(20, 251, 10)]
    assert all(np.isfinite(column).all() for column in record.updates.values())
