"""Direction or length: what does the natural gradient owe its step to? A square of plain steps.

    θ ← θ + α g        θ ← θ + √(2δ / gᵀFg) g
    θ ← θ + α F⁻¹g     θ ← θ + √(2δ / gᵀF⁻¹g) F⁻¹g

Kakade (2002) multiplies by F⁻¹ and keeps a fixed α; Peters and Schaal (2008) also let the length follow from
δ. `vpg` against `npg` would change both, and Adam as well. Here the four corners have one damping, batch,
λ and fit of V and step without Adam, and the square is compared along its four edges.
"""

from matters.reports.page.comparison_tables import comparison_table, details_table
from matters.reports.page.section import Section
from matters.reports.questions import pairwise_section
from matters.reports.questions.differing_settings import Contrast, notices, settings_table
from matters.reports.questions.natural_mechanisms import mechanism_table, unsolved_notices
from matters.reports.questions.pairwise_section import section_of_pairs
from matters.reports.questions.short_answers import NEUTRAL, each_answered
from matters.reports.study.compared_pair import Comparison
from matters.reports.study.pairwise import compare_pairs
from matters.reports.study.study import Study
from matters.suites.variant import Variant

QUESTION = "natural-square"
TITLE = "Direction or length: what does the natural gradient owe its step to?"
NEEDS = (
    "Variants of `npg` at the corners of the square: `direction` g or F⁻¹g, and a `step_size` or a length "
    "that follows from δ; an edge needs its two corners."
)
ESTIMAND = (
    "The difference of mean primary endpoints between two neighbouring corners, per environment in raw "
    "return, and in aggregate as the mean over environments of the normalised differences. Each α was frozen "
    "before, where its mean KL was that of the same direction with KL = δ."
)
METHOD = pairwise_section.METHOD + (
    "The corners are those of Kakade (2002) and of Peters and Schaal (2008), and steepest ascent in θ with "
    "each of their lengths."
)

Corner = tuple[str, str]
"""Direction, `natural` or `gradient`, and length, `kl` or `fixed`."""

OF_F = {"damping", "fisher_fraction"}
"""What has no effect where F is not used at all: a fixed step along g."""
EDGES: tuple[tuple[Corner, Corner, str, frozenset[str]], ...] = (
    (("natural", "kl"), ("gradient", "kl"), "the direction, at KL = δ", frozenset({"direction"})),
    (
        ("natural", "fixed"),
        ("gradient", "fixed"),
        "the direction, each at its own fixed α of equal mean KL",
        frozenset({"direction", "step_size", *OF_F}),
    ),
    (
        ("natural", "kl"),
        ("natural", "fixed"),
        "the length, along F⁻¹g",
        frozenset({"step_size", "kl"}),
    ),
    (
        ("gradient", "kl"),
        ("gradient", "fixed"),
        "the length, along g",
        frozenset({"step_size", "kl", *OF_F}),
    ),
)
CORNERS = tuple(dict.fromkeys(corner for x, y, _, _ in EDGES for corner in (x, y)))


def corners(study: Study) -> dict[Corner, str]:
    """The first variant at hand at each corner, by its settings."""
    found: dict[Corner, str] = {}
    for name in study.variants:
        variant = study.suite.variants.get(name)
        if isinstance(variant, Variant) and variant.algorithm == "npg":
            found.setdefault(_corner(variant, study.environments[0]), name)
    return found


def _corner(variant: Variant, environment: str) -> Corner:
    config = variant.on(environment)
    direction = "natural" if getattr(config, "direction", None) is None else "gradient"
    return direction, "kl" if getattr(config, "step_size", None) is None else "fixed"


def contrasts(study: Study) -> list[Contrast]:
    """The edges whose two corners are at hand."""
    at_hand = corners(study)
    return [
        Contrast(at_hand[x], at_hand[y], tells, may_differ)
        for x, y, tells, may_differ in EDGES
        if x in at_hand and y in at_hand
    ]


def compared(study: Study) -> list[Comparison]:
    """Every edge at hand compared."""
    return compare_pairs(study, QUESTION, [(one.x, one.y) for one in contrasts(study)])


def answer(study: Study) -> Section:
    """Compare along every edge at hand."""
    at_hand, chosen = corners(study), contrasts(study)
    found = compared(study)
    given = each_answered(study, [(one.x, one.y) for one in chosen], found, NEUTRAL)
    names = tuple(at_hand.values())
    lost = [" with ".join(corner) for corner in CORNERS if corner not in at_hand]
    lacks = [f"Corners that no variant here is at: {', '.join(lost)}."] if lost else []
    return section_of_pairs(
        study,
        QUESTION,
        given,
        found,
        title=TITLE,
        needs=NEEDS,
        estimand=ESTIMAND,
        method=METHOD,
        tested="each edge in aggregate and on each environment",
        lacks=(*notices(study, chosen), *unsolved_notices(study, names), *lacks),
        tables=(
            comparison_table(QUESTION, found),
            settings_table(QUESTION, study, chosen),
            mechanism_table(QUESTION, study, names),
            details_table(QUESTION, found),
        )
        if found
        else (),
        variants=names if found else (),
    )
