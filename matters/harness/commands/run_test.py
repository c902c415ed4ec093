import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from matters.harness.commands import run
from matters.results.store import Store
from matters.suites.loading import load_suite

STEPS = 1024
SUITE = f"""
[suite]
name = "tiny"
title = "Two small cells"
environments = ["InvertedPendulum-v5"]
seeds = 2
steps = {STEPS}
questions = ["reproduction"]

[suite.evaluation]
points = 2
episodes = 1

[variants.ppo]
algorithm = "ppo"
config = {{ horizon = 64, epochs = 1, minibatch_size = 32 }}

[variants.vpg]
algorithm = "vpg"
config = {{ horizon = 64, value_steps = 2 }}
"""

# As `matters run`, with a checkpoint after every rollout, so that there is always something to go on from.
OFTEN = """
import sys
from functools import partial
from pathlib import Path
from matters.harness.scheduling.executors.local import Local
from matters.harness.scheduling.fill_store import fill_store
from matters.harness.terminal import display
from matters.harness.terminal.console import notes
from matters.results.store import Store
from matters.suites.loading import load_suite

if __name__ == "__main__":
    directory = Path(sys.argv[2])
    store = Store.open(directory, create=True)
    watch = partial(display.progress, console=notes())
    cells, workers = load_suite(sys.argv[1]).cells(), int(sys.argv[3])
    fill_store(store, cells, workers, executor=Local(), watch=watch, say=print, checkpoint_seconds=0.0)
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def start():
    """Start Python with these arguments. None of the processes outlives the tests."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    started = []

    def start(*arguments):
        command = [sys.executable, *map(str, arguments)]
        pipe = subprocess.PIPE
        # A child inherits that Ctrl-C is ignored, as it is where the tests themselves run in the background.
        ignoring = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
        finally:
            signal.signal(signal.SIGINT, ignoring)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def start_run(start, suite, directory, *options):
    return start("-m", "matters", "run", suite, "--store", directory, "--json", *options)


def facts(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


def digests(suite, directory):
    store = Store.open(directory)
    specs = [spec for cell in load_suite(str(suite)).cells() for spec in cell.specs]
    return {spec.run_id: store.status(spec.run_id).digest for spec in specs}


@pytest.fixture(scope="module")
def shared(start, suite, tmp_path_factory):
    """A store that two `matters run` filled at the same time, one with one worker, and what each said."""
    directory = tmp_path_factory.mktemp("shared") / "runs"
    processes = [
        start_run(start, suite, directory, "--workers", "1"),
        start_run(start, suite, directory, "--workers", "2"),
    ]
    return directory, [facts(process) for process in processes]


def test_two_runs_on_one_store_train_each_run_once_and_both_end_complete(shared):
    """P3."""
    _, said = shared
    assert [one["done"] for one in said] == [4, 4]
    assert sum(one["trained"] for one in said) == 4


def test_killed_at_any_moment_and_started_again_a_run_has_the_digest_of_an_uninterrupted_one(
    start, suite, shared, tmp_path
):
    """P1, P2: other workers, other populations, and `kill -9` twice in the middle."""
    script = tmp_path / "often.py"
    script.write_text(OFTEN)
    directory = tmp_path / "runs"
    uninterrupted = digests(suite, shared[0])
    for least, workers in ((1, 2), (STEPS // 3, 1)):
        process = start(script, suite, directory, workers)
        interrupted = kill_when(process, directory, uninterrupted, least)
        assert interrupted, "it was killed in the middle"
    start(script, suite, directory, 2).communicate(timeout=60)
    assert digests(suite, directory) == uninterrupted
    assert None not in uninterrupted.values()
    assert Store.open(directory).verify() == []
    assert not list(directory.glob("*/checkpoint*"))


def kill_when(process, directory, run_ids, least):
    """Kill once a run has a checkpoint of `least` steps. Returns the runs that were in the middle."""
    end = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
        if not (directory / "store.json").exists():
            continue
        store = Store.open(directory)
        if any(least <= store.status(run_id).steps < STEPS for run_id in run_ids):
            break
    process.kill()
    process.communicate()
    # The workers die with their parent and the kernel takes back their locks.
    while any(store.status(run_id).state == "running" for run_id in run_ids):
        assert time.monotonic() < end
        time.sleep(0.01)
    return [run_id for run_id in run_ids if 0 < store.status(run_id).steps < STEPS]


def test_interrupted_by_hand_it_stops_in_one_line_and_says_how_to_go_on(start, suite, tmp_path):
    directory = tmp_path / "runs"
    process = start_run(start, suite, directory, "--steps", "1000000", "--workers", "1")
    end = time.monotonic() + 60
    while not list(Path(directory).glob("*/status.json")):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(2)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    stopped = "matters: stopped; the same command goes on from the last checkpoints: "
    assert re.fullmatch(rf"{stopped}0 of 4 runs done, [12] paused at 0 to 0 %", err.splitlines()[-1])
    assert "Traceback" not in err
    assert err.count("stopped") == 1, "workers end without a word"


@pytest.mark.parametrize(
    ("answer", "terminal", "left"),
    [
        (True, True, True),
        (False, True, False),
        (typer.Abort(), True, False),
        (True, False, False),
    ],
)
def test_whoever_presses_ctrl_c_is_asked_whether_jobs_elsewhere_go_on_and_a_script_is_not(
    monkeypatch, capsys, answer, terminal, left
):
    def confirm(question, **_):
        assert question == "Let SLURM's jobs 7 go on without this command?"
        if isinstance(answer, BaseException):  # Ctrl-C once more
            raise answer
        return answer

    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: terminal))
    monkeypatch.setattr("typer.confirm", confirm)
    assert run._left("SLURM's jobs 7") is left
    said = capsys.readouterr().err
    assert ("go on, and the same command comes back to them" in said) is left
    assert ("are cancelled" in said) is (terminal and not left)
