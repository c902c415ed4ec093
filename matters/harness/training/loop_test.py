import pytest
import torch

from matters.algorithms import ALGORITHMS, load
from matters.algorithms.experience import collect, rollout
from matters.harness.training import loop
from matters.harness.training.earlier import schedule
from matters.harness.training.population import begin
from matters.harness.training.promises_test import Stopped, ignore
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec


def spec(updates, algorithm="a2c", config=None):
    """A2C with rollouts of five steps."""
    rule = load(algorithm)
    return RunSpec(
        algorithm=algorithm,
        algorithm_version=rule.VERSION,
        environment="probe/Copy-v0",
        config=(config or rule.PRESETS[algorithm]).model_dump(mode="json"),
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


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_only_a_schedule_that_says_so_depends_on_how_long_the_run_is(algorithm):
    """What `earlier.schedule` finds is all by which an update asks for its place in the run."""
    rule = load(algorithm)
    if rule.KIND != "on-policy":
        return
    for config in [*rule.PRESETS.values(), *scheduled(rule)]:
        small = config.model_copy(update=SMALL | {name: 1 for name in QUICK if hasattr(config, name)})
        finals = []
        for progress in (0.25, 0.75):
            training = begin([spec(1, algorithm, small)])
            seen = rollout(list(collect(training)))
            rule.update(training.state, small, seen, training.minibatch_generators, progress=progress)
            finals.append({name: v.clone() for name, v in rule.parameters(training.state).items()})
        differs = any(not torch.equal(finals[0][name], finals[1][name]) for name in finals[0])
        assert differs == (schedule(config.model_dump()) is not None)


SMALL = {"horizon": 64, "environments": 1}
QUICK = ("epochs", "value_epochs", "value_steps")


def scheduled(rule):
    """The default config with each schedule on."""
    default = rule.Config()
    on = {"anneal_lr": True, "kl_final": 0.04}
    return [
        default.model_copy(update={"tricks": default.tricks.model_copy(update={name: value})})
        for name, value in on.items()
        if hasattr(default.tricks, name)
    ]
