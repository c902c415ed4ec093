"""What a number of seeds can show: normal theory, and draws from the runs at hand.

The draws take the runs at hand for the distribution that all runs come from. With few of them, their luck
is in every number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics.intervals import Array, contrasts, difference_weights

DRAWS = 2_000
GRID = (3, 5, 10, 20, 40, 80)  # numbers of seeds that are imagined, beside the number at hand


def planned_error(deviations: Sequence[float], weights: Sequence[float], n: int) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom of Σ weight · mean, n runs in every cell."""
    parts = [(weight * deviation) ** 2 / n for deviation, weight in zip(deviations, weights, strict=True)]
    total = math.fsum(parts)
    if total == 0:
        return 0.0, float(len(parts) * (n - 1))
    return math.sqrt(total), total**2 / math.fsum(part**2 for part in parts) * (n - 1)


def planned_power(effect: float, error: float, freedom: float, *, sides: int = 2) -> float:
    """Probability that a t test at 5 % finds a true difference of `effect` > 0, with the right sign.

    1 - F(t* - effect / error) with F Student's distribution and t* the critical value. Source: Colas et al.,
    "How Many Random Seeds?" (2018), section 4. A shifted t stands in there for the non-central one, which
    gives a few per cent more under ten runs.
    """
    if error == 0:
        return 1.0
    critical = stats.t.ppf(1 - compare.ALPHA / sides, freedom)
    return float(stats.t.sf(critical - effect / error, freedom))


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a run, with the degrees of freedom that it is known by."""

    deviation: float
    freedom: float

    def bounds(self) -> tuple[float, float]:
        """The deviations between which the true one lies with 95 % confidence, if runs are normal (χ²)."""
        chi = stats.chi2.ppf([0.975, 1 - 0.975], self.freedom)
        low, high = self.deviation * np.sqrt(self.freedom / chi)
        return float(low), float(high)


def pooled_spread(cells: Sequence[Sequence[Array]]) -> Spread:
    """The spread of a variant's mean over environments, in units of one run, pooled over variants.

    `cells` holds each variant's samples, one vector per environment.
    """
    parts = [
        (sample.var(ddof=1) / (len(samples) ** 2 * len(cells)), len(sample) - 1)
        for samples in cells
        for sample in samples
    ]
    variance = math.fsum(part for part, _ in parts)
    if variance == 0:
        return Spread(0.0, float(sum(freedom for _, freedom in parts)))
    return Spread(math.sqrt(variance), variance**2 / math.fsum(part**2 / free for part, free in parts))


def drawn(scores: Array, n: int, rng: np.random.Generator, draws: int = DRAWS) -> Array:
    """Groups of n runs [draws, n], drawn with replacement from `scores`.

    Drawn as they are, runs would spread too little: their variance about the mean has (m - 1) / m of the
    estimate from m runs. This is corrected.
    """
    centre = scores.mean()
    restored = centre + (scores - centre) * math.sqrt(len(scores) / (len(scores) - 1))
    return np.asarray(restored[rng.integers(0, len(scores), (draws, n))])


@dataclass(frozen=True)
class Outlook:
    """What two groups of n runs of one variant show; without a margin the shares that need one are None.

    `half_width` is half the 95 % interval of their difference (median), `false_positive` how often they are
    called different. `found` is how often a difference as large as the margin would be, `planned` the same by
    formula, `equivalent` how often the two are shown to be equivalent.
    """

    half_width: float
    false_positive: float
    found: float | None
    planned: float | None
    equivalent: float | None


def outlook(
    samples: Sequence[Array], one: Sequence[Array], two: Sequence[Array], margin: float | None
) -> Outlook:
    """Judge the groups `one` and `two` [draws, n], drawn from `samples`, one of each per environment."""
    weights = difference_weights(len(samples))
    value, error, freedom = contrasts([*one, *two], weights)
    p_values, tost = compare.tests(value, error, freedom, margin)
    reach = special.stdtrit(freedom, 1 - compare.ALPHA / 2) * error
    found = planned = equivalent = None
    if margin is not None:
        found = float(np.mean(value + margin > reach))
        deviations = [float(sample.std(ddof=1)) for sample in (*samples, *samples)]
        planned = planned_power(margin, *planned_error(deviations, weights, one[0].shape[-1]))
        equivalent = float(np.mean(tost <= compare.ALPHA))
    return Outlook(
        half_width=float(np.median(reach)),
        false_positive=float(np.mean(p_values <= compare.ALPHA)),
        found=found,
        planned=planned,
        equivalent=equivalent,
    )


def wrong_signs(full: Mapping[str, float], means: Mapping[str, Array]) -> dict[str, float | None]:
    """How often each variant comes out on the other side of another one than over all runs.

    `full` are the means over all runs, `means` [draws] those of the groups; the share is a mean over the
    other variants, a tie counts one half, and variants with equal full means are not compared.
    """
    shares: dict[str, float | None] = {}
    for one, value in full.items():
        wrong = [
            float(np.mean(0.5 - 0.5 * np.sign(means[one] - means[other]) * np.sign(value - against)))
            for other, against in full.items()
            if value != against
        ]
        shares[one] = math.fsum(wrong) / len(wrong) if wrong else None
    return shares


@dataclass(frozen=True)
class Plan:
    """A place with what N seeds would show there, by variant: `outlooks[n][variant]`."""

    where: str
    n: int
    margin: float | None
    unit: str
    outlooks: dict[int, dict[str, Outlook]]
    wrong: dict[int, dict[str, float | None]]
    spread: Spread
    claim: bool

    def mean(self, n: int, what: str) -> float | None:
        """The mean over variants of one number."""
        values = [getattr(one, what) for one in self.outlooks[n].values()]
        return None if any(value is None for value in values) else math.fsum(values) / len(values)

    def mean_wrong(self, n: int) -> float | None:
        """The mean over variants of how often a pair comes out the wrong way round."""
        values = [share for share in self.wrong[n].values() if share is not None]
        return math.fsum(values) / len(values) if values else None

    def needed(self, deviation: float) -> tuple[int, int]:
        """Seeds per variant to find a difference of the margin and to show equivalence, at 80 % power."""
        assert self.margin is not None
        return (
            compare.seeds_for_difference(deviation, self.margin),
            compare.seeds_for_equivalence(deviation, self.margin),
        )
