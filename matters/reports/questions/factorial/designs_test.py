"""Two-level designs: what is one, and worked numbers from a textbook."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matters.reports.questions.factorial.designs import Design, at_hand
from matters.suites.ablation import ablation
from matters.suites.loading import load_suite

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


def effect(plant, term, means):
    """Mean at the high minus mean at the low level."""
    high, low = plant.contrast(term)
    return sum(means[a] - means[b] for a, b in zip(high, low, strict=True)) / len(high)


def suite(tricks=FOUR, algorithm="ppo", **options):
    places = {"environments": "Hopper-v5", "seeds": "2", "steps": 1000}
    return ablation(algorithm, tricks, **(places | options))


def test_montgomerys_filtration_rates_have_montgomerys_effects():
    plant = cube(4)
    means = dict(zip(plant.variants, map(float, FILTRATION), strict=True))
    found = {plant.letters(term): effect(plant, term, means) for term in plant.terms}
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
        assert effect(plant, term, means) == 2 * b


def test_high_and_low_cells_come_in_pairs_that_differ_in_the_first_trick_alone():
    plant = cube(3)
    names = {name: pattern for pattern, name in plant.cells.items()}
    for term in plant.terms:
        high, low = plant.contrast(term)
        assert sorted((*high, *low)) == sorted(plant.variants)
        for one, other in zip(high, low, strict=True):
            differing = [f for f, a, b in zip(plant.factors, names[one], names[other], strict=True) if a != b]
            assert differing == [term[0]]


def test_all_cells_at_hand_are_the_design_as_it_was_declared():
    declared = suite()
    found = at_hand(declared.design, tuple(reversed(declared.variants)))
    assert (found.kind, found.factors) == ("full", tuple(FOUR.split(",")))
    assert found.variants == tuple(declared.variants)
    assert found.cells[False, True, False, True] == "reward+anneal"


@pytest.mark.parametrize("kind", ["full", "one-in", "one-out"])
def test_the_levels_of_a_cell_are_those_of_its_variant(kind):
    declared = suite(kind=kind)
    found = at_hand(declared.design, declared.variants)
    for pattern, name in found.cells.items():
        for trick, pair, on in zip(found.factors, found.levels, pattern, strict=True):
            assert getattr(declared.variants[name].config.tricks, trick) == pair[on]


@pytest.mark.parametrize("kind", ["one-in", "one-out"])
def test_one_trick_at_a_time_gives_main_effects_alone(kind):
    declared = suite(kind=kind)
    found = at_hand(declared.design, declared.variants)
    assert (found.kind, found.factors) == (kind, tuple(FOUR.split(",")))
    assert found.terms == tuple((trick,) for trick in FOUR.split(","))
    pair = (("value",), ("none",)) if kind == "one-in" else (("all",), ("all-value",))
    assert found.contrast(("value_clip",)) == pair


def test_a_number_has_its_off_level_low():
    declared = suite("reward_clip=5,adam_epsilon,log_std_init=0")
    assert at_hand(declared.design, declared.variants).levels == ((None, 5.0), (None, 1e-5), (None, 0.0))


def test_a_missing_corner_leaves_what_is_still_complete():
    declared = suite("value_clip,anneal_lr,reward_scaling")
    *rest, _ = declared.variants
    found = at_hand(declared.design, rest)
    assert (found.kind, found.factors) == ("full", ("value_clip", "anneal_lr"))
    assert found.variants == ("none", "value", "anneal", "value+anneal")


def test_of_cells_with_one_trick_each_one_at_a_time_is_left():
    found = at_hand(suite().design, ["none", "value", "orthogonal", "anneal"])
    assert (found.kind, found.factors) == ("one-in", ("value_clip", "orthogonal_init", "anneal_lr"))
    without = at_hand(suite(kind="one-out").design, ["all", "all-value", "all-anneal"])
    assert (without.kind, without.factors) == ("one-out", ("value_clip", "anneal_lr"))


def test_one_trick_alone_is_the_smallest_design():
    found = at_hand(suite().design, ["none", "value"])
    assert found.contrast(("value_clip",)) == (("value",), ("none",))


def test_without_a_declared_design_or_without_two_of_its_cells_there_is_none():
    assert load_suite("quickstart").design is None
    assert at_hand(None, ["ppo", "ppo-m"]) is None
    assert at_hand(suite().design, []) is None
    assert at_hand(suite().design, ["value", "reward+anneal"]) is None
    assert at_hand(suite(kind="one-in").design, ["value", "anneal"]) is None
