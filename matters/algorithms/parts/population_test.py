from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms import ALGORITHMS, load
from matters.algorithms.conftest import PROBLEM, bits, changed, collect, generators, trained
from matters.algorithms.parts import population

RULES = pytest.mark.parametrize(
    "rule",
    [rule for rule in map(load, ALGORITHMS) if rule.KIND == "on-policy"],
    ids=lambda rule: next(iter(rule.PRESETS)),
)


def small(rule: Any) -> Any:
    first = next(iter(rule.PRESETS.values()))
    groups = {"group_size": 2} if hasattr(first, "group_size") else {}
    return changed(first, horizon=16, environments=2, hidden=(8,), **groups)


@RULES
def test_a_row_put_into_another_population_is_that_seed(rule: Any) -> None:
    config = small(rule)
    here, there = trained(rule, config, [0, 1, 2]), trained(rule, config, [5, 6])
    neighbour = bits(there, 1)
    population.put_row(there, 0, population.row(here, 2))
    assert bits(there, 0) == bits(here, 2)
    assert bits(there, 1) == neighbour


@RULES
def test_a_row_is_a_copy(rule: Any) -> None:
    state = trained(rule, small(rule), [0, 1])
    before = bits(state, 0)
    for array in population.row(state, 0).values():
        array[...] = 9
    assert bits(state, 0) == before


@RULES
def test_selected_seeds_keep_their_bits_and_their_order(rule: Any) -> None:
    state = trained(rule, small(rule), [0, 1, 2])
    chosen = population.select(state, [2, 0])
    assert [bits(chosen, 0), bits(chosen, 1)] == [bits(state, 2), bits(state, 0)]


@RULES
def test_selected_seeds_learn_on_as_they_would_have(rule: Any) -> None:
    config, seeds = small(rule), [0, 1, 2]
    whole = trained(rule, config, seeds)
    chosen = population.select(whole, [2, 0])
    before = bits(whole, 0)

    def learn(state: Any, own: list[int]) -> None:
        rollout = collect(rule, state, config, own, update=7)
        rule.update(state, config, rollout, generators(own, 3), progress=0.5)

    learn(chosen, [2, 0])
    assert bits(whole, 0) == before  # copies, not views
    learn(whole, seeds)
    assert [bits(chosen, 0), bits(chosen, 1)] == [bits(whole, 2), bits(whole, 0)]


@RULES
def test_a_row_holds_every_tensor_of_the_state(rule: Any) -> None:
    state = rule.init(small(rule), PROBLEM, generators([0, 1]))
    names = {name for name, _ in population.tensors(state)}
    has_value = hasattr(state, "value")
    networks = ("policy", "value") if has_value else ("policy",)
    thetas = {f"{part}.{name}" for part in networks for name in ("matrix", "first", "second", "steps")}
    running = ("observation_moments", "return_moments") if has_value else ("observation_moments",)
    moments = {f"{part}.{name}" for part in running for name in ("mean", "variance", "count")}
    own = {name for name, value in vars(state).items() if isinstance(value, Tensor)}
    assert names == thetas | moments | own
    assert ("running_return" in own) == has_value
    assert set(population.row(state, 0)) == names


@RULES
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_finite_flags_only_the_poisoned_seed_wherever_the_poison_is(rule: Any, poison: float) -> None:
    config = small(rule)
    for name in (
        "policy.matrix",
        "value.matrix",
        "policy.second",
        "observation_moments.mean",
        "running_return",
    ):
        state = trained(rule, config, [0, 1, 2], updates=1)
        assert population.finite(state).tolist() == [True, True, True]
        if name in ("value.matrix", "running_return") and not hasattr(state, "value"):
            continue
        tensor = dict(population.tensors(state))[name]
        tensor[1, -1] = poison
        assert population.finite(state).tolist() == [True, False, True], name


def test_a_generator_restored_from_its_state_continues_the_same_numbers() -> None:
    generator = np.random.default_rng(3)
    generator.standard_normal(5)
    generator.integers(7, dtype=np.uint32)  # leaves half of a 64-bit number behind
    restored = population.restore_generator(population.generator_state(generator))
    assert (
        generator.integers(100, size=9, dtype=np.uint32).tolist()
        == restored.integers(100, size=9, dtype=np.uint32).tolist()
    )
    assert generator.permutation(20).tolist() == restored.permutation(20).tolist()
    assert generator.standard_normal(9).tolist() == restored.standard_normal(9).tolist()


def test_lists_with_an_entry_a_seed_are_selected_too() -> None:
    @dataclass
    class Own:
        names: list[str]
        numbers: Tensor
        shared: int

    chosen = population.select(Own(["a", "b", "c"], torch.arange(3), 4), [2, 1])
    assert chosen.names == ["c", "b"]
    assert chosen.numbers.tolist() == [2, 1]
    assert chosen.shared == 4
