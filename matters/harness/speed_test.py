from matters.algorithms import ALGORITHMS, load
from matters.harness import speed


def test_every_algorithm_with_a_reference_is_measured_with_a_preset_of_its_hyperparameters():
    assert set(speed.NAMES) == {name for name in ALGORITHMS if f"sb3-{name}" in ALGORITHMS}
    for name, (_, library, config) in speed.LIBRARIES.items():
        assert library.__name__.lower() == name
        assert config == load(f"sb3-{name}").PRESETS[f"sb3-{name}"]
        assert f"{name}-sb3" in load(name).PRESETS


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
