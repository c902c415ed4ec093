"""How many seeds a suite's first question needs, known before anything is trained.

The spreads are those of published runs after a million steps, from the standard errors of the yardsticks.
With fewer steps runs usually lie closer together, in yardsticks, and with unstable variants farther apart.
"""

import math
from dataclasses import asdict
from typing import Any

from matters.reports.statistics.power import MOST, Need, Question, need
from matters.reports.study.study import DEFAULT_MARGIN
from matters.suites.tasks.yardsticks import ENVIRONMENTS

PAIRED = ("actor-critic-ladder", "code-level-tricks", "comparison", "natural-ladder", "natural-square")
"""Questions whose margin is the suite's, about pairs that may be alike on every environment."""

NOT_RECKONED = {
    "reproduction": "its margin is a tenth of what a reference gains within the suite's steps, and the "
    "spreads of published runs are those after a million",
    "trick-factorial": "its effects are means over several variants, and only pairs are reckoned before",
}
"""Other questions that test something, and why the seeds that they need are not known before."""


def published_spread(environment: str, yardstick: str) -> float | None:
    """The standard deviation of a published run, in normalised score; None where there is none."""
    known = ENVIRONMENTS.get(environment)
    score = None if known is None else known.yardstick(yardstick)
    if known is None or known.random is None or score is None or score.n < 2:
        return None
    return score.standard_error * math.sqrt(score.n) / (score.value - known.random.value)


def before(suite: Any) -> tuple[Need, tuple[str, ...]] | None:
    """What the suite's first question needs, and over which environments that could be computed.

    None if it is not about pairs, or if no environment has a published spread.
    """
    if not suite.questions or suite.questions[0] not in PAIRED:
        return None
    spreads = {name: published_spread(name, suite.scale) for _, name in suite.pairs()}
    known = {name: spread for name, spread in spreads.items() if spread}
    if not known:
        return None
    margins = tuple(_margin(name, suite) for name in known)
    question = Question(
        deviations=tuple(known.values()),
        margins=margins,
        gates=tuple(margin * suite.gate / suite.margin for margin in margins),
        margin=suite.aggregate_margin,
    )
    return need(question, len(suite.seeds)), tuple(known)


def _margin(environment: str, suite: Any) -> float:
    known = ENVIRONMENTS[environment]
    score = known.yardstick(suite.scale)
    if known.margin is None or known.random is None or score is None:
        return float(suite.margin)
    scale = score.value - known.random.value
    return float(known.margin * suite.margin / DEFAULT_MARGIN / scale)


def facts(suite: Any) -> dict[str, Any] | None:
    """The same as data; None if it is not known."""
    found = before(suite)
    if found is None:
        return None
    needed, places = found
    return {"question": suite.questions[0], "environments": list(places), **asdict(needed)}


def remark(suite: Any) -> str:
    """The same in one line, for someone about to train; empty if it is not known."""
    found = before(suite)
    if found is None:
        return ""
    needed, places = found

    def about(seeds: int | None) -> str:
        return f"more than {MOST}" if seeds is None else f"about {seeds}"

    seeds, finds = ("1 seed calls", "finds") if needed.seeds == 1 else (f"{needed.seeds} seeds call", "find")
    return (
        f"{suite.questions[0]}: with the spreads of published runs on {', '.join(places)}, {seeds} "
        f"two alike variants equivalent in {_share(needed.equivalent_now)} of studies and {finds} a "
        f"difference of the margin in {_share(needed.different_now)}; 80 % needs {about(needed.equivalent)} "
        f"to call alike variants equivalent and {about(needed.different)} to find a difference"
    )


def unknown(suite: Any) -> str:
    """Why `remark` says nothing of a suite that tests something, in one line; empty where it does."""
    if not suite.questions or before(suite) is not None:
        return ""
    first = suite.questions[0]
    places = ", ".join(dict.fromkeys(name for _, name in suite.pairs()))
    unmeasured = f"there is no spread of published runs on {places}" if first in PAIRED else ""
    why = NOT_RECKONED.get(first, unmeasured)
    return f"{first}: how many it needs is not known before; {why}" if why else ""


def _share(value: float) -> str:
    """Of some thousand simulated studies: all of them is not always."""
    if value < 0.01:
        return "under 1 %"
    return "over 99 %" if value > 0.99 else f"{100 * value:.0f} %"
