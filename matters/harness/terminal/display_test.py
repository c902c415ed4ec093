import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from matters.harness.scheduling.executors.interface import Lost
from matters.harness.scheduling.packing import Task
from matters.harness.terminal.display import Tally, duration, progress
from matters.suites.spec import Evaluation, RunSpec


@dataclass(frozen=True)
class News:
    """Stands for matters.harness.training.worker.Progress."""

    run_ids: tuple[str, ...]
    state: str
    steps: int
    total: int = 1000
    message: str = ""


def spec(seed, variant=0):
    return RunSpec(
        algorithm="ppo",
        algorithm_version=1,
        environment="Hopper-v5",
        config={"variant": variant},
        seed=seed,
        steps=1000,
        evaluation=Evaluation(),
    )


TWO = Task("ppo/Hopper-v5", (spec(0), spec(1)), 0, 2.0)
RESUMED = Task("ppo-m/Hopper-v5", (spec(0, 1),), 400, 3.0)
IDS = tuple(one.run_id for one in TWO.specs)
RESUMED_ID = RESUMED.specs[0].run_id


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tally(clock):
    return Tally([TWO, RESUMED], clock)


def test_counts_follow_the_news(tally):
    assert tally.counts == {"done": 0, "running": 0, "failed": 0, "waiting": 3, "skipped": 0, "lost": 0}
    assert tally.update(News(IDS, "running", 10)) is None
    assert tally.update(News(IDS[:1], "done", 1000)) is None
    assert tally.counts == {"done": 1, "running": 1, "failed": 0, "waiting": 1, "skipped": 0, "lost": 0}


def test_rate_counts_the_steps_taken_now_not_those_of_the_checkpoint(tally, clock):
    tally.update(News(IDS, "running", 0))
    tally.update(News((RESUMED_ID,), "running", 400))
    clock.now = 10.0
    tally.update(News(IDS, "running", 250))
    tally.update(News((RESUMED_ID,), "running", 500))
    assert tally.steps_per_second == pytest.approx((250 + 250 + 100) / 10)


def test_time_left_weighs_runs_by_their_cost(tally, clock):
    assert tally.seconds_left is None
    tally.update(News(IDS, "running", 0))
    clock.now = 10.0
    tally.update(News(IDS, "done", 1000))
    # The two that are done cost 1 each, the one that is left costs 3.
    assert tally.seconds_left == pytest.approx(10 * 3 / 2)


def test_a_failure_is_said_with_its_cell_and_seed(tally):
    line = tally.update(News(IDS[1:], "failed", 30, message="ValueError: nan"))
    assert line == "failed ppo/Hopper-v5 seed 1: ValueError: nan"


def test_a_lost_worker_takes_only_what_was_not_finished(tally):
    tally.update(News(IDS[:1], "done", 1000))
    line = tally.update(Lost(TWO, "its worker was ended by SIGKILL"))
    assert line == (
        "lost ppo/Hopper-v5 seed 1: its worker was ended by SIGKILL; the same command goes on with it"
    )
    assert tally.counts["done"] == 1
    assert tally.counts["lost"] == 1


def test_a_run_that_another_process_has_counts_neither_as_work_nor_as_done(tally, clock):
    tally.update(News((RESUMED_ID,), "skipped", 0))
    clock.now = 1.0
    tally.update(News(IDS, "done", 1000))
    assert tally.seconds_left == 0
    assert tally.line() == "2/3 done, 0 running, 0 failed, 1 trained elsewhere, 2 000 steps/s"


def show_all(console):
    with progress([TWO, RESUMED], console) as show:
        show(News(IDS, "running", 10))
        show(News(IDS[1:], "failed", 30, message="ValueError: nan"))
        show(News(IDS[:1], "done", 1000))
        show(News((RESUMED_ID,), "done", 1000))


def test_a_file_gets_plain_lines_at_a_slow_rate():
    output = io.StringIO()
    show_all(Console(file=output, width=200))
    first, last = output.getvalue().splitlines()
    assert first == "failed ppo/Hopper-v5 seed 1: ValueError: nan"
    assert last.startswith("2/3 done, 0 running, 1 failed, ")
    assert "\x1b" not in output.getvalue()


@pytest.mark.parametrize("height", [4, 40])
def test_a_terminal_gets_a_picture_that_fits(height):
    output = io.StringIO()
    show_all(Console(file=output, width=100, height=height, force_terminal=True))
    assert "ppo/Hopper-v5" in output.getvalue()
    assert ("more cells" in output.getvalue()) == (height == 4)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_said_as_a_person_says_them(seconds, said):
    assert duration(seconds) == said


def test_what_went_wrong_is_one_short_line_that_steers_no_terminal(tally):
    line = tally.update(News(IDS[:1], "failed", 5, message="ValueError: \x1b[2J\n" + "[nan], " * 1000))
    assert line.isprintable()
    assert len(line) < 350
    lost = tally.update(Lost(RESUMED, "\x1b[2J" + "x" * 1000))
    assert lost.isprintable()
    assert len(lost) < 400
    assert lost.startswith("lost ppo-m/Hopper-v5 seed 0: ")


def test_a_task_that_paused_is_left_not_lost(tally):
    line = tally.update(Lost(RESUMED, "paused: no room", paused=True))
    assert line == "left ppo-m/Hopper-v5 seed 0: paused: no room; the same command goes on with it"
