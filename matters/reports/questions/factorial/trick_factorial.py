"""Which tricks matter, and do they interact? Main effects and interactions of a two-level design.

The design is the one that the suite declares: all combinations of some tricks, or one trick at a time.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from matters.reports.page.formatting import plural, signed
from matters.reports.page.section import Drawing, Section, Verdict
from matters.reports.page.sentences import listed, place_text
from matters.reports.questions.clip_mechanism import clip_tables
from matters.reports.questions.factorial import designs, effect_figures
from matters.reports.questions.factorial.designs import Design
from matters.reports.questions.factorial.effect_tables import cell_table, effect_table
from matters.reports.questions.factorial.effects import (
    FREEDOM,
    Effect,
    estimate,
    family_sizes,
    live,
    sentence,
    unanswered,
)
from matters.reports.questions.pairwise_section import margins
from matters.reports.questions.short_answers import Answer
from matters.reports.statistics import verdicts as rules
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM
from matters.reports.study.caveats import COLLAPSE_MEANS, SIDES_MEAN, collapses
from matters.reports.study.study import AGGREGATE, Study

QUESTION = "trick-factorial"
TITLE = "Which tricks matter, and do they interact?"
NEEDS = (
    "A design in the suite, `[suite.design]`: variants of one algorithm that differ only in tricks, two "
    "levels of each: all combinations, or a base and each trick alone put in or taken out."
)
ESTIMAND = (
    "The effect of a trick is the mean primary endpoint with it on minus that with it off, averaged over all "
    "levels of the others; an interaction of two is half of what the effect of one changes by when the other "
    "is switched on, and so on upwards. Per environment in raw return; in aggregate the mean over "
    "environments of the normalised effects, the environment a fixed block."
)
AS_THEY_ARE = " All other hyperparameters stay as they are: nothing is tuned again in any cell."
TUNED = " Each cell is at its own best {settings}, which tuning chose on other seeds."
ONE_AT_A_TIME = (
    "The effect of a trick is the mean primary endpoint with it on minus that with it off, {rest}. Per "
    "environment in raw return; in aggregate the mean over environments of the normalised effects. "
    "Interactions cannot be seen in this design."
)
METHOD = (
    "Contrasts of cell means, without assuming equal variances: Satterthwaite’s intervals and tests. "
    "*Different* is an adjusted p ≤ 0.05 within the effect’s family, *equivalent* is a 90 % interval inside "
    "the margin (two one-sided tests). Signs and names are those of Montgomery, “Design and "
    "Analysis of Experiments”, chapter 6."
)


def answer(study: Study) -> Section:
    """Estimate the effects of the design at hand, and answer from the aggregate or from each environment."""
    design = designs.at_hand(study.suite.design, study.variants)
    found = [] if design is None else estimate(study, QUESTION, design)
    given = _no_design(study) if design is None else _answer(found)
    first, more = _verdicts(found)
    full = design is None or design.kind == "full"
    return Section(
        question=QUESTION,
        title=TITLE if full else "Which tricks matter, one at a time?",
        answer=given.text,
        word=given.word,
        reason=given.reason,
        claim=given.claim,
        verdicts=first,
        lacks=() if design is None else _caveats(study, design, found),
        needs=NEEDS,
        estimand=(ESTIMAND if full else ONE_AT_A_TIME.format(rest=_rest(design)))
        + (TUNED.format(settings=", ".join(sorted(study.tuned))) if study.tuned else AS_THEY_ARE),
        family=_families(found),
        margin=margins(study),
        method=METHOD,
        drawings=() if design is None else _drawings(study, design, found),
        tables=()
        if design is None
        else (
            effect_table(QUESTION, design, found),
            cell_table(study, design),
            *clip_tables(QUESTION, study, design.variants),
        ),
        more=more,
        variants=() if design is None else design.variants,
    )


def _no_design(study: Study) -> Answer:
    text = "Nothing to compare: the cells at hand make no complete design."
    if study.suite.design is None:
        text = "Nothing to compare: the suite declares no design (`[suite.design]` with the tricks’ names)."
    return Answer(text, "undecided", "blocked", False)


def _rest(design: Design | None) -> str:
    return "all others on" if design is not None and design.kind == "one-out" else "all others off"


def _headline(found: Sequence[Effect]) -> list[str]:
    """The places that give the answer: the aggregate if it can, else every environment."""
    everywhere = list(dict.fromkeys(one.where for one in found))
    aggregate = [one for one in found if one.where == AGGREGATE and one.found is not None]
    return [AGGREGATE] if aggregate else [where for where in everywhere if where != AGGREGATE]


def _answer(found: Sequence[Effect]) -> Answer:
    parts = []
    mains: list[Effect] = []
    for where in _headline(found):
        here = [one for one in found if one.where == where and one.order == 1]
        judged = [one for one in here if one.found is not None]
        mains += here
        if judged:
            parts.append(f"{place_text(where)}, {_short(judged, _pairs(found, where))}.")
    word = rules.of_several([one.word for one in mains])
    open_ = [one.reason for one in mains if one.word == "undecided"]
    reason: rules.Reason = next((reason for reason in reversed(rules.REASONS) if reason in open_), "")
    if not parts:
        return Answer(NO_ANSWER.get(reason, NO_ANSWER["blocked"]), "undecided", reason, False)
    claim = word != "undecided" and all(one.claim for one in mains if one.found is not None)
    return Answer(" ".join(parts), word, reason if word == "undecided" else "", claim)


NO_ANSWER = {
    "too few seeds": "Too few seeds for intervals: the table has the effects that were seen.",
    "too early": "Too early to tell: no cell has made a tenth of the way from random actions to the "
    "yardstick, and there are too few seeds for intervals.",
    "no room": "Cannot be told: every run has the same score or is at its task’s ceiling.",
    "blocked": "No effect can be estimated: cells of the design have no scored run.",
}


def _pairs(found: Sequence[Effect], where: str) -> list[Effect]:
    return [one for one in found if one.where == where and one.order == 2 and one.found is not None]


def _short(mains: Sequence[Effect], pairs: Sequence[Effect]) -> str:
    score = "normalised score" if mains[0].where == AGGREGATE else "score"

    def names(ones: Sequence[Effect], size: bool = False) -> str:
        return listed([one.name + (f" ({signed(one.value, one.where)})" if size else "") for one in ones])

    parts = []
    by = {
        word: sorted((one for one in mains if one.word == word), key=lambda one: -abs(one.value or 0.0))
        for word in ("different", "both", "equivalent", "undecided")
    }
    if changed := by["different"]:
        change = "changes" if len(changed) == 1 else "change"
        parts.append(f"{names(changed, size=True)} {change} the {score}")
    if changed := by["both"]:
        change = "changes" if len(changed) == 1 else "change"
        parts.append(f"{names(changed, size=True)} {change} the {score} by less than the margin")
    if same := by["equivalent"]:
        parts.append(f"{names(same)} {'is' if len(same) == 1 else 'are'} equivalent to off")
    for reason, says in (
        ("too early", "it is too early to tell of"),
        ("mixed", "environments contradict each other on"),
    ):
        if some := [one for one in by["undecided"] if one.reason == reason]:
            parts.append(f"{says} {names(some)}")
    if open_ := [one for one in by["undecided"] if one.reason not in ("too early", "mixed")]:
        parts.append(f"{names(open_)} {'is' if len(open_) == 1 else 'are'} not decided")
    if joint := [one for one in pairs if one.word in ("different", "both")]:
        each = [" and ".join(one.name.split(" × ")) for one in joint]
        parts.append(f"{', as do '.join([f'{each[0]} interact', *each[1:]])}")
    return "; ".join(parts)


def _verdicts(found: Sequence[Effect]) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
    """Those that everybody should read, and the rest; the first with a caveat says what that means."""
    first: list[Verdict | Effect] = []
    more: list[Verdict | Effect] = []
    headline = _headline(found)
    for where in dict.fromkeys(one.where for one in found):
        here = [one for one in found if one.where == where]
        judged = [one for one in here if one.found is not None]
        mine = first if where in headline else more
        lost = [one for one in here if one.found is None]
        if lost:
            names = "" if not judged else ", ".join(one.name for one in lost)
            reason = unanswered(lost, names)
            label = names.replace("`", "")
            first.append(Verdict(reason, "undecided", False, where, label, "", lost[0].reason))
        mine += [one for one in judged if one.order == 1]
        for family, what in ((2, "interactions of two tricks"), (3, "higher interactions")):
            group = [one for one in judged if one.family == family]
            seen = [one for one in group if one.word in ("different", "both")]
            mine += seen
            rest = [one for one in group if one not in seen]
            if rest:
                mine.append(_summary(rest, len(group), what))
            if family == 2:
                more += rest
    said: set[str] = set()

    def shown(one: Verdict | Effect) -> Verdict:
        if isinstance(one, Verdict):
            return one
        verdict = _verdict(one, found, said)
        said.update({SIDES_MEAN} & set(one.notes))
        return verdict

    return tuple(map(shown, first)), tuple(map(shown, more))


def _verdict(one: Effect, found: Sequence[Effect], said: Collection[str]) -> Verdict:
    conditional = None
    if one.order == 2 and one.value is not None:
        main = next(other.value for other in found if (other.where, other.term) == (one.where, one.term[:1]))
        conditional = None if main is None else (main - one.value, main + one.value)
    return Verdict(
        statement=sentence(one, conditional, said),
        verdict=one.word,
        reason=one.reason,
        claim=one.claim and one.word != "undecided",
        where=one.where,
        x=" × ".join(one.term),
        y="",
    )


def _summary(rest: Sequence[Effect], all_: int, what: str) -> Verdict:
    """One sentence on the interactions that were not found."""
    where = rest[0].where
    same = [one for one in rest if one.word == "equivalent"]
    others = f"of the {all_} {what}" if len(rest) == all_ else f"of the other {len(rest)} {what}"
    text = f"{place_text(where)}, {others} none is different"
    if len(same) == len(rest):
        text += ", and each is equivalent to none within the margin."
    else:
        open_ = Counter(one.reason for one in rest if one not in same)
        parts = [f"{len(same)} equivalent to none within the margin"] if same else []
        parts += [f"{count} {reason}" for reason, count in open_.items()]
        text += f": {', '.join(parts)}."
    if not all(one.claim for one in rest):
        text = f"Exploratory: {text[0].lower()}{text[1:]}" if rest[0].order > 2 else text
    if len(same) == len(rest):
        return Verdict(text, "equivalent", all(one.claim for one in rest), where, what, "")
    reasons = {one.reason for one in rest if one not in same}
    reason = reasons.pop() if len(reasons) == 1 else "not decided"
    return Verdict(text, "undecided", False, where, what, "", reason)


def _caveats(study: Study, design: Design, found: Sequence[Effect]) -> tuple[str, ...]:
    lines = []
    few = [one for one in found if one.found is not None and one.runs < MINIMUM_FOR_CLAIM]
    if few:
        one = min(few, key=lambda each: each.runs)
        cells = "" if design.kind != "full" else f" of {len(design.cells)} cells"
        lines.append(
            f"{plural(one.runs, 'seed')} in the smallest cell: intervals pool the spread{cells} "
            f"({one.freedom} degrees of freedom; at least {FREEDOM} are asked for) and trust that scores "
            "within a cell are nearly normal, which so few runs cannot show. They are indicative."
        )
    for where in study.environments:
        cells_ = [study.cell(variant, where) for variant in design.variants]
        gaps = [f"`{cell.variant}` ({cell.gaps})" for cell in cells_ if cell.gaps]
        if gaps:
            lines.append(f"On {where} cells are not whole: {', '.join(gaps)}.")
        lost = [
            f"{rare} of {cell.n} of `{cell.variant}`"
            for cell in cells_
            if (rare := collapses(study, where, cell.scores))
        ]
        if lost:
            lines.append(
                f"On {where} runs gained less than half of what their cell’s median run did: "
                f"{', '.join(lost)}. {COLLAPSE_MEANS}"
            )
    outside = [f"`{name}`" for name in study.variants if name not in design.variants]
    if outside:
        lines.append(f"Not part of the design: {', '.join(outside)}.")
    if len(study.environments) > 1 and len(live(study, design)) < 2:
        lines.append(
            "No aggregate over environments: fewer than two have normalising constants and room for an "
            "effect."
        )
    if any(one.scale is None for one in found):
        lines.append(
            "Where an environment has no normalising constants there is no margin, so no equivalence."
        )
    return tuple(lines)


def _families(found: Sequence[Effect]) -> str:
    sizes = family_sizes(found)
    mains, pairs, higher = (plural(size, "test") for size in (sizes[1], sizes[2], sizes[3]))
    text = f"Main effects, in all places together: {mains}, Holm’s correction."
    if sizes[2]:
        text += f" Interactions of two: {pairs}, Holm’s correction."
    if sizes[3]:
        text += f" Higher interactions: {higher}, Benjamini and Hochberg’s correction, exploratory."
    return text


def _drawings(study: Study, design: Design, found: Sequence[Effect]) -> tuple[Drawing, ...]:
    drawings = []
    full = design.kind == "full" and len(design.factors) > 1
    if any(one.value is not None for one in found):
        drawings.append(effect_figures.effects(QUESTION, design, found))
    if full and any(
        all(one.value is not None for one in found if one.where == where)
        for where in dict.fromkeys(one.where for one in found)
    ):
        drawings.append(effect_figures.half_normal(design, found))
    if full:
        drawings.append(effect_figures.heat_map(study, design))
    drawings.append(effect_figures.shares(study, design, _headline(found)))
    return tuple(drawings)
