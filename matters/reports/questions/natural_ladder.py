"""What does each rung from the vanilla policy gradient to PPO add? Adjacent steps only.

VPG → NPG → TNPG → TRPO → PPO. PPO comes as two rungs, the algorithm and its tricks: Engstrom et al. 2020
found that the second may be the larger step.
"""

from matters.reports.page.section import Section
from matters.reports.questions import ladder
from matters.reports.questions.ladder import Ladder, Rung
from matters.reports.study.study import Study

QUESTION = "natural-ladder"
TITLE = "What does each rung from the vanilla policy gradient to PPO add?"
NEEDS = "At least two of `vpg`, `npg`, `tnpg`, `trpo`, `ppo-m`, `ppo`; each is compared with the one below."
ESTIMAND = ladder.ESTIMAND
SOURCE = (
    "The rungs are those of Kakade (2002), Duan et al. (2016), Schulman et al. (2015 and 2017), and for the "
    "last Engstrom et al. (2020)."
)
METHOD = ladder.METHOD + SOURCE
RUNGS = (
    Rung("vpg", "a step along the gradient"),
    Rung("npg", "the natural direction, and a step of a fixed KL"),
    Rung("tnpg", "a few steps of conjugate gradient in place of an exact solution"),
    Rung("trpo", "a line search on the surrogate and the KL"),
    Rung("ppo-m", "many small steps on a clipped objective in place of one natural step"),
    Rung("ppo", "the tricks of published code"),
)


def answer(study: Study) -> Section:
    """Compare every rung at hand with the one below."""
    return ladder.climb(study, Ladder(QUESTION, TITLE, NEEDS, SOURCE, RUNGS))
