"""The rules of verdicts, every case of them."""

from itertools import product

import numpy as np
import pytest

from matters.reports.statistics import verdicts

BOTH = (False, True)


@pytest.mark.parametrize(("differs", "same", "early"), list(product(BOTH, repeat=3)))
def test_every_case_on_one_environment(differs, same, early):
    expected = {
        (False, False): "not decided", (True, False): "different", (False, True): "equivalent",
        (True, True): "both",
    }[differs, same]  # fmt: skip
    if early and expected != "different":
        expected = "too early"
    assert verdicts.on_environment(differs, same, early) == expected


def aggregate(differs, same, places, within=(True, True), early=False):
    """`places` has the sign of the difference on each environment, 0 where there is none."""
    signs = np.array(places)
    return verdicts.in_aggregate(differs, same, signs != 0, signs, np.array(within), early)


@pytest.mark.parametrize(
    ("case", "outcome"),
    [
        ((False, True, (0, 0)), "equivalent"),
        ((False, True, (1, -1)), "mixed"),
        ((False, False, (1, -1)), "mixed"),
        ((False, True, (1, 0)), "mixed"),
        ((False, True, (0, 0), (True, False)), "not decided"),
        ((False, False, (0, 0)), "not decided"),
        ((False, False, (1, 0)), "not decided"),
        ((True, False, (1, 1)), "different"),
        ((True, False, (1, -1)), "different"),
        ((True, True, (1, 0)), "both"),
        ((True, True, (1, -1)), "different"),
        ((True, True, (1, 0), (True, False)), "different"),
        ((False, True, (0, 0), (True, True), True), "too early"),
        ((True, True, (1, 0), (True, True), True), "too early"),
        ((True, False, (1, 0), (True, True), True), "different"),
    ],
)
def test_every_case_in_aggregate(case, outcome):
    assert aggregate(*case) == outcome


def test_many_studies_at_once_have_the_words_of_each():
    rng = np.random.default_rng(0)
    flags = rng.random((200, 3)) < 0.5
    places, signs, within = (
        rng.random((200, 4)) < 0.2,
        rng.choice([-1, 1], (200, 4)),
        rng.random((200, 4)) < 0.8,
    )
    together = verdicts.in_aggregate(flags[:, 0], flags[:, 1], places, signs, within, flags[:, 2])
    each = [
        verdicts.in_aggregate(*flags[k, :2], places[k], signs[k], within[k], flags[k, 2]) for k in range(200)
    ]
    assert list(together) == each
    assert set(each) == {*verdicts.WORDS, "too early", "mixed", "not decided"}


def test_an_outcome_is_a_word_or_a_reason_for_none():
    assert verdicts.split("both") == ("both", "")
    assert verdicts.split("mixed") == ("undecided", "mixed")
