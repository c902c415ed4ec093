import subprocess
import sys


def test_a_command_whose_writes_fail_ends_as_it_promises_and_the_same_command_goes_on() -> None:
    """A few of the calls in each way; `nox -s faults` breaks every one."""
    words = [sys.executable, "-m", "testing.faults", "--no-page", "--sample", "2"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "0 wrong"
    assert done.stdout.count(" calls broken (") == 4
