"""The table and the figure of ranks."""

import numpy as np
import pytest

from matters.reports.page.rank_figures import rank_drawing
from matters.reports.page.tables import rank_table
from matters.reports.study.rank_intervals import Ranks


def test_table_and_figure_have_the_best_first():
    ranks = Ranks(("worse", "better"), np.array([[0.2, 0.8], [0.8, 0.2]]))
    table = rank_table(ranks)
    assert [row[0] for row in table.rows] == ["`better`", "`worse`"]
    assert table.data[0] == {
        "variant": "better",
        "mean_rank": pytest.approx(1.2),
        "rank_1": 0.8,
        "rank_2": 0.2,
    }
    assert "better 80 %, worse 20 %" in rank_drawing(ranks).panels[0].alt
