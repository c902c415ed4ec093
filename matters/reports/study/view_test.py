"""Who leaves a panel."""

from hypothesis import given
from hypothesis import strategies as st

from matters.reports.study.view import FAR, fallen


def test_who_falls_a_thousand_times_as_far_leaves_and_who_is_only_last_does_not() -> None:
    lowest = {"ppo": 217.0, "a2c": 82.0, "grpo": -3156.0, "impala": -973_922.0}
    assert fallen(lowest, 1087.0) == ("impala",)
    assert fallen({**lowest, "a3c": -800_000.0}, 1087.0) == ("impala", "a3c"), "two of five, near each other"
    assert fallen({name: lowest[name] for name in ("ppo", "a2c", "grpo")}, 1087.0) == ()


def test_half_of_them_are_not_left_out_and_equal_scores_make_no_axis() -> None:
    assert fallen({"a": 1.0, "b": -1e6}, 2.0) == ()
    assert fallen({"a": 1.0, "b": 1.0, "c": 0.9}, 1.0) == ()
    assert fallen({}, 0.0) == ()


@given(st.dictionaries(st.text(max_size=3), st.floats(-1e6, 1e6), max_size=8), st.floats(0, 1e6))
def test_fewer_than_half_leave_and_each_lies_far_below_all_who_stay(lowest, more) -> None:
    top = max(lowest.values(), default=0.0) + more
    out = fallen(lowest, top)
    stay = [value for name, value in lowest.items() if name not in out]
    assert 2 * len(out) < max(len(lowest), 1)
    assert all(top - lowest[name] > FAR * (top - min(stay)) for name in out)
