import pytest

from matters.algorithms import load
from matters.harness.training import loop
from matters.harness.training.promises_test import Stopped, ignore
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec


def spec(updates):
    """A2C with rollouts of five steps."""
    rule = load("a2c")
    return RunSpec(
        algorithm="a2c",
        algorithm_version=rule.VERSION,
        environment="probe/Copy-v0",
        config=rule.PRESETS["a2c"].model_dump(mode="json"),
        seed=0,
        steps=5 * updates,
        evaluation=Evaluation(points=1, episodes=1),
    )


def updates_told(path, one, emit=ignore):
    Store.open(path, create=True)
    try:
        train_population(path, [one], emit, checkpoint_seconds=0)
    except Stopped:
        train_population(path, [one], ignore, checkpoint_seconds=0)
    return (Store.open(path).record(one.run_id).updates["step"] // 5).tolist()


@pytest.mark.parametrize(
    ("updates", "told"),
    [
        (10, [*range(1, 11)]),
        (11, [2, 4, 6, 8, 10, 11]),
        (20, [*range(2, 21, 2)]),
        (27, [3, 6, 9, 12, 15, 18, 21, 24, 27]),
    ],
)
def test_of_many_updates_every_kth_is_told_and_the_last(tmp_path, monkeypatch, updates, told):
    monkeypatch.setattr(loop, "ROWS", 10)
    assert updates_told(tmp_path, spec(updates)) == told


def test_which_updates_are_told_does_not_depend_on_interruptions(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "ROWS", 10)

    def stop(progress):
        if progress.steps == 35:
            raise Stopped

    assert updates_told(tmp_path, spec(27), stop) == [3, 6, 9, 12, 15, 18, 21, 24, 27]
