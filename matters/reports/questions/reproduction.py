"""Are ours equivalent to Stable-Baselines3's? Two one-sided tests of every twin of a reference against it."""

from collections.abc import Sequence
from dataclasses import replace

from matters import algorithms
from matters.reports.page.comparison_tables import comparison_table, details_table
from matters.reports.page.formatting import percent, thousands
from matters.reports.page.section import Section, Table, Verdict
from matters.reports.page.sentences import at_place
from matters.reports.questions import pairwise_section
from matters.reports.questions.pairwise_section import section_of_pairs, verdicts
from matters.reports.questions.short_answers import each_answered
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL
from matters.reports.study.aa_control import Control, split_control
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.pairwise import Margin, compare_pairs
from matters.reports.study.study import AGGREGATE, Study
from matters.suites.twins import differences, twin_of
from matters.suites.variant import Variant

QUESTION = "reproduction"
TITLE = "Do ours reproduce Stable-Baselines3?"
NEEDS = (
    "Pairs of `X-sb3` (our X with SB3’s defaults) and `sb3-X` (SB3 itself), or of variants with such "
    "settings under other names."
)
ESTIMAND = (
    "The difference of mean primary endpoints, ours minus the reference, per environment in raw return, and "
    "in aggregate as the mean over environments of the normalised differences."
)
METHOD = pairwise_section.METHOD + (
    "A reproduction is held to a tenth of what a reference gains over random actions at this budget, a "
    "constant that is frozen from other seeds; the achieved margin is the smallest that holds the 90 % "
    "interval. The A/A control judges random halves of the reference’s own runs by the same rules and "
    "margins (Colas et al. 2018)."
)
ANSWERS = {
    "different": "No: `{ahead}` scores {size} than `{behind}`.",
    "equivalent": "Yes: `{x}` and `{y}` are equivalent within the margin, apart by at most {reach} (90 % "
    "interval).",
    "both": "Within the margin, though not exactly: `{ahead}` scores {size} than `{behind}`.",
}
SHARE = 0.10  # of what the reference gained


def margin(study: Study) -> Margin:
    """A tenth of what a frozen reference gains over random actions within the suite's steps, in raw return.

    None where no reference is known at this budget or a smaller one. A smaller gain makes a narrower margin,
    which asks for more. An absolute margin of a task stands, if it is narrower.
    """

    def on(environment: str) -> float | None:
        own = study.margin(environment)
        gain = study.gain(environment, study.suite.steps)
        return None if own is None or gain is None or gain <= 0 else min(own, SHARE * gain)

    return on


def pairs(study: Study) -> list[tuple[str, str]]:
    """(ours, reference) for every two variants of the suite whose settings make them twins."""
    return [(x, y) for x, y, differing in _related(study) if not differing]


def _known(study: Study) -> dict[str, Variant]:
    """The variants whose settings are known."""
    declared = {name: study.suite.variants.get(name) for name in study.variants}
    return {name: found for name, found in declared.items() if isinstance(found, Variant)}


def _related(study: Study) -> list[tuple[str, str, tuple[str, ...]]]:
    """(ours, reference, the settings that keep them apart) for those that could be twins."""
    known = _known(study)
    found = [(x, y, differences(known[x], known[y])) for x in known for y in known]
    return [(x, y, differing) for x, y, differing in found if differing is not None]


def compared(study: Study) -> list[Comparison]:
    """Every pair compared, the first one first."""
    return compare_pairs(study, QUESTION, pairs(study), margin(study))


def answer(study: Study) -> Section:
    """Compare every pair, and answer for each of them: one that is reproduced does not speak for another."""
    at_hand = pairs(study)
    found = compared(study)
    given = each_answered(study, at_hand, found, ANSWERS)
    if not at_hand:
        given = replace(given, text="Nothing to compare: no variant `X-sb3` together with its `sb3-X`.")
    references = dict.fromkeys(reference for _, reference in at_hand)
    own = margin(study)
    controls = [it for name in references if (it := split_control(study, QUESTION, name, own)) is not None]
    tables = [comparison_table(QUESTION, found), details_table(QUESTION, found)] if found else []
    return section_of_pairs(
        study,
        QUESTION,
        given,
        found,
        title=TITLE,
        needs=NEEDS,
        estimand=ESTIMAND,
        method=METHOD,
        tested="each pair in aggregate and on each environment",
        shown=(*verdicts(found), *(_control_verdict(one) for one in controls)),
        lacks=(*_lacks(study), *_uncontrolled(study, list(references), controls)),
        margin="A tenth of what a reference gains over random actions within the suite’s steps, per "
        "environment; in aggregate the mean of these in normalised score; the gate is "
        f"{study.suite.gate / study.suite.margin:g} times as wide.",
        tables=(*tables, *([_control_table(controls)] if controls else [])),
    )


def _lacks(study: Study) -> tuple[str, ...]:
    known, related = _known(study), _related(study)
    paired = {name for pair in pairs(study) for name in pair}
    lines = []
    for name, found in known.items():
        if name in paired:
            continue
        apart = [one for one in related if name in one[:2]]
        lines += [
            f"`{x}` is not compared with `{y}`: they differ in {', '.join(differing)}."
            for x, y, differing in apart
            if name == x
        ]
        if not apart and (partner := _partner(found)) is not None:
            lines.append(f"`{name}` has no `{partner}` to be compared with.")
    return tuple(lines)


def _partner(alone: Variant) -> str | None:
    """The preset that would be the twin of a variant."""
    if (twin := twin_of(alone)) is not None:
        return twin.reference
    all_twins = (algorithms.load(name).FACTS.twin for name in algorithms.ALGORITHMS)
    return next((it.preset for it in all_twins if it is not None and it.reference == alone.algorithm), None)


def _control_verdict(control: Control) -> Verdict:
    places = [AGGREGATE] if AGGREGATE in control.different else list(control.different)
    each = []
    for place in places:
        same = control.equivalent[place]
        shown = "" if same is None else f" and equivalent in {percent(same, 1)}"
        each.append(f"different in {percent(control.different[place], 1)}{shown} {at_place(place)}")
    text = (
        f"A/A control: `{control.variant}` against itself, in {thousands(control.splits)} random splits of "
        f"its runs into halves of {control.n}, is called {'; '.join(each)}; different in any place in "
        f"{percent(control.anywhere, 1)}."
    )
    return Verdict(text, "control", False, "A/A control", control.variant, control.variant)


def _uncontrolled(study: Study, references: Sequence[str], controls: Sequence[Control]) -> list[str]:
    done = [control.variant for control in controls]
    return [
        f"No A/A control of `{name}`: two halves need {2 * MINIMUM_FOR_INTERVAL} scored runs, and it has "
        f"{max(study.cell(name, place).n for place in study.environments)}."
        for name in references
        if name not in done
    ]


def _control_table(controls: Sequence[Control]) -> Table:
    columns = ("reference", "where", "runs a half", "different from itself", "equivalent to itself")
    lines = [(one, place) for one in controls for place in one.different]
    return Table(
        name="aa-control",
        caption="A/A control: how often the reference is called different from itself (after Holm’s "
        "correction over the places) and equivalent to itself, over random splits of its runs into halves. "
        "With half the runs of the comparison above equivalence is harder to show.",
        columns=columns,
        rows=tuple(
            (
                f"`{one.variant}`",
                place,
                str(one.n),
                percent(one.different[place], 1),
                percent(one.equivalent[place], 1),
            )
            for one, place in lines
        ),
        data=tuple(
            {
                "reference": one.variant,
                "where": place,
                "runs_a_half": one.n,
                "splits": one.splits,
                "different": one.different[place],
                "equivalent": one.equivalent[place],
                "different_anywhere": one.anywhere,
            }
            for one, place in lines
        ),
        numeric=frozenset(columns[2:]),
    )
