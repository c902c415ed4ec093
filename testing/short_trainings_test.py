import re
from pathlib import Path

import pandas as pd

import matters
from matters.algorithms import ALGORITHMS, load
from testing.short_trainings import alike, declared, page, presets, remarks


def test_every_preset_of_ours_is_asked_for_and_what_is_not_trained_is_named(tmp_path: Path) -> None:
    matters.open_store(tmp_path / "runs", create=True)
    text = page(tmp_path / "runs")
    ours = {p for name in ALGORITHMS for p in load(name).PRESETS if load(name).KIND != "reference"}
    assert ours == {*presets("on-policy"), *presets("off-policy")}
    named = [line for line in text.splitlines() if line.startswith("Not trained so far")]
    assert ours == set(re.findall("`([^`]+)`", " ".join(named)))
    assert not any(line.startswith("| `") for line in text.splitlines())


def test_off_policy_presets_warm_up_for_a_thousand_steps_and_are_else_as_they_are() -> None:
    for name, one in declared("off-policy").variants.items():
        preset = load(one.algorithm).PRESETS[name]
        assert one.config == preset.model_copy(update={"warmup": 1000})


def test_presets_with_the_same_scores_and_runs_that_came_to_nothing_are_said() -> None:
    scores = {"trpo": (1.0, 2.0), "tnpg": (1.0, 2.0), "npg": (1.0, 3.0)}
    evaluations = pd.DataFrame(
        [
            {"variant": name, "seed": 0, "point": point, "score": score}
            for name, found in scores.items()
            for point, score in enumerate(found)
        ]
    )
    assert alike("on-policy", evaluations) == [("tnpg", "trpo")]
    runs = pd.DataFrame({"state": ["done", "done", "failed"], "diverged_at": [None, 5, None]})
    said, same = remarks("on-policy", runs, evaluations)
    assert said == "Of 3 runs 1 failed, and 1 diverged to a value that is not finite."
    assert same == "The same scores to the last digit: `tnpg`, `trpo`."
