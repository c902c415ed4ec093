"""Do PPO's code-level tricks matter? After Engstrom et al., "Implementation Matters in Deep RL" (2020).

The paper's layout has five variants: PPO and TRPO+ with the tricks, PPO-M and TRPO without them, and PPO
without clipping. It is asked twice: of variants with equal settings, where PPO's tricks are set on TRPO, too
(value clipping, annealing, gradient clipping and Adam's ε act there on the fit of V alone: the policy has no
Adam), and of the released ones, each tuned by itself. The contrasts at hand are answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matters.reports.page.comparison_tables import comparison_table, details_table
from matters.reports.page.formatting import ends, interval_text, number, signed
from matters.reports.page.section import Section, Table
from matters.reports.questions import pairwise_section
from matters.reports.questions.clip_mechanism import clip_tables
from matters.reports.questions.differing_settings import (
    OF_PPO,
    OF_THE_STEP,
    Contrast,
    Role,
    cast,
    notices,
    settings_table,
    undeclared,
)
from matters.reports.questions.pairwise_section import section_of_pairs
from matters.reports.questions.short_answers import NEUTRAL, Answer, short_answer
from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import MINIMUM_FOR_INTERVAL
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import Study
from matters.suites.settings import difference_text

QUESTION = "code-level-tricks"
TITLE = "Do PPO’s code-level tricks matter?"
NEEDS = (
    "Variants with the settings of `ppo` and `ppo-m`; for AAI and ACLI also of `trpo-plain` and "
    "`trpo-tricks`; for the worth of clipping of `ppo-noclip`; or the five released ones. Of the tricks that "
    "TRPO has too, value clipping, annealing, gradient clipping and Adam’s ε act on its fit of V alone."
)
METHOD = pairwise_section.METHOD + (
    "The layout is that of Engstrom et al., “Implementation Matters in Deep RL” (ICLR 2020), section 4."
)
ANSWERS = {
    "different": "Yes: `{ahead}` scores {size} than `{behind}`.",
    "equivalent": "No: `{x}` and `{y}` are equivalent within the margin.",
    "both": "A little: `{ahead}` scores {size} than `{behind}`, less than the margin.",
}
PPO = Role("ppo", "ppo", ("tricks.", "objective"))
PPO_M = Role("ppo-m", "ppo", ("tricks.", "objective"))
NO_CLIP = Role("ppo-noclip", "ppo", ("tricks.", "objective"))
PLAIN, TRICKS = Role("trpo-plain", "trpo"), Role("trpo-tricks", "trpo")
RELEASED = tuple(
    Role(f"{name}-released", name.partition("-")[0].rstrip("+"), ("",))
    for name in ("ppo", "ppo-m", "trpo+", "trpo", "ppo-noclip")
)
ROLES = (PPO, PPO_M, PLAIN, TRICKS, NO_CLIP, *RELEASED)

AS_EACH_HAS_IT = {"tricks.value_clip", "tricks.advantage_normalisation"}
"""On in both, each in its own way: value clips of different sizes, and normalised minibatches or batches."""
RELEASED_TRICKS = {
    "tricks.value_clip",
    "tricks.reward_scaling",
    "tricks.orthogonal_init",
    "tricks.reward_clip",
    "tricks.observation_clip",
}
"""Those that the released PPO-M and TRPO really lack; annealing besides, in PPO."""
RATES = {"learning_rate", "value_learning_rate"}
"""Each released variant was tuned by itself, on each task."""
RULE = {"accept_ratio", "tricks.advantage_normalisation"}


def _contrast(x: str, y: str, tells: str, *may_differ: set[str]) -> Contrast:
    return Contrast(x, y, tells, frozenset[str]().union(*may_differ))


OF_TRICKS = (
    _contrast("ppo", "ppo-m", "the tricks, with PPO’s step", OF_PPO, {"value_coefficient"}),
    _contrast("trpo-tricks", "trpo-plain", "the tricks, with TRPO’s step", OF_PPO),
    _contrast(
        "ppo-released",
        "ppo-m-released",
        "PPO against PPO-M as released",
        RELEASED_TRICKS,
        RATES,
        {"tricks.anneal_lr"},
    ),
    _contrast(
        "trpo+-released",
        "trpo-released",
        "TRPO+ against TRPO as released",
        RELEASED_TRICKS,
        {"kl", "tricks.kl_final", "gae_lambda", "value_learning_rate"},
    ),
)
"""What the question is about; the first of these at hand gives its answer."""
OF_STEPS = (
    _contrast(
        "ppo", "trpo-tricks", "PPO’s step against TRPO’s, with the tricks", OF_THE_STEP, AS_EACH_HAS_IT
    ),
    _contrast("ppo-m", "trpo-plain", "PPO’s step against TRPO’s, without the tricks", OF_THE_STEP),
    _contrast("ppo", "ppo-noclip", "clipping, with the tricks", {"objective"}),
    _contrast(
        "ppo-released",
        "trpo+-released",
        "PPO against TRPO+ as released",
        OF_THE_STEP,
        RULE,
        {"gae_lambda", "tricks.kl_final", "tricks.anneal_lr", "tricks.orthogonal_init", "tricks.value_clip"},
    ),
    _contrast("ppo-m-released", "trpo-released", "PPO-M against TRPO as released", OF_THE_STEP, RULE),
    _contrast(
        "ppo-released",
        "ppo-noclip-released",
        "PPO against PPO without clipping as released",
        RELEASED_TRICKS,
        RATES,
        {"objective", "clip", "gae_lambda", "entropy_coefficient"},
        {"tricks.anneal_lr", "tricks.gradient_clip", "tricks.gradient_clip_of"},
    ),
)
"""What the tricks’ worth is held against."""
CONTRASTS = (*OF_TRICKS, *OF_STEPS)
SQUARES = (
    ("", ("ppo", "ppo-m", "trpo-plain", "trpo-tricks")),
    ("as released", ("ppo-released", "ppo-m-released", "trpo-released", "trpo+-released")),
)
"""Engstrom's square, in the order of `attribution`: PPO, PPO-M, TRPO and TRPO+."""


def contrasts(study: Study) -> list[Contrast]:
    """The contrasts that the variants at hand allow, under their names."""
    at_hand = cast(study, ROLES)
    return [
        replace(one, x=at_hand[one.x], y=at_hand[one.y])
        for one in CONTRASTS
        if {one.x, one.y} <= set(at_hand)
    ]


def compared(study: Study) -> list[Comparison]:
    """Every pair at hand compared, the first one first."""
    return compare_pairs(study, QUESTION, [(one.x, one.y) for one in contrasts(study)])


def answer(study: Study) -> Section:
    """Compare the pairs at hand; the first of them, about the tricks if any is, gives the short answer."""
    at_hand, chosen = cast(study, ROLES), contrasts(study)
    found = compared(study)
    tables = [comparison_table(QUESTION, found), settings_table(QUESTION, study, chosen)] if found else []
    settings = _settings_of(study)
    squares = [(how, square) for how, square in SQUARES if set(square) <= set(at_hand)]
    tables += [
        _attribution_table(study, how or settings, [at_hand[role] for role in square], first=k == 0)
        for k, (how, square) in enumerate(squares)
    ]
    paired = tuple(dict.fromkeys(name for one in chosen for name in (one.x, one.y)))
    tables += clip_tables(QUESTION, study, paired)
    tables += [details_table(QUESTION, found)] if found else []
    return section_of_pairs(
        study,
        QUESTION,
        _answer(study, chosen, found),
        found,
        title=TITLE,
        needs=NEEDS,
        estimand=pairwise_section.ESTIMAND,
        method=METHOD,
        tested="each pair in aggregate and on each environment",
        tables=tables,
        lacks=(*notices(study, chosen), *(() if study.foreign else _lacks(at_hand))),
        variants=paired,
    )


def _settings_of(study: Study) -> str:
    """How the settings of variants at hand were found, in words, where no code was released with them."""
    return "with each at its own best" if study.tuned else "at equal settings"


def _answer(study: Study, chosen: Sequence[Contrast], found: Sequence[Comparison]) -> Answer:
    """About the tricks, yes or no only where a pair differs in them alone."""
    if not found:
        text = "Nothing to compare: no pair of variants that this question knows."
        return Answer(text, "undecided", "blocked", False)
    first = chosen[0]
    own = [one for one in found if (one.x, one.y) == (first.x, first.y)]
    if first.tells not in [one.tells for one in OF_TRICKS]:
        given = short_answer(study, own, NEUTRAL)
        lead = f"No two variants here differ in the tricks alone. Of {first.tells}:"
        return replace(given, text=f"{lead} {given.text}")
    if study.foreign:  # names are all that is known of them
        return short_answer(study, own, NEUTRAL)
    if also := undeclared(study, first):
        given = short_answer(study, own, NEUTRAL)
        return replace(given, text=f"{given.text} Beside the tricks they differ in {difference_text(also)}.")
    return short_answer(study, own, ANSWERS)


def _lacks(at_hand: Mapping[str, str]) -> tuple[str, ...]:
    if any(set(square) <= set(at_hand) for _, square in SQUARES):
        return ()
    absent = [name for name in SQUARES[0][1] if name not in at_hand]
    lines = [
        "AAI and ACLI, Engstrom’s measures of the algorithm’s and the tricks’ worth, need variants with the "
        f"settings of `ppo`, `ppo-m`, `trpo-plain` and `trpo-tricks`; none here has those of "
        f"{', '.join(f'`{name}`' for name in absent)}."
    ]
    if "ppo" in at_hand and "ppo-noclip" not in at_hand:
        lines.append("`ppo` against `ppo-noclip` (clipping, with the tricks) needs both variants.")
    return tuple(lines)


def _attribution_table(study: Study, how: str, square: Sequence[str], *, first: bool) -> Table:
    columns = (
        "environment",
        "n",
        "AAI",
        "AAI if none",
        "ACLI",
        "ACLI if none",
        "algorithm",
        "tricks",
        "interaction",
    )
    ppo, ppo_m, trpo, trpo_tricks = square
    rows, data = [], []
    for name in study.environments:
        cells = [study.cell(variant, name).scores for variant in square]
        if min(len(cell) for cell in cells) < MINIMUM_FOR_INTERVAL:
            continue
        a = compare.attribution(*cells)
        sizes = sorted({len(cell) for cell in cells})
        rows.append(
            (
                name,
                str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}",
                f"{number(a.aai)} ({interval_text(a.aai_interval)})",
                number(a.aai_null),
                f"{number(a.acli)} ({interval_text(a.acli_interval)})",
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
                **ends(a.aai_interval, "aai_low", "aai_high"),
                "aai_null": a.aai_null,
                "acli": a.acli,
                **ends(a.acli_interval, "acli_low", "acli_high"),
                "acli_null": a.acli_null,
                "algorithm": a.algorithm.value,
                "tricks": a.code.value,
                "interaction": a.interaction.value,
            }
        )
    return Table(
        name="attribution" if first else f"attribution-{how.replace(' ', '-')}",
        caption=f"Engstrom’s measures {how}, in raw return with 95 % intervals: AAI is the larger of "
        f"|`{ppo}` − `{trpo_tricks}`| and |`{ppo_m}` − `{trpo}`|, ACLI of |`{ppo}` − `{ppo_m}`| and "
        f"|`{trpo_tricks}` − `{trpo}`|; *if none* is what each would be on average if there were no effect, "
        "for a maximum of absolute differences is above zero. Signed: algorithm is PPO minus TRPO and tricks "
        "is with minus without, each averaged over the other; interaction is what the tricks add to PPO "
        "minus what they add to TRPO.",
        columns=columns,
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(columns[1:]),
    )
