import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from matters.harness.scheduling.executors import load
from matters.harness.scheduling.executors.interface import Lost
from matters.harness.scheduling.executors.local import execute
from matters.harness.scheduling.packing import Task
from matters.results.numerics import worker_environment
from matters.suites.errors import InputError
from matters.suites.spec import Evaluation, RunSpec


@dataclass(frozen=True)
class Said:
    """Stands for matters.harness.training.worker.Progress: the executor passes on what it is given."""

    seed: int
    process: int
    threads: str


def task(*seeds):
    specs = tuple(
        RunSpec(
            algorithm="ppo",
            algorithm_version=1,
            environment="Hopper-v5",
            config={},
            seed=seed,
            steps=10,
            evaluation=Evaluation(),
        )
        for seed in seeds
    )
    return Task("ppo/Hopper-v5", specs, 0, 1.0)


def train(specs, emit):
    for spec in specs:
        emit(Said(spec.seed, os.getpid(), os.environ["OMP_NUM_THREADS"]))


def train_or_die(specs, emit):
    train(specs, emit)
    if specs[0].seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if specs[0].seed == 2:
        raise RuntimeError("no\nsuch thing")


def report_torch_threads(specs, emit):
    import torch

    emit(torch.get_num_threads())


def sleep_in(folder, specs, emit):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def test_every_task_is_trained_once_by_processes_of_one_thread():
    said = list(execute([task(0, 1), task(2), task(3)], train, 2))
    assert sorted(one.seed for one in said) == [0, 1, 2, 3]
    assert {one.threads for one in said} == {"1"}
    assert os.getpid() not in {one.process for one in said}
    assert len({one.process for one in said}) == 2


def test_torch_has_one_thread_in_a_worker():
    assert list(execute([task(0)], report_torch_threads, 1)) == [1]


def test_a_killed_worker_loses_its_task_only():
    events = list(execute([task(0), task(1), task(2), task(3), task(4)], train_or_die, 1))
    lost = {one.task.specs[0].seed: one.reason for one in events if isinstance(one, Lost)}
    assert lost.keys() == {1, 2}
    assert "SIGKILL" in lost[1]
    assert lost[2].startswith("RuntimeError: no such thing (local_test.py:")
    assert [one.seed for one in events if isinstance(one, Said)] == [0, 1, 2, 3, 4]


def test_workers_end_when_the_events_are_no_longer_wanted(tmp_path):
    events = execute([task(0), task(1)], partial(sleep_first_says, tmp_path), 2)
    first = next(events)
    events.close()
    assert not alive(first.process)
    assert not any(alive(int(path.name)) for path in tmp_path.iterdir())


def sleep_first_says(folder, specs, emit):
    train(specs, emit)
    sleep_in(folder, specs, emit)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_workers_die_with_their_parent(tmp_path, ending):
    pids = tmp_path / "pids"
    pids.mkdir()
    script = tmp_path / "parent.py"
    script.write_text(
        "from functools import partial\n"
        "from matters.harness.scheduling.executors.local import execute\n"
        "from matters.harness.scheduling.executors.local_test import sleep_in, task\n"
        "if __name__ == '__main__':\n"
        f"    list(execute([task(0), task(1)], partial(sleep_in, {str(pids)!r}), 2))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    parent = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        until(lambda: len(list(pids.iterdir())) == 2)
        parent.send_signal(ending)
        parent.wait()
        until(lambda: not any(alive(int(path.name)) for path in pids.iterdir()), 5.0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            parent.kill()


def test_a_loaded_executor_has_no_torch_before_its_threads_are_set():
    modules = "matters.harness.scheduling.executors.local, matters.harness.cli"
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0


@pytest.mark.parametrize(
    ("name", "says"), [("ray", "not built yet"), ("slurm", "not built yet"), ("lcal", "did you mean 'local'")]
)
def test_executors_that_cannot_be_used_are_refused_in_one_line(name, says):
    with pytest.raises(InputError, match=says) as refused:
        load(name)
    assert "\n" not in str(refused.value)
    assert load("local") is execute


def report_environment(specs, emit):
    started_with = Path("/proc/self/environ").read_bytes().decode().split("\0")
    emit(dict(variable.partition("=")[::2] for variable in started_with if variable))


def test_a_worker_starts_with_its_settings_and_leaves_the_callers_alone(monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    before = dict(os.environ)
    (started_with,) = execute([task(0)], report_environment, 1)
    assert worker_environment(before).items() <= started_with.items()
    assert os.environ == before
