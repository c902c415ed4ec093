"""How do our scores stand beside published ones? Shown with their protocols, never tested.

Published numbers come from other versions of the environments, other budgets and other statistics. A test
across them would have an answer and no meaning, so there is none: a table and a figure name what differs.
"""

from dataclasses import dataclass

from matters.reports.page import side_by_side
from matters.reports.page.formatting import DASH, number, plural, short_steps, thousands
from matters.reports.page.section import Section, Table
from matters.reports.page.side_by_side import Mark
from matters.reports.statistics.intervals import deviation
from matters.reports.study.cells import CellScores
from matters.reports.study.study import Study
from matters.results.published import MEASURES, Entry, entries, task
from matters.suites.twins import rules_by_name

QUESTION = "published"
TITLE = "How do our scores stand beside published ones?"
NEEDS = "Variants of an algorithm, and environments, that others have published numbers for."
ESTIMAND = (
    "None across sources. Ours is the mean primary endpoint of a cell; each published number is what its "
    "source says it is."
)
METHOD = (
    "Ours and published numbers of one algorithm on one task stand together, whatever the version of the "
    "environment; the last column names how a protocol differs from ours. No test and no aggregate crosses "
    "sources: versions of an environment are different tasks, and the best checkpoint or training episodes "
    "are different statistics (Henderson et al. 2018; Agarwal et al. 2021)."
)
LABEL = 40  # letters of a row's label that a figure has room for
SPREADS = (
    ("standard deviation over seeds", "sd"),
    ("standard deviation (n)", "sd"),
    ("standard deviation", "sd of episodes"),
    ("standard error", "se"),
    ("95 %", "95 %"),
)
"""How a spread's kind begins, and what a figure has room for."""


@dataclass(frozen=True)
class Group:
    """Our cells of one algorithm on one environment, and what others have published on its task."""

    algorithm: str
    environment: str
    ours: tuple[CellScores, ...]
    theirs: tuple[Entry, ...]


def algorithm_of(entry: Entry) -> str:
    """Our name for the entry's algorithm: `ppo` for PPO-M, `vpg` for REINFORCE, which are its presets."""
    name = entry.algorithm.lower()
    return rules_by_name().get(name, name)


def groups(study: Study) -> list[Group]:
    """Every algorithm and environment with a cell of ours, and published numbers or none."""
    variants: dict[str, list[str]] = {}
    for name in study.variants:
        # Nobody has said which algorithm an imported variant is.
        if name in study.suite.variants:
            algorithm = study.suite.variants[name].algorithm
            variants.setdefault(rules_by_name().get(algorithm, algorithm), []).append(name)
    found = []
    for algorithm, names in variants.items():
        for environment in study.environments:
            ours = tuple(cell for name in names if (cell := study.cell(name, environment)).declared)
            theirs = [one for one in entries() if one.task == task(environment)]
            theirs = [one for one in theirs if algorithm_of(one) == algorithm]
            # Newest version first, then by source, as they are quoted.
            theirs.sort(key=lambda one: (-_version(one.environment), one.source, one.steps, one.algorithm))
            if ours:
                found.append(Group(algorithm, environment, ours, tuple(theirs)))
    return found


def answer(study: Study) -> Section:
    """Show; there is nothing to decide."""
    every = groups(study)
    found = [group for group in every if group.theirs]
    return Section(
        question=QUESTION,
        title=TITLE,
        answer=_answer(found),
        word="no test" if found else "blocked",
        claim=False,
        verdicts=(),
        lacks=_lacks(every),
        needs=NEEDS,
        estimand=ESTIMAND,
        family="None: nothing is tested.",
        margin="None.",
        method=METHOD,
        drawings=tuple(
            side_by_side.drawing(
                f"published-{algorithm}",
                f"{algorithm.upper()}, ours and published",
                [(g.environment, _marks(study, g)) for g in found if g.algorithm == algorithm],
                caption=_caption(algorithm, first=k == 0),
                folded=k > 0,
            )
            for k, algorithm in enumerate(dict.fromkeys(group.algorithm for group in found))
        ),
        tables=(_table(study, found),) if found else (),
    )


def _answer(found: list[Group]) -> str:
    if not found:
        return "Nothing to show: no published number is of an algorithm and a task of this suite."
    theirs = [one for group in found for one in group.theirs]
    scored = [cell.n > 0 for group in found for cell in group.ours]
    same = sum(one.environment == group.environment for group in found for one in group.theirs)
    others = len(theirs) - same
    versions = sorted({f"v{_version(one.environment)}" for one in theirs})
    numbers, beside_ = plural(len(theirs), "published number"), plural(sum(scored), "cell")
    stand = "stands" if len(theirs) == 1 else "stand"
    without = f" ({scored.count(False)} more without a scored run)" if not all(scored) else ""
    text = f"{numbers} {stand} beside {beside_} of ours{without}, and none is tested against them: "
    if same:
        rest = f", {others} of other versions" if others else ""
        text += f"{same} of our version of the environment{rest}; the table says how each protocol differs."
    else:
        text += f"all are of other versions of the environments ({', '.join(versions)})."
    return text


def _lacks(every: list[Group]) -> tuple[str, ...]:
    bare: dict[str, list[str]] = {}
    for group in every:
        if not group.theirs:
            bare.setdefault(group.algorithm, []).append(group.environment)
    return tuple(
        f"No published number of `{algorithm}` at hand for {', '.join(names)}."
        for algorithm, names in bare.items()
    )


def differences(study: Study, group: Group, entry: Entry) -> tuple[str, ...]:
    """How the entry's protocol differs from ours, in words. What no source states is not listed."""
    parts = []
    if entry.environment != group.environment:
        parts.append(f"environment {entry.environment}")
    if entry.steps != study.suite.steps:
        parts.append(f"{short_steps(entry.steps)} steps")
    if entry.measure != "evaluation":
        parts.append(MEASURES[entry.measure])
    if entry.seeds == 1:
        parts.append("one run")
    return tuple(parts)


def _marks(study: Study, group: Group) -> list[Mark]:
    ours = [
        side_by_side.mark(cell.variant, cell.scores, style=study.variants.index(cell.variant))
        for cell in group.ours
    ]
    return ours + [
        Mark(
            label=_label(one, group),
            words=_words(one),
            value=one.value,
            bounds=one.bounds,
            points=one.values,
            shape={"evaluation": "o", "maximum": "^", "training": "s"}[one.measure],
        )
        for one in group.theirs
    ]


def _label(entry: Entry, group: Group) -> str:
    twins = [
        one
        for one in group.theirs
        if (one.source, one.environment, one.steps, one.measure, one.algorithm)
        == (entry.source, entry.environment, entry.steps, entry.measure, entry.algorithm)
    ]
    named = "" if entry.algorithm.lower() == group.algorithm else f"{entry.algorithm}, "
    several = len({one.implementation for one in twins}) > 1
    who = f"{entry.source.split()[0]}: {entry.implementation}" if several else entry.source
    what = {"evaluation": "", "maximum": ", best", "training": ", training"}[entry.measure]
    tail = f", v{_version(entry.environment)}, {short_steps(entry.steps)}{what}"
    room = LABEL - len(named) - len(tail)
    return f"{named}{who if len(who) <= room else who[: room - 1].rstrip(' ,:(') + '…'}{tail}"


def _words(entry: Entry) -> str:
    like = max(abs(end) for end in entry.bounds) if entry.bounds else 0.0
    value = number(entry.value, like=like)
    kind = next((short for start, short in SPREADS if entry.spread_kind.startswith(start)), "")
    if entry.spread is not None:
        return f"{value} ± {number(entry.spread, like=like)} {kind}"
    if entry.low is not None:
        return f"{value} ({number(entry.low, like=like)} to {number(entry.high, like=like)}, {kind})"
    return value


def _caption(algorithm: str, *, first: bool) -> str:
    """What a figure shows; how marks and bars are to be read is said under the first."""
    if not first:
        return f"Returns of `{algorithm}` as they were published, below ours: as the first of these figures."
    return (
        f"Returns of `{algorithm}` as they were published, each on its own version of the environment, below "
        "ours. Coloured: ours, mean and standard deviation (sd) over seeds, small marks are runs. Grey: "
        "published; circles are evaluations at the end, triangles the best checkpoint, squares training "
        "episodes; bars reach as far as the source says, a standard deviation (sd), a standard error (se), "
        "or an interval (95 %). Bars of different kinds cannot be compared."
    )


def _table(study: Study, found: list[Group]) -> Table:
    columns = (
        "algorithm and task",
        "who",
        "return",
        "runs",
        "steps",
        "number is of",
        "other than ours",
    )
    rows, data = [], []
    for group in found:
        for cell in group.ours:
            mean = float(cell.scores.mean()) if cell.n else None
            spread = deviation(cell.scores)
            rows.append(
                (
                    f"{group.algorithm} on {group.environment}",
                    f"`{cell.variant}`",
                    number(mean) if spread is None else f"{number(mean)} ± {number(spread)} sd",
                    str(cell.n),
                    thousands(study.suite.steps),
                    MEASURES["evaluation"],
                    DASH,
                )
            )
            data.append(_ours(study, group, cell, mean))
        for one in group.theirs:
            rows.append(
                (
                    f"{group.algorithm} on {one.environment}",
                    f"{one.source}: {one.algorithm}, {one.implementation}",
                    _words(one),
                    str(one.seeds),
                    thousands(one.steps),
                    one.statistic,
                    "; ".join(differences(study, group, one)) or DASH,
                )
            )
            data.append(_theirs(group, one, differences(study, group, one)))
    return Table(
        name=QUESTION,
        caption="Our cells and what others published on the same tasks, with what each number is: ± a "
        "standard deviation (sd) or error (se), or an interval (95 %). Rows are not tested against each "
        "other. Where a number stands, and notes on it, are in the CSV.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset({"runs", "steps"}),
    )


def _ours(study: Study, group: Group, cell: CellScores, mean: float | None) -> dict[str, object]:
    return {
        "question": QUESTION,
        "algorithm": group.algorithm,
        "environment": group.environment,
        "who": cell.variant,
        "ours": True,
        "value": mean,
        "spread": deviation(cell.scores),
        "low": None,
        "high": None,
        "spread_kind": "standard deviation over seeds",
        "runs": cell.n,
        "steps": study.suite.steps,
        "statistic": "primary endpoint, mean over seeds",
        "differs": "",
        "implementation": cell.variant,
        "reference": "",
        "notes": cell.gaps,
    }


def _theirs(group: Group, one: Entry, differs: tuple[str, ...]) -> dict[str, object]:
    return {
        "question": QUESTION,
        "algorithm": group.algorithm,
        "environment": one.environment,
        "who": f"{one.source}: {one.algorithm}",
        "ours": False,
        "value": one.value,
        "spread": one.spread,
        "low": one.low,
        "high": one.high,
        "spread_kind": one.spread_kind,
        "runs": one.seeds,
        "steps": one.steps,
        "statistic": one.statistic,
        "differs": "; ".join(differs),
        "implementation": one.implementation,
        "reference": one.reference,
        "notes": one.notes,
    }


def _version(environment: str) -> int:
    return int(environment.rpartition("-v")[2])
