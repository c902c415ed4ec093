"""The table and the figure of ranks."""

import numpy as np
import pytest

from matters.reports.page.aggregate_tables import rank_table
from matters.reports.page.rank_figures import rank_drawing
from matters.reports.study.rank_intervals import Ranks


def test_table_and_figure_have_the_best_first():
    names = ("worse", "better")
    shares = np.array([[0.2, 0.8], [0.8, 0.2]])
    ranks = Ranks(names, np.array([0.3, 0.5]), np.array([1, 1]), np.array([2, 2]), shares)
    table = rank_table(ranks)
    assert table.rows == (("`better`", "1 to 2", "0.500"), ("`worse`", "1 to 2", "0.300"))
    assert table.data[0] == {
        "variant": "better", "low": 1, "high": 2, "mean": 0.5, "mean_rank": pytest.approx(1.2),
        "rank_1": 0.8, "rank_2": 0.2,
    }  # fmt: skip
    assert "better 1 to 2, worse 1 to 2" in rank_drawing(ranks, names).panels[0].alt
    assert rank_table(None).rows == ()
