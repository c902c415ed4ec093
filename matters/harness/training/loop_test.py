import jaxtyping
import pytest
import torch

from matters.algorithms import load
from matters.algorithms.maths.advantages import standardised
from matters.harness.training import loop
from matters.harness.training.promises_test import Stopped, ignore
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec


def test_shapes_in_signatures_are_checked_here_too():
    with pytest.raises(jaxtyping.TypeCheckError):
        standardised(torch.zeros(3))


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


@pytest.mark.parametrize("updates", [7, 8, 11])
def test_of_short_rollouts_the_first_to_reach_a_blocks_end_is_told_however_long_the_run(
    tmp_path, monkeypatch, updates
):
    monkeypatch.setattr(loop, "BLOCK", 12)  # rollouts end at 5, 10, 15, 20, 25, …
    assert updates_told(tmp_path, spec(updates)) == [k for k in (3, 5, 8, 10) if k <= updates]


def test_which_updates_are_told_does_not_depend_on_interruptions(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "BLOCK", 12)

    def stop(progress):
        if progress.steps == 35:
            raise Stopped

    assert updates_told(tmp_path, spec(11), stop) == [3, 5, 8, 10]
