"""docs/speed.md and its figure: `python -m testing.measure_speed --load 17 --cores 2 FILE…`.

Each FILE is what `matters speed NAME --json` printed; `--simulators FILE` takes what
`testing.measure_simulators` did, and `--costs FILE` what `testing.measure_cost` did. `--load` is the
machine's load meanwhile, where other programs ran: it belongs beside the figures.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs"
PARTS = ("simulator", "acting", "update", "loop", "evaluation")
"""What of a run's time is shown; writing takes a thousandth."""

OPENING = """# How fast it is

Steps/s of one thread on {processor}, beside Stable-Baselines3 with the same hyperparameters. The contestants
take turns in one process, in seconds of the processor's own: medians of five rounds, with the least and the
largest. {company}
`matters speed NAME --env ID --seeds N` measures anew; `python -m testing.measure_speed` makes this page.

![Steps/s in units of Stable-Baselines3's, and where the time of a run with ten seeds goes](speed.svg)

| algorithm | environment | reference, steps/s | one seed, × | {seeds} seeds, × | the limit, × | share of it |
|---|---|---|---|---|---|---|
"""
ALONE = "Little else ran on the machine."
SHARED = """The machine was shared: its load was {load} on {cores} cores, and other programs in its caches
cost many small steps more than few large ones."""

LIMIT = """
The limit is what the machine would do if only MuJoCo and the products of an update took time: no program on
one core, however it is written, is more times as fast as the reference.

Where the time of a run with {seeds} seeds goes, in percent:

| algorithm | environment | {parts} |
|---|---|{rule}|
"""

SIMULATORS = """
## The simulator's share

A step of ten environments under a policy that PPO has trained for a while, resets included, against MuJoCo
alone on the same steps: `mj_step`, a reset's `mj_forward`, and contact forces where they are read
(`python -m testing.measure_simulators`). Microseconds per environment's step, and the ratio's quartiles over
rounds.

| task | episode | MuJoCo | native | ratio | quartiles |
|---|---|---|---|---|---|
"""

COSTS = """
## What the on-policy rules cost beside each other

Ten seeds of each preset on HalfCheetah-v5, in turn in one process, seconds of the processor's own (`python -m
testing.measure_cost`). A step of `ppo` passes each sample ten times through policy and V; one of `mdpo` ten
times through the policy and five times through V, of `grpo` ten times through a policy alone, of `rloo`,
`a2c` and `impala` once. `a3c` has sixteen workers a seed, and learns from each one's five steps apart.
The simulator takes 0.44 of a step of `ppo` (above), which is there whatever is learnt: `rloo`, at 0.47, adds
little to it. `a2c` learns from five steps of one environment at a time, and `a3c` of each worker's: what that
costs is calls, not arithmetic.

"""


def ratio(row: dict[str, Any]) -> str:
    """A ratio with its range."""
    return f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def page(found: list[dict[str, Any]], simulators: str, costs: str = "", *, company: str) -> str:
    """The page of these measurements."""
    seeds = found[0]["seeds"]
    text = OPENING.format(processor=found[0]["processor"], company=company, seeds=seeds)
    for one in found:
        reference, alone, together, _ = one["rows"]
        limit = one["limit"]
        most = share = ""
        if limit:
            most, share = (
                f"{limit['steps_per_second'] / reference['steps_per_second']:.1f}",
                f"{limit['share']:.0%}",
            )
        text += f"| {one['name']} | {one['environment']} | {reference['steps_per_second']:,.0f} "
        text += f"| {ratio(alone)} | {ratio(together)} | {most} | {share} |\n"
    text += LIMIT.format(seeds=seeds, parts=" | ".join(PARTS), rule="|".join(["---"] * len(PARTS)))
    for one in found:
        shares = " | ".join(f"{100 * one['parts'][part]:.0f}" for part in PARTS)
        text += f"| {one['name']} | {one['environment']} | {shares} |\n"
    return text + (SIMULATORS + simulators if simulators else "") + (COSTS + costs if costs else "")


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Ratios with their ranges, and a bar of shares for each measurement."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "matters"
    from matplotlib import pyplot as plt

    names = [f"{one['name']}, {one['environment'].removesuffix('-v5')}" for one in found]
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(9, 0.8 + 0.45 * len(found)))
    for offset, index, label in ((-0.15, 1, "one seed"), (0.15, 2, f"{found[0]['seeds']} seeds")):
        rows = [one["rows"][index] for one in found]
        middle = [row["ratio"] for row in rows]
        below = [row["ratio"] - row["low"] for row in rows]
        above = [row["high"] - row["ratio"] for row in rows]
        places = [k + offset for k in range(len(found))]
        left.errorbar(middle, places, xerr=[below, above], fmt="o", markersize=4, capsize=2, label=label)
    left.axvline(1, color="0.6", linewidth=1)
    left.set(yticks=range(len(found)), yticklabels=names, xlabel="steps/s, in units of Stable-Baselines3's")
    left.set_xlim(left=0)
    left.invert_yaxis()
    left.legend(frameon=False)
    starts = [0.0] * len(found)
    for part in PARTS:
        shares = [100 * one["parts"][part] for one in found]
        right.barh(range(len(found)), shares, left=starts, height=0.6, label=part)
        starts = [start + share for start, share in zip(starts, shares, strict=True)]
    right.set(xlabel="percent of a run's time", xlim=(0, 100))
    right.legend(frameon=False, ncol=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(prog="python -m testing.measure_speed")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--simulators", type=Path)
    parser.add_argument("--costs", type=Path)
    parser.add_argument("--load", help="if other programs ran")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    found = [one for file in asked.files for one in json.loads(file.read_text())]
    simulators = asked.simulators.read_text() if asked.simulators else ""
    costs = asked.costs.read_text() if asked.costs else ""
    company = ALONE if asked.load is None else SHARED.format(load=asked.load, cores=asked.cores)
    (FOLDER / "speed.md").write_text(page(found, simulators, costs, company=company))
    draw(found, FOLDER / "speed.svg")


if __name__ == "__main__":
    main()
