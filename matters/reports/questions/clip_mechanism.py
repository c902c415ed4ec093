"""What PPO's gradient clip left of its steps, from the norms that were recorded of every update.

A joint clip bounds the norm of the gradient of both networks. Where V's is much the larger, as without
scaled rewards, the policy's part is scaled down with it, and Adam's ε then damps many of its parameters. So
the worth of a trick that changes the size of rewards or of V's loss is partly the clip's. docs/mechanisms.md
has figures.
"""

from collections.abc import Sequence

import numpy as np

from matters.reports.page.formatting import DASH, number, percent
from matters.reports.page.section import Table
from matters.reports.study.cells import of_cell
from matters.reports.study.study import Study
from matters.suites.variant import Variant

OF = {None: "both together", "each": "each alone", "policy": "the policy’s alone"}


def clip_tables(question: str, study: Study, variants: Sequence[str]) -> tuple[Table, ...]:
    """One row per cell of PPO with a gradient clip that recorded its norms; no table without any."""
    rows, data = [], []
    for variant in variants:
        known = study.suite.variants.get(variant)
        if not isinstance(known, Variant) or known.algorithm != "ppo":
            continue
        for environment in study.environments:
            tricks = getattr(known.on(environment), "tricks", None)
            limit, of = getattr(tricks, "gradient_clip", None), getattr(tricks, "gradient_clip_of", None)
            norms = _norms(study, variant, environment)
            if limit is None or not len(norms):
                continue
            median, acted = float(np.median(norms)), float((norms > limit).mean())
            left = min(1.0, limit / median) if of is None else None
            rows.append(
                (
                    f"`{variant}`",
                    environment,
                    f"{limit:g}",
                    OF[of],
                    number(median),
                    DASH if left is None else f"{left:.3f}",
                    percent(acted, 1),
                )
            )
            data.append(
                {
                    "question": question,
                    "variant": variant,
                    "environment": environment,
                    "gradient_clip": limit,
                    "gradient_clip_of": of,
                    "gradient_norm": median,
                    "coefficient": left,
                    "updates_beyond": acted,
                }
            )
    if not rows:
        return ()
    columns = (
        "variant",
        "environment",
        "clip",
        "of which norm",
        "median norm of both",
        "left of a step",
        "updates above the clip",
    )
    return (
        Table(
            name=f"{question}-gradient-clip",
            caption="What PPO’s gradient clip left of its steps: the median over updates of the norm of both "
            "networks’ gradient before clipping (of an update, the mean over its minibatches), clip / norm "
            "for a joint clip, and the share of updates whose norm was above the clip. Where a joint clip "
            "leaves little, the policy’s steps are small because V’s gradient is large.",
            columns=columns,
            rows=tuple(rows),
            data=tuple(data),
            numeric=frozenset((columns[2], *columns[4:])),
        ),
    )


def _norms(study: Study, variant: str, environment: str) -> np.ndarray:
    """The recorded norms of a cell's updates."""
    if "gradient_norm" not in study.updates:
        return np.empty(0)
    rows = of_cell(study.updates, variant, environment)
    return np.asarray(rows["gradient_norm"].dropna(), dtype=np.float64)
