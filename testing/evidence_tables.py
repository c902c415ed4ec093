"""The tables of scores in docs/evidence.md, written from the bundles: `python -m testing.evidence_tables`.

A line `<!-- scores: NAME -->` in the page is followed by the table of that bundle, which this replaces; the
rest of the page is written by hand.
"""

import re
from pathlib import Path

import pandas as pd

from matters.results.evidence import place

PAGE = Path(__file__).parents[1] / "docs" / "evidence.md"
MARKED = re.compile(r"(<!-- scores: (\S+) -->\n)\n(?:\|.*\n)*")


def table(scores: pd.DataFrame) -> str:
    """One row per variant, the best on the first environment first: runs, and their mean with its extremes.

    `scores` has the columns variant, seed, and one per environment, empty where a run lacks. The points of a
    tuning, `NAME@SETTING=VALUE`, are left to its page: they are of other seeds, and chosen among.
    """
    scores = scores[~scores["variant"].str.contains("@")]
    environments = list(scores.columns[2:])
    by_variant = scores.groupby("variant", sort=False)[environments]
    means, counts = by_variant.mean(), by_variant.count()
    lowest, highest = by_variant.min(), by_variant.max()
    decimals = {where: 0 if scores[where].abs().max() >= 100 else 2 for where in environments}
    lines = [
        f"| variant | seeds | {' | '.join(environments)} |",
        f"|---|---|{'---|' * len(environments)}",
    ]
    for name in means.sort_values(environments[0], ascending=False).index:
        seeds = dict.fromkeys(int(count) for count in counts.loc[name] if count)
        cells = [
            _shown(means.at[name, where], places)
            + f" ({_shown(lowest.at[name, where], places)} to {_shown(highest.at[name, where], places)})"
            if counts.at[name, where]
            else "–"
            for where, places in decimals.items()
        ]
        lines.append(f"| `{name}` | {', '.join(map(str, seeds))} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "−")


def written(text: str) -> str:
    """The page with every table as its bundle has it."""

    def anew(found: re.Match[str]) -> str:
        return f"{found[1]}\n{table(pd.read_csv(place(found[2]) / 'scores.csv'))}"

    return MARKED.sub(anew, text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
