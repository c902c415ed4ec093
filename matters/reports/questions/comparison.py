"""Do the variants that the suite compares differ? What `compare` and `baseline` in a suite ask.

A suite gives pairs of names. What a pair isolates is read from its settings and shown under the verdicts:
where one setting differs, the question is about that setting.
"""

from collections.abc import Sequence

from matters.reports.page.comparison_tables import comparison_table, details_table
from matters.reports.page.formatting import signed
from matters.reports.page.section import Section, Table
from matters.reports.page.sentences import at_place, listed
from matters.reports.questions.differing_settings import Contrast, differing, settings_table
from matters.reports.questions.pairwise_section import ESTIMAND, METHOD, section_of_pairs
from matters.reports.questions.short_answers import NEUTRAL, each_answered
from matters.reports.study.compared_pair import Comparison, headline
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import Study

QUESTION = "comparison"
TITLE = "Do the variants that are compared differ?"
NEEDS = '`compare = [["a", "b"]]` or `baseline = "a"` in the suite, and runs of these variants.'


def contrasts(study: Study) -> list[Contrast]:
    """The pairs at hand, each with the settings in which its sides differ."""
    pairs = [pair for pair in study.suite.comparisons if set(pair) <= set(study.variants)]
    return [Contrast(x, y, _tells(study, x, y)) for x, y in pairs]


def _tells(study: Study, x: str, y: str) -> str:
    names = [f"`{name}`" for name in differing(study, x, y) if name not in study.tuned]
    if not names:
        same = "the two have the same settings" if not study.tuned else "nothing but what was tuned differs"
        return f"nothing: {same}"
    return listed(names) if len(names) < 4 else f"{len(names)} settings at once"


def compared(study: Study) -> list[Comparison]:
    """Every pair compared, the first one first."""
    return compare_pairs(study, QUESTION, [(one.x, one.y) for one in contrasts(study)])


def answer(study: Study) -> Section:
    """Compare every pair, and answer for each of them."""
    chosen = contrasts(study)
    found = compared(study)
    given = each_answered(study, [(one.x, one.y) for one in chosen], found, NEUTRAL)
    tables: tuple[Table, ...] = (
        (
            comparison_table(QUESTION, found),
            settings_table(QUESTION, study, chosen),
            details_table(QUESTION, found),
        )
        if found
        else ()
    )
    if found and (theirs := findings_table(study, chosen, found)).rows:
        tables = (*tables, theirs)
    return section_of_pairs(
        study,
        QUESTION,
        given,
        found,
        title=_title(chosen),
        needs=NEEDS,
        estimand=ESTIMAND,
        method=METHOD,
        tested="each pair in aggregate and on each environment",
        lacks=_lacks(study),
        tables=tables,
        variants=tuple(dict.fromkeys(name for one in chosen for name in (one.x, one.y))),
    )


def findings_table(study: Study, chosen: Sequence[Contrast], found: Sequence[Comparison]) -> Table:
    """What others found about the choices that pairs isolate, beside what was found here."""
    rows, data = [], []
    for one in chosen:
        theirs = study.suite.findings.get(declared_name(study, one.x))
        if theirs is None:
            continue
        first = headline([it for it in found if (it.x, it.y) == (one.x, one.y)])[0]
        here: str = first.reason or first.word
        if first.found is not None:
            here += f" ({signed(first.found.estimate.value, first.where)} {at_place(first.where)})"
        rows.append((f"`{one.x}` − `{one.y}`", one.tells, here, theirs))
        data.append({"x": one.x, "y": one.y, "tells": one.tells, "here": first.word, "theirs": theirs})
    return Table(
        name=f"{QUESTION}-findings",
        caption="What others found, in our words, beside what these runs say. Tasks, budgets and all other "
        "settings are theirs there and ours here.",
        columns=("comparison", "what it tells", "here", "there"),
        rows=tuple(rows),
        data=tuple(data),
    )


def declared_name(study: Study, name: str) -> str:
    """The name under which a variant was declared, also for one at its own best."""
    return next((own for own, best in study.suite.at_best.items() if best == name), name)


def _title(chosen: Sequence[Contrast]) -> str:
    told = list(dict.fromkeys(one.tells for one in chosen))
    return f"Does {told[0]} matter?" if len(told) == 1 and told[0].count("`") == 2 else TITLE


def _lacks(study: Study) -> tuple[str, ...]:
    return tuple(
        f"`{x}` against `{y}` needs runs of both."
        for x, y in study.suite.comparisons
        if not {x, y} <= set(study.variants)
    )
