from types import SimpleNamespace

import pandas as pd

from matters.reports.page import run_tables


def test_where_a_simulator_warned_is_said_by_cell_and_nothing_where_nobody_counted() -> None:
    runs = pd.DataFrame(
        [(f"r{k}", variant, "Ant-v5") for k, variant in enumerate(("ppo", "ppo", "sac", "sac"))],
        columns=["run_id", "variant", "environment"],
    )
    counted = pd.DataFrame({"run_id": ["r0", "r1", "r2", "r3"], "simulator_warnings": [3, 1, 0, None]})
    study = SimpleNamespace(runs=runs, provenance=counted)
    assert run_tables.simulator_warnings(study) == ["`ppo` on Ant-v5 (4 steps of 2 runs)"]
    study.provenance = counted[["run_id"]]
    assert run_tables.simulator_warnings(study) == []
