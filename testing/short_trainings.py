"""Short trainings of every preset, as they came out: `python -m testing.short_trainings train|page`.

On-policy presets train for 100 000 steps with five seeds, off-policy ones for 20 000 with two and a warm-up
of 1000, all on Hopper and HalfCheetah. That is too short and too few for any claim: it shows that a preset
learns or, where its source does not, that it does not; and whether anything diverges. `train` fills a store,
preset after preset; `page` writes docs/short-trainings.md from what the store has.
"""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import matters
from matters.algorithms import ALGORITHMS, load
from matters.suites.loading import suite
from matters.suites.suite import Suite

PAGE = Path(__file__).parents[1] / "docs" / "short-trainings.md"
ENVIRONMENTS = ("Hopper-v5", "HalfCheetah-v5")
STEPS = {"on-policy": 100_000, "off-policy": 20_000}
SEEDS = {"on-policy": 5, "off-policy": 2}
POINTS, EPISODES, WARMUP = 10, 3, 1000
SHOWN = (0, 2, 4, 6, 8, 10)
"""The evaluation points that the table has; 0 is the untrained policy."""


def presets(kind: str) -> dict[str, str]:
    """The presets of our rules of a kind, with their algorithm's name, in the order of the tables."""
    rules: Mapping[str, Any] = {name: load(name) for name in ALGORITHMS}
    return {preset: name for name, rule in rules.items() if kind == rule.KIND for preset in rule.PRESETS}


def declared(kind: str) -> Suite:
    """The suite of all presets of a kind."""
    own = {"config": {"warmup": WARMUP}} if kind == "off-policy" else {}
    return suite(
        {
            "suite": {
                "name": f"short-{kind}",
                "title": f"Short trainings of every {kind} preset",
                "environments": list(ENVIRONMENTS),
                "seeds": SEEDS[kind],
                "steps": STEPS[kind],
                "questions": [],
                "evaluation": {"points": POINTS, "episodes": EPISODES},
            },
            "variants": {
                preset: {"algorithm": name, "preset": preset, **own} for preset, name in presets(kind).items()
            },
        }
    )


def train(store: Path, kinds: Iterable[str], only: str | None) -> None:
    """Train what the store lacks, one preset after the other, in this machine's idle time or not."""
    where = matters.open_store(store, create=True)
    for kind in kinds:
        whole = declared(kind) if only is None else declared(kind).restricted(only=only)
        for name in dict.fromkeys(variant for variant, _ in whole.pairs()):
            matters.run(whole.restricted(only=name), where, workers=1)


def rows(kind: str, environment: str, runs: pd.DataFrame, evaluations: pd.DataFrame) -> list[str]:
    """The lines of one table."""
    points = [f"{point * STEPS[kind] // (POINTS * 1000)}k" for point in SHOWN]
    lines = [
        f"| preset | seeds | {' | '.join(points)} | lowest and highest run at the end |",
        f"|---|---|{'---|' * len(points)}---|",
    ]
    for preset in presets(kind):
        of = (runs["variant"] == preset) & (runs["environment"] == environment)
        done = int((of & (runs["state"] == "done")).sum())
        diverged = int((of & runs["diverged_at"].notna()).sum())
        failed = int((of & (runs["state"] == "failed")).sum())
        remarks = [f"{diverged} diverged"] * (diverged > 0) + [f"{failed} failed"] * (failed > 0)
        own = evaluations[(evaluations["variant"] == preset) & (evaluations["environment"] == environment)]
        if own.empty and not failed:
            continue  # named above the tables
        if own.empty:
            lines.append(f"| `{preset}` | {', '.join(['0', *remarks])} | {'| ' * len(points)} |")
            continue
        means = own.groupby("point", observed=True)["score"].mean()
        shown = [_whole(means[point]) if point in means.index else "" for point in SHOWN]
        last = own.loc[own["point"] == POINTS, "score"]
        spread = f"{_whole(last.min())} to {_whole(last.max())}"
        lines.append(f"| `{preset}` | {', '.join([str(done), *remarks])} | {' | '.join(shown)} | {spread} |")
    return lines


def _whole(value: float) -> str:
    return f"{round(value)}".replace("-", "−")


def alike(kind: str, evaluations: pd.DataFrame) -> list[tuple[str, ...]]:
    """Groups of presets with the same scores at every evaluation: what tells them apart did not act."""
    found: dict[tuple[float, ...], list[str]] = {}
    for preset in presets(kind):
        own = evaluations[evaluations["variant"] == preset].sort_values(["seed", "point"])
        if len(own):
            found.setdefault(tuple(own["score"]), []).append(preset)
    return [tuple(names) for names in found.values() if len(names) > 1]


def remarks(kind: str, runs: pd.DataFrame, evaluations: pd.DataFrame) -> list[str]:
    """What is said below a table: how many runs failed or diverged, and which rows are the same."""
    done = int(runs["state"].isin(["done", "failed"]).sum())
    failed = int((runs["state"] == "failed").sum()) or "none"
    diverged = int(runs["diverged_at"].notna().sum()) or "none"
    same = (", ".join(f"`{name}`" for name in names) for names in alike(kind, evaluations))
    return [
        f"Of {done} runs {failed} failed, and {diverged} diverged to a value that is not finite.",
        *(f"The same scores to the last digit: {names}." for names in same),
    ]


def page(store: Path) -> str:
    """The page of what the store has."""
    where = matters.open_store(store)
    text = [
        "# Short trainings",
        "",
        "Every preset of ours, trained briefly on two tasks, as it came out: nothing is left out, chosen or",
        "tuned. On policy five seeds for 100 000 steps, off policy two seeds for 20 000 steps with a warm-up",
        "of 1000 instead of the preset's own. **Too short and too few for a claim**: an order of rows is no",
        "ranking. What it is for: to see that a preset learns, that none diverges whose source does not, and",
        "what a first run of yours may look like. A number is the mean return of three evaluation episodes",
        "of the deterministic policy, averaged over the seeds; at 0k the policy is untrained. What another",
        "study had trained (docs/evidence.md) was evaluated again, not trained again. Where presets have",
        "the same scores, what tells them apart did not act: with TRPO's damping its line search takes the",
        "first step, always or nearly so (docs/mechanisms.md), for which `natural-ladder` has another.",
        "",
        "Written by `python -m testing.short_trainings train --store runs`, then `… page --store runs`.",
    ]
    for kind in STEPS:
        whole = declared(kind)
        runs, evaluations = matters.runs(whole, where), matters.evaluations(whole, where)
        text += ["", f"## {kind.capitalize()}"]
        for environment in ENVIRONMENTS:
            here = runs[(runs["environment"] == environment) & (runs["state"] == "missing")]
            missing = [f"`{name}`" for name in presets(kind) if (here["variant"] == name).any()]
            text += ["", f"### {environment}, {kind}"]
            if len(missing) < len(presets(kind)):
                text += ["", *rows(kind, environment, runs, evaluations)]
                own, scores = (one[one["environment"] == environment] for one in (runs, evaluations))
                text += ["", *remarks(kind, own, scores)]
            if missing:
                text += ["", f"Not trained so far, or not with all seeds: {', '.join(missing)}."]
    return "\n".join(text) + "\n"


def main() -> None:
    """Train, or write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m testing.short_trainings", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("what", choices=["train", "page"])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--kind", choices=list(STEPS), help="only presets of this kind")
    parser.add_argument("--only", help="globs of presets, as in `matters run --only`; needs --kind")
    asked = parser.parse_args()
    if asked.what == "page":
        PAGE.write_text(page(asked.store), encoding="utf-8")
    else:
        train(asked.store, [asked.kind] if asked.kind else STEPS, asked.only)


if __name__ == "__main__":
    main()
