import io

from rich.console import Console

from matters.harness.terminal.progress_bar import QUIET_SECONDS, stages


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def shown(times, **options):
    """What is written when a part begins at each of these times."""
    clock, console = Clock(), Console(file=io.StringIO(), width=80, **options)
    with stages(console, clock) as tell:
        for done, now in enumerate(times):
            clock.now = now
            tell(f"part {done}", done, len(times))
    return console.file.getvalue()


def test_short_work_says_nothing_in_a_pipe():
    assert shown([0, 1, 2.9]) == ""


def test_long_work_says_a_plain_line_now_and_then():
    said = shown([0, QUIET_SECONDS, QUIET_SECONDS + 1, 2 * QUIET_SECONDS, 2 * QUIET_SECONDS + 2])
    assert said == "report: part 1 (1 of 5)\nreport: part 3 (3 of 5)\n"


def test_a_terminal_has_a_bar_that_goes_when_the_work_is_done():
    said = shown([0, 1], force_terminal=True)
    assert "part" in said
    assert "report:" not in said
