import math

import numpy as np
import pytest

from matters.harness.training.recorder import Recorder


def test_a_diagnostic_is_nan_where_it_was_not_measured_whenever_it_first_was():
    recorder = Recorder()
    recorder.update(100, {"critic_loss": 1.0})
    recorder.update(200, {"critic_loss": 2.0, "actor_loss": 3.0})
    recorder.update(300, {"actor_loss": 4.0})
    table = recorder.record({}).updates
    assert list(table) == ["step", "critic_loss", "actor_loss"]
    assert table["step"].tolist() == [100, 200, 300]
    assert np.array_equal(table["critic_loss"], [1.0, 2.0, math.nan], equal_nan=True)
    assert np.array_equal(table["actor_loss"], [math.nan, 3.0, 4.0], equal_nan=True)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_restored_recorder_goes_on_as_the_one_that_was_saved(rows):
    saved = Recorder()
    for row in range(rows):
        saved.episode(row, 0, 1.5 * row, row + 1, row % 2 == 0)
        saved.evaluation(row + 1, 10 * row, 0, -1.0, 7)
        saved.update(row, {"x": float(row)})
    restored = Recorder.restored(saved.arrays())
    assert restored.next_point == saved.next_point == (rows + 1 if rows else 0)
    for recorder in (saved, restored):
        recorder.episode(9, 0, 2.0, 3, True)
        recorder.update(9, {"x": 1.0, "y": 2.0})
    for table in ("episodes", "evaluations", "updates"):
        one, other = (getattr(recorder.record({}), table) for recorder in (saved, restored))
        assert one.keys() == other.keys()
        for name, column in one.items():
            assert column.dtype == other[name].dtype
            assert np.array_equal(column, other[name], equal_nan=column.dtype == np.float64)
