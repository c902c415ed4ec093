"""The promises of a run: what it is a function of, and what may happen to it on the way (P1, P2, P5)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matters.algorithms import ALGORITHMS, load
from matters.harness.training import checkpoint, stopping
from matters.harness.training.native import Native
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

RULES = [name for name in ALGORITHMS if load(name).KIND == "on-policy"]
FURTHER = [("vpg", "reinforce"), ("trpo", "trpo+"), ("ppo", "ppo-m"), ("ppo", "ppo-kl"), ("ppo", "ppo-beta")]
FURTHER += [("grpo", "grpo-kl")]
"""Presets that go other ways or keep other things than the one of their algorithm's name. What holds for the
bits of a rule alone is tested for every preset in `matters.algorithms.promises_test`."""
VARIANTS = [(name, name) for name in RULES] + FURTHER

QUICK = {
    "horizon": 96, "epochs": 2, "minibatch_size": 40, "value_steps": 3, "value_epochs": 1, "most_steps": 20,
}  # fmt: skip
"""Of these, what a config has and does; 40 leaves a last minibatch of 16, so that sizes vary."""


def spec(algorithm, preset, seed, *, environment="Hopper-v5", steps=480, **changes):
    rule = load(algorithm)
    config = rule.PRESETS[preset].model_dump(mode="json")
    config |= {name: value for name, value in QUICK.items() if config.get(name)}
    if config.get("environments", 1) > 1:
        config |= {"environments": 2, "horizon": 48} | ({"group_size": 2} if "group_size" in config else {})
    config |= changes
    return RunSpec(
        algorithm=algorithm,
        algorithm_version=rule.VERSION,
        environment=environment,
        config=rule.Config.model_validate(config, strict=False).model_dump(mode="json"),
        seed=seed,
        steps=steps,
        evaluation=Evaluation(points=3, episodes=2),
    )


def ignore(_progress):
    pass


def digests(path: Path, specs, **options) -> dict[int, str | None]:
    """Train and return each seed's digest."""
    Store.open(path, create=True)
    train_population(path, specs, ignore, **options)
    store = Store.open(path)
    statuses = {one.seed: store.status(one.run_id) for one in specs}
    assert {status.state for status in statuses.values()} == {"done"}, statuses
    return {seed: status.digest for seed, status in statuses.items()}


@pytest.fixture(scope="module", params=VARIANTS, ids=[preset for _, preset in VARIANTS])
def trained(request, tmp_path_factory):
    """Specs of three seeds of a variant, and the digest of each when they train together in one go."""
    specs = [spec(*request.param, seed, steps=288) for seed in (7, 3, 1)]
    return specs, digests(tmp_path_factory.mktemp("together"), specs)


def test_p1_a_seed_has_the_same_digest_alone_and_among_three(tmp_path, trained):
    specs, together = trained
    assert digests(tmp_path, specs[1:2]) == {3: together[3]}
    assert len(set(together.values())) == 3


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The digests of ten seeds of PPO that trained together in one go."""
    return digests(tmp_path_factory.mktemp("whole"), [spec("ppo", "ppo", seed) for seed in range(10)])


def test_p1_a_seed_has_the_same_digest_among_three_and_among_ten(tmp_path, uninterrupted):
    three = digests(tmp_path, [spec("ppo", "ppo", seed) for seed in (7, 3, 1)])
    assert three == {seed: uninterrupted[seed] for seed in (7, 3, 1)}
    assert len(set(uninterrupted.values())) == 10


@pytest.mark.parametrize("environment", ["Humanoid-v5", "InvertedPendulum-v5", "Pusher-v5"])
def test_p1_holds_for_the_widest_the_narrowest_and_an_odd_action(tmp_path, environment):
    specs = [spec("ppo", "ppo", seed, environment=environment, steps=192) for seed in range(4)]
    alone = digests(tmp_path / "alone", specs[2:3])
    together = digests(tmp_path / "together", specs)
    assert alone[2] == together[2]


def test_p1_holds_with_several_environments_a_seed_and_early_stopping(tmp_path):
    tricks = load("ppo").PRESETS["ppo"].tricks.model_dump() | {"kl_stop": 1e-4}
    specs = [
        spec("ppo", "ppo", seed, environments=3, horizon=50, steps=450, tricks=tricks) for seed in range(4)
    ]
    alone = digests(tmp_path / "alone", specs[1:2])
    together = digests(tmp_path / "together", specs)
    assert alone[1] == together[1]


def test_p1_every_part_of_a_spec_that_should_matter_does(tmp_path):
    base = spec("ppo", "ppo", 0)
    others = [
        spec("ppo", "ppo", 1),
        spec("ppo", "ppo", 0, learning_rate=1e-3),
        spec("ppo", "ppo", 0, steps=384),
        base.model_copy(update={"evaluation": Evaluation(points=2, episodes=2)}),
    ]
    found = [digests(tmp_path / str(index), [one])[one.seed] for index, one in enumerate([base, *others])]
    assert len(set(found)) == len(found)


class Stopped(BaseException):
    """An interruption: not an error, so nothing may record it as one."""


def test_p2_a_run_interrupted_after_every_update_ends_with_the_same_digest(tmp_path, trained):
    specs, together = trained
    pieces = specs[:2]
    Store.open(tmp_path, create=True)
    interruptions = 0

    def stop_after_one_update(progress):
        nonlocal announced
        announced += progress.state == "running"
        if (
            announced == 2
        ):  # the first tells where it starts, the second comes after an update and a checkpoint
            raise Stopped

    while True:
        announced = 0
        try:
            train_population(tmp_path, pieces, stop_after_one_update, checkpoint_seconds=0)
            break
        except Stopped:
            interruptions += 1
            assert {Store.open(tmp_path).status(one.run_id).state for one in pieces} == {"paused"}
    assert interruptions == 3
    assert {one.seed: Store.open(tmp_path).status(one.run_id).digest for one in pieces} == {
        seed: together[seed] for seed in (7, 3)
    }


def test_p2_interrupted_runs_can_be_packed_anew(tmp_path, uninterrupted):
    specs = [spec("ppo", "ppo", seed) for seed in range(4)]
    path = tmp_path / "pieces"
    Store.open(path, create=True)

    def stop(progress):
        if progress.steps == 192:
            raise Stopped

    for group in (specs[:2], specs[2:3]):
        with pytest.raises(Stopped):
            train_population(path, group, stop, checkpoint_seconds=0)
    assert digests(path, specs[1:]) == {seed: uninterrupted[seed] for seed in (1, 2, 3)}
    assert digests(path, specs[:1]) == {0: uninterrupted[0]}


KILLED = """
import os, signal, sys
from pathlib import Path
from matters.harness.training.promises_test import spec
from matters.harness.training.worker import train_population

def kill(progress):
    if progress.steps == 288:
        os.kill(os.getpid(), signal.SIGKILL)

train_population(Path(sys.argv[1]), [spec("ppo", "ppo", seed) for seed in (0, 3)], kill, checkpoint_seconds=0)
"""


def test_p2_a_population_killed_by_the_kernel_ends_with_the_same_digests(tmp_path, uninterrupted):
    specs = [spec("ppo", "ppo", seed) for seed in (0, 3)]
    path = tmp_path / "killed"
    Store.open(path, create=True)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert [Store.open(path).status(one.run_id).steps for one in specs] == [288, 288]
    assert digests(path, specs) == {seed: uninterrupted[seed] for seed in (0, 3)}


@pytest.mark.parametrize("algorithm", ["ppo", "sb3-ppo"])
def test_p2_sigterm_takes_a_last_checkpoint_and_ends_with_the_next_update(tmp_path, algorithm):
    small = {} if algorithm == "ppo" else {"n_steps": 96, "batch_size": 48, "n_epochs": 1}
    one = spec(algorithm, algorithm, 0, **small)
    path = tmp_path / "stopped"
    Store.open(path, create=True)

    def terminate(progress):
        if progress.steps == 192:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(stopping.Stopped):
        train_population(path, [one], terminate)
    assert signal.getsignal(signal.SIGTERM) is before
    # A word that comes while news is told is heeded one update later; references have no checkpoints.
    status = Store.open(path).status(one.run_id)
    assert (status.state, status.steps) == (("paused", 288) if algorithm == "ppo" else ("missing", 0))
    assert digests(path, [one]) == digests(tmp_path / "whole", [one])


def test_p2_a_torn_checkpoint_is_never_read(tmp_path, uninterrupted):
    one = spec("ppo", "ppo", 0)
    path = tmp_path / "torn"
    Store.open(path, create=True)

    def stop(progress):
        if progress.steps == 192:
            raise Stopped

    with pytest.raises(Stopped):
        train_population(path, [one], stop, checkpoint_seconds=0)
    lease = Store.open(path).lease(one)
    assert lease is not None
    with lease:
        # What a kill in the middle of writing leaves: the part under its temporary name.
        whole = lease.checkpoint.read_bytes()
        lease.checkpoint.with_name(f".{lease.checkpoint.name}.1-ab.tmp").write_bytes(whole[: len(whole) // 2])
    assert digests(path, [one]) == {0: uninterrupted[0]}


@pytest.mark.parametrize(
    ("owner", "name", "value", "reason"),
    [
        (checkpoint, "FORMAT", 3, "its checkpoint is of format 3, not 5: it starts anew"),
        (
            Native,
            "native",
            False,
            "its checkpoint was stepped through Gymnasium, which Hopper-v5 no longer is: it starts anew",
        ),
    ],
)
def test_p2_a_checkpoint_that_does_not_fit_is_refused_in_one_line_and_the_run_trained_anew(
    tmp_path, monkeypatch, uninterrupted, owner, name, value, reason
):
    one = spec("ppo", "ppo", 0)
    path, news = tmp_path / "old", []
    Store.open(path, create=True)

    def stop(progress):
        if progress.steps == 192:
            raise Stopped

    monkeypatch.setattr(owner, name, value)
    with pytest.raises(Stopped):
        train_population(path, [one], stop, checkpoint_seconds=0)
    monkeypatch.undo()
    train_population(path, [one], news.append, checkpoint_seconds=0)
    assert [(told.state, told.steps, told.message) for told in news if told.message] == [
        ("running", 0, reason)
    ]
    assert Store.open(path).status(one.run_id).digest == uninterrupted[0]


def test_p4_an_error_becomes_the_record_of_the_runs_that_were_training(tmp_path, monkeypatch):
    from matters.algorithms import ppo

    updates = 0
    update = ppo.update

    def broken(*arguments, **options):
        nonlocal updates
        updates += 1
        if updates == 3:
            raise RuntimeError("no more\nroom")
        return update(*arguments, **options)

    monkeypatch.setattr(ppo, "update", broken)
    Store.open(tmp_path, create=True)
    specs = [spec("ppo", "ppo", seed) for seed in range(2)]
    news = []
    train_population(tmp_path, specs, news.append)
    for one in specs:
        status = Store.open(tmp_path).status(one.run_id)
        assert status.state == "failed"
        assert status.error is not None
        assert status.error.startswith("RuntimeError: no more room")
    assert [progress.state for progress in news[-2:]] == ["failed", "failed"]

    monkeypatch.undo()
    train_population(tmp_path, specs, ignore)
    assert Store.open(tmp_path).status(specs[0].run_id).state == "failed"
    train_population(tmp_path, specs, ignore, retry_failed=True)
    assert Store.open(tmp_path).status(specs[0].run_id).state == "done"


def test_p4_a_diverged_seed_is_kept_with_its_last_score_and_the_others_do_not_notice(
    tmp_path, monkeypatch, uninterrupted
):
    from matters.algorithms import ppo

    specs = [spec("ppo", "ppo", seed) for seed in range(3)]
    updates = 0
    update = ppo.update

    def poisoned(state, *arguments, **options):
        nonlocal updates
        updates += 1
        metrics = update(state, *arguments, **options)
        if updates == 3:
            state.policy.matrix[1, 0] = float("nan")
        return metrics

    monkeypatch.setattr(ppo, "update", poisoned)
    diverging = digests(tmp_path / "diverging", specs)
    store = Store.open(tmp_path / "diverging")
    assert {seed: diverging[seed] == uninterrupted[seed] for seed in range(3)} == {0: True, 1: False, 2: True}
    status, record = store.status(specs[1].run_id), store.record(specs[1].run_id)
    assert status.diverged_at == record.diverged_at == 288
    assert set(record.evaluations["point"].tolist()) == {0, 1}  # that of step 192; the next is at 320
    assert status.score == pytest.approx(record.evaluations["return"][-2:].mean())
