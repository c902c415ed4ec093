"""Who leaves a panel."""

from hypothesis import given
from hypothesis import strategies as st

from matters.reports.study.view import FAR, fallen


def test_who_falls_a_thousand_times_as_far_leaves_and_who_is_only_last_does_not() -> None:
    rows = {"ppo": [217.0, 1039.0], "a2c": [82.0, 1053.0], "grpo": [-3156.0, -1233.0]}
    assert fallen(rows) == ()
    apart = {**rows, "impala": [-973_922.0, 326_579.0]}
    assert fallen(apart) == ("impala",), "though its own interval reaches above all"
    assert fallen({**apart, "a3c": [-800_000.0]}) == ("impala", "a3c"), "two of five, near each other"


def test_half_of_them_are_not_left_out_and_equal_scores_make_no_axis() -> None:
    assert fallen({"a": [1.0, 2.0], "b": [-1e6]}) == ()
    assert fallen({"a": [1.0], "b": [1.0], "c": [0.9]}) == ()
    assert fallen({"a": [1.0], "b": []}) == fallen({}) == ()


@given(st.dictionaries(st.text(max_size=3), st.lists(st.floats(-1e6, 1e6), max_size=3), max_size=8))
def test_fewer_than_half_leave_and_each_lies_far_below_all_who_stay(rows: dict[str, list[float]]) -> None:
    out = fallen(rows)
    stay = [value for name, row in rows.items() if name not in out for value in row]
    assert 2 * len(out) < max(sum(bool(row) for row in rows.values()), 1)
    assert all(max(stay) - min(rows[name]) > FAR * (max(stay) - min(stay)) for name in out)
