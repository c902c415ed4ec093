"""`matters status --watch`: what a second shell sees while runs are trained."""

import pytest

from matters.harness.cli import call
from matters.harness.commands import status
from matters.results.conftest import PROVENANCE, make_record
from matters.results.store import Store
from matters.suites.loading import load_suite

TOML = """
[suite]
name = "watched"
title = "Watched"
environments = ["Hopper-v5"]
seeds = 4
steps = 1000
questions = ["reproduction"]

[variants.ppo]
algorithm = "ppo"
config = { horizon = 100, minibatch_size = 50 }
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "watched.toml"
    path.write_text(TOML)
    return load_suite(str(path))


def finish(store, spec):
    lease = store.lease(spec)
    lease.finish(make_record(spec.seed), PROVENANCE)


def test_looks_follow_the_runs_to_their_end_and_read_no_finished_one_again(suite, tmp_path, monkeypatch):
    seen = status.looks(suite, tmp_path / "runs")
    nothing = next(seen)
    assert nothing.line == "0 done, 0 running, 0 paused, 0 failed, 4 missing; 0.0 % of all steps"
    assert not nothing.over
    store = Store.open(tmp_path / "runs", create=True)
    (cell,) = suite.cells()
    first, second, *rest = cell.specs
    finish(store, first)
    with store.lease(second) as lease:
        lease.progress(500)
        look = next(seen)
        assert look.rows == [("ppo", "Hopper-v5", 1, 1, 0, 0, 2)]
        assert look.line.startswith("1 done, 1 running, 0 paused, 0 failed, 2 missing; 37.5 % of all steps, ")
        assert look.line.endswith(" left")
    assert "1 paused at 50 to 50 %" in next(seen).line
    read, stated = [], Store.status
    monkeypatch.setattr(Store, "status", lambda self, run_id: read.append(run_id) or stated(self, run_id))
    for spec in (second, *rest):
        finish(store, spec)
    end = next(seen)
    assert end.over
    assert end.line.startswith("4 done, 0 running, 0 paused, 0 failed, 0 missing; 100.0 % of all steps")
    assert first.run_id not in read


def test_watching_a_complete_suite_says_so_and_ends(suite, tmp_path, capsys):
    store = Store.open(tmp_path / "runs", create=True)
    for spec in suite.cells()[0].specs:
        finish(store, spec)
    words = ["status", str(tmp_path / "watched.toml"), "--store", str(store.path), "--watch"]
    assert call(words) == 0
    line = "4 done, 0 running, 0 paused, 0 failed, 0 missing; 100.0 % of all steps"
    assert capsys.readouterr().out.splitlines() == [line]
    assert call([*words, "--json"]) == 2
    assert "--json: is of one look" in capsys.readouterr().err
