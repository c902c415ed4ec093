"""The tables of docs/evidence.md."""

import pandas as pd

from matters.results import evidence
from testing.evidence_tables import MARKED, PAGE, table, written


def test_a_table_has_the_runs_of_each_variant_that_is_compared_and_their_mean_with_its_extremes() -> None:
    scores = pd.DataFrame(
        {
            "variant": ["a", "a", "b", "b", "b@kl=0.1"],
            "seed": [0, 1, 0, 1, 2000],
            "Hopper-v5": [-1.0, 3.0, 500.0, 700.4, 900.0],
            "Walker2d-v5": [None, 2.0, None, None, 1.0],
        }
    )
    assert table(scores).splitlines() == [
        "| variant | seeds | Hopper-v5 | Walker2d-v5 |",
        "|---|---|---|---|",
        "| `b` | 2 | 600 (500 to 700) | – |",
        "| `a` | 2, 1 | 1 (−1 to 3) | 2.00 (2.00 to 2.00) |",
    ]


def test_the_page_of_evidence_has_the_scores_of_every_bundle_and_no_others() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "python -m testing.evidence_tables"
    assert sorted(name for _, name in MARKED.findall(text)) == evidence.names()
