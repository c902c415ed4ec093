"""What a study counts of a snapshot: a run once, a score that is no number not, a cell as it was declared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from matters.reports.page.notices import notices
from matters.reports.report import write_report
from matters.reports.study.study import prepare
from matters.suites.errors import InputError
from testing import planted
from testing.planted import CONSTANTS, Plant

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
NAMES = ("ppo", "ppo-m")
CELLS = {("ppo", HOPPER): Plant(0.9, 0.1), ("ppo-m", HOPPER): Plant(0.4, 0.1)}


def suite():
    return planted.planted_suite(NAMES, (HOPPER,))


def test_a_run_that_is_there_twice_is_one_line_and_nothing_is_written(tmp_path):
    snapshot = planted.planted(CELLS)
    doubled = pd.concat([snapshot.runs, snapshot.runs.iloc[[3, 12]]], ignore_index=True)
    said = "runs: seed 3 of 'ppo' on Hopper-v5 is there twice, and 1 more; a run counts once"
    with pytest.raises(InputError) as error:
        write_report(suite(), replace(snapshot, runs=doubled), tmp_path / "out", command="x")
    assert str(error.value) == said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_return_that_is_no_number_is_a_gap_that_blocks_and_is_said(lost):
    snapshot = planted.planted(CELLS)
    scores = snapshot.runs["score"].to_numpy().copy()
    scores[4] = lost
    found = prepare(suite(), replace(snapshot, runs=snapshot.runs.assign(score=scores)), constants=CONSTANTS)
    cell = found.cell("ppo", HOPPER)
    assert (cell.n, cell.unscored, cell.gaps) == (9, 1, "1 without a score")
    assert found.blocked("ppo") == "`ppo` is incomplete (Hopper-v5: 1 without a score)"
    assert any("`ppo` on Hopper-v5 (1 without a score)" in line for line in notices(found))
    assert np.isfinite(cell.scores).all()


def test_a_cell_that_was_not_declared_is_not_the_smallest():
    cells = {(name, HOPPER): Plant(0.5, 0.1, 5) for name in NAMES} | {("ppo", WALKER): Plant(0.5, 0.1, 6)}
    found = prepare(
        planted.planted_suite(NAMES, (HOPPER, WALKER)), planted.planted(cells), constants=CONSTANTS
    )
    assert found.seeds(NAMES, (HOPPER, WALKER)) == 5
