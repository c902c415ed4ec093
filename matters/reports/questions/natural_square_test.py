"""The square of direction and length, and what a page says of steps that could have no effect."""

import numpy as np
import pandas as pd
import pytest

from matters.reports import questions
from matters.reports.questions import natural_square
from matters.reports.questions.natural_mechanisms import steps, why_idle
from matters.reports.study.study import prepare
from matters.suites.loading import load_suite
from testing.planted import CONSTANTS, Plant, planted

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"


@pytest.fixture(autouse=True)
def _quick(undrawn, monkeypatch):
    """Figures and permutations take longer than all else."""
    monkeypatch.setattr("matters.reports.statistics.comparisons.permutation_p", lambda *_, **__: None)


def study(suite, means, updates=None):
    """A study of some of a suite's variants with planted means, and columns of updates by variant."""
    declared = load_suite(suite)
    chosen = declared.model_copy(
        update={"environments": (HOPPER, WALKER), "variants": {n: declared.variants[n] for n in means}}
    )
    cells = {(name, place): Plant(mean, 0.05) for name, mean in means.items() for place in (HOPPER, WALKER)}
    found = prepare(chosen, planted(cells), constants={name: CONSTANTS[name] for name in (HOPPER, WALKER)})
    rows = found.updates
    for name, columns in (updates or {}).items():
        for column, values in columns.items():
            if column not in rows:
                rows[column] = np.nan
            mine = rows["variant"] == name
            rows.loc[mine, column] = np.resize(values, int(mine.sum()))
    return found


CORNERS = ("natural-kl", "natural-fixed", "gradient-kl", "gradient-fixed")


def test_the_square_is_compared_along_its_four_edges_and_no_diagonal():
    section = questions.answer("natural-square", study("natural-square", dict.fromkeys(CORNERS, 0.5)))
    pairs = [(row["x"], row["y"]) for row in section.tables[1].data]
    assert pairs == [
        ("natural-kl", "gradient-kl"),
        ("natural-fixed", "gradient-fixed"),
        ("natural-kl", "natural-fixed"),
        ("gradient-kl", "gradient-fixed"),
    ]
    assert section.lacks == ()
    assert section.family.startswith("All 12 difference tests")


def test_a_corner_is_its_settings_and_an_edge_without_one_is_left_out_and_said():
    found = study("natural-square", {"natural-kl": 0.9, "gradient-kl": 0.2, "gradient-fixed": 0.2})
    assert natural_square.corners(found) == {
        ("natural", "kl"): "natural-kl",
        ("gradient", "kl"): "gradient-kl",
        ("gradient", "fixed"): "gradient-fixed",
    }
    section = questions.answer("natural-square", found)
    assert [(v.x, v.y) for v in section.verdicts if v.where == "aggregate"] == [
        ("natural-kl", "gradient-kl"),
        ("gradient-kl", "gradient-fixed"),
    ]
    assert section.lacks == ("Corners that no variant here is at: natural with fixed.",)


def test_the_page_says_how_often_a_system_was_not_solved_to_its_tolerance():
    residuals = {
        "natural-kl": {"cg_residual": [1e-5, 1e-5, 1e-5, 0.04]},
        "gradient-kl": {"cg_residual": [0.0]},
    }
    found = study("natural-square", {"natural-kl": 0.9, "gradient-kl": 0.2}, residuals)
    measured = steps(found, "natural-kl", HOPPER)
    assert measured is not None
    assert measured.unsolved == pytest.approx(0.25)
    section = questions.answer("natural-square", found)
    assert section.lacks[0] == (
        "`natural-kl` on Hopper-v5 did not solve its system to the tolerance in 25.0 % of updates (median "
        "residual 1e-05)."
    )
    rows = {(row["variant"], row["environment"]): row for row in section.tables[2].data}
    assert rows["natural-kl", HOPPER]["not_solved"] == pytest.approx(0.25)
    assert rows["gradient-kl", HOPPER]["not_solved"] is None
    mine = found.updates[
        (found.updates["variant"] == "natural-kl") & (found.updates["environment"] == HOPPER)
    ]
    assert rows["natural-kl", HOPPER]["mean_kl"] == pytest.approx(pd.to_numeric(mine["mean_kl"]).mean())


def full_step(share_taken):
    taken = round(100 * share_taken)
    return {"line_search_factor": [1.0] * taken + [0.5] * (100 - taken)}


def test_a_rung_whose_search_hardly_ever_acted_has_no_verdict_but_no_effect_possible():
    means = {"tnpg-reject": 0.4, "trpo": 0.8}
    found = study("natural-ladder", means, {"trpo": full_step(0.98), "tnpg-reject": full_step(0.98)})
    section = questions.answer("natural-ladder", found)
    assert (section.word, section.reason, section.claim) == ("undecided", "no effect possible", False)
    assert section.answer.startswith(
        "No rung is judged, for what it adds hardly acted: `trpo` changed or refused the full step in 1.7 %"
    )
    assert all(v.badge == "no effect possible" for v in (*section.verdicts, *section.more))
    shares = {row["variant"]: row["full_step_not_taken"] for row in section.tables[-1].data}
    assert 0 < shares["trpo"] < 0.05


def test_a_search_that_acted_in_a_tenth_of_updates_may_have_an_effect_and_so_may_one_not_recorded():
    means = {"tnpg-reject": 0.4, "trpo": 0.8}
    found = study("natural-ladder", means, {"trpo": full_step(0.9), "tnpg-reject": full_step(0.9)})
    assert questions.answer("natural-ladder", found).word == "different"
    assert why_idle(found, "trpo", HOPPER) is None
    assert questions.answer("natural-ladder", study("natural-ladder", means)).word == "different"


def test_a_rung_that_skips_others_is_judged_although_its_search_was_idle():
    found = study("natural-ladder", {"npg": 0.4, "trpo": 0.8}, {"trpo": full_step(1.0)})
    assert questions.answer("natural-ladder", found).word == "different"
