"""Tables of a two-level design: its effects, and its cells."""

from collections.abc import Sequence

from matters.reports.page.formatting import DASH, ends, interval_text, number, p_text, signed
from matters.reports.page.section import Table
from matters.reports.questions.factorial.designs import Design, is_off
from matters.reports.questions.factorial.effect_figures import key, unit
from matters.reports.questions.factorial.effects import Effect
from matters.reports.study.study import Study


def effect_table(question: str, design: Design, found: Sequence[Effect]) -> Table:
    """All effects as data; the page leaves out the higher interactions where there are several places."""
    columns = (
        "",
        "effect of",
        "where",
        "verdict",
        "effect",
        "95 % interval",
        "90 % interval",
        "margin ±",
        "p (adjusted)",
        "p (TOST)",
        "df",
        "seeds",
    )
    several = len({one.where for one in found}) > 1
    shown = [one for one in found if one.order < 3 or not several]
    left_out = len(found) - len(shown)
    rest = f" {left_out} higher interactions are in the CSV file." if left_out else ""
    return Table(
        name=question,
        caption="Effects in raw return per environment and in normalised score in aggregate. p is adjusted "
        f"within the effect’s family; df are Satterthwaite’s degrees of freedom; "
        f"seeds are those of the smallest cell.{rest}",
        columns=columns,
        rows=tuple(_row(design, one) for one in shown),
        data=tuple(_data(question, design, one) for one in found),
        numeric=frozenset(columns[4:]),
    )


def _row(design: Design, one: Effect) -> tuple[str, ...]:
    d, where = one.found, one.where
    start = (design.letters(one.term), one.name, where)
    if d is None:
        return (*start, one.reason, signed(one.value, where), *[DASH] * 6, str(one.runs))
    return (
        *start,
        (one.reason or one.word) + (" (exploratory)" if one.order > 2 else ""),
        signed(one.value, where, one.reach),
        interval_text(d.interval95, where),
        interval_text(d.interval90, where),
        number(d.margin, where),
        p_text(one.adjusted_p),
        p_text(d.tost_p),
        f"{d.estimate.degrees_of_freedom:.1f}",
        str(one.runs),
    )


def _data(question: str, design: Design, one: Effect) -> dict[str, object]:
    d = one.found
    return {
        "question": question,
        "design": design.kind,
        "term": design.letters(one.term),
        "effect": " × ".join(one.term),
        "order": one.order,
        "where": one.where,
        "unit": unit(one.where),
        "seeds": one.runs,
        "difference": one.value,
        "standard_error": d.estimate.standard_error if d else None,
        "degrees_of_freedom": d.estimate.degrees_of_freedom if d else None,
        **ends(d.interval95 if d else None, "low_95", "high_95"),
        **ends(d.interval90 if d else None, "low_90", "high_90"),
        "margin": d.margin if d else None,
        "p_welch": d.p_value if d else None,
        "p_adjusted": one.adjusted_p,
        "correction": ("Holm" if one.order < 3 else "Benjamini-Hochberg") if d else None,
        "p_tost": d.tost_p if d else None,
        "seeds_needed": one.plan.margin or one.plan.effect if one.plan else None,
        "verdict": one.word,
        "reason": one.reason,
        "claim": one.claim,
        "notes": " ".join(one.notes),
    }


def cell_table(study: Study, design: Design) -> Table:
    """The design: which variant has which trick at which level, with its mean on each environment."""
    letters = [design.letters((factor,)) for factor in design.factors]
    rows, data = [], []
    for pattern, variant in design.cells.items():
        values = [pair[on] for pair, on in zip(design.levels, pattern, strict=True)]
        cells = [study.cell(variant, name) for name in study.environments]
        means = [float(cell.scores.mean()) if cell.n else None for cell in cells]
        rows.append((f"`{variant}`", *(_level(value) for value in values), *(number(mean) for mean in means)))
        data.append(
            {
                "variant": variant,
                **dict(zip(design.factors, (_level(value) for value in values), strict=True)),
                **{f"mean {c.environment}": mean for c, mean in zip(cells, means, strict=True)},
                **{f"n {c.environment}": c.n for c in cells},
            }
        )
    return Table(
        name="factorial-cells",
        caption=f"The cells of the design of `{design.algorithm}`, with their mean returns. {key(design)}.",
        columns=("variant", *letters, *study.environments),
        rows=tuple(rows),
        data=tuple(data),
        numeric=frozenset(study.environments),
    )


def _level(value: object) -> str:
    if is_off(value):
        return "off"
    return "on" if value is True else str(value)
