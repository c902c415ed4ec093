"""Ranks: intervals that hold the true ones, and shares of resamples, ties shared, that add up to one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matters.reports.page.aggregate_tables import rank_table
from matters.reports.study.rank_intervals import (
    rank_bounds,
    rank_intervals,
    shares_of_ranks,
    significantly_better,
)
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, Plant, planted, planted_suite

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"


def study(cells, **options):
    names, places = (list(dict.fromkeys(part)) for part in zip(*cells, strict=True))
    return prepare(planted_suite(names, places), planted(cells), constants=CONSTANTS, **options)


def test_the_ranks_of_three_draws_by_hand():
    scores = np.array([[3.0, 1.0, 2.0], [2.0, 2.0, 2.0], [1.0, 3.0, 0.0]])
    # In the third draw the first two tie for the ranks one and two.
    expected = [[1.5, 0.5, 1], [0.5, 2.5, 0], [1, 0, 2]]
    assert shares_of_ranks(scores) == pytest.approx(np.array(expected) / 3)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_every_variant_has_some_rank_and_every_rank_some_variant(seed, count):
    scores = np.round(np.random.default_rng(seed).normal(size=(count, 12)), 1)
    shares = shares_of_ranks(scores)
    assert shares.sum(axis=0) == pytest.approx(np.ones(count))
    assert shares.sum(axis=1) == pytest.approx(np.ones(count))


def test_variants_far_apart_have_their_rank_for_certain_and_alike_ones_share_it():
    cells = {
        (name, place): Plant(mean, 0.1)
        for name, mean in {"low": 0.1, "high": 0.9, "twin": 0.9}.items()
        for place in (HOPPER, WALKER)
    }
    ranks = rank_intervals(study(cells))
    assert ranks.variants == ("low", "high", "twin")
    assert list(ranks.shares[0]) == [0, 0, 1]
    assert ranks.shares[1, 0] == pytest.approx(0.5, abs=0.02)
    assert ranks.expected == pytest.approx([3, 1.5, 1.5], abs=0.03)
    assert list(zip(ranks.low, ranks.high, strict=True)) == [(3, 3), (1, 2), (1, 2)]


def test_bounds_of_ranks_by_hand():
    # The first is better than the last two, the second than the last.
    better = np.zeros((4, 4), bool)
    better[0, [2, 3]] = better[1, 3] = True
    low, high = rank_bounds(better)
    assert list(zip(low, high, strict=True)) == [(1, 2), (1, 3), (2, 4), (3, 4)]


def test_on_one_environment_no_permutation_test_is_made_whose_answer_nobody_asks_for(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("runs were permuted")

    monkeypatch.setattr("matters.reports.statistics.comparisons.permutation_p", refuse)
    cells = {(name, HOPPER): Plant(mean, 0.1) for name, mean in {"low": 0.1, "high": 0.9}.items()}
    assert list(rank_intervals(study(cells)).low) == [2, 1]


def test_alike_variants_have_every_rank_in_19_of_20_studies():
    rng = np.random.default_rng(3)
    bounds = [rank_bounds(significantly_better(rng.normal(0.5, 0.1, (3, 2, 10)))) for _ in range(200)]
    assert sum(bool((low > 1).any() or (high < 3).any()) for low, high in bounds) <= 18


def test_ranks_need_two_whole_variants_with_five_runs():
    cells = {("a", HOPPER): Plant(0.5, 0.1, 5), ("b", HOPPER): Plant(0.6, 0.1, 5)}
    assert rank_intervals(study(cells)).variants == ("a", "b")
    assert rank_intervals(study(cells | {("b", HOPPER): Plant(0.6, 0.1, 4)})) is None
    gap = study(cells | {("b", HOPPER): Plant(0.6, 0.1, 5, failed=1)})
    assert rank_intervals(gap) is None
    known = {("a", "Unknown-v0"): Plant(0.5, 0.1), ("b", "Unknown-v0"): Plant(0.6, 0.1)}
    assert rank_intervals(study(known)) is None


def test_a_variant_without_a_rank_is_said_to_have_none():
    cells = {
        ("a", HOPPER): Plant(0.1, 0.1),
        ("b", HOPPER): Plant(0.2, 0.1),
        ("best", HOPPER): Plant(0.9, 0.1, 2),
    }
    ranks = rank_intervals(study(cells))
    assert ranks.left_out == ("best",)
    assert "Without `best`, for want of an aggregate with an interval" in rank_table(ranks).caption
    assert "Without" not in rank_table(rank_intervals(study({key: Plant(0.5, 0.1) for key in cells}))).caption
