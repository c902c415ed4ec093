"""What the steps of the natural family did, from what was recorded of every update.

A rung can matter only where what it adds acted. Under one in twenty updates counts as never: the scores of
two variants then differ by chance alone, or by what a handful of updates set off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matters.reports.page.formatting import DASH, number, percent
from matters.reports.page.section import Table
from matters.reports.statistics.intervals import Array
from matters.reports.study.cells import of_cell
from matters.reports.study.study import Study

IDLE = 0.05
"""The share of updates under which a mechanism cannot have had an effect."""


@dataclass(frozen=True)
class Steps:
    """One cell's updates, over all of its runs.

    `kl` is the mean of the recorded mean KLs, `size` the median factor of the step. `searched` is the share
    of updates in which the full step was not taken as it was, by line search or rejection; `unsolved` that
    with a residual above the tolerance. None where nothing of that kind is recorded or asked for.
    """

    variant: str
    environment: str
    updates: int
    kl: float
    size: float | None
    searched: float | None
    residual: float | None
    unsolved: float | None


def steps(study: Study, variant: str, environment: str) -> Steps | None:
    """What the updates of one cell did; None without any."""
    rows = of_cell(study.updates, variant, environment)
    if rows.empty or "mean_kl" not in rows:
        return None

    def column(name: str) -> Array | None:
        if name not in rows or rows[name].isna().all():
            return None
        return np.asarray(rows[name].dropna(), dtype=np.float64)

    factor, size, residual = (column(name) for name in ("line_search_factor", "step_size", "cg_residual"))
    tolerance = _tolerance(study, variant, environment)
    return Steps(
        variant=variant,
        environment=environment,
        updates=len(rows),
        kl=float(rows["mean_kl"].mean()),
        size=None if size is None else float(np.median(size)),
        searched=None if factor is None else float((factor < 1).mean()),
        residual=None if residual is None else float(np.median(residual)),
        unsolved=None if residual is None or tolerance is None else float((residual > tolerance).mean()),
    )


def _tolerance(study: Study, variant: str, environment: str) -> float | None:
    known = study.suite.variants.get(variant)
    config = known.on(environment) if hasattr(known, "on") else None
    if getattr(config, "direction", None) == "gradient":
        return None  # nothing is solved
    return getattr(config, "tolerance", None)


def why_idle(study: Study, variant: str, environment: str) -> str | None:
    """Why the line search, or the rejection, of a variant cannot have had an effect there; None if it can."""
    found = steps(study, variant, environment)
    if found is None or found.searched is None or found.searched >= IDLE:
        return None
    share = percent(found.searched, 1)
    return f"`{variant}` changed or refused the full step in {share} of updates on {environment}."


def mechanism_table(question: str, study: Study, variants: Sequence[str]) -> Table:
    """One row per cell that has recorded its updates."""
    columns = (
        "variant",
        "environment",
        "updates",
        "mean KL",
        "median step size",
        "full step not taken",
        "median residual",
        "not solved to tolerance",
    )
    found = [
        one
        for variant in variants
        for environment in study.environments
        if (one := steps(study, variant, environment)) is not None
    ]
    return Table(
        name=f"{question}-mechanisms",
        caption="What the steps did, over all updates of a cell’s runs: the mean KL(old ‖ new), the factor "
        "before F⁻¹g or g, how often line search or rejection changed the step, and of variants that solve "
        "F x = g to a tolerance how often the residual stayed above it. δ is met for F + λI, so the KL that "
        "a step of δ comes to is below δ where λ weighs, and elsewhere whatever the true KL is.",
        columns=columns,
        rows=tuple(
            (
                f"`{one.variant}`",
                one.environment,
                str(one.updates),
                number(one.kl),
                DASH if one.size is None else f"{one.size:.3g}",
                DASH if one.searched is None else percent(one.searched, 1),
                DASH if one.residual is None else f"{one.residual:.2g}",
                DASH if one.unsolved is None else percent(one.unsolved, 1),
            )
            for one in found
        ),
        data=tuple(
            {
                "question": question,
                "variant": one.variant,
                "environment": one.environment,
                "updates": one.updates,
                "mean_kl": one.kl,
                "step_size": one.size,
                "full_step_not_taken": one.searched,
                "cg_residual": one.residual,
                "not_solved": one.unsolved,
            }
            for one in found
        ),
        numeric=frozenset(columns[2:]),
    )


def unsolved_notices(study: Study, variants: Sequence[str]) -> tuple[str, ...]:
    """A sentence on each cell whose system was not always solved to its tolerance."""
    found = [steps(study, variant, where) for variant in variants for where in study.environments]
    return tuple(
        f"`{one.variant}` on {one.environment} did not solve its system to the tolerance in "
        f"{percent(one.unsolved, 1)} of updates (median residual {one.residual:.2g})."
        for one in found
        if one is not None and one.unsolved
    )
