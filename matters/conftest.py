"""What the tests of all rooms have in common."""

from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest

CHECKED = ("algorithms", "harness/parity", "harness/training/loop")
"""Where the shapes in signatures are checked at each call: in the tests of the maths and the rules, and in
some that bring them experience from outside. Elsewhere the checks would be five sixths of every training."""

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    checked = item.path.relative_to(HERE).as_posix().startswith(CHECKED)
    jaxtyping.config.update("jaxtyping_disable", not checked)


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    """What is written outlives a killed process without being on the disk; only a power cut would tell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _descriptor: None)
        yield
