"""What the page says of a tuning's grid and of what it cost."""

import json
from types import SimpleNamespace

import pandas as pd

from matters.reports.page.tuning_tables import chosen, tried
from matters.reports.study import own_best
from matters.suites.loading import suite

HOPPER = "Hopper-v5"
RATES = (1e-4, 3e-4, 1e-3)


def test_runs_that_are_missing_are_not_counted_as_runs_of_the_tuning():
    tuned = {"learning_rate": list(RATES), "seeds": 2}
    declared = suite(
        {
            "suite": {"name": "tuned", "title": "Tuned", "environments": [HOPPER], "seeds": 3, "steps": 4096,
                      "questions": [], "tuning": tuned},
            "variants": {"ppo": {"algorithm": "ppo"}},
        }
    )  # fmt: skip
    table = pd.DataFrame(
        {
            "run_id": f"{rate}-{seed}", "variant": "ppo", "candidate": f"ppo@learning_rate={rate}",
            "values": json.dumps({"learning_rate": rate}), "environment": HOPPER, "seed": seed,
            "state": "done" if rate == RATES[0] else "missing",
            "steps": 4096 if rate == RATES[0] else 0, "digest": None,
            "score": 100.0 if rate == RATES[0] else None, "diverged_at": pd.NA, "error": None,
            "core_seconds": 1.0 if rate == RATES[0] else None,
        }
        for rate in RATES
        for seed in (2000, 2001)
    )  # fmt: skip
    points = own_best.tried(table, {})
    choices = own_best.choices(declared, table, {})
    costs = chosen(SimpleNamespace(suite=declared, constants={}), choices, points)
    assert costs.rows[0][costs.columns.index("runs")] == "2 of 6"
    assert costs.data[0]["runs"] == 6
    points_shown = tried(points, choices)
    assert [row[points_shown.columns.index("n")] for row in points_shown.rows] == [
        "2", "0 of 2 (2 missing)", "0 of 2 (2 missing)",
    ]  # fmt: skip
    assert points_shown.caption.startswith("Every point of each grid")
