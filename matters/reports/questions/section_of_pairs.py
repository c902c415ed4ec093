"""The section of a question about pairs: what all such questions have alike, from what is each one's own."""

from collections.abc import Sequence

from matters.reports.page.section import Section, Table, Verdict
from matters.reports.questions.pairwise_section import Answer, family, figures, margins, needed, verdicts
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.study import Study


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
