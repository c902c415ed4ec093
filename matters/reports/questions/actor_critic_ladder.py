"""What do TD3 and SAC add to DDPG, and which of TD3's three parts does it? Adjacent steps only.

DDPG → TD3 → SAC, with DDPG in TD3's sizes between the first two where it is at hand. TD3's parts are compared
one by one as in table 2 of its paper: each put into that DDPG alone, and each taken out of TD3 alone.
"""

from matters.reports.page.section import Section
from matters.reports.questions import ladder
from matters.reports.questions.differing_settings import Contrast, Role
from matters.reports.questions.ladder import Ladder, Rung, Step
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.study import Study

QUESTION = "actor-critic-ladder"
TITLE = "What do TD3 and SAC add to DDPG?"
NEEDS = (
    "At least two of `ddpg-batch-norm`, `ddpg`, `ddpg-tuned`, `td3`, `td3-256`, `td3-256-only-cdq`, `sac`, "
    "by settings; for TD3’s parts also variants with one of them alone (`td3-only-cdq`, "
    "`td3-only-delay`, `td3-only-smoothing`) or without one (`td3-no-cdq`, `td3-no-delay`, "
    "`td3-no-smoothing`)."
)
SOURCE = (
    "The rungs and TD3’s parts are those of Lillicrap et al. (2016), Fujimoto et al. (2018, table 2) and "
    "Haarnoja et al. (2018)."
)
WHAT = {"cdq": "clipped double Q", "delay": "delayed updates", "smoothing": "target smoothing"}
TUNING = (
    "batch_size",
    "warmup",
    "target_rate",
    "learning_rate",
    "critic_weight_decay",
    "exploration",
    "exploration_scale",
    "ou_reversion",
    "ou_step",
    "last_layer",
)
"""What TD3's paper changes in DDPG beside its three parts."""
SIZES = ("hidden", "batch_size", "learning_rate", "critic_learning_rate")
SETTINGS = {
    "cdq": frozenset({"tricks.clipped_double_q"}),
    "delay": frozenset({"tricks.policy_delay"}),
    "smoothing": frozenset({"tricks.target_noise", "target_noise_clip"}),
}
DELAY_AND_SMOOTHING = SETTINGS["delay"] | SETTINGS["smoothing"]
RUNGS = (
    Rung(Role("ddpg-batch-norm", "ddpg", (*TUNING, "tricks.")), "a deterministic actor and a critic"),
    Rung(
        Role("ddpg", "ddpg", (*TUNING, "tricks.")),
        "no batch normalisation, and actions in Q’s first layer",
        frozenset({"tricks.batch_norm", "tricks.late_actions"}),
    ),
    Rung(
        Role("ddpg-tuned", "ddpg", (*TUNING, "tricks.")),
        "tuning: TD3’s batch, rates, first parameters, exploration and warm-up, no weight decay",
        frozenset(TUNING),
    ),
    Rung(
        Role("td3", "td3", ("tricks.", "hidden")),
        "clipped double Q, delayed updates and target smoothing",
        frozenset({"algorithm"}).union(*SETTINGS.values()),
    ),
    Rung(Role("td3-256", "td3", ("tricks.", "hidden")), "SAC’s sizes and rates", frozenset(SIZES)),
    Rung(
        Role("td3-256-only-cdq", "td3", ("tricks.", "hidden")),
        "no delay and no smoothing, which SAC has not",
        DELAY_AND_SMOOTHING,
    ),
    Rung(
        Role("sac", "sac", ("learn_temperature",)),
        "a stochastic actor with a reward for its entropy, in place of noise and a target policy",
        frozenset(
            {
                "algorithm",
                "exploration",
                "exploration_scale",
                "temperature",
                "learn_temperature",
                "temperature_learning_rate",
                "tricks.log_std_range",
                "tricks.clipped_double_q",
            }
        ),
    ),
)
PARTS = (
    *(
        Step("ddpg-tuned", f"td3-only-{part}", f"{what}, alone", SETTINGS[part] | {"algorithm"})
        for part, what in WHAT.items()
    ),
    *(Step(f"td3-no-{part}", "td3", f"{what}, last", SETTINGS[part]) for part, what in WHAT.items()),
)
ROLES = tuple(
    Role(f"td3-{how}-{part}", "td3", ("tricks.", "hidden")) for how in ("only", "no") for part in WHAT
)
LADDER = Ladder(QUESTION, TITLE, NEEDS, SOURCE, RUNGS, PARTS, ROLES)


def contrasts(study: Study) -> list[Contrast]:
    """The steps and parts at hand."""
    return ladder.contrasts(study, LADDER)


def compared(study: Study) -> list[Comparison]:
    """Every step at hand compared, the lowest one first."""
    return ladder.compared(study, LADDER)


def answer(study: Study) -> Section:
    """Compare every rung at hand with the one below, and the parts of TD3 that are."""
    return ladder.climb(study, LADDER)
