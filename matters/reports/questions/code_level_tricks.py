"""Do PPO's code-level tricks matter? After Engstrom et al., "Implementation Matters in Deep RL" (2020).

The paper's layout has five variants: PPO and TRPO+ with the tricks, PPO-M and TRPO without them, and PPO
without clipping. The contrasts that the variants at hand allow are answered, the others are named.
"""

from matters.reports.page.formatting import ends, interval_text, number, signed
from matters.reports.page.section import Section, Table
from matters.reports.questions import pairwise_section
from matters.reports.questions.pairwise_section import (
    Answer,
    comparison_table,
    family,
    margins,
    short_answer,
    verdicts,
)
from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL
from matters.reports.study.pairwise import Comparison, compare_pairs
from matters.reports.study.study import Study

QUESTION = "code-level-tricks"
TITLE = "Do PPO’s code-level tricks matter?"
NEEDS = "`ppo` and `ppo-m`; for AAI and ACLI also `trpo` and `trpo+`; for the worth of clipping `ppo-noclip`."
ESTIMAND = (
    "The difference of mean primary endpoints between the variant named first and the one named second, per "
    "environment in raw return, and in aggregate as the mean over environments of the normalised differences."
)
METHOD = pairwise_section.METHOD + (
    "The layout is that of Engstrom et al., “Implementation Matters in Deep RL” (ICLR 2020), section 4."
)
ANSWERS = {
    "different": "Yes: `{ahead}` scores {size} than `{behind}`.",
    "equivalent": "No: `{x}` and `{y}` are equivalent within the margin.",
    "both": "A little: `{ahead}` scores {size} than `{behind}`, less than the margin.",
}
# Contrast, and what it tells.
PAIRS: tuple[tuple[str, str, str], ...] = (
    ("ppo", "ppo-m", "the tricks, with PPO’s step"),
    ("trpo+", "trpo", "the tricks, with TRPO’s step"),
    ("ppo", "trpo+", "PPO’s step against TRPO’s, with the tricks"),
    ("ppo-m", "trpo", "PPO’s step against TRPO’s, without the tricks"),
    ("ppo", "ppo-noclip", "clipping, with the tricks"),
)
SQUARE = ("ppo", "ppo-m", "trpo", "trpo+")


def answer(study: Study) -> Section:
    """Compare the pairs at hand; the first of them gives the short answer."""
    from matters.reports.page.forests import forest

    at_hand = [(x, y) for x, y, _ in PAIRS if x in study.variants and y in study.variants]
    found = compare_pairs(study, QUESTION, at_hand)
    tables = [comparison_table(QUESTION, found)] if found else []
    if set(SQUARE) <= set(study.variants):
        tables.append(_attribution_table(study))
    given = _answer(study, found)
    return Section(
        question=QUESTION,
        title=TITLE,
        answer=given.text,
        word=given.word,
        reason=given.reason,
        claim=given.claim,
        verdicts=verdicts(found),
        lacks=_lacks(study),
        needs=NEEDS,
        estimand=ESTIMAND,
        family=family(found, "each pair in aggregate and on each environment"),
        margin=margins(study),
        method=METHOD,
        drawings=(forest(QUESTION, found),) if found else (),
        tables=tuple(tables),
    )


def _answer(study: Study, found: list[Comparison]) -> Answer:
    if not found:
        text = "Nothing to compare: no pair of variants that this question knows."
        return Answer(text, "undecided", "blocked", False)
    first = [one for one in found if (one.x, one.y) == (found[0].x, found[0].y)]
    return short_answer(study, first, ANSWERS)


def _lacks(study: Study) -> tuple[str, ...]:
    absent = [name for name in SQUARE if name not in study.variants]
    lines = []
    if absent:
        lines.append(
            "AAI and ACLI, Engstrom’s measures of the algorithm’s and the tricks’ worth, need "
            "`ppo`, `ppo-m`, `trpo` and `trpo+`; not in this suite: "
            f"{', '.join(f'`{name}`' for name in absent)}."
        )
    for x, y, meaning in PAIRS:
        if not {x, y} <= set(study.variants) and not {x, y} <= set(SQUARE):
            lines.append(f"`{x}` against `{y}` ({meaning}) needs both variants.")
    return tuple(lines)


def _attribution_table(study: Study) -> Table:
    columns = (
        "environment",
        "AAI",
        "AAI 95 %",
        "AAI if none",
        "ACLI",
        "ACLI 95 %",
        "ACLI if none",
        "algorithm",
        "tricks",
        "interaction",
    )
    rows, data = [], []
    for name in study.environments:
        cells = [study.cell(variant, name).scores for variant in SQUARE]
        if min(len(cell) for cell in cells) < MINIMUM_FOR_INTERVAL:
            continue
        a = compare.attribution(*cells)
        rows.append(
            (
                name,
                number(a.aai),
                interval_text(a.aai_interval),
                number(a.aai_null),
                number(a.acli),
                interval_text(a.acli_interval),
                number(a.acli_null),
                f"{signed(a.algorithm.value)} ({interval_text(a.algorithm.interval())})",
                f"{signed(a.code.value)} ({interval_text(a.code.interval())})",
                f"{signed(a.interaction.value)} ({interval_text(a.interaction.interval())})",
            )
        )
        data.append(
            {
                "environment": name,
                "aai": a.aai,
                "aai_low": ends(a.aai_interval)[0],
                "aai_high": ends(a.aai_interval)[1],
                "aai_null": a.aai_null,
                "acli": a.acli,
                "acli_low": ends(a.acli_interval)[0],
                "acli_high": ends(a.acli_interval)[1],
                "acli_null": a.acli_null,
                "algorithm": a.algorithm.value,
                "tricks": a.code.value,
                "interaction": a.interaction.value,
            }
        )
    return Table(
        name="attribution",
        caption="Engstrom’s AAI and ACLI in raw return, with their expectation if there were no effect (a "
        "maximum of absolute differences is above zero), beside signed main effects and interaction.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[1:]),
    )
