import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from matters.suites.spec import Evaluation, RunSpec

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)
configs = st.dictionaries(st.text(), json_values, max_size=5)


def spec(**changes: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "algorithm": "ppo",
        "algorithm_version": 1,
        "environment": "Hopper-v5",
        "config": {"learning_rate": 3e-4, "tricks": {"value_clip": True}},
        "seed": 3,
        "steps": 1000,
        "evaluation": Evaluation(),
    }
    return RunSpec(**{**fields, **changes})


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(item) for key, item in reversed(value.items())}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_the_identity_of_a_known_spec_never_changes() -> None:
    # Stores are full of these: a change here orphans every run that was ever made.
    assert (spec().training_id, spec().run_id) == ("0f823cc77ecf691d", "49a741e8a7a699bf")


@given(configs)
def test_json_reads_back_as_the_same_spec(config: dict[str, Any]) -> None:
    original = spec(config=config)
    again = RunSpec.model_validate_json(original.model_dump_json())
    assert again == original
    assert again.run_id == original.run_id


@given(configs)
def test_without_departures_all_of_the_config_departs(config: dict[str, Any]) -> None:
    assert spec(config=config).departures == config
    assert spec(config=config, departures={}).departures == {}


def test_what_does_not_depart_is_not_in_the_identity() -> None:
    one = spec(config={"rate": 1.0, "new": None}, departures={"rate": 1.0})
    assert one.run_id == spec(config={"rate": 1.0}, departures={"rate": 1.0}).run_id
    assert one.run_id != spec(config={"rate": 1.0, "new": None}, departures={}).run_id


def test_steps_and_evaluation_are_of_the_run_and_not_of_the_training() -> None:
    for change in (
        {"steps": 5},
        {"evaluation": Evaluation(points=3)},
        {"evaluation": Evaluation(episodes=1)},
    ):
        other = spec(**change)  # type: ignore[arg-type]
        assert other.training_id == spec().training_id
        assert other.run_id != spec().run_id
    assert spec(seed=4).training_id != spec().training_id
    assert spec(environment="Ant-v5").training_id != spec().training_id


@given(configs)
def test_the_order_of_keys_does_not_change_the_identity(config: dict[str, Any]) -> None:
    assert spec(config=reversed_keys(config)).run_id == spec(config=config).run_id


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "vpg"},
        {"algorithm_version": 2},
        {"environment": "Ant-v5"},
        {"config": {"learning_rate": 3e-4, "tricks": {"value_clip": False}}},
        {"seed": 4},
        {"steps": 1001},
        {"evaluation": Evaluation(points=9)},
        {"evaluation": Evaluation(episodes=4)},
    ],
)
def test_every_field_changes_the_identity(change: dict[str, Any]) -> None:
    assert spec(**change).run_id != spec().run_id


def test_one_and_one_point_nought_in_a_float_field_have_one_identity() -> None:
    class Config(BaseModel):
        rate: float

    one, one_point_nought = (spec(config=Config(rate=rate).model_dump()) for rate in (1, 1.0))
    assert one.run_id == one_point_nought.run_id


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_are_refused_by_name(value: float) -> None:
    with pytest.raises(ValidationError, match=r"config\.a\[1\] = -?(nan|inf)"):
        spec(config={"a": [1.0, value]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": True},
        {"seed": 1.0},
        {"steps": 0},
        {"steps": "10"},
        {"config": {"x": object()}},
        {"config": {1: 2}},
        {"unknown": 1},
        {"evaluation": {"points": 0}},
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**wrong)


def test_the_config_is_a_copy_that_later_changes_do_not_reach() -> None:
    config = {"tricks": {"value_clip": True}, "hidden": (64, 64)}
    original = spec(config=config)
    before = original.run_id
    config["tricks"]["value_clip"] = False  # type: ignore[index]
    assert original.run_id == before
    assert original.departures["hidden"] == [64, 64]
