"""Imported variants against each other: the same tests and words as for ours, but nothing about their code.

Only their owner knows what two variants are: a pair is compared on an environment where both end at the same
number of steps, and the page says who chose the pairs, the margin and, across sets, the reason for pooling.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace

from matters.reports.page.comparison_tables import comparison_table
from matters.reports.page.formatting import number, thousands
from matters.reports.page.section import Section, Table, Verdict
from matters.reports.page.sentences import listed
from matters.reports.questions import pairwise_section
from matters.reports.questions.pairwise_section import family, verdicts
from matters.reports.questions.short_answers import NEUTRAL, Answer, short_answer
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import AGGREGATE, Study

QUESTION = "imported-comparison"
TITLE = "Do the imported variants differ?"
NEEDS = "At least two variants of one imported set, or of several with `--pool-protocols`."
ESTIMAND = (
    "The difference between two variants of the mean score of their runs, per environment in raw return and "
    "in aggregate as the mean over environments of the normalised differences. A run’s score is the mean of "
    "the last tenth of its returns, at least the last two."
)
METHOD = pairwise_section.METHOD + (
    "Runs were neither trained nor evaluated by Matters. Two variants are compared on an environment if all "
    "of their runs end within 2 % of each other; scores are then of returns up to the first of these ends."
)
ACROSS = " (across protocols)"
FEW_EPISODES = 3


def answer(study: Study) -> Section:
    """Compare the chosen pairs; the first of them gives the short answer, and the others stand below."""
    from matters.reports.page.forests import forest

    found = compare_pairs(study, QUESTION, study.suite.pairs)
    given = _answer(study, found)
    across = ACROSS if study.suite.pooled else ""
    table = comparison_table(QUESTION, found)
    if across:
        reason = study.suite.pooled
        table = replace(table, data=tuple({**row, "across_protocols": reason} for row in table.data))
    return Section(
        question=QUESTION,
        title=TITLE,
        answer=given.text + across,
        word=given.word,
        reason=given.reason,
        claim=given.claim,
        verdicts=tuple(_marked(one, across) for one in verdicts(found)),
        lacks=_remarks(study, found),
        needs=NEEDS,
        estimand=ESTIMAND,
        family=family(found, "each pair in aggregate and on each environment"),
        margin=_margin(study),
        method=METHOD,
        drawings=(forest(QUESTION, found),) if any(one.found for one in found) else (),
        tables=(table, _protocols(study)),
    )


def _answer(study: Study, found: Sequence[Comparison]) -> Answer:
    pairs = list(dict.fromkeys((one.x, one.y) for one in found))
    if not pairs:
        return Answer("Nothing to compare: the pairs share no environment.", "undecided", "blocked", False)
    given = short_answer(study, [one for one in found if (one.x, one.y) == pairs[0]], NEUTRAL)
    if len(pairs) == 1:
        return given
    others = len(pairs) - 1
    return replace(given, text=f"{given.text} {others} more pair{'' if others == 1 else 's'} below.")


def _marked(verdict: Verdict, across: str) -> Verdict:
    return replace(verdict, statement=verdict.statement + across)


def _margin(study: Study) -> str:
    suite = study.suite
    chosen = "chosen with `--margin`" if suite.asked_margin else "the default of Matters"
    margin, aggregate, gate = (
        number(value, AGGREGATE) for value in (suite.margin, suite.aggregate_margin, suite.gate)
    )
    return (
        f"±{margin} per environment and ±{aggregate} in aggregate, {chosen}, with a gate of ±{gate}, in "
        "units of the yardstick that Matters has for the environment; absolute where a task has a ceiling."
    )


def _remarks(study: Study, found: Sequence[Comparison]) -> tuple[str, ...]:
    """What a reader should know of these runs before believing a verdict."""
    suite = study.suite
    lines = []
    if suite.pooled:
        lines.append(f"Compared across protocols, which the reader has to judge: {suite.pooled}")
    for cell, ends in suite.ends:
        if len(ends) == 1 and ends[0][0] != ends[0][1]:
            first, last = (thousands(end) for end in ends[0])
            lines.append(
                f"`{cell[0]}` on {cell[1]}: runs end at {first} to {last} steps; scores are of returns up to "
                f"{first}."
            )
    points = study.evaluations.groupby("run_id", observed=True)["point"].count()
    short = study.runs[study.runs["run_id"].isin(points.index[points == 1])]
    for variant, rows in short.groupby("variant", sort=False):
        places = listed(list(dict.fromkeys(rows["environment"])))
        lines.append(
            f"`{variant}` on {places} has runs of a single return: perhaps of a best or last checkpoint."
        )
    for name, declared in suite.protocols:
        if declared.episodes and int(declared.episodes) <= FEW_EPISODES:
            lines.append(f"`{name}`: a return is the mean of {declared.episodes} episodes, which is few.")
    compared = {(one.x, one.y) for one in found}
    lines += [
        f"`{x}` and `{y}` have no environment in common." for x, y in suite.pairs if (x, y) not in compared
    ]
    return tuple(lines)


def _protocols(study: Study) -> Table:
    return Table(
        name="imported-protocols",
        caption="What the owner of each set declares of its protocol (`matters import --declare`).",
        columns=("set", "declared"),
        rows=tuple((f"`{name}`", it.text or "nothing") for name, it in study.suite.protocols),
        data=tuple({"set": name, **asdict(it)} for name, it in study.suite.protocols),
    )
