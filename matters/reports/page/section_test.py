from dataclasses import replace
from types import SimpleNamespace

import pytest

from matters.reports.page.render import page
from matters.reports.page.section import MOST_VERDICTS, Section, Verdict


def section(wheres, **changes):
    verdicts = tuple(Verdict(f"{k}", "different", True, where, "x", "y") for k, where in enumerate(wheres))
    plain = Section(
        "q",
        "Q?",
        "a",
        "different",
        True,
        verdicts,
        (),
        "needs",
        "estimand",
        "family",
        "margin",
        "method",
        (),
        (),
    )
    return replace(plain, **changes)


def test_a_few_verdicts_are_all_shown():
    few = section(["aggregate", *["Hopper-v5"] * (MOST_VERDICTS - 1)])
    assert (few.opening, few.folded) == (few.verdicts, ())


def test_of_many_those_in_aggregate_are_shown_and_none_is_lost():
    many = section(["aggregate", *["Hopper-v5"] * 7] * 3)
    assert [one.statement for one in many.opening] == ["0", "8", "16"]
    assert set(many.opening) | set(many.folded) == set(many.verdicts)
    assert len(many.opening) + len(many.folded) == 24
    without = section(["Hopper-v5"] * 20)
    assert without.opening == without.verdicts[:MOST_VERDICTS]


def test_a_page_does_not_open_with_aggregates_that_cannot_be_given_while_answers_are_folded():
    many = section(["Hopper-v5"] * 5 + ["aggregate"] * 5)
    blocked = tuple(
        replace(one, verdict="undecided", reason="blocked") if one.where == "aggregate" else one
        for one in many.verdicts
    )
    assert replace(many, verdicts=blocked).opening == blocked[:MOST_VERDICTS]


@pytest.mark.parametrize(
    ("word", "claim", "says"),
    [("different", False, True), ("different", True, False), ("undecided", False, False),
     ("kept", False, True), ("control", False, False), ("too few seeds", False, False)],
)  # fmt: skip
def test_only_a_verdict_that_says_something_without_the_seeds_is_an_indication(word, claim, says):
    assert Verdict("s", word, claim, "Hopper-v5", "x", "y").indication is says


def test_markdown_and_page_mark_the_verdicts_that_are_indications():
    claimed, seen = (Verdict(text, "different", text == "b", "w", "x", "y") for text in ("b", "i"))
    report = SimpleNamespace(
        title="t", summary="s", notices=(), parts=(), protocol=(), command="c",
        sections=(section([], verdicts=(claimed, seen)),),
    )  # fmt: skip
    lines = page("report.md.jinja", report=report, identity="0" * 64).splitlines()
    assert "- **different**: b" in lines
    assert "- **different** (indication): i" in lines
    html = page("index.html.jinja", report=report, identity="0" * 64, swatches={})
    assert html.count('hollow" title="an indication, not a claim"') == 1


def test_what_a_question_folds_comes_after_what_the_page_folds():
    more = section([])
    both = section(["Hopper-v5"] * 10, more=section(["x"]).verdicts)
    assert more.folded == ()
    assert [one.where for one in both.folded] == ["Hopper-v5", "x"]


@pytest.mark.parametrize(
    ("word", "claim", "says"),
    [("different", False, True), ("different", True, False), ("undecided", False, False),
     ("no test", False, False), ("blocked", False, False)],
)  # fmt: skip
def test_only_an_answer_that_says_something_without_the_seeds_is_an_indication(word, claim, says):
    assert section([], word=word, claim=claim).indication is says
