import pytest

from matters.harness.speed import contestants


def test_contestants_make_steps_and_the_reference_is_the_measure(monkeypatch):
    monkeypatch.setattr(contestants, "ON_POLICY_STEPS", 20)
    monkeypatch.setattr(contestants, "BARE_STEPS", 20)
    found = contestants.speed("a2c", environment="InvertedPendulum-v5", seeds=2, rounds=2)
    assert [row.contestant for row in found.rows] == [
        "sb3-a2c",
        "a2c-sb3, one seed",
        "a2c-sb3, 2 seeds",
        "InvertedPendulum-v5 alone",
    ]
    assert all(row.steps_per_second > 0 for row in found.rows)
    assert all(row.low <= row.ratio <= row.high for row in found.rows)
    assert found.rows[0].low == found.rows[0].high == 1
    assert found.limit is not None
    assert 0 < found.limit.low <= found.limit.share <= found.limit.high
    # Forward and backward through two networks of at least 4 × 64 and 64 × 64 weights.
    assert found.limit.operations_per_step > 2 * 6 * (4 * 64 + 64 * 64)
    assert list(found.parts) == ["simulator", "acting", "update", "loop", "evaluation", "writing"]
    assert sum(found.parts.values()) == pytest.approx(1)
    assert all(share > 0 for share in found.parts.values())
