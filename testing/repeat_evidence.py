"""Train some runs of each evidence bundle again, drawn by chance, and compare digests.

    python -m testing.repeat_evidence [NAME ...] [--draws 3] [--seed 0] [--cheap]

Three finished runs of each bundle are drawn, without those of a reference that another kind of processor
trained, whose bits are promised for that kind alone: they are named. A draw is the same for the same seed and
bundle, and today's date is the seed if none is given, so that another day's draw is another. With `--cheap`
only from the half of the runs that took least of a processor's time: a run of SAC takes hundreds of times as
long as one of PPO. Exits with 1 if a digest differs.
"""

import argparse
import math
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from matters.results.evidence import Evidence, names, opened
from matters.results.numerics import processor
from matters.results.provenance import core_seconds_per_step


def drawn(of: Evidence, draws: int, seed: int, *, cheap: bool) -> tuple[list[str], int]:
    """So many runs of the bundle, and how many could not be drawn on this kind of processor."""
    here = processor()["model"]
    cost: dict[str, float] = {}
    elsewhere = 0
    for run in of.manifest.runs:
        if run.state != "done":
            continue
        facts = of.store.provenance(run.run_id)
        if facts["bits"] != "portable" and facts["processor"] != here:
            elsewhere += 1
            continue
        seconds = run.steps * core_seconds_per_step(facts)
        cost[run.run_id] = math.inf if math.isnan(seconds) else seconds
    able = sorted(cost, key=lambda run_id: (cost[run_id], run_id))
    if cheap:
        able = able[: (len(able) + 1) // 2]
    return random.Random(f"{of.manifest.suite.name} {seed}").sample(able, min(draws, len(able))), elsewhere


def repeat(of: Evidence, run_ids: Sequence[str]) -> bool:
    """Whether all of them come out as they are recorded, each said in a line."""
    same = True
    for run_id in run_ids:
        began = time.monotonic()
        # The bundle is unpacked once, for all of its runs.
        words = ["matters", "reproduce", run_id, "--store", str(of.store.path)]
        done = subprocess.run([sys.executable, "-m", *words], check=False)
        typer.echo(f"{of.manifest.suite.name}: {run_id} took {time.monotonic() - began:.0f} s")
        same &= done.returncode == 0
    return same


def main() -> None:
    """Repeat what was drawn of the bundles that were asked for, or of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="bundles [default: all]")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(f"{datetime.now(UTC):%Y%m%d}"), help="[today's date]")
    parser.add_argument("--cheap", action="store_true", help="only from the cheaper half of the runs")
    asked = parser.parse_args()
    same = True
    for name in asked.names or names():
        with opened(name) as found:
            run_ids, elsewhere = drawn(found, asked.draws, asked.seed, cheap=asked.cheap)
            if elsewhere:
                typer.echo(f"{name}: {elsewhere} runs are promised on another kind of processor alone")
            same &= repeat(found, run_ids)
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
