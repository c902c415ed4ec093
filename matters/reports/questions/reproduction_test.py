"""The A/A control: a reference is not called different from itself, and says so on the page."""

import numpy as np
import pytest

from matters.reports import questions
from matters.reports.study import aa_control
from matters.reports.study.aa_control import split_control
from matters.reports.study.study import AGGREGATE, prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER, UNKNOWN = "Hopper-v5", "Walker2d-v5", "Unknown-v0"


def study(plant, places=(HOPPER,), **options):
    cells = {(name, place): plant for name in ("ppo-sb3", "sb3-ppo") for place in places}
    known = {name: CONSTANTS[name] for name in places if name in CONSTANTS}
    suite = planted_suite(("ppo-sb3", "sb3-ppo"), places, ("reproduction",), margin=0.25)
    return prepare(suite, planted(cells), constants=known, **options)


def control(plant, places=(HOPPER,), **options):
    prepared = study(plant, places, **options)
    return split_control(prepared, "reproduction", "sb3-ppo", prepared.margin)


def test_a_reference_is_called_different_from_itself_at_most_once_in_twenty():
    found = control(Plant(0.5, 0.2, 20), (HOPPER, WALKER))
    assert list(found.different) == [AGGREGATE, HOPPER, WALKER]
    # Three standard errors of 2 000 splits above the 5 % of the family.
    assert found.anywhere < 0.05 + 3 * np.sqrt(0.05 * 0.95 / found.splits)
    assert max(found.different.values()) <= found.anywhere


def test_narrow_runs_are_equivalent_to_themselves_and_wide_ones_are_not_shown_to_be():
    assert control(Plant(0.5, 0.03, 20)).equivalent[HOPPER] == 1
    assert control(Plant(0.5, 1.0, 20)).equivalent[HOPPER] < 0.05


def test_the_control_is_held_to_the_margin_of_its_question():
    """A margin of a tenth of what is gained in a few steps is narrower than one of the yardstick."""
    prepared = study(Plant(0.5, 0.05, 20), (HOPPER, WALKER))
    ours, half = (
        split_control(prepared, "reproduction", "sb3-ppo", own)
        for own in (prepared.margin, lambda place: prepared.margin(place) / 10)
    )
    assert ours.equivalent[HOPPER] > 0.9 > 0.1 > half.equivalent[HOPPER]
    assert ours.different == half.different
    assert half.equivalent[AGGREGATE] <= ours.equivalent[AGGREGATE]
    assert split_control(prepared, "reproduction", "sb3-ppo", lambda _: None).equivalent == dict.fromkeys(
        (AGGREGATE, HOPPER, WALKER)
    )


def test_runs_that_never_differ_are_never_different_and_show_no_equivalence():
    found = control(Plant(0.5, 0.0, 10))
    assert (found.anywhere, found.equivalent[HOPPER]) == (0, 0)


def test_halves_are_disjoint_and_odd_numbers_leave_one_run_out(monkeypatch):
    seen = []

    def tested(study, environments, halves, margin):
        seen.append(halves[environments[0]])
        return real(study, environments, halves, margin)

    real = aa_control._tests
    monkeypatch.setattr(aa_control, "_tests", tested)
    assert control(Plant(0.5, 0.2, 11)).n == 5
    one, two = seen[0]
    assert one.shape == two.shape == (2_000, 5)
    assert all(len(set(both)) == 10 for both in np.concatenate([one, two], axis=1))


@pytest.mark.usefixtures("undrawn")
def test_nine_runs_are_too_few_to_split_and_the_page_says_so():
    assert control(Plant(0.5, 0.2, 9)) is None
    section = questions.answer("reproduction", study(Plant(0.5, 0.2, 9)))
    assert "No A/A control of `sb3-ppo`: two halves need 10 scored runs, and it has 9." in section.lacks
    assert [verdict.verdict for verdict in section.verdicts].count("control") == 0


def test_without_constants_there_is_no_equivalence_with_itself_either():
    found = control(Plant(0.5, 0.2, 10), (UNKNOWN,))
    assert list(found.different) == [UNKNOWN]
    assert found.equivalent == {UNKNOWN: None}


@pytest.mark.usefixtures("undrawn")
def test_the_verdicts_of_a_reproduction_end_with_the_control():
    section = questions.answer("reproduction", study(Plant(0.5, 0.1, 10), (HOPPER, WALKER)))
    last = section.verdicts[-1]
    assert (last.verdict, last.x, last.where) == ("control", "sb3-ppo", "A/A control")
    assert last.statement.startswith("A/A control: `sb3-ppo` against itself, in 2\u202f000 random splits")
    assert "halves of 5" in last.statement
    table = next(table for table in section.tables if table.name == "aa-control")
    assert [row["where"] for row in table.data] == [AGGREGATE, HOPPER, WALKER]
    said = f"different in {100 * table.data[0]['different']:.1f} % and equivalent in"
    assert said in last.statement


def test_the_same_snapshot_gives_the_same_splits():
    one, two = (control(Plant(0.5, 0.2, 10)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("n", [10, 13])
def test_every_number_of_the_control_is_a_share(n):
    found = control(Plant(0.5, 0.4, n), (HOPPER, WALKER))
    shares = [*found.different.values(), *found.equivalent.values(), found.anywhere]
    assert all(0 <= share <= 1 for share in shares)
