"""How many seeds a headline needs: the whole rule of a verdict, simulated from means and variances.

Runs are taken to be normal. Means and variances over n of them are then drawn directly (a mean is normal, a
variance χ²), and judged by the functions that pages use, so that a thousand seeds cost no more than five.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics import verdicts
from matters.reports.statistics.intervals import Array, generator

STUDIES = 4_000  # simulated: a share of 80 % has a Monte-Carlo error of 0.6 %
TARGET = 0.80
FEWEST, MOST = 5, 200  # seeds; a plan for more is no plan


@dataclass(frozen=True)
class Question:
    """What a headline is about, in normalised score: one entry for each of its environments.

    `deviations` are those of a run, the same in both variants; `margins` and `gates` are each environment's
    own, and `margin` is that of the mean over several.
    """

    deviations: tuple[float, ...]
    margins: tuple[float, ...]
    gates: tuple[float, ...]
    margin: float


@dataclass(frozen=True)
class Need:
    """Seeds per variant for a power of 80 %; None if 200 are too few. `now` is the power at `seeds`.

    `equivalent`: for two alike variants to be called so. `different`: for a difference as large as the
    margin, on every environment, to be found.
    """

    seeds: int
    equivalent: int | None
    equivalent_now: float
    different: int | None
    different_now: float


def need(question: Question, seeds: int) -> Need:
    """What the question needs, and the power that it has with `seeds` seeds."""

    def alike(n: int) -> float:
        return rates(question, (0.0,) * len(question.deviations), n)[1]

    def apart(n: int) -> float:
        gaps = (question.margin,) * len(question.margins) if len(question.margins) > 1 else question.margins
        return rates(question, gaps, n)[0]

    return Need(seeds, _fewest(alike), alike(seeds), _fewest(apart), apart(seeds))


def rates(question: Question, gaps: Sequence[float], n: int, studies: int = STUDIES) -> tuple[float, float]:
    """How often n seeds per variant call two variants that are `gaps` apart *different*, and *equivalent*.

    *Both* counts as both. It is assumed that everything has been learnt, and that there is room. One seed has
    no spread, and decides nothing.
    """
    if n < 2:
        return 0.0, 0.0
    rng = generator("power", str((question, tuple(gaps), n)))
    places = len(gaps)
    variances = np.square(question.deviations)[:, None]
    value = np.asarray(gaps)[:, None] + rng.normal(size=(places, studies)) * np.sqrt(2 * variances / n)
    x, y = variances * rng.chisquare(n - 1, size=(2, places, studies)) / (n - 1)
    squared, freedom = (x + y) / n, (n - 1) * _ratio((x + y) ** 2, x**2 + y**2)
    apart, tost, gate = [], [], []
    for k in range(places):
        one = value[k], np.sqrt(squared[k]), freedom[k]
        p_value, inside = compare.tests(*one, question.margins[k])
        apart.append(p_value)
        tost.append(inside)
        # Where no run differs from another there is no doubt, and no room: no gate is closed there.
        within = compare.tests(*one, question.gates[k])[1]
        gate.append(np.where(squared[k] > 0, within, np.abs(value[k]) >= question.gates[k]))
    each_p, each_tost, each_gate = (np.stack(found, axis=-1) for found in (apart, tost, gate))
    early = np.array(False)
    if places == 1:
        outcome = verdicts.on_environment(
            each_p[:, 0] <= compare.ALPHA, each_tost[:, 0] <= compare.ALPHA, early
        )
    else:
        error = np.sqrt(squared.sum(axis=0)) / places
        satterthwaite = (n - 1) * _ratio(squared.sum(axis=0) ** 2, ((x / n) ** 2 + (y / n) ** 2).sum(axis=0))
        whole_p, whole_tost = compare.tests(value.mean(axis=0), error, satterthwaite, question.margin)
        differs = compare.holm_families(np.concatenate([whole_p[:, None], each_p], axis=-1)) <= compare.ALPHA
        outcome = verdicts.in_aggregate(
            differs[:, 0],
            whole_tost <= compare.ALPHA,
            differs[:, 1:],
            np.sign(value.T),
            each_gate <= compare.ALPHA,
            early,
        )
    return (
        float(np.isin(outcome, ("different", "both")).mean()),
        float(np.isin(outcome, ("equivalent", "both")).mean()),
    )


def _fewest(power: Callable[[int], float]) -> int | None:
    """The smallest number of seeds with a power of 80 %, by bisection."""
    if power(MOST) < TARGET:
        return None
    low, high = FEWEST - 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= TARGET else (middle, high)
    return high


def _ratio(above: Array, below: Array) -> Array:
    """The quotient, 1 where both are 0: degrees of freedom that no test looks at."""
    return np.divide(above, below, out=np.ones_like(above), where=below > 0)
