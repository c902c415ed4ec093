"""Two variants compared: differences, equivalence, verdicts, and what would decide.

"Not significant" never becomes "the same": sameness is shown by an interval inside a margin that was declared
beforehand (two one-sided tests, TOST), difference by an interval without zero. Both can hold at once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from matters.reports.statistics.aggregates import probability_of_improvement
from matters.reports.statistics.intervals import (
    MINIMUM_FOR_INTERVAL,
    Array,
    Estimate,
    Interval,
    contrast,
    difference_weights,
)

ALPHA = 0.05
POWER = 0.80
EXACT_PERMUTATIONS = 20_000


@dataclass(frozen=True)
class Difference:
    """Mean of x minus mean of y, with what the verdict rests on. `n` is the size of the smallest cell.

    Intervals, and the p-value of equivalence, are None where no cell has any spread. `deviation` is the
    standard deviation of a run from which seeds are planned, as many on both sides: √((s_x² + s_y²) / 2).
    """

    estimate: Estimate
    interval95: Interval | None
    interval90: Interval | None
    p_value: float
    tost_p: float | None
    permutation_p: float | None
    margin: float | None
    deviation: float
    n: int

    @property
    def achieved_margin(self) -> float | None:
        """The smallest margin that would have shown equivalence: the 90 % interval lies just inside it."""
        if self.interval90 is None:
            return None
        return max(abs(self.interval90.low), abs(self.interval90.high))

    def within(self, margin: float | None) -> bool:
        """Whether the 90 % interval lies strictly inside: the dual of two one-sided tests at 5 %."""
        achieved = self.achieved_margin
        return margin is not None and achieved is not None and achieved < margin


def difference(
    x: Sequence[Array],
    y: Sequence[Array],
    margin: float | None,
    rng: np.random.Generator | None = None,
    *,
    minimum: int = MINIMUM_FOR_INTERVAL,
    permuted: bool = True,
) -> Difference | None:
    """Mean over environments of mean(x) - mean(y); with one environment this is Welch's comparison.

    `x` and `y` hold one vector of run scores per environment. Returns None where a cell has fewer than
    `minimum` runs. Where no cell has any spread, Student's t has no scale: the p-value is then that of the
    permutation test, and there are no intervals. `rng` is used by a permutation check with many runs, which
    is made for single environments only, and not unless it is wanted (`permuted`).
    """
    n = min(len(sample) for sample in (*x, *y))
    if n < minimum:
        return None
    estimate = contrast([*x, *y], difference_weights(len(x)))
    check = permutation_p(x[0], y[0], rng=rng) if permuted and len(x) == 1 else None
    variances = [sample.var(ddof=1) for sample in (*x, *y)]
    return Difference(
        estimate=estimate,
        interval95=estimate.interval(0.95),
        interval90=estimate.interval(0.90),
        p_value=p_of_zero(estimate, [*x], [*y]),
        tost_p=None if margin is None else tost_p(estimate, margin),
        permutation_p=check,
        margin=margin,
        deviation=1 / len(x) * math.sqrt(math.fsum(variances) / 2),
        n=n,
    )


def p_of_zero(estimate: Estimate, x: Sequence[Array], y: Sequence[Array]) -> float:
    """Two-sided p-value of no difference."""
    if estimate.standard_error > 0:
        return float(
            2 * stats.t.sf(abs(estimate.value) / estimate.standard_error, estimate.degrees_of_freedom)
        )
    if estimate.value == 0:
        return 1.0
    # Constant cells that differ: of all ways to assign the labels, only two are as extreme as what was seen.
    ways = math.prod(math.comb(len(a) + len(b), len(a)) for a, b in zip(x, y, strict=True) if a[0] != b[0])
    return min(1.0, 2 / ways)


def tost_p(estimate: Estimate, margin: float) -> float | None:
    """p-value of |difference| >= margin: the larger of two one-sided tests. Source: Schuirmann 1987.

    None without any spread: equal runs are no evidence that the next one is equal.
    """
    if margin <= 0:
        raise ValueError(f"margin = {margin}: must be above 0")
    if estimate.standard_error == 0:
        return None
    distance = (margin - abs(estimate.value)) / estimate.standard_error
    return float(stats.t.sf(distance, estimate.degrees_of_freedom))


def tests(value: Array, error: Array, freedom: Array, margin: float | None) -> tuple[Array, Array]:
    """Many differences at once, as `intervals.contrasts` gives them: p-values of zero and of the margin.

    The second are those of two one-sided tests; without a margin they are 1. Without any spread, equal means
    have p = 1 and others p = 0, and no equivalence is shown.
    """
    scale = np.where(error > 0, error, 1.0)
    apart = np.where(
        error > 0, 2 * stats.t.sf(np.abs(value) / scale, freedom), np.where(value == 0, 1.0, 0.0)
    )
    if margin is None:
        return apart, np.ones_like(apart)
    return apart, np.where(error > 0, stats.t.sf((margin - np.abs(value)) / scale, freedom), 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, valid under any dependence. An empty family gives an empty list."""
    return [float(p) for p in holm_families(np.asarray(p_values, float))]


def holm_families(p_values: Array) -> Array:
    """Holm's adjusted p-values of many families at once, [..., tests].

    By hand: libraries take one family per call, and a simulation has tens of thousands.
    """
    order = np.argsort(p_values, axis=-1, kind="stable")
    factors = np.arange(p_values.shape[-1], 0, -1)
    stepped = np.maximum.accumulate(np.take_along_axis(p_values, order, axis=-1) * factors, axis=-1)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values, which bound the share of false discoveries."""
    if not p_values:
        return []
    return [float(p) for p in stats.false_discovery_control(list(p_values), method="bh")]


def welch_t(x: Array, y: Array, axis: int = -1) -> Array:
    """Welch's t along `axis`; a difference without any spread counts as a huge t, not as infinity."""
    gap = x.mean(axis) - y.mean(axis)
    spread = np.sqrt(x.var(axis, ddof=1) / x.shape[axis] + y.var(axis, ddof=1) / y.shape[axis])
    scale = np.maximum(np.abs(x).max(axis), np.abs(y).max(axis))
    return np.asarray(gap / np.maximum(spread, np.maximum(1e-12 * scale, 1e-300)))


def permutation_p(
    x: Array,
    y: Array,
    statistic: Callable[..., Array] = welch_t,
    rng: np.random.Generator | None = None,
) -> float:
    """Two-sided permutation p-value of no difference, studentised so that unequal variances do little harm.

    Exact when at most `EXACT_PERMUTATIONS` splits exist, else from 9 999 random ones drawn from `rng`.
    """
    splits = math.comb(len(x) + len(y), len(x))
    result = stats.permutation_test(
        (x, y),
        statistic,
        vectorized=True,
        n_resamples=np.inf if splits <= EXACT_PERMUTATIONS else 9_999,
        batch=2_000,
        rng=rng,
    )
    return float(result.pvalue)


def seeds_for_equivalence(deviation: float, margin: float, power: float = POWER) -> int:
    """Seeds per variant for TOST to pass with this power if the true difference is zero.

    Normal approximation: n = 2 ((z_.95 + z_(1+power)/2) sd / margin)².
    """
    reach = stats.norm.ppf(1 - ALPHA) + stats.norm.ppf((1 + power) / 2)
    return max(2, math.ceil(float(2 * (reach * deviation / margin) ** 2)))


def seeds_for_difference(deviation: float, effect: float, alpha: float = ALPHA, power: float = POWER) -> int:
    """Seeds per variant for a two-sided t test at `alpha` to see a difference of `effect` with this power."""
    if deviation == 0:
        return 2
    size = effect / deviation
    # Normal theory gives a lower bound; Student's t needs a few more, at most nine.
    guess = float(2 * ((stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)) / size) ** 2)
    n = max(2, math.floor(guess))
    while n < guess + 10 and power_of_t(size, n, alpha) < power:
        n += 1
    return n


def power_of_t(size: float, n: int, alpha: float = ALPHA) -> float:
    """How often a two-sided t test of two cells of n runs sees a difference of `size` standard deviations.

    From Student's non-central t with 2 n - 2 degrees of freedom. Source: Cohen 1988, chapter 2.
    """
    freedom, shift = 2 * n - 2, size * math.sqrt(n / 2)
    critical = stats.t.isf(alpha / 2, freedom)
    # The other tail is added: it matters only where the power is near alpha.
    return float(stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift))


@dataclass(frozen=True)
class Plan:
    """Seeds per variant that would decide with a power of 80 %, from the spread that was seen.

    `effect`: to find the difference if it is as large as the one seen. `margin`: to find it if it is as large
    as the margin, and to show equivalence if there is none. None where there is nothing to plan by.
    """

    effect: int | None
    margin: int | None


def plan(found: Difference, family: int = 1) -> Plan:
    """Both plans for an undecided difference within a family of `family` tests.

    The effect seen is what the seeds are too few to know: the plan based on it is a hope, the plan based on
    the margin is what the question needs.
    """
    alpha = ALPHA / max(1, family)
    seen = abs(found.estimate.value)
    effect = seeds_for_difference(found.deviation, seen, alpha) if seen > 0 else None
    margin = None
    if found.margin is not None:
        margin = max(
            seeds_for_equivalence(found.deviation, found.margin),
            seeds_for_difference(found.deviation, found.margin, alpha),
            found.n + 1,
        )
    return Plan(None if effect is None else max(effect, found.n + 1), margin)


def expected_maximum(errors: Sequence[float]) -> float:
    """E[max(|d1|, |d2|)] for two independent null differences with these standard errors.

    With equal errors this is 2 s / sqrt(pi) = 1.128 s: a maximum of absolute values is above zero by
    construction, so it must be read against this. In general sqrt(2 (s1² + s2²) / pi): the maximum of
    |a| and |b| is (|a + b| + |a - b|) / 2, and both sums are normal with variance s1² + s2².
    """
    first, second = errors
    return math.sqrt(2 * (first**2 + second**2) / math.pi)


@dataclass(frozen=True)
class Attribution:
    """Engstrom's two numbers for one environment, with what they hide."""

    aai: float
    acli: float
    aai_interval: Interval | None
    acli_interval: Interval | None
    aai_null: float
    acli_null: float
    algorithm: Estimate
    code: Estimate
    interaction: Estimate


def attribution(ppo: Array, ppo_m: Array, trpo: Array, trpo_plus: Array) -> Attribution:
    """Average algorithmic and code-level improvement of Engstrom et al. 2020, section 4, for one environment.

    AAI = max(|PPO - TRPO+|, |PPO-M - TRPO|), ACLI = max(|PPO - PPO-M|, |TRPO+ - TRPO|). Their intervals
    project the two differences' simultaneous (Bonferroni) intervals: [max(0, largest lower
    bound), largest reach]. Main effects average the two signed differences; the interaction is the code
    effect with PPO minus that with TRPO.
    """
    algorithm = [contrast(pair, (1, -1)) for pair in ((ppo, trpo_plus), (ppo_m, trpo))]
    code = [contrast(pair, (1, -1)) for pair in ((ppo, ppo_m), (trpo_plus, trpo))]
    cells = [ppo, ppo_m, trpo, trpo_plus]
    return Attribution(
        aai=max(abs(part.value) for part in algorithm),
        acli=max(abs(part.value) for part in code),
        aai_interval=_projection(algorithm),
        acli_interval=_projection(code),
        aai_null=expected_maximum([part.standard_error for part in algorithm]),
        acli_null=expected_maximum([part.standard_error for part in code]),
        algorithm=contrast(cells, (0.5, 0.5, -0.5, -0.5)),
        code=contrast(cells, (0.5, -0.5, -0.5, 0.5)),
        interaction=contrast(cells, (1, -1, 1, -1)),
    )


def _projection(parts: Sequence[Estimate]) -> Interval | None:
    bounds = [bound for part in parts if (bound := part.interval(1 - ALPHA / len(parts))) is not None]
    if len(bounds) < len(parts):
        return None
    nearest = [max(bound.low, -bound.high, 0.0) for bound in bounds]
    return Interval(max(nearest), max(max(abs(bound.low), abs(bound.high)) for bound in bounds), 1 - ALPHA)


def newcombe(chance: float, m: int, n: int) -> Interval:
    """The 95 % interval of P(a run of x scores more than one of y), seen in m and n runs as `chance`.

    Method 5 of Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic, part 2" (2006): the bounds θ solve (chance - θ)² = z² V(θ) with
    V(θ) = θ (1 - θ) (1 + N ((1 - θ)/(2 - θ) + θ/(1 + θ))) / (m n), N = (m + n)/2 - 1. It is never a point:
    25 wins of 25 leave 0.643 to 1.
    """
    z, mean = stats.norm.isf(ALPHA / 2), (m + n) / 2 - 1

    def excess(theta: float) -> float:
        spread = (
            theta * (1 - theta) * (1 + mean * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n)
        )
        return float((chance - theta) ** 2 - z**2 * spread)

    nearly = 1e-12  # `chance` itself solves nothing, and at 0 and 1 it is a root but not a bound
    low = 0.0 if chance == 0 else optimize.brentq(excess, 0.0, chance - nearly)
    high = 1.0 if chance == 1 else optimize.brentq(excess, chance + nearly, 1.0)
    return Interval(float(low), float(high))


def improvement(x: Sequence[Array], y: Sequence[Array]) -> tuple[float, Interval]:
    """Probability of improvement of x over y with its 95 % interval, the mean over environments.

    Newcombe's interval on each environment; their mean by the method of variance estimates recovery: the
    distances of a bound from its estimate add up as standard errors do. Source: Zou and Donner 2008.
    """
    chances = [float(probability_of_improvement([a], [b])) for a, b in zip(x, y, strict=True)]
    each = [newcombe(chance, len(a), len(b)) for chance, a, b in zip(chances, x, y, strict=True)]
    value = math.fsum(chances) / len(chances)
    below = math.hypot(*(chance - one.low for chance, one in zip(chances, each, strict=True)))
    above = math.hypot(*(one.high - chance for chance, one in zip(chances, each, strict=True)))
    return value, Interval(max(0.0, value - below / len(x)), min(1.0, value + above / len(x)))


def hedges_g(x: Array, y: Array) -> float | None:
    """The difference of means in standard deviations, √((s_x² + s_y²) / 2), corrected for few runs.

    The factor is Γ(f/2) / (√(f/2) Γ((f-1)/2)) with Welch's degrees of freedom f, since spreads may differ.
    None without any spread. Source: Hedges 1981; Delacre et al. 2021 (their g*).
    """
    a, b, m, n = float(x.var(ddof=1)), float(y.var(ddof=1)), len(x) - 1, len(y) - 1
    if a + b == 0:
        return None
    freedom = m * n * (a + b) ** 2 / (n * a**2 + m * b**2)
    factor = math.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)) / math.sqrt(
        freedom / 2
    )
    return float((x.mean() - y.mean()) / math.sqrt((a + b) / 2) * factor)
