"""What do TD3 and SAC add to DDPG, and which of TD3's three parts does it? Adjacent steps only.

DDPG → TD3 → SAC, with DDPG in TD3's sizes between the first two where it is at hand. TD3's parts are compared
one by one as in table 2 of its paper: each put into that DDPG alone, and each taken out of TD3 alone.
"""

from matters.reports.page.section import Section
from matters.reports.questions import ladder
from matters.reports.questions.ladder import Ladder, Rung, Step
from matters.reports.study.study import Study

QUESTION = "actor-critic-ladder"
TITLE = "What do TD3 and SAC add to DDPG?"
NEEDS = (
    "At least two of `ddpg`, `ddpg-tuned`, `td3` and `sac`. For TD3’s parts, variants with one of them alone "
    "(`td3-only-cdq`, `td3-only-delay`, `td3-only-smoothing`) beside `ddpg-tuned`, or without one "
    "(`td3-no-cdq`, `td3-no-delay`, `td3-no-smoothing`) beside `td3`."
)
ESTIMAND = ladder.ESTIMAND
SOURCE = (
    "The rungs and TD3’s parts are those of Lillicrap et al. (2016), Fujimoto et al. (2018, table 2) and "
    "Haarnoja et al. (2018)."
)
METHOD = ladder.METHOD + SOURCE
RUNGS = (
    Rung("ddpg", "a deterministic actor and a critic"),
    Rung("ddpg-tuned", "TD3’s batch, rates, first parameters and exploration, no weight decay"),
    Rung("td3", "clipped double Q, delayed updates and target smoothing"),
    Rung("sac", "a stochastic actor that is paid for its entropy, in SAC’s sizes and rates"),
)
PARTS = (
    Step("ddpg-tuned", "td3-only-cdq", "clipped double Q, alone"),
    Step("ddpg-tuned", "td3-only-delay", "delayed updates, alone"),
    Step("ddpg-tuned", "td3-only-smoothing", "target smoothing, alone"),
    Step("td3-no-cdq", "td3", "clipped double Q, last"),
    Step("td3-no-delay", "td3", "delayed updates, last"),
    Step("td3-no-smoothing", "td3", "target smoothing, last"),
)


def answer(study: Study) -> Section:
    """Compare every rung at hand with the one below, and the parts of TD3 that are."""
    return ladder.climb(study, Ladder(QUESTION, TITLE, NEEDS, SOURCE, RUNGS, PARTS))
