"""What a run records comes back from the store, bit for bit."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from matters.results.conftest import PROVENANCE, finished, make_record, make_spec, no_rows, same
from matters.results.schema import EPISODES, EVALUATIONS
from matters.results.store import Store


def test_what_is_read_back_is_what_was_recorded(store: Store) -> None:
    run_id = finished(store)
    assert same(store.record(run_id), make_record())
    assert store.spec(run_id) == make_spec()
    assert store.spec(run_id).run_id == run_id
    assert store.provenance(run_id) == PROVENANCE
    assert store.run_ids() == [run_id]
    assert store.verify() == []


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
def test_every_storable_type_comes_back_in_every_shape(store: Store, kind: str) -> None:
    shapes = [(), (0,), (1,), (3,), (0, 4), (2, 3), (2, 0, 3), (1, 1, 1)]
    policy = {str(shape): np.arange(int(np.prod(shape))).reshape(shape).astype(kind) for shape in shapes}
    run_id = finished(store, policy=policy)
    assert same(store.record(run_id), make_record(policy=policy))
    assert store.verify() == []


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3).T, np.arange(8)[::2], np.arange(3).astype(">i4")]
)
def test_unusual_memory_layouts_come_back_as_values(store: Store, array: np.ndarray) -> None:
    run_id = finished(store, policy={"x": array})
    assert np.array_equal(store.record(run_id).policy["x"], array)
    assert store.verify() == []


def test_an_empty_record_comes_back(store: Store) -> None:
    run_id = finished(
        store,
        episodes=no_rows(EPISODES),
        evaluations=no_rows(EVALUATIONS),
        updates={},
        policy={},
        diverged_at=1,
    )
    record = store.record(run_id)
    assert {name: column.dtype for name, column in record.episodes.items()} == EPISODES
    assert {name: column.dtype for name, column in record.evaluations.items()} == EVALUATIONS
    assert (record.updates, record.policy) == ({}, {})
    assert store.verify() == []


bits = hnp.arrays(np.uint64, 6)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits.map(lambda array: array.view(np.float64)), hnp.arrays(np.int64, 6))
def test_numbers_come_back_bit_for_bit_nan_and_signed_zero_too(
    store: Store, returns: np.ndarray, steps: np.ndarray
) -> None:
    evaluations = {**make_record().evaluations, "return": returns, "length": steps}
    shutil.rmtree(store.path / make_spec().run_id, ignore_errors=True)
    run_id = finished(store, evaluations=evaluations)
    read = store.record(run_id).evaluations
    assert read["return"].tobytes() == returns.tobytes()
    assert read["length"].tobytes() == steps.tobytes()


def test_what_was_read_may_be_written_to(store: Store) -> None:
    record = store.record(finished(store))
    record.episodes["return"][0] = 1.0
    record.policy["theta"][0] = 1.0
