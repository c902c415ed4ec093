"""How many seeds does an answer need? What fewer or more runs would show, drawn from the runs at hand."""

import math
from collections.abc import Sequence

from matters.reports.page.formatting import number, percent, plural, thousands
from matters.reports.page.section import Section, Table, Verdict
from matters.reports.page.sentences import at_place, place_text
from matters.reports.questions.pairwise_section import margins
from matters.reports.questions.seeds.outlooks import (
    DRAWS,
    GRID,
    Outlook,
    Plan,
    drawn,
    outlook,
    pooled_spread,
    wrong_signs,
)
from matters.reports.questions.seeds.seed_figures import seed_curves
from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, MINIMUM_FOR_INTERVAL, Array
from matters.reports.study.pairwise import normalised_margin
from matters.reports.study.study import AGGREGATE, Study

QUESTION = "seeds"
TITLE = "How many seeds does an answer need?"
NEEDS = (
    f"Two variants with at least {MINIMUM_FOR_INTERVAL} scored runs on an environment; twenty or more, to "
    "know the spread of the runs well."
)
ESTIMAND = (
    "What a comparison with N runs per variant would show if all runs came from the distribution of those at "
    "hand: half the width of the 95 % interval of a difference; how often a difference as large as the "
    "margin would be found, and two variants without a difference shown to be equivalent; how often two "
    "variants come out the other way round than over all runs; how often two groups of runs of one variant "
    "are called different. In normalised score where there are constants, else in raw return."
)
FAR_APART = 0.2
"""Shares of two variants that differ by more are not told by their mean alone."""

METHOD = (
    f"Runs are drawn with replacement from each cell, {thousands(DRAWS)} times for each N, their spread "
    "about the mean put right by √(n/(n−1)); each draw is judged as the pages judge, by Welch’s and "
    "Satterthwaite’s tests, without correction for several tests. The planned share is the formula of Colas "
    "et al., “How Many Random Seeds?” (2018); the seeds needed are for a power of 80 %, their range is that "
    "of the spread (χ², 95 %)."
)


def answer(study: Study) -> Section:
    """Plan every place; the first of them, the aggregate if there is one, gives the short answer."""
    plans = [plan for where in study.places if (plan := _plan(study, where)) is not None]
    text, word = _answer(study, plans)
    several = len(study.variants) > 1
    return Section(
        question=QUESTION,
        title=TITLE,
        answer=text,
        word=word,
        claim=bool(plans) and plans[0].claim,
        verdicts=tuple(_verdict(plan) for plan in plans) if several else (),
        lacks=_lacks(study, plans) if several else (),
        needs=NEEDS,
        estimand=ESTIMAND,
        family="No test is made of the runs themselves: the shares are those of many imagined comparisons.",
        margin=margins(study),
        method=METHOD,
        drawings=(seed_curves(study, plans[0]),) if plans else (),
        tables=(_table(plans),) if plans else (),
    )


def _plan(study: Study, where: str) -> Plan | None:
    over = study.comparable if where == AGGREGATE else (where,)
    variants = [
        name
        for name in study.variants
        if study.seeds([name], over) >= MINIMUM_FOR_INTERVAL
        and not (where == AGGREGATE and study.blocked(name))
    ]
    if len(variants) < 2:
        return None
    known = all(study.scale(name) is not None for name in over)
    whole = study.suite.aggregate_margin
    margin = whole if where == AGGREGATE else normalised_margin(study, study.margin, where)
    samples = {name: _samples(study, name, over, known) for name in variants}
    n = study.seeds(variants, over)
    full = {name: math.fsum(float(s.mean()) for s in each) / len(each) for name, each in samples.items()}
    outlooks: dict[int, dict[str, Outlook]] = {}
    wrong: dict[int, dict[str, float | None]] = {}
    for count in sorted({*GRID, n}):
        outlooks[count], means = {}, {}
        for name, each in samples.items():
            one, two = (_drawn(study, name, over, each, count, group) for group in ("one", "two"))
            outlooks[count][name] = outlook(each, one, two, margin)
            means[name] = sum(group.mean(axis=-1) for group in one) / len(one)
        wrong[count] = wrong_signs(full, means)
    return Plan(
        where=where,
        n=n,
        margin=margin,
        unit="normalised score" if known else "return",
        outlooks=outlooks,
        wrong=wrong,
        spread=pooled_spread(list(samples.values())),
        claim=study.claim(variants, over),
    )


def _samples(study: Study, variant: str, over: Sequence[str], known: bool) -> list[Array]:
    cells = [study.cell(variant, name) for name in over]
    return [study.normalised(c.environment, c.scores) if known else c.scores for c in cells]


def _drawn(
    study: Study, variant: str, over: Sequence[str], samples: Sequence[Array], n: int, group: str
) -> list[Array]:
    """Groups of n runs per environment; a place and the aggregate over it have the same draws."""
    labels = [(QUESTION, variant, name, str(n), group) for name in over]
    return [drawn(each, n, study.generator(*label)) for each, label in zip(samples, labels, strict=True)]


def _answer(study: Study, plans: Sequence[Plan]) -> tuple[str, str]:
    if len(study.variants) < 2:
        return "Nothing to compare: it takes two variants.", "undecided"
    if not plans:
        most = max((cell.n for cell in study.cells.values()), default=0)
        few = f"no two variants have {MINIMUM_FOR_INTERVAL} scored runs on one environment"
        return f"Too few seeds to plan by: {few} (the largest cell has {most}).", "too few seeds"
    plan = plans[0]
    found, same = plan.mean(plan.n, "found"), plan.mean(plan.n, "equivalent")
    if found is None or same is None:
        reach = number(plan.mean(plan.n, "half_width"))
        text = (
            f"{place_text(plan.where)}, {plural(plan.n, 'seed')} per variant give intervals of ±{reach}; "
            "without normalising constants there is no margin to plan by."
        )
        return text, "undecided"
    needed = max(plan.needed(plan.spread.deviation))
    enough = min(found, same) >= compare.POWER
    lead = f"{plan.n} seeds per variant are {'enough' if enough else 'too few'}"
    text = (
        f"{lead} {at_place(plan.where)}: they find a difference as large as the margin in {percent(found)} "
        f"of cases and show equivalence where there is no difference in {percent(same)}{_range(plan)}."
    )
    if not enough:
        text += f" About {needed} would do both in 80 %."
    text += (
        " That is of one comparison by itself; several at once, or a gate on every environment, ask for more."
    )
    if not plan.claim and not enough:  # of an answer that says something the page says so itself
        text = f"Indication: {text}"
    return text, "enough seeds" if enough else "too few seeds"


def _range(plan: Plan) -> str:
    """Between which variants the shares of equivalence lie, where they lie far apart."""
    shares = {name: one.equivalent or 0.0 for name, one in plan.outlooks[plan.n].items()}
    low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    if shares[high] - shares[low] < FAR_APART:
        return ""
    return (
        f", both on average over the variants (equivalence from {percent(shares[low])} of `{low}` to "
        f"{percent(shares[high])} of `{high}`)"
    )


def _verdict(plan: Plan) -> Verdict:
    n, where = plan.n, plan.where
    reach = number(plan.mean(n, "half_width"), AGGREGATE if plan.margin is not None else "")
    text = f"{place_text(where)}, {plural(n, 'seed')} per variant give intervals of ±{reach} in {plan.unit}"
    word = "undecided"
    found, same = plan.mean(n, "found"), plan.mean(n, "equivalent")
    if plan.margin is not None and found is not None and same is not None:
        low, high = (plan.needed(deviation) for deviation in plan.spread.bounds())
        middle = plan.needed(plan.spread.deviation)
        text += (
            f"; a difference as large as the margin of ±{number(plan.margin, AGGREGATE)} is found in "
            f"{percent(found)} of draws (for 80 %: about {middle[0]} seeds, {low[0]} to {high[0]}), "
            f"equivalence is shown in {percent(same)} (about {middle[1]}, {low[1]} to {high[1]})"
        )
        word = "enough seeds" if min(found, same) >= compare.POWER else "too few seeds"
    wrong, false = plan.mean_wrong(n), plan.mean(n, "false_positive")
    assert false is not None
    text += f". Two groups of one variant are called different in {percent(false, 1)}"
    text += "." if wrong is None else f", two variants come out the wrong way round in {percent(wrong, 1)}."
    if not plan.claim and word != "enough seeds":
        text = f"Indication: {text[0].lower()}{text[1:]}"
    return Verdict(text, word, plan.claim, where, "", "")


def _lacks(study: Study, plans: Sequence[Plan]) -> tuple[str, ...]:
    lines = [
        f"{place_text(where)}, nothing to plan by: fewer than two variants have {MINIMUM_FOR_INTERVAL} runs."
        for where in study.places
        if plans and where not in [plan.where for plan in plans]
    ]
    fewest = min((plan.n for plan in plans), default=0)
    if plans and fewest < 2 * MINIMUM_FOR_CLAIM:
        lines.append(
            f"{plural(fewest, 'run')} in the smallest cell: the spread that all of this rests on is known "
            "only roughly, and draws from so few runs repeat them."
        )
    return tuple(lines)


def _table(plans: Sequence[Plan]) -> Table:
    columns = (
        "where",
        "seeds",
        "95 % interval ±",
        "finds the margin",
        "planned",
        "shows equivalence",
        "wrong way round",
        "false positives",
    )
    rows, data = [], []
    for plan in plans:
        place = AGGREGATE if plan.margin is not None else ""
        for n, each in plan.outlooks.items():
            shares = [plan.mean(n, what) for what in ("found", "planned", "equivalent")]
            shares += [plan.mean_wrong(n), plan.mean(n, "false_positive")]
            rows.append(
                (
                    plan.where,
                    f"{n}" + (" (at hand)" if n == plan.n else ""),
                    number(plan.mean(n, "half_width"), place),
                    *(percent(share, 1) for share in shares),
                )
            )
            data += [
                {
                    "where": plan.where,
                    "unit": plan.unit,
                    "margin": plan.margin,
                    "variant": variant,
                    "n": n,
                    "at_hand": n == plan.n,
                    "half_width": one.half_width,
                    "found": one.found,
                    "planned": one.planned,
                    "equivalent": one.equivalent,
                    "wrong_sign": plan.wrong[n][variant],
                    "false_positive": one.false_positive,
                }
                for variant, one in each.items()
            ]
    return Table(
        name=QUESTION,
        caption="What N seeds per variant would show, the mean over variants; the CSV file has each variant. "
        "Finds the margin: how often a true difference as large as the margin is called different, and "
        f"planned the same by formula. Shares of {thousands(DRAWS)} draws per variant: one of 5 % has a "
        "Monte-Carlo error of 0.5 %.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[1:]),
    )
