"""The contract of executors, held by the local one and by a fake that loses, says twice and delays."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from matters.harness.scheduling.executors.interface import TRIES, Ended, Job, Lost, Progress, drive
from matters.harness.scheduling.executors.local import Local
from matters.harness.scheduling.executors.one_node import EndWithDriver
from matters.harness.scheduling.packing import Task
from matters.harness.training.job import heard, spoken
from matters.suites.spec import Evaluation, RunSpec


def specs(*seeds, steps=10):
    return tuple(
        RunSpec(
            algorithm="ppo",
            algorithm_version=1,
            environment="Hopper-v5",
            config={},
            seed=seed,
            steps=steps,
            evaluation=Evaluation(),
        )
        for seed in seeds
    )


def task(*seeds):
    return Task("ppo/Hopper-v5", specs(*seeds), 0, 1.0)


def job(of):
    return Job(Path("runs"), of.specs)


def say_seeds(job, emit):
    """A training that says of each run that it is done; seed 1 kills its worker, seed 2 raises."""
    print("what an environment prints is not news")
    for spec in job.specs:
        emit(Progress((str(spec.seed),), "done", os.getpid(), 10, os.environ.get("OMP_NUM_THREADS", "")))
    if job.specs[0].seed == 1:
        os.kill(os.getpid(), 9)
    if job.specs[0].seed == 2:
        raise RuntimeError("no\nsuch thing")


class Fake:
    """Works within `submit`. Jobs in `mishaps` are begun so often on a machine that goes away.

    It has nodes, on which jobs come in turn; a repeated run has the digest that its node computes.
    """

    def __init__(self, train=say_seeds, *, mishaps=None, seed=0, queues=False, nodes=("a",), bad=()):
        self.queues, self.names, self.bad, self.where = queues, nodes, bad, []
        self.nodes = self
        self.train, self.mishaps, self.chance = train, dict(mishaps or {}), random.Random(seed)
        self.waiting, self.begun, self.at_once, self.aside = [], [], 0, set()

    unattended = EndWithDriver()

    def cores(self):
        return 2

    def beside(self, nodes):
        return not nodes.issuperset(self.names)

    def set_aside(self, node):
        self.aside.add(node)

    def digest(self, node, seed):
        return f"{seed} on {node}" if node in self.bad else str(seed)

    def submit(self, job, avoid=frozenset()):
        name = str(len(self.begun))
        seed = job.specs[0].seed
        self.begun.append(seed)
        free = [node for node in self.names if node not in avoid | self.aside]
        node = free[len(self.begun) % len(free)]
        self.where.append((seed, node, job.repeat))
        if job.repeat:
            digests = {spec.run_id: self.digest(node, spec.seed) for spec in job.specs}
            self.waiting.append((name, [Ended(node=node, digests=digests)]))
            return name
        said = []
        if self.mishaps.get(seed, 0):
            self.mishaps[seed] -= 1
            said.append(Ended("its node is gone", again=True))
        else:
            try:
                self.train(job, said.append)
                said.append(Ended())
            except Exception as error:
                said.append(Ended(f"{type(error).__name__}: {error}"))
        # Each word may come twice and late, but no job's words change their order.
        twice = [replace(word, node=node) for word in said for _ in range(self.chance.choice((1, 2)))]
        self.waiting.append((name, twice))
        self.at_once = max(self.at_once, len(self.waiting))
        return name

    def poll(self):
        if not self.waiting:
            return []
        name, said = self.chance.choice(self.waiting)
        word = said.pop(0)
        if not said:
            self.waiting.remove((name, said))
        return [(name, word)]

    def cancel(self):
        self.waiting = []


def program(tmp_path):
    """The worker program with `say_seeds` for a training."""
    script = tmp_path / "program.py"
    script.write_text(
        "from matters.harness.scheduling.executors.interface_test import say_seeds\n"
        "from matters.harness.training.program import work\n"
        "work(say_seeds)\n"
    )
    return [str(script)]


@pytest.fixture(params=["local", "fake"])
def executor(request, tmp_path):
    one = Local(program(tmp_path)) if request.param == "local" else Fake()
    yield one
    one.cancel()


def test_every_task_is_worked_on_once_and_what_goes_wrong_is_that_tasks_own(executor):
    fakes = isinstance(executor, Fake)
    tasks = [task(0, 4), *([] if fakes else [task(1)]), task(2), task(3)]
    events = list(drive(executor, tasks, job, 2))
    done = {one.run_ids[0] for one in events if isinstance(one, Progress)}
    assert done == {"0", "4", "2", "3"} | (set() if fakes else {"1"})
    lost = {one.task.specs[0].seed: one.reason for one in events if isinstance(one, Lost)}
    assert lost.keys() == ({2} if fakes else {1, 2})
    assert lost[2].startswith("RuntimeError: no")
    assert fakes or "SIGKILL" in lost[1]
    # And it can be used again.
    again = list(drive(executor, [task(5)], job, 2))
    assert {one.run_ids[0] for one in again} == {"5"}


def test_workers_are_processes_of_one_thread_and_no_more_than_asked(tmp_path):
    events = list(drive(Local(program(tmp_path)), [task(0), task(3), task(4), task(5)], job, 2))
    assert {one.message for one in events} == {"1"}
    assert os.getpid() not in {one.steps for one in events}
    assert len({one.steps for one in events}) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_a_task_whose_machine_goes_away_is_begun_again_and_lost_only_after_several_tries(seed):
    fake = Fake(mishaps={0: 1, 3: TRIES - 1, 4: TRIES}, seed=seed)
    events = list(drive(fake, [task(0), task(3), task(4), task(5)], job, 2))
    assert {one.run_ids[0] for one in events if isinstance(one, Progress)} == {"0", "3", "5"}
    assert [one.task.specs[0].seed for one in events if isinstance(one, Lost)] == [4]
    assert sorted(fake.begun) == [0] * 2 + [3] * TRIES + [4] * TRIES + [5]


def test_an_executor_with_a_queue_is_given_everything_at_once():
    fake = Fake(queues=True)
    list(drive(fake, [task(seed) for seed in range(10, 30)], job, 2))
    assert fake.at_once == 20


def test_what_still_works_ends_when_the_news_are_no_longer_wanted():
    fake = Fake()
    events = drive(fake, [task(0), task(3)], job, 2)
    next(events)
    events.close()
    assert fake.waiting == []


def test_each_of_ten_thousand_tasks_is_begun_once_whatever_is_said_twice():
    fake = Fake(queues=True)
    fake.chance = random.Random(1)
    fake.poll = lambda: [(name, word) for name, said in fake.waiting for word in said]
    tasks = [replace(task(0), cost=float(number)) for number in range(10_000)]
    assert sum(isinstance(one, Progress) for one in drive(fake, tasks, job, 2)) >= 10_000
    assert len(fake.begun) == 10_000


def test_jobs_and_news_are_lines_that_come_back_as_they_were():
    one = Job(Path("runs"), task(0, 1).specs, retry_failed=True, checkpoint_seconds=0.5, libc="glibc 2.36")
    assert Job.of(one.line()) == one
    said = Progress(("a", "b"), "running", 3, 10, "a\nb", node="n")
    for news in (said, Ended(), Ended("no", again=True), Ended(node="n", digests={"a": "b"})):
        assert "\n" not in spoken(news)
        assert heard(spoken(news)) == news


def test_where_one_pauses_for_want_of_room_no_other_is_begun():
    class Full(Fake):
        def submit(self, *job):
            name = super().submit(*job)
            self.waiting[-1] = (name, [Ended("paused: no room", paused=True)])
            return name

    executor = Full(lambda *_: None)
    found = list(drive(executor, [task(seed) for seed in range(9)], job, 2))
    assert executor.begun == [0, 1]
    assert {(one.task.specs[0].seed, one.reason, one.paused) for one in found} == {
        (seed, "paused: no room", True) for seed in (0, 1)
    }
    assert heard(spoken(Ended("paused: no room", paused=True))) == Ended("paused: no room", paused=True)
