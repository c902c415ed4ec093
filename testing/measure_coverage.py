"""Tables of how often the intervals cover and the tests err: `python -m testing.measure_coverage [FILE]`.

Writes docs/coverage.md, or FILE, in about ten minutes on one core. Exits with 1 if a promise is broken.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from matters.reports.statistics import comparisons as compare
from testing.coverage import (
    LAWS,
    NORMAL,
    PAGES,
    PPO_SPREADS,
    REPLICATES,
    RESAMPLES,
    TESTS,
    Law,
    analytic,
    called_different,
    called_equivalent,
    of_bootstrap,
    of_students,
    page_rates,
    seen,
    until_decided,
)

SEEDS, ENVIRONMENTS = (5, 10, 20), (1, 3, 6)
FILE = Path(__file__).parents[1] / "docs" / "coverage.md"


@dataclass(frozen=True)
class Covered:
    """How often each interval covers under one law, with these seeds and environments."""

    law: Law
    seeds: int
    environments: int
    mean: float
    difference: float
    ours: Mapping[str, float]
    plain: float

    @property
    def place(self) -> str:
        """Where a figure belongs, in words."""
        return f"{self.law.title}, {self.seeds} seeds, {self.environments} environments"


def covered(law: Law, seeds: int, environments: int) -> Covered:
    """Measure every kind of interval."""
    mean, difference = of_students(law, seeds, environments)
    ours, plain = of_bootstrap(law, seeds, environments)
    return Covered(law, seeds, environments, mean, difference, ours, plain)


def broken(found: Iterable[Covered]) -> list[str]:
    """What a reader was promised and does not get, one line each: 95 ± 2 % under the normal law."""
    lines = []
    for one in found:
        if one.law is not NORMAL:
            continue
        shown = {"mean": one.mean, "difference": one.difference, "IQM": one.ours["IQM"]}
        lines += [
            f"{one.place}: the interval of the {name} covers {share:.1%}, not 95 ± 2 %"
            for name, share in shown.items()
            if abs(share - 0.95) > 0.02
        ]
        if abs(one.plain - analytic(one.seeds, one.environments)) > 0.02:
            lines.append(f"{one.place}: the plain interval covers {one.plain:.1%}, not what theory says")
    return lines


def share_text(share: float, replicates: int) -> str:
    """A share in per cent with its Monte-Carlo standard error."""
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / replicates):.1f}"


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table with its columns aligned to the right."""
    names = list(columns)
    lines = [names, ["---:"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def coverage_table(found: Iterable[Covered]) -> str:
    """All intervals under one law, by seeds and environments."""
    columns = ["seeds", "environments", "mean", "difference", "IQM", "median", "optimality gap"]
    columns += ["mean, expanded", "mean, plain"]
    rows = [
        [
            one.seeds,
            one.environments,
            *(share_text(share, TESTS) for share in (one.mean, one.difference)),
            *(share_text(one.ours[name], REPLICATES) for name in ("IQM", "median", "optimality gap", "mean")),
            share_text(one.plain, REPLICATES),
        ]
        for one in found
    ]
    return table(columns, rows)


def theory_table() -> str:
    """What the plain interval of the mean covers by theory, under the normal law."""
    rows = [
        [seeds, *(f"{100 * analytic(seeds, environments):.1f}" for environments in ENVIRONMENTS)]
        for seeds in SEEDS
    ]
    return table(["seeds", *(f"environments: {count}" for count in ENVIRONMENTS)], rows)


def different_table() -> str:
    """How often two groups of runs of one law are called different."""
    rows = []
    for law in LAWS:
        for seeds in SEEDS:
            found = [called_different(law, seeds, environments) for environments in ENVIRONMENTS]
            rows.append([law.title, seeds, *(share_text(share, TESTS) for pair in found for share in pair)])
    places = ("1 environment", "3 environments", "6 environments")
    heads = [f"{place}, {what}" for place in places for what in ("aggregate", "anywhere")]
    return table(["law", "seeds", *heads], rows)


def equivalent_table() -> str:
    """How often two groups whose means differ by exactly the margin are called equivalent."""
    rows = []
    for law in (NORMAL, *LAWS[3:]):
        for seeds in SEEDS:
            shares = [called_equivalent(law, seeds, m, m, r) for m in (1.0, 2.0) for r in (1.0, 3.0)]
            rows.append([law.title, seeds, *(share_text(share, TESTS) for share in shares)])
    heads = [f"margin {m} σ, spreads 1 : {r}" for m in (1, 2) for r in (1, 3)]
    return table(["law", "seeds", *heads], rows)


def plan_table() -> str:
    """What the seeds that a page asks for achieve, if the spread is as planned."""
    rows = []
    for margin in (0.5, 1.0, 2.0):
        apart, same = compare.seeds_for_difference(1.0, margin), compare.seeds_for_equivalence(1.0, margin)
        found = share_text(seen(NORMAL, apart, margin), TESTS)
        shown = share_text(called_equivalent(NORMAL, same, margin, 0.0), TESTS)
        rows.append([f"{margin:g} σ", apart, found, same, shown])
    return table(("margin", "seeds to see it", "seen", "seeds to show equivalence", "shown"), rows)


PAGE_SEEDS, SPREAD = (5, 10, 20, 40), 0.10


def page_tables() -> dict[str, str]:
    """What whole pages say about studies whose truth is known, by the name of the table in the text."""
    laws = (NORMAL, *LAWS[3:])
    return {
        "alike": _alike(laws, 1.0),
        "unequal": _alike(laws, 5.0),
        "at_margin": _at_margin(laws),
        **_cases(),
    }


def _alike(laws: Iterable[Law], ratio: float) -> str:
    rows = []
    for law in laws:
        for seeds in PAGE_SEEDS:
            line: list[object] = [law.title, seeds]
            for environments in ENVIRONMENTS:
                found = page_rates(law, seeds, (0.0,) * environments, (SPREAD,) * environments, ratio)
                shares = (found.different, found.different_anywhere, found.equivalent)
                line += [f"{100 * share:.1f}" for share in shares]
            rows.append(line)
    heads = [
        f"{count} env., {what}"
        for count in ENVIRONMENTS
        for what in ("headline different", "anywhere different", "headline equivalent")
    ]
    return table(["law", "seeds", *heads], rows)


def _at_margin(laws: Iterable[Law]) -> str:
    rows = []
    for law in laws:
        for seeds in PAGE_SEEDS:
            line: list[object] = [law.title, seeds]
            for environments in ENVIRONMENTS:
                found = page_rates(law, seeds, (0.10,) * environments, (SPREAD,) * environments)
                line += [f"{100 * share:.1f}" for share in (found.equivalent, found.equivalent_anywhere)]
            rows.append(line)
    heads = [f"{count} env., {what}" for count in ENVIRONMENTS for what in ("headline", "anywhere")]
    return table(["law", "seeds", *heads], rows)


def _cases() -> dict[str, str]:
    opposite, spreads = [], []
    for seeds in PAGE_SEEDS:
        found = page_rates(NORMAL, seeds, (0.3, -0.3), (SPREAD,) * 2)
        opposite.append([seeds, *(f"{100 * share:.1f}" for share in (found.equivalent, found.mixed))])
        found = page_rates(NORMAL, seeds, (0.0,) * 3, PPO_SPREADS)
        spreads.append([seeds, *(f"{100 * share:.1f}" for share in (found.equivalent, found.different))])
    return {
        "opposite": table(["seeds", "equivalent", "mixed"], opposite),
        "ppo": table(["seeds", "equivalent", "different"], spreads),
    }


LOOKS = ((10, 20), (5, 10, 20), (10, 20, 40))


def looks_table() -> str:
    """How often a study until decided errs and finds, and what it costs."""
    rows: list[list[object]] = []
    cases = [(law, (0.2,)) for law in (NORMAL, *LAWS[3:])] + [(NORMAL, PPO_SPREADS)]
    for looks in LOOKS:
        for law, deviations in cases:
            for gap in (0.0, 0.1, 0.2, 0.3):
                gaps = (gap,) * len(deviations)
                declared = until_decided(law, looks, gaps, deviations, TESTS)
                naive = until_decided(law, looks, gaps, deviations, TESTS, naive=True)
                shares = [
                    f"{100 * ours:.1f} ({100 * theirs:.1f})"
                    for ours, theirs in (
                        (declared.different, naive.different),
                        (declared.equivalent, naive.equivalent),
                    )
                ]
                place = "one" if len(deviations) == 1 else "three"
                rows.append(
                    [", ".join(map(str, looks)), law.title, place, gap, *shares, f"{declared.seeds:.1f}"]
                )
    heads = ("looks", "law", "environments", "true difference", "different", "equivalent", "seeds, mean")
    return table(heads, rows)


def document(found: Iterable[Covered]) -> str:
    """The whole of docs/coverage.md."""
    each = list(found)
    parts = [f"### {law.title}\n\n{coverage_table([one for one in each if one.law is law])}" for law in LAWS]
    return TEXT.format(
        coverage="\n\n".join(parts),
        theory=theory_table(),
        different=different_table(),
        equivalent=equivalent_table(),
        plan=plan_table(),
        looks=looks_table(),
        pages=PAGES,
        **page_tables(),
        replicates=REPLICATES,
        resamples=RESAMPLES,
        tests=TESTS,
    )


TEXT = """# Do the intervals cover?

Measured by `nox -s coverage` (`python -m testing.measure_coverage`), which writes this file. Runs are drawn
from laws that are known, and judged by the functions that the pages use. An interval of 95 % should hold the
truth in 95 % of replicates. Shares are in per cent, each with its Monte-Carlo standard error: of
{replicates:,} replicates where something is resampled ({resamples:,} times; the pages resample 10,000 times),
of {tests:,} elsewhere. Every draw has a fixed seed.

In short: where runs are nearly normal, all that carries a verdict covers as it says from five seeds on.
Means of skewed runs are covered less (five exponential runs: 88 %), and rare collapses are the worst: a cell
that has not shown its collapse yet looks narrow. On one environment its mean is covered in 83 to 88 % of
cases with five or ten seeds, and with spreads of 1 : 3 two cells a margin of 2 σ apart are called equivalent
in up to 17 % instead of 5 %. The IQM is covered, because it trims the collapses away; it says nothing of
them.

## Intervals

- **mean**, **difference**: Student’s interval with Satterthwaite’s degrees of freedom, of the mean over
  environments of the mean over runs, and of the difference of two variants, the second with half the scores
  and half the spread of the first. These are the intervals of tables, forests, learning curves and verdicts.
- **IQM**, **median**, **optimality gap**: percentiles of the stratified bootstrap with expanded tails, as the
  pages show them for aggregates.
- **mean, expanded** and **mean, plain**: the same bootstrap of the mean, with expanded tails and without; the
  second is what rliable gives. The pages show the first nowhere: with five runs of one environment a
  resampled mean has no tails far enough out, so the mean has Student’s interval.

With normal runs the plain interval covers P(|t| < 1.96 √((n−1)/n)), t with M (n−1) degrees of freedom
(Hesterberg 2015). More environments do not cure few seeds:

{theory}

The tails of the IQM are expanded less than those of a mean. Resampled as one stratum a trimmed mean has no
standard error that is too small, so only what stratifying takes away is given back, and its degrees of
freedom are those of the winsorised runs. With the tails of a mean the interval of ten normal runs on one
environment covered 97.1 % ± 0.2 of 12,000 replicates.

Under the first law the columns mean, difference and IQM must lie within 95 ± 2 %; the session fails if they
do not. The other laws are printed as they are.

{coverage}

## What whole pages say

Studies of two variants are simulated and judged by the rules that pages follow, the headline and each
environment: {pages:,} studies per line, so that a share of 5 % has a Monte-Carlo error of 0.2 %. Runs spread
by a tenth of the yardstick; margins are 0.10, the gate is 0.25. Everything has been learnt and no task is at
its ceiling, where a page would decide less.

### Alike variants, equal spreads

How often the headline says *different* (it should be 5 % at most) and any verdict of the page does (likewise,
after Holm’s correction), and how often the headline says *equivalent*, as it should.

{alike}

### Alike variants, spreads of 1 : 5

Equal means, but the second variant’s runs spread five times as wide: with skewed runs *different* is said too
often. The page says so itself where one spread is three times the other, or where a mean rests on rare
collapses, and claims nothing under 20 runs.

{unequal}

### Means that differ by exactly the margin, everywhere

How often the headline says *equivalent*, and any environment does: it should be 5 % at most.

{at_margin}

### Opposite effects

Two environments with differences of +0.3 and −0.3.

{opposite}

### Alike variants with PPO’s real spreads

Three environments, with the spreads of PPO’s runs after a million steps on Hopper, Walker2d and HalfCheetah:
what a true *equivalent* costs in seeds.

{ppo}

## Calling alike runs different

Two groups of runs of one law, each environment with as many seeds: how often the aggregate is called
different at 5 %, and how often any place is (the aggregate and each environment) after Holm’s correction.

{different}

## Calling different runs equivalent

Two groups on one environment whose means differ by exactly the margin, σ being the standard deviation of the
first: how often the two one-sided tests call them equivalent. It should be 5 % at most.

{equivalent}

## Seeds until decided

Studies that look at declared numbers of seeds and end when the headline is decided (`--until-decided`):
{tests:,} per line, one environment, runs that spread by a fifth of the yardstick, and three environments with
PPO’s real spreads. Where the variants are alike *different* is an error, and should be said in 5 % at most;
where they differ by the margin of 0.10 *equivalent* is one. In brackets: the same looks at 5 % each, as if
the seeds of each had been fixed.

{looks}

## Planned seeds

The seeds that a page asks for, with normal runs of spread σ: how often a difference as large as the margin
is then seen, and equivalence shown where there is no difference. Both are planned for 80 %; the second by a
normal approximation.

{plan}
"""


def main(arguments: list[str]) -> None:
    """Measure, write, and exit with 1 if a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m testing.measure_coverage", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    path = parser.parse_args(arguments).file
    found = []
    for law, seeds, environments in product(LAWS, SEEDS, ENVIRONMENTS):
        found.append(covered(law, seeds, environments))
        sys.stdout.write(f"{found[-1].place}: done\n")
        sys.stdout.flush()
    path.write_text(document(found), encoding="utf-8")
    lines = broken(found)
    sys.stdout.write("".join(f"{line}\n" for line in [*lines, str(path)]))
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
