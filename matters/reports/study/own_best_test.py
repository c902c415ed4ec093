"""What is chosen from the runs of a tuning, and when nothing can be."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from matters.reports.study.own_best import choices, equal_settings, own_best, tried
from matters.reports.study.sensitivity import of_tuning
from matters.reports.study.study import prepare
from matters.suites.at_best import with_best
from matters.suites.loading import suite
from testing.planted import Plant, planted

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
CONSTANTS = {HOPPER: (0.0, 1000.0), WALKER: (0.0, 4000.0)}
RATES = (1e-4, 3e-4, 1e-3)


def declared(rule: str = "mean") -> Any:
    return suite(
        {
            "suite": {
                "name": "tuned",
                "title": "Tuned",
                "environments": [HOPPER, WALKER],
                "seeds": 3,
                "steps": 4096,
                "questions": [],
                "tuning": {"learning_rate": list(RATES), "seeds": 2, "rule": rule},
            },
            "variants": {"ppo": {"algorithm": "ppo"}},
        }
    )


def table(scores: dict[tuple[float, str], Any], **changes: Any) -> pd.DataFrame:
    """Runs with these scores, two of each point and place; `changes` are of the first of all."""
    rows = [
        {
            "run_id": f"{k}-{seed}", "variant": "ppo", "candidate": f"ppo@learning_rate={rate}",
            "values": json.dumps({"learning_rate": rate}), "environment": place, "seed": seed,
            "state": "done", "steps": 4096, "digest": "d", "score": score, "diverged_at": pd.NA,
            "error": None,
            "core_seconds": 1.0,
        }
        for k, ((rate, place), pair) in enumerate(scores.items())
        for seed, score in zip((2000, 2001), pair, strict=True)
    ]  # fmt: skip
    rows[0] |= changes
    return pd.DataFrame(rows)


def both(hopper: Any, walker: Any) -> dict[tuple[float, str], Any]:
    return {
        (rate, place): (mean - 10.0, mean + 10.0)
        for place, means in ((HOPPER, hopper), (WALKER, walker))
        for rate, mean in zip(RATES, means, strict=True)
    }


def test_the_mean_over_environments_is_of_normalised_scores() -> None:
    # In raw return the third is best (2300 against 2250), in normalised score the second (0.7125, 0.6).
    (one,) = choices(declared(), table(both((500, 900, 500), (100, 1800, 2200))), CONSTANTS)
    assert (one.values, one.places) == ({"learning_rate": 3e-4}, (HOPPER, WALKER))
    assert one.means == {
        "ppo@learning_rate=0.0001": pytest.approx(0.2625),
        "ppo@learning_rate=0.0003": pytest.approx(0.675),
        "ppo@learning_rate=0.001": pytest.approx(0.525),
    }
    assert one.edges == ()


def test_per_environment_each_has_its_own_and_a_value_at_the_edge_is_said() -> None:
    made = choices(declared("per-environment"), table(both((500, 900, 500), (100, 1800, 2200))), CONSTANTS)
    assert [(one.places, one.values) for one in made] == [
        ((HOPPER,), {"learning_rate": 3e-4}),
        ((WALKER,), {"learning_rate": 1e-3}),
    ]
    assert [one.edges for one in made] == [(), ("learning_rate = 0.001, the largest",)]


@pytest.mark.parametrize(("means", "best"), [((900, 900, 900), 3e-4), ((900, 500, 900), 1e-4)])
def test_of_equal_means_the_declared_values_go_first_then_the_first_of_the_grid(
    means: Any, best: float
) -> None:
    (one,) = choices(declared(), table(both(means, means)), CONSTANTS)
    assert one.values == {"learning_rate": best}


def test_a_run_without_a_score_forbids_a_choice_unless_missing_runs_are_allowed() -> None:
    runs = table(both((500, 900, 500), (500, 900, 500)), state="failed", score=np.nan)
    (one,) = choices(declared(), runs, CONSTANTS)
    assert one.values is None
    assert one.reason == "`ppo@learning_rate=0.0001` on Hopper-v5: 1 failed"
    (unscored,) = choices(declared(), runs.assign(state="done"), CONSTANTS)
    assert unscored.reason == "`ppo@learning_rate=0.0001` on Hopper-v5: 1 without a score"
    (one,) = choices(declared(), runs, CONSTANTS, allow_missing=True)
    assert one.values == {"learning_rate": 3e-4}
    lost = runs.assign(state=["missing"] * 2 + ["done"] * 10, score=[np.nan] * 2 + [900.0] * 10)
    (one,) = choices(declared(), lost, CONSTANTS, allow_missing=True)
    assert one.values is None


def test_a_diverged_run_counts_as_the_random_policy_and_not_with_what_it_had_reached() -> None:
    runs = table(both((2000, 900, 500), (500, 500, 500)))
    assert choices(declared(), runs, CONSTANTS)[0].values == {"learning_rate": 1e-4}
    runs["diverged_at"] = pd.array([2048, 2048, *[pd.NA] * 10], "Int64")
    assert choices(declared(), runs, CONSTANTS)[0].values == {"learning_rate": 3e-4}
    assert tried(runs, CONSTANTS)[0].scores.tolist() == [0.0, 0.0]
    assert tried(runs, CONSTANTS)[0].gaps == "2 diverged"


def test_a_sensitivity_curve_has_each_value_once_in_order_with_the_declared_and_the_best_one() -> None:
    class Declared:
        suite = declared()

    runs = table(both((500, 900, 500), (100, 1800, 2200))).iloc[::-1]
    points = tried(runs, CONSTANTS)
    made = of_tuning(Declared, points, choices(declared(), runs, CONSTANTS))  # type: ignore[arg-type]
    assert [(one.environment, one.values, one.own, one.best) for one in made] == [
        (WALKER, RATES, 3e-4, 3e-4),
        (HOPPER, RATES, 3e-4, 3e-4),
    ]
    assert [float(scores.mean()) for scores in made[0].samples] == [100.0, 1800.0, 2200.0]


def test_where_nothing_was_chosen_a_variant_has_no_runs_at_its_own_best() -> None:
    """It is at its best as declared on Hopper-v5; on Walker2d-v5 nobody knows."""
    best_on_one = with_best(declared("per-environment"), {"ppo": {HOPPER: {"learning_rate": 3e-4}}})
    study = prepare(best_on_one, planted({("ppo", place): Plant(0.5, 0.1, 10) for place in (HOPPER, WALKER)}))
    best, equal = own_best(study), equal_settings(study)
    assert [one.cell("ppo", WALKER).n for one in (best, equal)] == [0, 10]
    assert best.cell("ppo", HOPPER).n == 10
    assert set(best.runs["environment"]) == {HOPPER}
    assert best.blocked("ppo") == "`ppo` has no scored run on Walker2d-v5"
