import json
import math
import subprocess
from pathlib import Path

import pytest

from matters.results import provenance as module
from matters.results.numerics import holds, in_use
from matters.results.provenance import core_seconds_per_step, git_state, provenance


@pytest.fixture(autouse=True)
def _forget() -> None:
    git_state.cache_clear()


def code(root: Path, **files: str) -> Path:
    """A checkout in miniature; names with _ for /."""
    for name in (
        "matters/algorithms/ppo.py",
        "matters/algorithms/maths/schedules.py",
        "matters/harness/training/loop.py",
        "matters/harness/cli.py",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.get(path.stem, "x = 1\n"))
    return root


def test_provenance_is_json_with_everything_that_was_promised() -> None:
    facts = provenance(
        population=[0, 1],
        wall_seconds=60.0,
        core_seconds=45.0,
        steps_per_second=123.456,
        threads=1,
        training_code="ab",
        portable=True,
    )
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["population"] == [0, 1]
    assert facts["steps_per_second"] == 123.5
    assert facts["processor"]
    assert facts["bits"] == ("portable" if holds(in_use()) else "processor")
    assert facts["numerics"]["libc"]
    assert {"torch", "numpy", "gymnasium", "mujoco", "stable-baselines3"} <= set(facts["packages"])
    assert facts["started"] < facts["finished"]


def test_a_step_costs_the_time_that_the_processor_gave_it_not_the_time_that_it_waited() -> None:
    facts = {"wall_seconds": 60.0, "core_seconds": 45.0, "steps_per_second": 200.0}
    assert core_seconds_per_step(facts) == 45.0 / (60.0 * 200.0)
    del facts["core_seconds"]
    assert core_seconds_per_step(facts) == 1 / 200.0, "an older record"
    assert math.isnan(core_seconds_per_step({"wall_seconds": 60.0, "steps_per_second": 0.0}))
    assert math.isnan(core_seconds_per_step({}))


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_git_gives_the_commit_and_whether_the_rooms_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = code(tmp_path)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "all")
    monkeypatch.setattr(module, "ROOT", root)
    commit = git(root, "rev-parse", "HEAD")
    assert git_state() == {"commit": commit, "dirty": False}
    for name, dirty in (("runs.txt", False), ("matters/algorithms/new.py", True)):
        (root / name).write_text("x")
        git_state.cache_clear()
        assert git_state() == {"commit": commit, "dirty": dirty}


def test_git_says_nothing_of_an_installation_inside_another_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    monkeypatch.setattr(module, "ROOT", code(tmp_path / "venv" / "site-packages"))
    assert git_state() is None


def test_git_says_nothing_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOT", code(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert git_state() is None
