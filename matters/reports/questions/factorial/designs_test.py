"""Two-level designs: what is one, and worked numbers from a textbook."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matters.algorithms import load
from matters.reports.questions.factorial.designs import Design, find
from matters.suites.design import design
from matters.suites.suite import load_suite

# Montgomery, Design and Analysis of Experiments: filtration rate of a pilot plant, 2⁴ without replicates.
FILTRATION = [45, 71, 48, 65, 68, 60, 80, 65, 43, 100, 45, 104, 75, 86, 70, 96]
EFFECTS = {
    "A": 21.625, "B": 3.125, "C": 9.875, "D": 14.625, "AC": -18.125, "AD": 16.625, "AB": 0.125, "BC": 2.375,
    "BD": -0.375, "CD": -1.125,
}  # fmt: skip
FOUR = "value_clip,reward_scaling,orthogonal_init,anneal_lr"


def cube(count):
    factors = tuple(f"trick_{k}" for k in range(count))
    patterns = [pattern[::-1] for pattern in product((False, True), repeat=count)]
    cells = {pattern: "".join(str(int(on)) for on in pattern) for pattern in patterns}
    return Design("full", "ppo", factors, ((False, True),) * count, cells)


def suite(tricks=FOUR, algorithm="ppo", **options):
    places = {"environments": "Hopper-v5", "seeds": "2", "steps": 1000}
    return design(algorithm, tricks, **(places | options))


def variant(**tricks):
    config = load("ppo").PRESETS["ppo"]
    return SimpleNamespace(
        algorithm="ppo", config=config.model_copy(update={"tricks": config.tricks.model_copy(update=tricks)})
    )


def test_montgomerys_filtration_rates_have_montgomerys_effects():
    plant = cube(4)
    means = dict(zip(plant.variants, map(float, FILTRATION), strict=True))
    found = {plant.letters(term): plant.effect(term, means) for term in plant.terms}
    assert {name: found[name] for name in EFFECTS} == EFFECTS
    assert len(found) == 15


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_without_noise_the_coefficients_come_back(count, seed):
    """y = Xβ with factors at ±1: an effect, from low to high, is twice its coefficient."""
    plant = cube(count)
    beta = {term: float(b) for term, b in zip(
        plant.terms, np.random.default_rng(seed).integers(-50, 50, len(plant.terms)), strict=True
    )}  # fmt: skip

    def y(pattern):
        signs = {factor: 1 if on else -1 for factor, on in zip(plant.factors, pattern, strict=True)}
        return 7 + sum(b * np.prod([signs[factor] for factor in term]) for term, b in beta.items())

    means = {name: y(pattern) for pattern, name in plant.cells.items()}
    for term, b in beta.items():
        assert plant.effect(term, means) == 2 * b


def test_high_and_low_cells_come_in_pairs_that_differ_in_the_first_trick_alone():
    plant = cube(3)
    names = {name: pattern for pattern, name in plant.cells.items()}
    for term in plant.terms:
        high, low = plant.contrast(term)
        assert sorted((*high, *low)) == sorted(plant.variants)
        for one, other in zip(high, low, strict=True):
            differing = [f for f, a, b in zip(plant.factors, names[one], names[other], strict=True) if a != b]
            assert differing == [term[0]]


def test_a_full_factorial_is_found_whatever_the_order_of_its_variants_with_its_tricks_as_declared():
    declared = suite().variants
    found = find(declared)
    assert (found.kind, found.factors) == ("full", tuple(FOUR.split(",")))
    assert found.variants == tuple(declared)
    assert found.cells[False, True, False, True] == "reward+anneal"
    turned = find(dict(reversed(declared.items())))
    assert set(turned.factors) == set(found.factors)
    on = {turned.factors.index(trick) for trick in ("reward_scaling", "anneal_lr")}
    assert turned.cells[tuple(k in on for k in range(4))] == "reward+anneal"


def test_the_shipped_suite_is_found_as_what_it_is():
    shipped = load_suite("ppo-tricks")
    found = find(shipped.variants)
    assert (found.factors, set(found.variants)) == (tuple(FOUR.split(",")), set(shipped.variants))
    configs = {name: one.config for name, one in shipped.variants.items()}
    ours = suite().variants.values()
    assert [configs[name] for name in found.variants] == [one.config for one in ours]


@pytest.mark.parametrize("kind", ["one-in", "one-out"])
def test_one_trick_at_a_time_is_found_and_gives_main_effects_alone(kind):
    found = find(suite(kind=kind).variants)
    assert (found.kind, found.factors) == (kind, tuple(FOUR.split(",")))
    assert found.terms == tuple((trick,) for trick in FOUR.split(","))
    pair = (("value",), ("none",)) if kind == "one-in" else (("all",), ("all-value",))
    assert found.contrast(("value_clip",)) == pair


def test_a_number_has_its_off_level_low():
    found = find(suite("reward_clip=5,adam_epsilon,log_std_init=0").variants)
    assert found.levels == ((None, 5.0), (None, 1e-5), (None, 0.0))


def test_other_variants_do_not_hide_the_design():
    extra = load_suite("quickstart").variants
    found = find({**extra, **suite("value_clip,anneal_lr").variants})
    assert (found.kind, found.factors) == ("full", ("value_clip", "anneal_lr"))
    assert len(found.variants) == 4


def test_a_missing_corner_leaves_what_is_still_complete():
    three = dict(suite("value_clip,anneal_lr,reward_scaling").variants)
    three.popitem()
    found = find(three)
    assert (found.kind, len(found.factors)) == ("full", 2)


def test_variants_that_differ_in_more_than_tricks_are_no_design():
    assert find(load_suite("quickstart").variants) is None
    assert find({}) is None
    assert find({"a": SimpleNamespace(algorithm="ppo"), "b": variant()}) is None
    other = load("ppo").PRESETS["ppo"].model_copy(update={"clip": 0.1})
    assert find({"a": variant(), "b": SimpleNamespace(algorithm="ppo", config=other)}) is None


def test_one_trick_alone_is_the_smallest_design():
    found = find({"off": variant(value_clip=False), "on": variant()})
    assert found.contrast(("value_clip",)) == (("on",), ("off",))
