"""What does each rung from the natural gradient to PPO add? Adjacent steps only.

NPG → TNPG → TNPG that rejects bad steps → TRPO → PPO-M → PPO, at one damping, batch, λ and fit of V. PPO
comes as two rungs, the algorithm and its tricks: Engstrom et al. 2020 found the second to be the larger.
"""

from dataclasses import replace

from matters.reports.page.section import Section
from matters.reports.questions import ladder
from matters.reports.questions.differing_settings import OF_PPO, OF_THE_STEP, Contrast, Role
from matters.reports.questions.ladder import Ladder, Rung
from matters.reports.questions.natural_mechanisms import mechanism_table, unsolved_notices, why_idle
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.study import Study

QUESTION = "natural-ladder"
TITLE = "What does each rung from the natural gradient to PPO add?"
NEEDS = (
    "At least two of `npg`, `tnpg`, `tnpg-reject`, `trpo`, `ppo-m`, `ppo`, by their settings, at one "
    "damping; each is compared with the one below."
)
SOURCE = (
    "The rungs are those of Kakade (2002), Duan et al. (2016), Schulman et al. (2015 and 2017), and for the "
    "last Engstrom et al. (2020)."
)
RUNGS = (
    Rung(Role("npg", "npg", ("tricks.", "direction", "step_size")), "the natural direction, solved exactly"),
    Rung(
        Role("tnpg", "tnpg"),
        "a few steps of conjugate gradient in place of an exact solution",
        frozenset({"algorithm", "cg_steps", "dense_up_to", "tolerance", "most_steps"}),
    ),
    Rung(
        Role("tnpg-reject", "trpo", ("tricks.", "line_search_steps")),
        "the step is rejected if the surrogate fell or its KL is above δ",
        frozenset({"algorithm", "line_search_steps"}),
        why_idle,
    ),
    Rung(
        Role("trpo", "trpo", ("tricks.", "line_search_steps")),
        "a line search in place of rejection",
        frozenset({"line_search_steps", "line_search_shrink"}),
        why_idle,
    ),
    Rung(
        Role("ppo-m", "ppo", ("tricks.", "objective")),
        "many small steps on a clipped objective in place of one natural step",
        frozenset(OF_THE_STEP),
    ),
    Rung(
        Role("ppo", "ppo", ("tricks.", "objective")),
        "the tricks of published code",
        frozenset(OF_PPO | {"value_coefficient"}),
    ),
)
LADDER = Ladder(QUESTION, TITLE, NEEDS, SOURCE, RUNGS)


def contrasts(study: Study) -> list[Contrast]:
    """The steps at hand."""
    return ladder.contrasts(study, LADDER)


def compared(study: Study) -> list[Comparison]:
    """Every step at hand compared, the lowest one first."""
    return ladder.compared(study, LADDER)


def answer(study: Study) -> Section:
    """Compare every rung at hand with the one below, and say what their steps did."""
    section = ladder.climb(study, LADDER)
    names = section.variants or ()
    if study.foreign or not section.tables:
        return section
    return replace(
        section,
        lacks=(*section.lacks, *unsolved_notices(study, names)),
        tables=(*section.tables, mechanism_table(QUESTION, study, names)),
    )
