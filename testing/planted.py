"""Snapshots with planted answers: what a report must find is known before it is written.

Scores are placed, not drawn: a cell of n runs has exactly the mean and the standard deviation that were asked
for. So a test that plants an answer finds it every time.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from matters import algorithms
from matters.reports.study.normalising_constants import known_constants
from matters.results.snapshot import Snapshot, run_table
from matters.suites.variant import variant as declared

CONSTANTS: dict[str, tuple[float, float]] = {
    "InvertedPendulum-v5": (6.0, 1000.0),
    "Hopper-v5": (20.0, 3000.0),
    "Walker2d-v5": (2.0, 4000.0),
}
POINTS, STEPS, UPDATES = 10, 50_000, 24


@dataclass(frozen=True)
class Plant:
    """One cell, in normalised score: `n` scored runs, the last `diverged` of which diverged, and others."""

    mean: float
    sd: float
    n: int = 10
    failed: int = 0
    missing: int = 0
    diverged: int = 0
    unscored: int = 0


def placed(n: int, mean: float, sd: float) -> NDArray[np.float64]:
    """n numbers like normal ones, with exactly this mean and sample standard deviation, in no order."""
    if n < 2 or sd == 0:
        return np.full(n, float(mean))
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    order = np.random.default_rng(n).permutation(n)
    return np.asarray(mean + sd * quantiles[order] / quantiles.std(ddof=1))


def planted_variant(name: str) -> Any:
    """The preset of that name, or something with only a variant's name and algorithm."""
    for algorithm in algorithms.ALGORITHMS:
        if name in algorithms.load(algorithm).PRESETS:
            return declared(name, {"algorithm": algorithm, "preset": name})
    return SimpleNamespace(name=name, algorithm="ppo")


def planted_suite(
    variants: Sequence[str],
    environments: Sequence[str],
    questions: Sequence[str] = ("code-level-tricks", "reproduction"),
    seeds: int = 10,
    margin: float = 0.10,
) -> Any:
    """Something with a suite's attributes."""
    return SimpleNamespace(
        name="planted",
        title="Do PPO’s code-level tricks matter? Planted answers",
        environments=tuple(environments),
        seeds=tuple(range(seeds)),
        steps=STEPS,
        evaluation=SimpleNamespace(points=POINTS, episodes=5),
        questions=tuple(questions),
        margin=margin,
        aggregate_margin=0.10,
        design=None,
        comparisons=(),
        findings={},
        tuning=None,
        sweep=None,
        gate=0.25,
        scale="on-policy-1M",
        variants={name: planted_variant(name) for name in variants},
    )


def planted(
    cells: Mapping[tuple[str, str], Plant],
    constants: Mapping[str, tuple[float, float]] = CONSTANTS,
    fingerprints: Sequence[str] = ("f1a5c0de" * 8,),
) -> Snapshot:
    """A snapshot with these cells; an environment without constants is planted in raw return."""
    runs, evaluations, updates, provenance = [], [], [], []
    for (variant, environment), plant in cells.items():
        low, high = constants.get(environment, (0.0, 1.0))
        scores = low + (high - low) * placed(plant.n, plant.mean, plant.sd)
        states = (
            ["done"] * (plant.n + plant.unscored) + ["failed"] * plant.failed + ["missing"] * plant.missing
        )
        for seed, state in enumerate(states):
            run_id = hashlib.sha256(f"{variant} {environment} {seed}".encode()).hexdigest()[:16]
            score = float(scores[seed]) if seed < plant.n else None
            diverged = STEPS // 2 if plant.n - plant.diverged <= seed < plant.n + plant.unscored else None
            run = {"run_id": run_id, "variant": variant, "environment": environment, "seed": seed}
            runs.append(
                {
                    **run,
                    "state": state,
                    "steps": STEPS if state == "done" else 0,
                    "digest": hashlib.sha256(f"{run_id} {score}".encode()).hexdigest()
                    if state == "done"
                    else None,
                    "score": score,
                    "diverged_at": diverged,
                    "error": "RuntimeError: planted failure" if state == "failed" else None,
                }
            )
            if state != "done":
                continue
            provenance.append(
                {
                    "run_id": run_id,
                    "finished": f"2000-01-01T00:00:{seed:02}+00:00",
                    "wall_seconds": 12.5 + seed,
                    "threads": 1,
                    "processor": "Planted processor",
                    "packages.torch": "2.13.0",
                    "git.commit": "0123456789abcdef" * 2,
                    "git.dirty": False,
                    "training_code": fingerprints[seed % len(fingerprints)],
                }
            )
            if score is None:
                continue
            rng = np.random.default_rng([seed, len(runs)])
            last = POINTS // 2 if diverged is not None else POINTS
            evaluations += [{**run, **row} for row in _curve(rng, low, score, last)]
            updates += [{**run, **row} for row in _updates(rng, variant)]
    identity = json.dumps(
        {
            "runs": [[run["run_id"], run["state"], run["digest"]] for run in runs],
            "cells": [[*key, asdict(plant)] for key, plant in cells.items()],
        }
    )
    return Snapshot(
        identity=hashlib.sha256(identity.encode()).hexdigest(),
        runs=run_table(runs),
        evaluations=_frame(evaluations, ("point", "step", "score")),
        episodes=_frame([], ("step", "return", "length")),
        updates=_frame(updates, ("step", "mean_kl", "max_ratio", "clip_fraction")),
        provenance=pd.DataFrame(provenance, columns=None if provenance else ["run_id"]),
    )


def _frame(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["run_id", "variant", "environment", "seed", *columns])


def _curve(rng: np.random.Generator, low: float, score: float, last: int) -> list[dict[str, Any]]:
    rise = 1 - np.exp(-np.arange(1, last + 1) / 3)
    values = low + (score - low) * rise / rise[-1]
    values[:-2] *= 1 + 0.08 * rng.standard_normal(max(0, last - 2))
    values[-2:] = score
    return [
        {"point": k + 1, "step": (k + 1) * STEPS // POINTS, "score": float(value)}
        for k, value in enumerate(values)
    ]


def _updates(rng: np.random.Generator, variant: str) -> list[dict[str, Any]]:
    kl = 0.012 * np.exp(0.3 * rng.standard_normal(UPDATES)) * (2 if variant.endswith("-m") else 1)
    return [
        {
            "step": (k + 1) * STEPS // UPDATES,
            "mean_kl": float(kl[k]),
            # As with a reference that does not record it.
            "max_ratio": float("nan") if variant.startswith("sb3-") else float(1 + 40 * kl[k]),
            "clip_fraction": float(6 * kl[k]),
        }
        for k in range(UPDATES)
    ]


def quickstart(seeds: int = 5) -> tuple[Any, Snapshot]:
    """A suite and a snapshot in the form of the quickstart: two environments, four variants."""
    means = {"ppo": (0.9, 0.55), "ppo-m": (0.7, 0.3), "ppo-sb3": (1.0, 0.62), "sb3-ppo": (1.0, 0.6)}
    cells = {
        (variant, environment): Plant(mean, 0.0 if mean == 1.0 else 0.1, seeds)
        for variant, pair in means.items()
        for environment, mean in zip(("InvertedPendulum-v5", "Hopper-v5"), pair, strict=True)
    }
    return planted_suite(list(means), ("InvertedPendulum-v5", "Hopper-v5"), seeds=seeds), planted(cells)


def gaps() -> tuple[Any, Snapshot]:
    """A suite and a snapshot with all that can go wrong: gaps of each kind, mixed code, unknown constants."""
    cells = {
        ("ppo", "Hopper-v5"): Plant(0.9, 0.1, 10, failed=1),
        ("ppo", "Unknown_<b>-v0"): Plant(0.9, 0.1, 3, diverged=1),
        ("ppo-m", "Hopper-v5"): Plant(0.4, 0.1, 6, missing=2),
        ("ppo-m", "Unknown_<b>-v0"): Plant(0.4, 0.0, 1, unscored=1),
        ("ppo-sb3", "Hopper-v5"): Plant(0.4, 0.0, 0, missing=5),
        ("ppo-sb3", "Unknown_<b>-v0"): Plant(0.4, 0.0, 0, unscored=5),
    }
    suite = planted_suite(("ppo", "ppo-m", "ppo-sb3"), ("Hopper-v5", "Unknown_<b>-v0"))
    return suite, planted(cells, fingerprints=("a" * 64, "b" * 64))


def large(seeds: int = 10) -> tuple[Any, Snapshot]:
    """A suite and a snapshot with many variants and environments, asking whatever can be asked of them."""
    from matters.suites.loading import load_suite

    suite = load_suite("mujoco-on-policy")
    cells = {
        (variant, environment): Plant(0.3 + 0.03 * k, 0.1, seeds)
        for k, variant in enumerate(suite.variants)
        for environment in suite.environments
    }
    return suite, planted(cells, known_constants(suite.environments, suite.scale))
