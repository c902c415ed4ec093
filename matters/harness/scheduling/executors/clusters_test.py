"""Ray and SLURM where they are not: what is said. Where they are, `nox -s cluster` runs suites on them."""

import os
import shlex
import stat
import sys

import pytest

from matters.harness.scheduling.executors import Place, load
from matters.harness.scheduling.executors.interface import Ended, Lost, Progress, drive
from matters.harness.scheduling.executors.interface_test import task
from matters.harness.training.job import Job, spoken
from matters.suites.errors import InputError


def test_ray_that_is_not_installed_is_said_with_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"Ray is not installed; pip install 'matters\[ray\]'$"):
        load(Place("ray"))


def test_a_machine_without_slurm_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch here"):
        load(Place("slurm"))


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A queue that works at once: `sbatch` runs the elements one after another. Returns its folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    commands = {
        "sinfo": "echo main; echo long",
        "sbatch": f'exec {sys.executable} {folder}/sbatch.py "$@"',
        "squeue": "cat " + shlex.quote(str(folder / "alive")),
        "scontrol": "echo JobId=7 JobState=TIMEOUT Reason=None",
        "scancel": f'echo "$@" >> {folder}/cancelled',
    }
    for name, script in commands.items():
        path = folder / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (folder / "alive").write_text("")
    (folder / "sbatch.py").write_text(
        "import json, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[-1]).parent\n"
        f"pathlib.Path({str(folder)!r}, 'asked').write_text(json.dumps(sys.argv[1:]))\n"
        "for index, line in enumerate((folder / 'jobs.jsonl').read_text().splitlines()):\n"
        "    seed = json.loads(line)['specs'][0]['seed']\n"
        f"    said = {{0: [{spoken(Progress(('0',), 'done', 1, 1))!r}, {spoken(Ended())!r}],"
        f" 1: [{spoken(Ended('ValueError: no'))!r}], 2: []}}[seed]\n"
        "    (folder / f'news-{index}.jsonl').write_text(''.join(line + '\\n' for line in said))\n"
        "print('7;cluster')\n"
    )
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("matters.harness.scheduling.executors.slurm.POLL_SECONDS", 0.01)
    monkeypatch.setattr("matters.harness.scheduling.executors.slurm.ASK_SECONDS", 0.02)
    monkeypatch.setattr("matters.harness.scheduling.executors.slurm.GONE_SECONDS", 0.1)
    return folder


def test_an_unknown_partition_is_refused_with_the_known_ones(slurm):
    with pytest.raises(InputError, match="--partition lnog: no such partition; valid: long, main"):
        load(Place("slurm", partition="lnog"))


def test_an_array_is_submitted_once_and_an_element_that_says_nothing_is_lost_with_its_state(slurm, tmp_path):
    executor = load(Place("slurm", partition="main", time="1:00:00", array=2))

    def job(of):
        return Job(tmp_path, of.specs)

    events = list(drive(executor, [task(0), task(1), task(2)], job, 2))
    assert [one.run_ids for one in events if isinstance(one, Progress)] == [("0",)]
    lost = {one.task.specs[0].seed: one.reason for one in events if isinstance(one, Lost)}
    assert lost == {1: "ValueError: no", 2: "job 7_2 of SLURM ended as TIMEOUT"}
    asked = (slurm / "asked").read_text()
    assert '"--array=0-2%2"' in asked
    assert '"--partition=main", "--time=1:00:00", "--cpus-per-task=1"' in asked
    (script,) = tmp_path.glob("slurm/*/job.sh")
    assert "export OMP_NUM_THREADS=1\n" in script.read_text()
    assert " -m matters worker " in script.read_text()


def test_what_is_queued_is_cancelled_when_the_driver_ends(slurm, tmp_path):
    (slurm / "alive").write_text("0 PENDING\n")
    events = drive(load(Place("slurm")), [task(0), task(2)], lambda of: Job(tmp_path, of.specs), 2)
    next(events)
    events.close()
    assert (slurm / "cancelled").read_text() == "7\n"
