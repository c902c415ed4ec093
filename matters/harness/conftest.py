"""A small suite, its store after `matters run`, and the command itself, for the tests of this room."""

import pytest

from matters.harness.cli import call

TINY = """
[suite]
name = "tiny"
title = "Two small cells"
environments = ["InvertedPendulum-v5"]
seeds = 2
steps = 128
questions = ["code-level-tricks"]

[suite.evaluation]
points = 2
episodes = 1

[variants.ppo]
algorithm = "ppo"
config = { horizon = 64, epochs = 1, minibatch_size = 32 }

[variants.ppo-m]
algorithm = "ppo"
preset = "ppo-m"
config = { horizon = 64, epochs = 1, minibatch_size = 32 }
"""


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A directory with the suite `tiny.toml`, and its store `runs` after `matters run`; left as it is."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "tiny.toml").write_text(TINY)
    assert call(["run", str(folder / "tiny.toml"), "--store", str(folder / "runs"), "--workers", "1"]) == 0
    return folder


@pytest.fixture
def matters(place, capsys):
    """Call `matters`; the arguments TINY and STORE stand for the paths. Returns status, output and error."""

    def matters(*arguments):
        names = {"TINY": str(place / "tiny.toml"), "STORE": str(place / "runs")}
        code = call([names.get(argument, argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return matters


def files(folder):
    """Every path below a folder with its time of change and bytes."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }
