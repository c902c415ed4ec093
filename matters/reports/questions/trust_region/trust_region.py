"""How far do updates go, and do bounds hold them? Mean KL and largest ratio over training, and their bounds.

After figure 2 of Engstrom et al. 2020: PPO's clipping bounds no ratio, and what keeps the KL small may be
other things than the bound. Nothing is tested here; every share and mean has its interval.
"""

from collections.abc import Mapping, Sequence

from matters.reports.page.formatting import DASH, ends, interval_text, number, percent, plural
from matters.reports.page.section import Drawing, Section, Table, Verdict
from matters.reports.questions.trust_region.bounds import Bound, Quantity, bounds
from matters.reports.questions.trust_region.updates import (
    Finding,
    Shown,
    Updates,
    average,
    judge,
    measure,
    share,
)
from matters.reports.statistics.intervals import MINIMUM_FOR_CLAIM, Array
from matters.reports.study.study import Study

QUESTION = "trust-region"
TITLE = "How far do updates go, and do bounds hold them?"
NEEDS = (
    "A variant with a bound: ε of a clipped objective, δ of a natural step, or a target KL. Variants without "
    "one are shown beside it."
)
ESTIMAND = (
    "Of a run: the share of its updates after which the bounded quantity was beyond the bound, the mean over "
    "updates of the mean KL(old ‖ new), and the median over updates of the largest ratio. Of a variant: the "
    "mean of these over runs on an environment, and the mean of that over environments."
)
METHOD = (
    "KL and ratios are measured after each update on the rollout that was learnt from, against which bounds "
    "are held; where a variant has `held_out` on, also on its last steps, from which nothing was learnt; "
    "intervals are Student’s over runs and Satterthwaite’s over environments, and exact bounds where no "
    "update of any run, or every one, is beyond. The layout is that of Engstrom et al., “Implementation "
    "Matters in Deep RL” (ICLR 2020), figure 2."
)
WORDS = {
    "kept": "Kept in every update",
    "exceeded": "Exceeded in most updates",
    "mixed": "Exceeded at times",
}
QUANTITIES: dict[Quantity, str] = {"mean_kl": "the mean KL", "max_ratio": "the largest ratio"}

Cells = Mapping[tuple[str, str], Updates]


def answer(study: Study) -> Section:
    """Hold every bound at hand against the updates that were recorded."""
    known = {name: bounds(study.suite.variants.get(name)) for name in study.variants}
    bounded = any(known.values())
    cells = {
        (variant, environment): found
        for environment in study.environments
        for variant in study.variants
        if bounded and (found := measure(study, variant, environment)) is not None
    }
    judged = [judge(study, name, bound, cells) for name, mine in known.items() for bound in mine]
    free = [judge(study, name, None, cells) for name, mine in known.items() if bounded and not mine]
    text, word, claim = _answer(judged)
    drawings, data = _drawings(study, known) if cells else ((), {})
    return Section(
        question=QUESTION,
        title=TITLE,
        answer=text,
        word=word,
        claim=claim,
        verdicts=_verdicts((*judged, *free)),
        lacks=_lacks(study, judged, free),
        needs=NEEDS,
        estimand=ESTIMAND,
        family="No test: each interval is a 95 % one, not all of them together.",
        margin="No margin: the bounds are the algorithms’ own.",
        method=METHOD,
        drawings=drawings,
        tables=(_table(cells, known),) if cells else (),
        data=data,
    )


def _answer(judged: Sequence[Finding]) -> tuple[str, str, bool]:
    """(text, word, claim): the bounds by what became of them."""
    if not judged:
        return "Nothing to compare: no variant at hand bounds its updates.", "blocked", False
    order = ("exceeded", "mixed", "kept", "too few seeds", "blocked")
    word = next(word for word in order if any(one.word == word for one in judged))
    if word == "too few seeds":
        return "Too few seeds for intervals: the table has what was seen.", word, False
    if word == "blocked":
        return "No answer: runs are missing, or recorded nothing that is bounded.", word, False
    parts = []
    for kind, says in WORDS.items():
        same: dict[str, list[Finding]] = {}
        for one in judged:
            if one.word == kind:
                same.setdefault(_text(one), []).append(one)
        parts += [f"{says}: {'; '.join(map(_short, same.values()))}."] if same else []
    return " ".join(parts), word, all(one.claim for one in judged if one.word in WORDS)


def _text(one: Finding) -> str:
    return "" if one.bound is None else one.bound.text


def _short(found: Sequence[Finding]) -> str:
    """The variants to which the same happened with the same bound."""
    shares = sorted(one.share[0] or 0.0 for one in found)
    low, high = share_text(shares[0]), share_text(shares[-1])
    seen = "" if high == "0 %" else f" ({low if low == high else f'{low} to {high}'} of updates)"
    bound = found[0].bound
    what = "" if bound is None else f"{QUANTITIES[bound.quantity]} of "
    return f"{_text(found[0])} by {what}{', '.join(f'`{one.variant}`' for one in found)}{seen}"


def _verdicts(found: Sequence[Finding]) -> tuple[Verdict, ...]:
    """One sentence for each; why some are no claims is said by the first of those for which it holds."""
    reasons = list(map(_no_claim, found))
    return tuple(
        _verdict(one, why if why not in reasons[:k] else "")
        for k, (one, why) in enumerate(zip(found, reasons, strict=True))
    )


def _no_claim(one: Finding) -> str:
    """Why a finding is an indication; empty where it is a claim, or nothing was found."""
    if one.claim or one.word not in (*WORDS, "no bound"):
        return ""
    if one.seeds < MINIMUM_FOR_CLAIM:
        return f"{plural(one.seeds, 'seed')} are fewer than the {MINIMUM_FOR_CLAIM} a claim needs"
    return f"runs are left out ({one.gaps})"


def _verdict(one: Finding, why: str) -> Verdict:
    places = [cell.environment for cell in one.cells]
    return Verdict(
        statement=f"No claim, for {why}. {_sentence(one)}" if why else _sentence(one),
        verdict=one.word,
        claim=one.claim,
        where=places[0] if len(places) == 1 else "all environments",
        x=one.variant,
        y=_text(one),
    )


def _sentence(one: Finding) -> str:
    name = f"`{one.variant}`"
    if one.bound is not None:
        name += f" ({one.bound.text}: {one.bound.means})"
    if one.word == "blocked":
        why = f"runs are not whole ({one.gaps})" if one.gaps else "no run recorded what is bounded"
        return f"{name}: no verdict, as {why}."
    size = (
        f"Mean KL {_estimate([cell.kl for cell in one.cells])}, "
        f"largest ratio of an update {_estimate([cell.ratio for cell in one.cells])}."
    )
    if one.bound is None:
        return f"{name} has no bound. {size}"
    value, interval = one.share
    what = QUANTITIES[one.bound.quantity]
    if interval is None:
        few = f"{plural(one.seeds, 'seed')} in the smallest cell are too few for an interval"
        return f"{name}: {what} was beyond it in {share_text(value)} of updates; {few}. {size}"
    sure = f"95 % interval {100 * interval.low:.1f} to {100 * interval.high:.1f} %"
    if value == 0:
        runs = plural(one.runs, "run")
        return f"{name}: {what} was beyond it in no update of {runs} (share of updates: {sure}). {size}"
    return f"{name}: {what} was beyond it in {share_text(value)} of updates ({sure}{_range(one)}). {size}"


def _range(one: Finding) -> str:
    """The environments with the smallest and the largest share, if these differ."""
    assert one.bound is not None
    means = sorted((float(cell.beyond[one.bound].mean()), cell.environment) for cell in one.cells)
    (low, first), (high, last) = means[0], means[-1]
    return f"; from {share_text(low)} on {first} to {share_text(high)} on {last}" if low < high else ""


def _estimate(samples: Sequence[Array]) -> str:
    value, interval = average(samples)
    if value is None:
        return "not known" if samples else "not recorded"
    return number(value) if interval is None else f"{number(value)} ({interval_text(interval)})"


def share_text(value: float | None) -> str:
    """A share as a percentage with one decimal; 0 and 100 without, where it is exactly that."""
    return percent(value, 0 if value in (0.0, 1.0) else 1)


def _lacks(study: Study, judged: Sequence[Finding], free: Sequence[Finding]) -> tuple[str, ...]:
    unseen: dict[tuple[str, str], list[str]] = {}
    for one in judged:
        seen = {cell.environment for cell in one.cells}
        cells = [cell for name in study.environments if (cell := study.cell(one.variant, name)).declared]
        absent = [cell for cell in cells if cell.environment not in seen]
        for why, some in (
            ("no run has a score there", [cell for cell in absent if not cell.n]),
            (
                "no run recorded what is bounded, or the number of actions is not known there",
                [cell for cell in absent if cell.n],
            ),
        ):
            if some:
                places = ", ".join(cell.environment for cell in some)
                unseen.setdefault((places, why), []).append(f"`{one.variant}` ({_text(one)})")
    lines = [
        f"Not judged on {places}: {', '.join(names)}, as {why}." for (places, why), names in unseen.items()
    ]
    if judged and not free:
        lines.append("No variant without a bound is at hand: how far updates would go is not seen.")
    return tuple(lines)


def _drawings(
    study: Study, known: Mapping[str, Sequence[Bound]]
) -> tuple[tuple[Drawing, ...], dict[str, list[dict[str, object]]]]:
    from matters.reports.questions.trust_region import bound_figures

    found = [bound_figures.draw(study, QUESTION, quantity, known) for quantity in QUANTITIES]
    drawn = [one for one in found if one is not None]
    return tuple(drawing for drawing, _ in drawn), {drawing.name: rows for drawing, rows in drawn}


def _table(cells: Cells, known: Mapping[str, Sequence[Bound]]) -> Table:
    columns: tuple[str, ...] = (
        "environment",
        "variant",
        "bound",
        "updates beyond it",
        "mean KL",
        "largest ratio",
        "largest of all",
        "updates a run",
        "seeds",
    )
    apart = any(cell.held_out_kl is not None for cell in cells.values())
    columns += ("mean KL, held out", "largest ratio, held out") * apart
    unbounded: list[Bound | None] = [None]
    every = [(cell, bound) for cell in cells.values() for bound in (known[cell.variant] or unbounded)]
    return Table(
        name=QUESTION,
        caption="On each environment: the share of updates beyond the bound, the mean KL(old ‖ new) and the "
        "median largest ratio of an update, each a mean over runs with its 95 % interval; and the largest "
        "ratio of any update of any run. KL is summed over the action’s dimensions; δ *an action* is on its "
        "mean." + " Held out: on steps of the same policy from which nothing was learnt." * apart,
        columns=columns,
        rows=tuple(_row(cell, bound) + _apart(cell) * apart for cell, bound in every),
        data=tuple(_data(cell, bound) for cell, bound in every),
        numeric=frozenset(columns[3:]),
    )


def _beyond(cell: Updates, bound: Bound | None) -> Shown:
    return (None, None) if bound is None or bound not in cell.beyond else share([cell.beyond[bound]])


def _row(cell: Updates, bound: Bound | None) -> tuple[str, ...]:
    value, interval = _beyond(cell, bound)
    beyond = share_text(value)
    if interval is not None:
        beyond += f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    counts = sorted({int(count) for count in cell.counts})
    return (
        cell.environment,
        f"`{cell.variant}`",
        "none" if bound is None else bound.text,
        beyond,
        _estimate([cell.kl]),
        _estimate([cell.ratio]),
        number(float(cell.largest.max())),
        str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}",
        str(len(cell.counts)),
    )


def _apart(cell: Updates) -> tuple[str, ...]:
    parts = cell.held_out_kl, cell.held_out_ratio
    return tuple(DASH if part is None else _estimate([part]) for part in parts)


def _data(cell: Updates, bound: Bound | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "question": QUESTION,
        "variant": cell.variant,
        "environment": cell.environment,
        "bound": None if bound is None else bound.text,
        "quantity": None if bound is None else bound.quantity,
    }
    measured = [
        ("beyond", _beyond(cell, bound)),
        ("mean_kl", average([cell.kl])),
        ("max_ratio", average([cell.ratio])),
    ]
    if cell.held_out_kl is not None and cell.held_out_ratio is not None:
        measured.append(("mean_kl_held_out", average([cell.held_out_kl])))
        measured.append(("max_ratio_held_out", average([cell.held_out_ratio])))
    for name, (value, interval) in measured:
        facts |= {name: value, **ends(interval, f"{name}_low", f"{name}_high")}
    return facts | {"largest_ratio": float(cell.largest.max()), "seeds": len(cell.counts)}
