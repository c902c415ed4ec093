"""The section of a question about pairs: what all such questions have alike, from what is each one's own."""

from collections.abc import Sequence

from matters.reports.page.formatting import number
from matters.reports.page.section import Drawing, Section, Table, Verdict
from matters.reports.page.sentences import need_text, sentence
from matters.reports.questions.short_answers import Answer
from matters.reports.study.caveats import MEANINGS
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.difference_curves import difference_curve, difference_rows
from matters.reports.study.study import AGGREGATE, Study

ESTIMAND = (
    "The difference of mean primary endpoints between the variant named first and the one named second, per "
    "environment in raw return, and in aggregate as the mean over environments of the normalised differences."
)
METHOD = (
    "Verdicts are on differences of means: Welch’s intervals and tests per environment, Satterthwaite’s for "
    "the aggregate. *Different* is a Holm-adjusted p ≤ 0.05 within the question’s family. *Equivalent* on an "
    "environment are two one-sided tests within its margin, with Holm’s correction over the environments; in "
    "aggregate the mean must be within its margin, every live environment within the gate, and none "
    "different. "
)


def section_of_pairs(
    study: Study,
    question: str,
    given: Answer,
    found: Sequence[Comparison],
    *,
    title: str,
    needs: str,
    estimand: str,
    method: str,
    tested: str,
    tables: Sequence[Table],
    lacks: Sequence[str] = (),
    shown: Sequence[Verdict] | None = None,
    more: Sequence[Verdict] = (),
    margin: str | None = None,
    variants: tuple[str, ...] | None = None,
) -> Section:
    """The section with the answer given, of the comparisons found.

    `tested` says in words what Holm's family is made of. `shown` are the verdicts where they are not one per
    comparison, `more` those that the page folds away. `margin` says the margins where they are not the
    suite's. `variants` are those that it is about; None for all of the suite.
    """
    drawn, numbers = figures(study, question, found)
    return Section(
        question=question,
        title=title,
        answer=given.text,
        word=given.word,
        reason=given.reason,
        claim=given.claim,
        verdicts=verdicts(found) if shown is None else tuple(shown),
        more=tuple(more),
        lacks=tuple(lacks),
        needs=needs,
        estimand=estimand,
        family=family(found, tested),
        power=needed(found),
        margin=margins(study) if margin is None else margin,
        method=method,
        drawings=drawn,
        data=numbers,
        tables=tuple(tables),
        variants=variants,
    )


def verdicts(found: Sequence[Comparison]) -> tuple[Verdict, ...]:
    """One sentence per comparison, the aggregate first, and those in which nothing was tested last."""
    found = sorted(found, key=lambda one: one.found is None)
    shown: list[Verdict] = []
    said: set[str] = set()
    for one in found:
        shown.append(
            Verdict(
                statement=sentence(one, said),
                verdict=one.word,
                claim=one.claim and one.word != "undecided",
                where=one.where,
                x=one.x,
                y=one.y,
                reason=one.reason,
            )
        )
        if one.found is not None:
            said.update(note for note in one.notes if note in MEANINGS)
    return tuple(shown)


def family(found: Sequence[Comparison], what: str) -> str:
    """The families of tests of a question about pairs."""
    count = sum(one.found is not None for one in found)
    if not count:
        return "No difference was tested."
    tested = "The one difference test" if count == 1 else f"All {count} difference tests"
    return (
        f"{tested} of this question: {what}; an environment without room is not tested. Equivalence has "
        "Holm’s correction over the environments of a pair. Other questions on the same page are families of "
        "their own."
    )


def figures(
    study: Study, question: str, found: Sequence[Comparison]
) -> tuple[tuple[Drawing, ...], dict[str, list[dict[str, object]]]]:
    """The forest of all pairs, and the first pair's difference over training, with the numbers of that."""
    from matters.reports.page import difference_figures, forests

    if not found:
        return (), {}
    drawn = (forests.forest(question, found),)
    first = [one for one in found if (one.x, one.y) == (found[0].x, found[0].y) and one.found is not None]
    curves = [
        curve
        for one in first
        if one.where != AGGREGATE and (curve := difference_curve(study, one.x, one.y, one.where)) is not None
    ]
    if not curves:
        return drawn, {}
    one = difference_figures.differences(question, found, curves)
    return (*drawn, one), {f"{question}-over-training": difference_rows(curves)}


def needed(found: Sequence[Comparison]) -> str:
    """How many seeds the headline of the first pair needs, in words, and that of others more are asked."""
    text = next((need_text(one) for one in found if one.need is not None), "")
    several = len({(one.x, one.y) for one in found if one.found is not None}) > 1
    more = " That is of this pair by itself: Holm’s correction over all pairs asks for more."
    return text + more if text and several else text


def margins(study: Study) -> str:
    """The margins, declared in the suite."""
    suite = study.suite
    return (
        f"±{number(suite.aggregate_margin, AGGREGATE)} in aggregate and ±{number(suite.margin, AGGREGATE)} "
        f"per environment, with a gate of ±{number(suite.gate, AGGREGATE)}, in units of normalised score; "
        "absolute where a task has a ceiling (the table of constants has each in return)."
    )
