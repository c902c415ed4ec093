"""A snapshot that cannot be used, or says less than it seems to: one line each."""

import numpy as np
import pandas as pd
import pytest

from matters.reports.compose import _notices
from matters.reports.report import write_report
from matters.reports.study.study import prepare
from matters.suites.errors import InputError
from testing import planted
from testing.planted import CONSTANTS, Plant

HOPPER = "Hopper-v5"
CELLS = {("ppo", HOPPER): Plant(0.9, 0.1), ("ppo-m", HOPPER): Plant(0.4, 0.1)}


def suite():
    return planted.planted_suite(("ppo", "ppo-m"), (HOPPER,))


def changed(**columns):
    """A study of the planted runs with these columns changed."""
    snapshot = planted.planted(CELLS)
    object.__setattr__(snapshot, "runs", snapshot.runs.assign(**columns))
    return prepare(suite(), snapshot, constants=CONSTANTS)


def test_a_run_that_is_there_twice_is_one_line_and_nothing_is_written(tmp_path):
    snapshot = planted.planted(CELLS)
    doubled = pd.concat([snapshot.runs, snapshot.runs.iloc[[3, 12]]], ignore_index=True)
    object.__setattr__(snapshot, "runs", doubled)
    said = "runs: seed 3 of 'ppo' on Hopper-v5 is there twice, and 1 more; a run counts once"
    with pytest.raises(InputError) as error:
        write_report(suite(), snapshot, tmp_path / "out", command="x")
    assert str(error.value) == said
    assert not (tmp_path / "out").exists()


def test_variants_that_are_the_same_runs_are_said_in_one_notice():
    digests = planted.planted(CELLS).runs["digest"]
    twins = changed(digest=[*digests[:10], *digests[:10]])
    assert twins.doubles() == ["`ppo` and `ppo-m` on Hopper-v5 (10)"]
    (notice,) = [line for line in _notices(twins) if "two names" in line]
    assert "`ppo` and `ppo-m` on Hopper-v5 (10)" in notice
    assert "\n" not in notice


def test_one_run_under_two_seeds_is_said_and_runs_of_their_own_are_not():
    digests = list(planted.planted(CELLS).runs["digest"])
    assert changed().doubles() == []
    digests[7] = digests[2]
    assert changed(digest=digests).doubles() == ["seeds 2 and 7 of `ppo` on Hopper-v5 (1)"]


def test_runs_without_a_digest_are_not_taken_for_each_other():
    assert changed(digest=[None] * 20).doubles() == []


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_return_that_is_no_number_is_a_gap_that_blocks_and_is_said(lost):
    scores = planted.planted(CELLS).runs["score"].to_numpy().copy()
    scores[4] = lost
    found = changed(score=scores)
    cell = found.cell("ppo", HOPPER)
    assert (cell.n, cell.unscored, cell.gaps) == (9, 1, "1 without a score")
    assert found.blocked("ppo") == "`ppo` is incomplete (Hopper-v5: 1 without a score)"
    assert any("`ppo` on Hopper-v5 (1 without a score)" in line for line in _notices(found))
    assert np.isfinite(cell.scores).all()
