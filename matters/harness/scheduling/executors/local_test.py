"""Workers on this machine as processes: how they are started, and how they end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from matters.harness.scheduling.executors import Place, load
from matters.harness.scheduling.executors.interface import Progress, drive
from matters.harness.scheduling.executors.interface_test import job, task
from matters.harness.scheduling.executors.local import Local
from matters.results.numerics import worker_environment
from matters.suites.errors import InputError


def report_environment(job, emit):
    started_with = Path("/proc/self/environ").read_bytes().decode().split("\0")
    found = dict(variable.partition("=")[::2] for variable in started_with if variable)
    emit(Progress((), "done", 0, 0, json.dumps(found)))


def sleep(job, emit):
    emit(Progress((), "running", os.getpid(), 0))
    time.sleep(60)


def program(tmp_path, train):
    script = tmp_path / "program.py"
    script.write_text(
        f"from matters.harness.scheduling.executors.local_test import {train}\n"
        "from matters.harness.training.program import work\n"
        f"work({train})\n"
    )
    return [str(script)]


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


def test_a_worker_starts_with_its_settings_and_leaves_the_callers_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    before = dict(os.environ)
    (said,) = drive(Local(program(tmp_path, "report_environment")), [task(0)], job, 1)
    assert worker_environment(before).items() <= json.loads(said.message).items()
    assert os.environ == before


def test_workers_end_when_the_news_are_no_longer_wanted(tmp_path):
    events = drive(Local(program(tmp_path, "sleep")), [task(0), task(1)], job, 2)
    pids = [next(events).steps, next(events).steps]
    events.close()
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_workers_die_with_their_parent(tmp_path, ending):
    script = tmp_path / "parent.py"
    script.write_text(
        "from matters.harness.scheduling.executors.interface import drive\n"
        "from matters.harness.scheduling.executors.interface_test import job, task\n"
        "from matters.harness.scheduling.executors.local import Local\n"
        f"for said in drive(Local({program(tmp_path, 'sleep')!r}), [task(0), task(1)], job, 2):\n"
        "    print(said.steps, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, str(script)]
    parent = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        parent.send_signal(ending)
        parent.wait()
        until(lambda: not any(alive(pid) for pid in pids), 5.0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            parent.kill()
        parent.stdout.close()


def test_a_loaded_executor_has_no_torch():
    modules = "matters.harness.scheduling.executors.local, matters.harness.cli"
    command = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", command], env=environment).returncode == 0


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (Place("lcal"), "--executor lcal: unknown executor; did you mean 'local'"),
        (Place("local", address="a:1"), "--address a:1: is an option of --executor ray, not of local"),
        (Place("ray", partition="p"), "--partition p: is an option of --executor slurm, not of ray"),
    ],
)
def test_executors_that_cannot_be_used_are_refused_in_one_line(place, says):
    with pytest.raises(InputError, match=says) as refused:
        load(place)
    assert "\n" not in str(refused.value)
    assert isinstance(load(Place()), Local)
