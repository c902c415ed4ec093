"""The public interface: what a notebook of somebody else relies on."""

import inspect
import math
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

import matters
from matters import __main__
from matters.reports.study.normalising_constants import constants_of
from matters.suites.loading import loads
from matters.suites.tasks.yardsticks import ENVIRONMENTS

SUITE = """
[suite]
name = "tiny"
title = "Tiny"
environments = ["lecture/Chain-v0", "probe/Copy-v0"]
seeds = 2
steps = 256
questions = ["reproduction"]
[suite.evaluation]
points = 2
episodes = 1
[variants.ppo]
algorithm = "ppo"
config = { horizon = 64, minibatch_size = 32, epochs = 1 }
[variants.vpg]
algorithm = "vpg"
config = { horizon = 64 }
"""

NAMES = {
    "InputError": None,
    "Trained": ["trained", "lost"],
    "comparisons": ["page"],
    "evaluations": ["suite", "store"],
    "load_suite": ["name_or_path", "seeds", "steps", "only"],
    "open_store": ["path", "create"],
    "report": ["suite", "store", "out", "allow_missing", "command"],
    "run": ["suite", "store", "workers", "executor", "retry_failed"],
    "runs": ["suite", "store"],
    "scores": ["suite", "store"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A suite, its filled store, and a folder."""
    folder = tmp_path_factory.mktemp("public")
    (folder / "tiny.toml").write_text(SUITE)
    suite = matters.load_suite(folder / "tiny.toml")
    store = matters.open_store(folder / "runs", create=True)
    outcome = matters.run(suite, store, workers=1)
    assert outcome == matters.Trained(8, ())
    return suite, store, folder


def test_the_public_names_and_their_parameters_are_those_that_were_promised():
    assert sorted(matters.__all__) == sorted(NAMES)
    for name, parameters in NAMES.items():
        if parameters is not None:
            assert list(inspect.signature(getattr(matters, name)).parameters) == parameters, name


def test_importing_matters_loads_no_other_library():
    program = (
        "import sys, matters; print(sorted({'torch', 'pandas', 'numpy', 'gymnasium'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_full_store_is_trained_no_more(trained):
    suite, store, _ = trained
    assert matters.run(suite, store, workers=1) == matters.Trained(0, ())


def test_the_tables_are_frames_with_one_row_for_each_run_or_point(trained):
    suite, store, _ = trained
    runs, scores = matters.runs(suite, store), matters.scores(suite, store)
    assert len(runs) == len(scores) == 8
    assert set(runs["state"]) == {"done"}
    assert list(scores.columns) == ["run_id", "variant", "environment", "seed", "score", "normalised"]
    chain = scores[scores["environment"] == "lecture/Chain-v0"]
    # Its yardsticks are exact: 74.75 at random, 198 at best.
    assert list(chain["normalised"]) == pytest.approx(list((chain["score"] - 74.75) / (198 - 74.75)))
    assert scores.loc[scores["environment"] == "probe/Copy-v0", "normalised"].map(math.isnan).all()
    points = matters.evaluations(suite, store)
    last = points[points["step"] == 256].set_index("run_id")["score"]
    assert set(last.index) == set(runs["run_id"])


def test_scores_are_on_the_suites_own_scale_and_a_diverged_run_counts_as_random(monkeypatch):
    """As on its page: by the suite's yardstick, and by the constants that it gives for its own tasks."""
    own = '{ id = "probe/Copy-v0", name = "Copied", max_episode_steps = 3, random = 1.0, reference = 3.0 }'
    text = SUITE.replace(
        '"lecture/Chain-v0", "probe/Copy-v0"', f'"Hopper-v5", {own[:-2]}, source = "a test" }}'
    )
    suite = loads(
        text.replace("[suite.evaluation]", 'yardstick = "off-policy-1M"\n[suite.evaluation]'), "here"
    )
    rows = [
        ("Hopper-v5", 1500.0, None),
        ("Hopper-v5", 1500.0, 100),
        ("Copied", 2.0, None),
        ("Copied", 2.0, 100),
    ]
    table = pd.DataFrame(rows, columns=["environment", "score", "diverged_at"])
    table = table.assign(run_id=["a", "b", "c", "d"], variant="ppo", seed=[0, 1, 0, 1], state="done")
    monkeypatch.setattr(matters, "runs", lambda *_: table)
    found = matters.scores(suite, None)
    low, high = constants_of(suite)["Hopper-v5"]
    assert high == ENVIRONMENTS["Hopper-v5"].yardstick("off-policy-1M").value
    assert list(found["normalised"]) == pytest.approx([(1500 - low) / (high - low), 0.0, 0.5, 0.0])
    assert list(found["score"]) == [1500.0, low, 2.0, 1.0]


def test_steps_below_one_rollout_are_refused_before_anything_is_trained(trained):
    suite, store, _ = trained
    with pytest.raises(matters.InputError, match="steps = 32: less than one rollout"):
        matters.run(suite.restricted(steps=32), store, workers=1)


def test_looks_at_a_question_that_cannot_be_decided_are_refused_as_by_the_command(trained, tmp_path):
    _, store, folder = trained
    text = SUITE.replace('questions = ["reproduction"]', 'questions = ["seeds"]\nlooks = [5, 6]')
    (tmp_path / "looks.toml").write_text(text.replace("seeds = 2", "seeds = 6"))
    suite = matters.load_suite(tmp_path / "looks.toml")
    before = sorted(path.name for path in (folder / "runs").iterdir())
    with pytest.raises(matters.InputError, match="first question, seeds, has no headline comparison"):
        matters.run(suite, store, workers=1)
    assert sorted(path.name for path in (folder / "runs").iterdir()) == before


def test_a_report_and_its_comparisons(trained):
    suite, store, folder = trained
    page = matters.report(suite, store, folder / "report")
    assert page == folder / "report" / "index.html"
    assert page.is_file()
    assert len(matters.comparisons(page)) == 0  # there is no reference to reproduce
    with pytest.raises(matters.InputError, match="no report there"):
        matters.comparisons(folder / "nowhere" / "index.html")


def test_narrowing_is_that_of_the_command_line(trained):
    _, _, folder = trained
    suite = matters.load_suite(folder / "tiny.toml", seeds="1:2", steps=128, only="vpg/probe*")
    ((cell, spec),) = [(cell, spec) for cell in suite.cells() for spec in cell.specs]
    assert (cell.variant, spec.seed, spec.steps) == ("vpg", 1, 128)
    with pytest.raises(matters.InputError, match="seeds"):
        matters.load_suite("quickstart", seeds="none")
    with pytest.raises(matters.InputError, match="did you mean 'quickstart'"):
        matters.load_suite("quikstart")


def test_ctrl_c_while_libraries_load_ends_in_a_word_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def command() -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("matters.harness.cli.main", command)
    try:
        with pytest.raises(SystemExit) as ended:
            __main__.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "matters: stopped\n")
