"""How a worker is said to have ended."""

import signal

import pytest

from matters.harness.scheduling.worker_program import death


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (1, "its worker ended with status 1"),
        (-signal.SIGTERM, "its worker was ended by SIGTERM"),
        (-signal.SIGKILL, "its worker was ended by SIGKILL (out of memory, or killed by hand)"),
        (-(signal.SIGRTMIN + 1), f"its worker was ended by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_every_end_has_words_also_one_by_a_signal_without_a_name(code: int, says: str) -> None:
    assert death(code) == says
