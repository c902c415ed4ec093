import io
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from matters.harness.scheduling import fill_store as module
from matters.harness.scheduling.executors.interface_test import Fake, specs
from matters.harness.scheduling.fill_store import fill_store
from matters.harness.terminal import display
from matters.harness.training.job import Job, Progress
from matters.suites.spec import RunSpec


@dataclass(frozen=True)
class FakeCell:
    """A Cell; the real one would have every worker of these tests load torch."""

    variant: str
    environment: str
    specs: tuple[RunSpec, ...]


@dataclass(frozen=True)
class FakeStatus:
    state: str
    steps: int = 0


@dataclass(frozen=True)
class FakeStore:
    """A file for each run that holds its state."""

    path: Path

    def status(self, run_id):
        path = self.path / run_id
        return FakeStatus(path.read_text() if path.exists() else "missing")

    def runs_of(self, _trainings):
        return ()

    def tidy(self, run_id):
        """Nothing is left beside a state."""


def write(directory, run_id, state):
    # Renamed into place: a reader never sees half a state.
    (directory / f"{run_id}.new").write_text(state)
    (directory / f"{run_id}.new").rename(directory / run_id)


def fake_train(job, emit):
    directory = job.store
    for spec in job.specs:
        status = FakeStore(directory).status(spec.run_id).state
        if status == "running" or (status == "failed" and not job.retry_failed):
            emit(Progress((spec.run_id,), "skipped", 0, 100))
            continue
        with (directory / "log").open("a") as log:
            log.write(f"{spec.seed}\n")
        if spec.seed == 7:
            raise OSError("its worker was ended by SIGKILL")
        state = "failed" if spec.seed == 6 else "done"
        write(directory, spec.run_id, state)
        emit(Progress((spec.run_id,), state, 100, 100))


def cell(*seeds):
    return FakeCell("ppo", "Hopper-v5", specs(*seeds, steps=100))


def begun(directory):
    """The seed of every training that was ever begun in the store."""
    log = directory / "log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def finish(directory, cells, workers=1, **options):
    console = Console(file=io.StringIO(), width=200)
    before = begun(directory)
    outcome = fill_store(
        FakeStore(directory),
        cells,
        workers,
        executor=Fake(fake_train),
        watch=partial(display.progress, console=console),
        say=console.print,
        **options,
    )
    trained = begun(directory)
    assert outcome.trained == len(trained) - len(before) - len(outcome.lost)
    return outcome.lost, trained, console.file.getvalue()


def test_what_is_missing_is_trained_and_a_complete_store_is_left_alone(tmp_path):
    lost, trained, _ = finish(tmp_path, [cell(0, 1, 2)])
    assert (lost, sorted(trained)) == ((), [0, 1, 2])
    _, trained, said = finish(tmp_path, [cell(0, 1, 2)])
    assert sorted(trained) == [0, 1, 2]
    assert said == ""


def test_a_failed_run_is_tried_again_only_on_request_and_then_once(tmp_path):
    finish(tmp_path, [cell(5, 6)])
    _, trained, _ = finish(tmp_path, [cell(5, 6)])
    assert sorted(trained) == [5, 6]
    _, trained, _ = finish(tmp_path, [cell(5, 6)], retry_failed=True)
    assert sorted(trained) == [5, 6, 6]


def test_a_lost_worker_is_told_and_does_not_start_over_for_ever(tmp_path):
    lost, trained, said = finish(tmp_path, [cell(7), cell(8)])
    assert [one.task.specs[0].seed for one in lost] == [7]
    assert sorted(trained) == [7, 8]
    assert "lost ppo/Hopper-v5 seed 7: OSError: its worker was ended by SIGKILL" in said


def test_a_run_that_another_process_trains_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    (held,) = cell(3).specs
    write(tmp_path, held.run_id, "running")
    other = threading.Timer(0.5, write, (tmp_path, held.run_id, "done"))
    started = time.monotonic()
    other.start()
    lost, trained, said = finish(tmp_path, [cell(3)])
    other.join()
    assert (lost, trained) == ((), [])
    assert said == "waiting for what another process is training: 1 of 1 runs\n"
    assert time.monotonic() - started >= 0.5


def test_a_run_is_taken_over_when_the_process_that_had_it_dies(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    (held,) = cell(3).specs
    write(tmp_path, held.run_id, "running")
    other = threading.Timer(0.5, (tmp_path / held.run_id).unlink)
    other.start()
    _, trained, _ = finish(tmp_path, [cell(3)])
    other.join()
    assert trained == [3]


class Queue(Fake):
    """An executor whose jobs can go on without the driver; notes what becomes of them."""

    def __init__(self, *left):
        super().__init__(fake_train, queues=True)
        self.unattended = self
        self.became, self._left = [], list(left)

    def outlives(self):
        return "job 7"

    def left(self, store, run_ids):
        return self._left

    def leave(self):
        self.became.append("left")
        self.waiting = []

    def cancel(self):
        self.became += ["cancelled"] * bool(self.waiting)
        self.waiting = []


@contextmanager
def interrupted(tasks):
    """Ctrl-C while the first news are shown."""

    def show(event):
        raise KeyboardInterrupt

    yield show


@pytest.mark.parametrize(("answer", "becomes"), [(True, "left"), (False, "cancelled")])
@pytest.mark.parametrize("within", [False, True])
def test_on_ctrl_c_whoever_stops_it_decides_whether_the_jobs_go_on(tmp_path, answer, becomes, within):
    queue, asked = Queue(), []

    def interrupt():
        raise KeyboardInterrupt

    def leave(what):
        asked.append(what)
        return answer

    if within:  # as in the second that an executor waits for news
        queue.poll = interrupt
    with pytest.raises(KeyboardInterrupt):
        fill_store(
            FakeStore(tmp_path),
            [cell(0, 3), cell(4)],
            2,
            executor=queue,
            watch=interrupted,
            say=print,
            leave=leave,
        )
    assert asked == ["job 7"]
    assert queue.became == [becomes]


@pytest.mark.parametrize("missing", [(), (5,)])
def test_what_an_earlier_command_has_left_at_work_is_waited_for_and_not_given_out_again(tmp_path, missing):
    queue, said = Queue(), []
    name = queue.submit(Job(tmp_path, cell(3, 4).specs))
    queue._left = [(name, Job(tmp_path, cell(3, 4).specs))]
    outcome = fill_store(
        FakeStore(tmp_path),
        [cell(3, 4, *missing)],
        1,
        executor=queue,
        watch=partial(display.progress, console=Console(file=io.StringIO())),
        say=said.append,
    )
    assert sorted(begun(tmp_path)) == [3, 4, *missing]
    assert outcome.trained == 2 + len(missing)
    assert said == ["jobs of an earlier command go on: 1, with 2 runs"]
