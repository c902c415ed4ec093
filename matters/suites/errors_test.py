from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matters.suites.errors import InputError, dotted, from_validation, nearest


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    value_clip: float | bool = False
    mode: Literal["clipped", "penalised"] | None = None


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    rate: float = Field(gt=0)
    sizes: list[int] = []
    inner: Inner | None = None


def refused(**values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return str(from_validation(caught.value, Outer, "config"))


def test_a_message_is_one_line() -> None:
    assert str(InputError("first\n  second\tthird")) == "first second third"


def test_a_near_word_is_offered_and_otherwise_all_of_them() -> None:
    assert nearest("hoper", ["hopper", "ant"]) == "; did you mean 'hopper'?"
    assert nearest("zzz", ["hopper", "ant"]) == "; valid: hopper, ant"
    assert nearest("zzz", []) == ""


def test_fields_are_named_by_dots_and_indices() -> None:
    assert dotted("suite", "seeds", 2) == "suite.seeds[2]"
    assert dotted("", "seeds") == "seeds"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": 1.0, "siezs": []}, "config.siezs: unknown field; did you mean 'sizes'?"),
        (
            {"rate": 1.0, "inner": {"value_clp": 1.0}},
            "config.inner.value_clp: unknown field; did you mean 'value_clip'?",
        ),
        ({"rat": 1.0}, "config.rat: unknown field; did you mean 'rate'?"),
        ({"rate": 1.0, "mode": "clipped"}, "config.mode: unknown field; did you mean 'inner.mode'?"),
        ({}, "config.rate: missing"),
        ({"rate": 0.0}, "config.rate = 0.0: should be greater than 0"),
        ({"rate": "fast"}, "config.rate = 'fast': should be a valid number"),
        ({"rate": 1.0, "sizes": [1, "x"]}, "config.sizes[1] = 'x': should be a valid integer"),
        (
            {"rate": 1.0, "sizes": [2e3]},
            "config.sizes[0] = 2000.0: should be a valid integer, such as 2000, "
            "without a point or an exponent",
        ),
        # Without the tags "float" and "bool" that pydantic adds for the members of the union.
        (
            {"rate": 1.0, "inner": {"value_clip": "x"}},
            "config.inner.value_clip = 'x': should be a valid number",
        ),
        (
            {"rate": 1.0, "inner": {"mode": "cliped"}},
            "config.inner.mode = 'cliped': should be 'clipped' or 'penalised'; did you mean 'clipped'?",
        ),
        (
            {"rate": 1.0, "inner": {"mode": "zzz"}},
            "config.inner.mode = 'zzz': should be 'clipped' or 'penalised'",
        ),
    ],
)
def test_the_first_complaint_names_field_value_and_nearest(values: dict[str, object], message: str) -> None:
    assert refused(**values) == message


def test_long_values_are_cut() -> None:
    assert len(refused(rate="x" * 500)) < 150
