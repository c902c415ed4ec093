import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matters.results.conftest import make_record, no_rows
from matters.results.schema import (
    EPISODES,
    EVALUATIONS,
    Record,
    check,
    digest,
    digest_1,
    digest_of,
    part_hashes,
    primary_endpoint,
)
from matters.suites.errors import InputError


def evaluations(returns: list[list[float]]) -> dict[str, np.ndarray]:
    """A table of one list a point."""
    rows = [(point, k, value) for point, rows in enumerate(returns, 1) for k, value in enumerate(rows)]
    point, episode, value = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "point": point.astype(np.int64),
        "step": point.astype(np.int64) * 10,
        "episode": episode.astype(np.int64),
        "return": value.astype(np.float64),
        "length": np.ones(len(rows), np.int64),
    }


def with_table(record: Record, table: str, columns: Any) -> Record:
    return Record(**{**vars(record), table: columns})


# ---- digest


def test_the_digest_of_a_known_record_never_changes() -> None:
    # `reproduce` compares with digests that were written years ago.
    record = Record(
        episodes={name: np.arange(3).astype(kind) for name, kind in EPISODES.items()},
        evaluations={name: np.arange(4).astype(kind) for name, kind in EVALUATIONS.items()},
        updates={},
        policy={"theta": np.arange(6, dtype=np.float32).reshape(2, 3)},
    )
    assert digest(record) == "4e4d9e2e2766feec928f23c4b0ad23270b2e8323a2bb3ed1d9d536061bb7e014"
    assert digest_1(record) == "3305eda61333a20477cd6e5f8d83bda3ef9299cd09c628b8e8a87814790d3926"


def changed(array: np.ndarray) -> np.ndarray:
    """The array with its first element another."""
    other = array.copy()
    other.flat[0] = ~other.flat[0] if array.dtype == bool else other.flat[0] + 1
    return other


@pytest.mark.parametrize("table", ["episodes", "evaluations", "updates", "policy"])
def test_every_element_type_shape_and_name_counts(table: str) -> None:
    record = make_record()
    columns = getattr(record, table)
    seen = {digest(record)}
    for name, array in columns.items():
        rest = {key: value for key, value in columns.items() if key != name}
        for other in (
            {**columns, name: changed(array)},
            {**columns, name: array[None]},
            {**columns, name: array.astype(np.float16)},
            {**rest, name + "x": array},
            rest,
        ):
            seen.add(digest(with_table(record, table, other)))
    assert len(seen) == 1 + 5 * len(columns)


def test_divergence_counts() -> None:
    record = make_record()
    assert digest(replace(record, diverged_at=5)) != digest(record)


def test_one_nan_is_like_another() -> None:
    record = make_record()
    other = record.updates["mean_kl"].view(np.uint64) ^ np.uint64(1 << 63)  # changes the sign of all
    flipped = np.where(np.isnan(record.updates["mean_kl"]), other.view(np.float64), record.updates["mean_kl"])
    assert flipped.tobytes() != record.updates["mean_kl"].tobytes()
    assert digest(replace(record, updates={**record.updates, "mean_kl": flipped})) == digest(record)


def test_the_digest_follows_from_the_hashes_of_the_parts() -> None:
    record = make_record()
    parts = part_hashes(record)
    assert list(parts) == ["episodes", "evaluations", "updates", "parameters"]
    assert digest_of(parts, None) == digest(record)
    for part in parts:
        assert digest_of({**parts, part: "0" * 64}, None) != digest(record)
    assert digest_of({part: parts[part] for part in reversed(parts)}, None) == digest(record)


def test_the_untrained_policy_is_no_point_of_the_endpoint() -> None:
    one = evaluations([[5.0], [1.0], [2.0]])
    one["point"] -= 1
    assert primary_endpoint(one) == 1.5
    assert math.isnan(primary_endpoint({name: column[:1] for name, column in one.items()}))


def test_the_order_of_columns_and_of_bytes_in_memory_does_not_count() -> None:
    record = make_record()
    policy = {name: record.policy[name] for name in reversed(record.policy)}
    policy["theta"] = np.asfortranarray(policy["theta"]).astype(">f4")
    assert digest(replace(record, policy=policy)) == digest(record)


def test_neighbouring_arrays_cannot_be_mistaken_for_each_other() -> None:
    one = make_record(policy={"a": np.array([1, 2]), "b": np.array([3])})
    other = make_record(policy={"a": np.array([1]), "b": np.array([2, 3])})
    assert digest(one) != digest(other)


# ---- primary endpoint


@pytest.mark.parametrize(
    ("points", "used"),
    [(1, 1), (2, 2), (3, 2), (10, 2), (20, 2), (21, 3), (30, 3), (100, 10), (101, 11)],
)
def test_the_endpoint_uses_the_last_tenth_rounded_up_and_at_least_two_points(points: int, used: int) -> None:
    marked = [[0.0]] * (points - used) + [[1.0]] * used
    assert primary_endpoint(evaluations(marked)) == 1.0
    if used < points:
        assert primary_endpoint(evaluations([[0.0]] * (points - used - 1) + [[1.0]] * (used + 1))) == 1.0
        assert primary_endpoint(evaluations([[0.0]] * (points - used + 1) + [[1.0]] * (used - 1))) < 1.0


def test_the_endpoint_is_a_mean_over_episodes_and_never_a_maximum() -> None:
    assert primary_endpoint(evaluations([[900.0], [1.0, 3.0], [5.0, 7.0]])) == 4.0


def test_the_endpoint_without_evaluations_is_nan() -> None:
    assert math.isnan(primary_endpoint(no_rows(EVALUATIONS)))


@settings(deadline=None)
@given(hnp.arrays(np.float64, (12, 2), elements=st.floats(-1e6, 1e6)), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_which_points_count(returns: np.ndarray, random: Any) -> None:
    table = evaluations(returns.tolist())
    order = list(range(24))
    random.shuffle(order)
    shuffled = {name: column[order] for name, column in table.items()}
    assert primary_endpoint(shuffled) == pytest.approx(returns[-2:].mean(), abs=1e-6)


# ---- check


def test_a_record_of_the_schema_passes_with_empty_tables_too() -> None:
    check(make_record())
    check(Record(episodes=no_rows(EPISODES), evaluations=no_rows(EVALUATIONS), updates={}, policy={}))


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        (
            "episodes",
            "return",
            np.zeros(4, np.float32),
            r"episodes\['return'\]: should be float64 .* float32",
        ),
        ("episodes", "return", np.zeros(3), "episodes: columns of different lengths, "),
        ("episodes", "retrun", np.zeros(4), r"episodes\['retrun'\]: unknown column; did you mean 'return'"),
        ("evaluations", "point", np.zeros((6, 1), np.int64), "1 dimension, is int64 of 2 dimensions"),
        ("updates", "mean_kl", np.zeros(2, np.float32), r"updates\['mean_kl'\]: should be float64"),
        ("updates", "step", np.zeros(2), r"updates\['step'\]: should be int64"),
        ("policy", "theta", np.zeros(2, complex), r"policy\['theta'\]: complex128 cannot be stored"),
        ("policy", "theta", np.array(["a"]), r"policy\['theta'\]: <U1 cannot be stored"),
        ("policy", "theta", np.array([object()]), r"policy\['theta'\]: object cannot be stored"),
    ],
)
def test_a_record_that_is_not_of_the_schema_is_refused_by_name(
    table: str, column: str, value: np.ndarray, message: str
) -> None:
    record = make_record()
    with pytest.raises(InputError, match=message):
        check(with_table(record, table, {**getattr(record, table), column: value}))


def test_a_missing_column_is_named() -> None:
    record = make_record()
    for table in ("episodes", "evaluations", "updates"):
        columns = {name: column for name, column in getattr(record, table).items() if name != "step"}
        with pytest.raises(InputError, match=rf"{table}\['step'\]: missing column"):
            check(with_table(record, table, columns))
