"""Ray and SLURM where they are not: what is said. Where they are, `nox -s cluster` runs suites on them."""

import os
import shlex
import shutil
import stat
import subprocess
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
        f" 1: [{spoken(Ended('ValueError: no'))!r}]}}.get(seed, [])\n"
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
    (slurm / "alive").write_text("7 1 PENDING\n")
    events = drive(load(Place("slurm")), [task(0), task(2)], lambda of: Job(tmp_path, of.specs), 2)
    next(events)
    events.close()
    assert (slurm / "cancelled").read_text() == "7_[1]\n"


def test_the_next_driver_takes_up_what_an_earlier_one_has_left_in_the_queue(slurm, tmp_path):
    """And only the jobs of its own runs, and only those that the queue still has."""

    def job(of):
        return Job(tmp_path, of.specs)

    (slurm / "alive").write_text("7 0 PENDING\n7 1 RUNNING\n7 2 PENDING\n")
    earlier = load(Place("slurm"))
    for of in (task(2), task(3, 4), task(2, 5), task(6)):
        earlier.submit(job(of))
    earlier.poll()
    assert earlier.outlives() == "SLURM's jobs 7 (scancel 7 ends them)"
    earlier.leave()
    assert not (slurm / "cancelled").exists()

    wanted = [spec.run_id for seeds in ((3, 4), (5,), (6,)) for spec in task(*seeds).specs]
    executor = load(Place("slurm"))
    found = executor.left(tmp_path, wanted)
    assert [[spec.seed for spec in one.specs] for _, one in found] == [[3, 4], [2, 5]]
    assert executor.left(tmp_path, wanted) == []
    (folder,) = tmp_path.glob("slurm/*")
    for index in (1, 2):
        (folder / f"news-{index}.jsonl").write_text(spoken(Ended()) + "\n")
    (slurm / "alive").write_text("7 1 RUNNING\n7 2 RUNNING\n")
    going = {name: task(*(spec.seed for spec in one.specs)) for name, one in found}
    assert list(drive(executor, [], job, 1, going=going)) == []
    assert not (slurm / "cancelled").exists()


def test_more_jobs_than_an_array_may_have_become_arrays_one_after_the_other(slurm, tmp_path):
    (slurm / "scontrol").write_text("#!/bin/bash\necho 'MaxArraySize            = 2'\n")
    executor = load(Place("slurm", array=1))
    for seed in range(5):
        executor.submit(Job(tmp_path, task(seed).specs))
    executor.poll()
    sizes = sorted(len(path.read_text().splitlines()) for path in tmp_path.glob("slurm/*/jobs.jsonl"))
    assert sizes == [1, 2, 2]
    assert '"--array=0-0%1"' in (slurm / "asked").read_text()
    assert '"--dependency=afterany:7"' in (slurm / "asked").read_text()


def test_a_node_that_does_not_see_the_store_is_named(slurm, tmp_path):
    (slurm / "scontrol").write_text(
        "#!/bin/bash\necho JobId=7 JobState=FAILED ExitCode=97:0 NodeList=n2 BatchHost=n2\n"
    )
    events = list(drive(load(Place("slurm")), [task(2)], lambda of: Job(tmp_path, of.specs), 1))
    ((folder,), (lost,)) = list(tmp_path.glob("slurm/*")), events
    assert lost.reason == f"job 7_0 of SLURM did not see {folder} on node n2: nodes have to share the store"
    shutil.move(folder, tmp_path / "elsewhere")
    assert subprocess.run(["bash", str(tmp_path / "elsewhere" / "job.sh")]).returncode == 97


def test_a_queue_that_does_not_answer_for_a_while_loses_nothing(slurm, tmp_path):
    executor = load(Place("slurm"))
    executor.submit(Job(tmp_path, task(2).specs))
    (slurm / "squeue").write_text("#!/bin/bash\nexit 1\n")
    for _ in range(30):
        assert executor.poll() == []
    (slurm / "squeue").write_text("#!/bin/bash\n")
    assert any(executor.poll() for _ in range(30))
