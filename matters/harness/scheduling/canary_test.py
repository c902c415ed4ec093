"""The canary: which runs are repeated, and that a node with other bits is found, named and worked around."""

import pytest

from matters.harness.scheduling.canary import Canary
from matters.harness.scheduling.executors import Place, check, share
from matters.harness.scheduling.executors.interface import Distrusted, Lost, Progress, drive
from matters.harness.scheduling.executors.interface_test import Fake, job, task
from matters.suites.errors import InputError

SEEDS = range(10, 34)


def store_of(fake):
    """What a store would have: the digest that the node computed that trained a run last."""
    by_id = {task(seed).specs[0].run_id: seed for seed in SEEDS}

    def digest(run_id):
        last = {seed: node for seed, node, repeat in fake.where if not repeat}
        return fake.digest(last[by_id[run_id]], by_id[run_id])

    return digest


def canary(fake, part=0.25):
    return Canary(part, len(SEEDS), store_of(fake), judge=lambda job: str(job.specs[0].seed))


@pytest.mark.parametrize("seed", range(5))
def test_alike_nodes_are_said_to_be_alike_and_no_more_is_repeated_than_was_asked_for(seed):
    fake = Fake(nodes=("a", "b", "c"), seed=seed)
    bird = canary(fake)
    events = list(drive(fake, [task(seed) for seed in SEEDS], job, 3, canary=bird))
    assert all(isinstance(one, Progress) for one in events)
    repeated = [(seed, node) for seed, node, repeat in fake.where if repeat]
    assert len(repeated) == bird.asked == bird.agreed == 6
    first = {seed: node for seed, node, repeat in fake.where if not repeat}
    assert all(first[seed] != node for seed, node in repeated)
    assert bird.nodes == {"a", "b", "c"}
    assert bird.summary() == "canary: 6 runs repeated on another node, 6 alike; nodes compared: a, b, c"


@pytest.mark.parametrize("queues", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_node_with_other_bits_is_set_aside_and_what_it_trained_is_trained_again_elsewhere(seed, queues):
    fake = Fake(nodes=("a", "b", "c"), bad=("b",), seed=seed, queues=queues)
    events = list(drive(fake, [task(seed) for seed in SEEDS], job, 3, canary=canary(fake)))
    named = [one for one in events if isinstance(one, Distrusted)]
    assert {one.node for one in named} == {"b"}
    assert " on b" in named[0].reason
    assert fake.aside == {"b"}
    digest = store_of(fake)
    assert all(digest(task(seed).specs[0].run_id) == str(seed) for seed in SEEDS)
    again = [one.specs[0].seed for event in named for one in event.tasks]
    begun = [seed for seed, _, repeat in fake.where if not repeat]
    assert sorted(begun) == sorted([*SEEDS, *again])


def test_without_a_node_that_can_be_trusted_what_is_left_is_lost_and_not_wrong():
    fake = Fake(nodes=("a", "b"), bad=("a", "b"))
    events = list(drive(fake, [task(seed) for seed in SEEDS], job, 2, canary=canary(fake)))
    assert {one.node for one in events if isinstance(one, Distrusted)} == {"a", "b"}
    lost = {one.task.specs[0].seed for one in events if isinstance(one, Lost)}
    assert lost == set(SEEDS)


def test_a_single_node_and_runs_of_other_bits_are_not_repeated():
    alone = Fake()
    bird = canary(alone)
    list(drive(alone, [task(seed) for seed in SEEDS], job, 2, canary=bird))
    assert bird.asked == 0
    assert bird.summary() == "canary: 0 runs repeated on another node, 0 alike; nodes compared: none"
    several = Fake(nodes=("a", "b"))
    bird = Canary(0.5, len(SEEDS), lambda _: None)
    list(drive(several, [task(seed) for seed in SEEDS], job, 2, canary=bird))
    assert bird.asked == 0


@pytest.mark.parametrize(("text", "part"), [("2%", 0.02), ("0.02", 0.02), ("100%", 1.0)])
def test_a_share_is_a_percentage_or_a_part(text, part):
    assert share(text) == pytest.approx(part)


@pytest.mark.parametrize("text", ["0", "2", "-1%", "two", "nan", "%"])
def test_what_is_no_share_is_refused_with_an_example(text):
    with pytest.raises(InputError, match=f"--canary {text}: should be a part of the runs, such as 2%"):
        check(Place("ray", canary=text))
    with pytest.raises(InputError, match="is an option of --executor ray and slurm, not of local"):
        check(Place("local", canary=text))
