from matters.harness import speed


def test_four_contestants_make_steps_and_the_reference_is_the_measure(monkeypatch):
    monkeypatch.setattr(speed, "ON_POLICY_STEPS", 20)
    found = speed.speed("a2c", environment="InvertedPendulum-v5", rounds=1)
    assert [row.contestant for row in found] == [
        "sb3-a2c",
        "a2c-sb3, one seed",
        "a2c-sb3, ten seeds",
        "InvertedPendulum-v5 alone",
    ]
    assert all(row.steps_per_second > 0 for row in found)
    assert found[0].ratio == 1
