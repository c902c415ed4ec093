"""Learning curves and performance profiles with their bands, and diagnostics over training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from matters.reports.statistics import aggregates
from matters.reports.statistics.intervals import (
    MINIMUM_FOR_INTERVAL,
    Array,
    bootstrap_curve,
    contrasts,
    iqm_tail,
)
from matters.reports.study.cells import of_cell
from matters.reports.study.study import Study
from matters.reports.study.view import fallen

# What `updates` is asked for, with the words of the page.
DIAGNOSTICS: dict[str, str] = {
    "mean_kl": "mean KL(old ‖ new)",
    "max_ratio": "largest probability ratio",
    "clip_fraction": "clip fraction",
}
DIAGNOSTIC_POINTS = 60
PROFILE_POINTS = 101


@dataclass(frozen=True)
class Curve:
    """Mean over runs [T] at environment steps [T], the runs [n, T], and the band (None under five runs)."""

    steps: Array
    runs: Array
    centre: Array
    low: Array | None
    high: Array | None


def run_matrix(study: Study, variant: str, environment: str) -> tuple[Array, Array]:
    """Steps [T] and evaluation scores [n, T] of a cell's runs, by seed.

    A run that diverged has the random policy's score from there on, as its endpoint does; where that is not
    known, a run that stopped early keeps its last score. A run without a first evaluation is left out: it has
    nothing to keep.
    """
    rows = of_cell(study.evaluations, variant, environment)
    done = study.runs[study.runs["state"] == "done"]
    rows = rows[rows["run_id"].isin(done["run_id"])]
    if rows.empty:
        return np.array([]), np.empty((0, 0))
    scores = rows.pivot_table(index="seed", columns="point", values="score", sort=True, dropna=False)
    steps = rows.groupby("point", sort=True)["step"].median()
    known = scores.where(np.isfinite(scores))
    if environment in study.constants:
        own = of_cell(done, variant, environment)
        lost = known.index.isin(own[own["diverged_at"].notna()]["seed"])
        known = known.where(~lost[:, None] | known.notna(), study.constants[environment][0])
    filled = known.ffill(axis=1).dropna(how="any")
    # Points closer than a rollout fall on the same step, hence on the same policy: they are one point.
    merged = filled.T.groupby(steps.reindex(filled.columns).to_numpy(float), sort=True).mean()
    return merged.index.to_numpy(float), merged.to_numpy(float).T


def learning_curve(study: Study, variant: str, environment: str) -> Curve | None:
    """The curve of one cell in raw return, or None if no run was evaluated."""
    steps, runs = run_matrix(study, variant, environment)
    if not len(runs):
        return None
    low = high = None
    if len(runs) >= MINIMUM_FOR_INTERVAL:
        value, error, freedom = contrasts([runs.T], [1.0])
        # Where all runs are equal a band would be a line, and would claim a certainty that nobody has.
        reach = np.where(error > 0, special.stdtrit(freedom, 0.975) * error, np.nan)
        low, high = value - reach, value + reach
    return Curve(steps, runs, runs.mean(axis=0), low, high)


def aggregate_curve(study: Study, variant: str) -> Curve | None:
    """IQM of the normalised scores over training, all comparable environments together.

    None where the variant's aggregate is blocked, or environments were not evaluated at the same points.
    """
    if study.blocked(variant) or len(study.comparable) < 2:
        return None
    parts = [run_matrix(study, variant, name) for name in study.comparable]
    if any(not len(runs) for _, runs in parts) or len({runs.shape[1] for _, runs in parts}) != 1:
        return None
    normalised = [
        study.normalised(name, runs) for name, (_, runs) in zip(study.comparable, parts, strict=True)
    ]
    centre = aggregates.iqm([runs.T for runs in normalised])
    low = high = None
    if min(len(runs) for runs in normalised) >= MINIMUM_FOR_INTERVAL:
        rng = study.generator("aggregate-curve", variant)
        low, high = bootstrap_curve(normalised, aggregates.iqm, rng, tail=iqm_tail)
    steps = np.median([steps for steps, _ in parts], axis=0)
    return Curve(steps, np.empty((0, len(steps))), centre, low, high)


def performance_profile(study: Study, variant: str) -> Curve | None:
    """Share of runs that score more than tau, environments weighing the same, over all scores at hand.

    `steps` are the thresholds, from the lowest score of those who have not fallen far below the others to the
    highest. None where the variant's aggregate is blocked. The band is pointwise; a resampled run brings its
    whole staircase.
    """
    if study.blocked(variant):
        return None
    every = {
        name: np.concatenate(study.aggregate_samples(name))
        for name in study.variants
        if not study.blocked(name)
    }
    seen = np.concatenate([every[name] for name in every.keys() - set(fallen(every))])
    tau = np.linspace(min(0.0, float(seen.min())), max(1.0, float(seen.max())), PROFILE_POINTS)
    stairs = [(scores[:, None] > tau).astype(float) for scores in study.aggregate_samples(variant)]
    low = high = None
    if min(len(stair) for stair in stairs) >= MINIMUM_FOR_INTERVAL:
        low, high = bootstrap_curve(stairs, aggregates.mean, study.generator("profile", variant))
    return Curve(tau, np.empty((0, len(tau))), aggregates.mean([stair.T for stair in stairs]), low, high)


@dataclass(frozen=True)
class Trace:
    """A diagnostic over training: median over runs [T], lowest and highest run [T]."""

    steps: Array
    centre: Array
    low: Array
    high: Array


def trace(study: Study, variant: str, environment: str, diagnostic: str) -> Trace | None:
    """The diagnostic of one cell over at most sixty stretches of training.

    Within a stretch a run's updates are averaged; for ratios the largest is taken. None if no run has the
    diagnostic.
    """
    steps, runs = run_traces(study, variant, environment, diagnostic)
    if not len(runs):
        return None
    return Trace(steps, np.nanmedian(runs, axis=0), np.nanmin(runs, axis=0), np.nanmax(runs, axis=0))


def run_traces(study: Study, variant: str, environment: str, diagnostic: str) -> tuple[Array, Array]:
    """Environment steps [T] and a diagnostic [n, T] of a cell's runs, by seed; nan where a run has none."""
    if diagnostic not in study.updates:
        return np.array([]), np.empty((0, 0))
    rows = of_cell(study.updates, variant, environment)
    values = pd.to_numeric(rows[diagnostic], errors="coerce").to_numpy(float)
    rows = rows.assign(value=np.where(np.isfinite(values), values, np.nan)).dropna(subset=["value"])
    if rows.empty:
        return np.array([]), np.empty((0, 0))
    steps = rows["step"].to_numpy(float)
    stretches = min(DIAGNOSTIC_POINTS, int(rows["step"].nunique()))
    edges = np.linspace(steps.min(), steps.max(), stretches + 1)
    place = np.clip(np.searchsorted(edges, steps, side="right") - 1, 0, stretches - 1)
    grouped = rows.assign(place=place).groupby(["place", "seed"], sort=True)["value"]
    runs = grouped.max() if diagnostic.startswith("max_") else grouped.mean()
    where = rows.assign(place=place).groupby("place", sort=True)["step"].mean()
    return where.to_numpy(float), runs.unstack("place").to_numpy(float)


def curve_rows(study: Study, curves: Sequence[tuple[str, str, Curve]]) -> list[dict[str, object]]:
    """Learning curves as data: one row per variant, environment and evaluation point."""
    return [
        {
            "variant": variant,
            "environment": environment,
            "step": int(curve.steps[t]),
            "runs": len(curve.runs) or study.seeds([variant], study.comparable),
            "score": float(curve.centre[t]),
            "low": None if curve.low is None else float(curve.low[t]),
            "high": None if curve.high is None else float(curve.high[t]),
        }
        for variant, environment, curve in curves
        for t in range(len(curve.steps))
    ]


def profile_rows(shares: Sequence[tuple[str, Curve]]) -> list[dict[str, object]]:
    """Performance profiles as data: one row per variant and threshold."""
    return [
        {
            "variant": variant,
            "score": float(curve.steps[t]),
            "share": float(curve.centre[t]),
            "low": None if curve.low is None else float(curve.low[t]),
            "high": None if curve.high is None else float(curve.high[t]),
        }
        for variant, curve in shares
        for t in range(len(curve.steps))
    ]


def trace_rows(traces: Sequence[tuple[str, str, str, Trace]]) -> dict[str, list[dict[str, object]]]:
    """Each diagnostic as data, by the name of its figure: one row per variant, environment, stretch."""
    found: dict[str, list[dict[str, object]]] = {}
    for key, variant, environment, one in traces:
        found.setdefault(key.replace("_", "-"), []).extend(
            {
                "variant": variant,
                "environment": environment,
                "step": float(one.steps[t]),
                "median": float(one.centre[t]),
                "lowest": float(one.low[t]),
                "highest": float(one.high[t]),
            }
            for t in range(len(one.steps))
        )
    return found
