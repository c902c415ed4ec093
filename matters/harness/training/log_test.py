"""Each worker's log: who, what and when, whole tracebacks; and no trouble where it cannot be written."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from matters.harness.training import log
from matters.harness.training.job import Emit, Ended, Job, News, Progress
from matters.harness.training.program import serve
from matters.harness.training.promises_test import spec
from matters.results.store import Store


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """As in a new process."""
    yield
    for handler in log.logger.handlers:
        handler.close()
    log.logger.handlers.clear()


def job_in(store: Path) -> Job:
    return Job(store, (spec("vpg", "vpg", 0), spec("vpg", "vpg", 1)))


def test_a_log_names_the_runs_and_has_what_the_screen_leaves_out(tmp_path: Path) -> None:
    Store.open(tmp_path, create=True)
    job, said = job_in(tmp_path), []
    first, second = (one.run_id for one in job.specs)

    def train(_: Job, emit: Emit) -> None:
        for step in range(3):
            emit(Progress((first, second), "running", step, 9))  # mere progress: the first of a minute
        emit(Progress((second,), "failed", 2, 9, "it broke"))
        raise ValueError("deep inside")

    def say(news: News) -> None:
        said.append(news)

    serve([job.line()], say, train)
    assert len(said) == 5
    assert isinstance(said[-1], Ended)
    assert str(said[-1].error).startswith("ValueError: deep inside (log_test.py:")
    (path,) = (tmp_path / "logs").iterdir()
    lines = path.read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines[:2]] == [
        f"INFO {first},{second} running 0 of 9 ",
        f"ERROR {second} failed 2 of 9 it broke",
    ]
    assert lines[2].endswith(f"ERROR {first},{second} deep inside")
    assert 'raise ValueError("deep inside")' in path.read_text()
    assert lines[-1].split(" ", 2)[2].startswith(f"{first},{second} ended ValueError: deep inside")
    assert Store.open(tmp_path).verify() == []


def test_a_log_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(tmp_path, create=True)
    (tmp_path / "logs").write_text("in the way")
    said: list[News] = []
    serve([job_in(tmp_path).line()], said.append, lambda *_: None)
    (tmp_path / "logs").unlink()
    log.logger.handlers.clear()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    log.log_into(tmp_path)
    monkeypatch.setattr(logging.StreamHandler, "flush", full)
    serve([job_in(tmp_path).line()], said.append, lambda *_: None)
    monkeypatch.undo()
    assert [one.error for one in said if isinstance(one, Ended)] == [None, None]
    assert capsys.readouterr() == ("", "")
