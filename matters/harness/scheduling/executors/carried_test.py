"""Nodes that do not see the store: what they train comes back, bit for bit, and only the driver writes."""

import queue
import threading

import pytest

from matters.algorithms import load
from matters.harness.scheduling.executors import carried
from matters.harness.scheduling.executors.interface import Job
from matters.harness.training import loop
from matters.harness.training.job import Ended, heard, spoken
from matters.harness.training.stopping import Stopped
from matters.harness.training.worker import train_population
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

RULES = {
    "ppo": {"horizon": 32, "epochs": 1, "minibatch_size": 32},
    "td3": {"hidden": [8, 8], "batch_size": 8, "warmup": 20, "buffer_size": 50},
}


def specs(name):
    rule = load(name)
    config = rule.PRESETS[name].model_dump(mode="json") | RULES[name]
    return tuple(
        RunSpec(
            algorithm=name,
            algorithm_version=rule.VERSION,
            environment="InvertedPendulum-v5",
            config=rule.Config.model_validate(config, strict=False).model_dump(mode="json"),
            seed=seed,
            steps=128,
            evaluation=Evaluation(points=2, episodes=1),
        )
        for seed in (0, 3)
    )


def in_process(job):
    """The worker program in a thread, one word at a time; closed, it is stopped as by SIGTERM."""
    said, onward, stop = queue.Queue(), threading.Semaphore(0), threading.Event()

    def emit(news):
        said.put(spoken(news))
        onward.acquire()
        if stop.is_set():
            raise Stopped

    def work():
        try:
            train_population(job.store, list(job.specs), emit, checkpoint_seconds=job.checkpoint_seconds)
            said.put(spoken(Ended()))
        except Stopped:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while True:
            line = said.get(timeout=60)
            yield line
            if isinstance(heard(line), Ended):
                return
            onward.release()
    finally:
        stop.set()
        onward.release()
        thread.join()


@pytest.fixture(params=RULES)
def trained(request, tmp_path, monkeypatch):
    """Specs, an empty store of the driver, and the digests that a plain training gives."""
    monkeypatch.setattr(loop, "BLOCK", 10)
    monkeypatch.setattr(carried, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(carried, "spoken_by_worker", in_process)
    runs = specs(request.param)
    plain = Store.open(tmp_path / "plain", create=True)
    train_population(plain.path, list(runs), lambda _: None)
    return runs, Store.open(tmp_path / "runs", create=True), [plain.status(run.run_id).digest for run in runs]


def work(home, job, pieces, words=10**9):
    """A node's work up to so many words; returns the news."""
    news = []
    on_node = carried.worked_on(job, pieces)
    for said, back in on_node:
        home.received(back)
        news.append(heard(said))
        if len(news) == words:
            on_node.close()
            break
    return news


def test_what_a_node_trains_in_a_folder_of_its_own_comes_home_bit_for_bit(trained):
    runs, store, digests = trained
    home = carried.Home()
    job, pieces, skipped = home.sent(Job(store.path, runs, checkpoint_seconds=0.0))
    assert skipped == []
    assert [store.status(run.run_id).state for run in runs] == ["running", "running"], "the driver holds them"
    other = carried.Home().sent(Job(store.path, runs))
    assert other[0] is None
    assert [one.state for one in other[2]] == ["skipped"] * 2
    work(home, job, pieces)
    assert [store.status(run.run_id).digest for run in runs] == digests
    assert store.verify() == []
    assert not list(store.path.glob("*/checkpoint*"))
    assert not list(store.path.glob("*/holder.json"))


def test_when_its_node_goes_away_a_run_goes_on_elsewhere_from_the_checkpoint_that_came_home(trained):
    runs, store, digests = trained
    home, begun = carried.Home(), []
    job, pieces, _ = home.sent(Job(store.path, runs, checkpoint_seconds=0.0))
    work(home, job, pieces, words=2)
    for words in (2, 2, 10**9):
        home.release({run.run_id for run in runs})
        states = [store.status(run.run_id) for run in runs]
        assert {one.state for one in states} == {"paused"}
        assert states[0].steps > 0
        job, pieces, _ = home.sent(Job(store.path, runs, checkpoint_seconds=0.0))
        news = work(home, job, pieces, words)
        begun.append(news[0].steps)
        assert news[0].steps == states[0].steps
    assert begun == sorted(begun)
    assert [store.status(run.run_id).digest for run in runs] == digests
    assert store.verify() == []


def test_a_finished_training_is_sent_along_and_evaluated_again_without_being_trained(trained):
    runs, store, _ = trained
    home = carried.Home()
    job, pieces, _ = home.sent(Job(store.path, runs))
    work(home, job, pieces)
    again = tuple(run.model_copy(update={"evaluation": Evaluation(points=1, episodes=2)}) for run in runs)
    job, pieces, _ = home.sent(Job(store.path, again))
    assert {news.steps for news in work(home, job, pieces)[:-1]} == {store.status(runs[0].run_id).steps}
    assert {store.provenance(run.run_id)["trained_as"] for run in again} == {run.run_id for run in runs}
    assert store.verify() == []
