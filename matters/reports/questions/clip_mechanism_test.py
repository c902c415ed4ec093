import numpy as np
import pandas as pd
import pytest

from matters.reports.questions.clip_mechanism import clip_tables
from matters.reports.study.study import Study, prepare
from matters.suites.loading import suite
from testing.planted import CONSTANTS, Plant, planted

NAMES = {
    "joint": {"tricks": {"gradient_clip": 0.5}},
    "each": {"tricks": {"gradient_clip": 0.5, "gradient_clip_of": "each"}},
    "free": {},
}


def study(norms: dict[str, list[float]]) -> Study:
    declared = suite(
        {
            "suite": {
                "name": "planted", "title": "Planted", "environments": ["Hopper-v5"], "seeds": 10,
                "steps": 50_000, "questions": [],
            },
            "variants": {
                name: {"algorithm": "ppo", "preset": "ppo-m", "config": own} for name, own in NAMES.items()
            },
        }
    )  # fmt: skip
    snapshot = planted({(name, "Hopper-v5"): Plant(0.5, 0.1) for name in NAMES})
    rows = [
        {
            "run_id": "r",
            "variant": name,
            "environment": "Hopper-v5",
            "seed": 0,
            "gradient_norm": norm,
        }
        for name, found in norms.items()
        for norm in found
    ]
    object.__setattr__(snapshot, "updates", pd.DataFrame(rows))
    return prepare(declared, snapshot, constants=CONSTANTS)


def test_what_a_joint_clip_leaves_is_clip_over_norm_and_of_others_it_is_not_said() -> None:
    norms = {"joint": [0.25, 1.0, 100.0], "each": [1.0, 1.0, np.nan], "free": [5.0]}
    (table,) = clip_tables("x", study(norms), list(NAMES))
    joint, each = table.data
    assert joint["gradient_norm"] == 1.0
    assert joint["coefficient"] == 0.5
    assert joint["updates_beyond"] == pytest.approx(2 / 3)
    assert (each["gradient_clip_of"], each["coefficient"], each["updates_beyond"]) == ("each", None, 1.0)
    assert [row[0] for row in table.rows] == ["`joint`", "`each`"]


def test_without_a_clip_or_norms_there_is_no_table() -> None:
    assert clip_tables("x", study({"free": [5.0]}), ["free"]) == ()
    assert clip_tables("x", study({"free": [5.0]}), ["joint"]) == ()
