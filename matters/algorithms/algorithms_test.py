import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from functools import reduce
from typing import Any

import jaxtyping
import pytest
import torch
from pydantic import ValidationError

from matters import algorithms
from matters.algorithms import ALGORITHMS, load
from matters.algorithms.conftest import PROBLEM, fields_of, generators
from matters.algorithms.interface import OffPolicy, OnPolicy, Reference
from matters.algorithms.maths.advantages import generalised_advantage
from matters.algorithms.sources import SOURCES

PRESETS = [(name, preset) for name in ALGORITHMS for preset in load(name).PRESETS]
RULES = [name for name in ALGORITHMS if load(name).KIND != "reference"]
PROTOCOLS: dict[str, Any] = {"on-policy": OnPolicy, "off-policy": OffPolicy}


def modules() -> list[Any]:
    """Every module of this room but its tests."""
    return [
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(algorithms.__path__, "matters.algorithms.")
        if not info.name.endswith(("_test", "conftest"))
    ]


def test_the_table_is_the_folder() -> None:
    rules = {module.__name__ for module in modules() if isinstance(module, OnPolicy | OffPolicy)}
    references = {
        f"{module.__name__}:{name}"
        for module in modules()
        for name, value in vars(module).items()
        if isinstance(value, Reference)
    }
    assert rules | references == set(ALGORITHMS.values())
    assert len(set(ALGORITHMS.values())) == len(ALGORITHMS)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_has_a_preset_of_its_name_a_version_and_a_kind(name: str) -> None:
    algorithm = load(name)
    assert isinstance(algorithm.PRESETS[name], algorithm.Config)
    assert algorithm.VERSION >= 1
    assert isinstance(algorithm, Reference) == (algorithm.KIND == "reference")
    if isinstance(algorithm, Reference):
        assert algorithm.name == name
        assert algorithm.KNOWN_DIFFERENCES


def test_a_preset_belongs_to_one_algorithm() -> None:
    names = [preset for _, preset in PRESETS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_a_preset_survives_json_and_validation(name: str, preset: str) -> None:
    algorithm = load(name)
    config = algorithm.PRESETS[preset]
    assert algorithm.Config.model_validate(config.model_dump()) == config
    assert algorithm.Config.model_validate_json(config.model_dump_json()) == config
    assert algorithm.Config.model_validate(json.loads(config.model_dump_json()), strict=False) == config


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_field_of_a_config_is_documented(name: str) -> None:
    def undocumented(model: Any) -> list[str]:
        found = [field for field, info in model.model_fields.items() if not info.description]
        for info in model.model_fields.values():
            if hasattr(info.annotation, "model_fields"):
                found += undocumented(info.annotation)
        return found

    assert undocumented(load(name).Config) == []


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_config_is_frozen_and_refuses_what_it_does_not_know(name: str) -> None:
    config = load(name).PRESETS[name]
    with pytest.raises(ValidationError, match="extra_forbidden"):
        load(name).Config.model_validate({"no_such_field": 1})
    with pytest.raises(ValidationError, match="frozen"):
        config.learning_rate = 1.0
    for wrong in (-1.0, 0.0, float("nan"), float("inf"), "3e-4", True):
        with pytest.raises(ValidationError, match="learning_rate"):
            load(name).Config.model_validate({"learning_rate": wrong})


@pytest.mark.parametrize("name", RULES)
def test_every_trick_is_off_unless_asked_for(name: str) -> None:
    tricks = load(name).Config().tricks
    assert all(value is False or value is None for value in tricks.model_dump().values())


@pytest.mark.parametrize("name", RULES)
def test_inert_fields_are_fields_and_have_a_condition(name: str) -> None:
    algorithm = load(name)
    assert isinstance(algorithm, PROTOCOLS[algorithm.KIND])
    assert set(algorithm.NO_EFFECT) <= set(fields_of(algorithm.Config))
    assert all(when.reason for when in algorithm.NO_EFFECT.values())


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_facts_of_an_algorithm_name_fields_of_its_config(name: str) -> None:
    algorithm = load(name)
    facts, config = algorithm.FACTS, algorithm.PRESETS[name]
    assert bool(facts.rollout) != bool(facts.replay)
    assert bool(facts.warmup) == bool(facts.replay)
    for field in (*facts.rollout, *filter(None, (facts.warmup, facts.replay))):
        assert field in algorithm.Config.model_fields
    assert facts.rollout_steps(config) >= 1
    assert facts.alone == (algorithm.KIND == "reference")
    if algorithm.KIND != "reference":
        assert bool(facts.replay) == (algorithm.KIND == "off-policy")


def test_every_reference_is_the_reference_of_one_rule() -> None:
    twins = [load(name).FACTS.twin for name in ALGORITHMS]
    found = [twin.reference for twin in twins if twin is not None]
    assert sorted(found) == sorted(name for name in ALGORITHMS if name not in RULES)


@pytest.mark.parametrize("name", [name for name in RULES if load(name).FACTS.twin is not None])
def test_a_twin_has_the_references_values_wherever_both_have_a_field(name: str) -> None:
    rule = load(name)
    twin = rule.FACTS.twin
    assert twin is not None
    reference = load(twin.reference)
    ours, theirs = rule.PRESETS[twin.preset], reference.PRESETS[twin.reference]
    for own, other in twin.fields:
        assert reduce(getattr, own.split("."), ours) == getattr(theirs, other), own


@pytest.mark.parametrize("name", RULES)
def test_a_rule_takes_the_arguments_of_the_interface(name: str) -> None:
    protocol = PROTOCOLS[load(name).KIND]
    functions = ["init", "observe", "sizes", "act", "to_environment", "update", "parameters"]
    for function in functions:
        asked = list(inspect.signature(getattr(protocol, function)).parameters.values())[1:]
        taken = list(inspect.signature(getattr(load(name), function)).parameters.values())
        assert [p.name for p in taken[: len(asked)]] == [p.name for p in asked]
        assert all(p.default is not inspect.Parameter.empty for p in taken[len(asked) :])


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_gives_to_be_kept_has_a_row_for_each_seed(name: str) -> None:
    rule: Any = load(name)
    state = rule.init(rule.PRESETS[name], PROBLEM, generators([0, 1, 2]))
    kept = rule.parameters(state)
    assert all(len(tensor) == 3 for tensor in kept.values())
    parts = {"on-policy": {"policy", "observation"}, "off-policy": {"policy", "critic"}}[rule.KIND]
    own = {"value"} if getattr(state, "value", None) is not None else set()
    assert {name.partition("/")[0] for name in kept} == parts | own


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        load("ppo2")


def test_naming_algorithms_does_not_import_the_references() -> None:
    heavy = {"stable_baselines3", "matters.algorithms.ppo"}
    code = f"import sys, matters.algorithms; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_shapes_in_signatures_are_checked_here() -> None:
    flags = torch.zeros(2, 3, 1, dtype=torch.bool)
    numbers = torch.zeros(2, 3, 1)
    with pytest.raises(jaxtyping.TypeCheckError):
        generalised_advantage(numbers, numbers, numbers[:, :2], flags, flags, discount=0.9, gae_lambda=0.9)


def test_every_preset_of_ours_says_whose_it_is_and_of_which_year() -> None:
    ours = [preset for name in ALGORITHMS if load(name).KIND != "reference" for preset in load(name).PRESETS]
    assert set(SOURCES) == set(ours)
    assert [name for name, source in SOURCES.items() if not re.search(r"\b(19|20)\d\d\b", source)] == []
