"""How often intervals cover and tests err, simulated: runs from laws that are known, judged as pages judge.

`testing.measure_coverage` writes its tables.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from matters.reports.statistics import comparisons as compare
from matters.reports.statistics import verdicts
from matters.reports.statistics.aggregates import METRICS
from matters.reports.statistics.intervals import (
    TAILS,
    Array,
    contrasts,
    difference_weights,
    generator,
    mean_tail,
    percentiles,
    plain_tail,
    resampled,
)
from matters.reports.statistics.looks import Levels, levels

REPLICATES, RESAMPLES = 2_000, 5_000
TESTS = 40_000  # replicates where nothing is resampled
CHUNK = 100  # replicates that share a draw of indices


@dataclass(frozen=True)
class Law:
    """How runs are spread: a score is shift + factor × the quantile of a uniform share.

    Every environment has its own factor, and its own shift for each number of environments.
    """

    title: str
    quantile: Callable[[Array], Array]
    factors: tuple[float, ...] = (1.0,) * 6
    shifts: Mapping[int, tuple[float, ...]] = field(default_factory=lambda: {n: (0.0,) * n for n in range(7)})

    def draw(self, rng: np.random.Generator, replicates: int, environments: int, seeds: int) -> list[Array]:
        """Scores [replicates, seeds], one array per environment."""
        return self._scores([rng.random((replicates, seeds)) for _ in range(environments)])

    def truth(self, metric: str, environments: int) -> float:
        """The metric of infinitely many runs."""
        return float(METRICS[metric](self._scores([_evenly()] * environments)))

    def deviation(self) -> float:
        """Standard deviation of the runs of one environment."""
        return float(self.quantile(_evenly()).std())

    def _scores(self, shares: list[Array]) -> list[Array]:
        places = zip(shares, self.shifts[len(shares)], self.factors, strict=False)
        return [shift + factor * self.quantile(share) for share, shift, factor in places]


def _evenly(count: int = 400_000) -> Array:
    return np.asarray((np.arange(count) + 0.5) / count)


def _collapses(share: Array) -> Array:
    risen = 1 + 0.15 * special.ndtri(np.maximum(share - 0.1, 1e-12) / 0.9)
    return np.where(share < 0.1, 0.0, risen)


NORMAL = Law("Normal", special.ndtri)
LAWS = (
    NORMAL,
    Law("Normal, spreads in the proportion 1 : 2 : 3", special.ndtri, factors=(1.0, 2.0, 3.0) * 2),
    Law(
        "Normal, environments two standard deviations apart",
        special.ndtri,
        shifts={1: (0.0,), 3: (-2.0, 0.0, 2.0), 6: (-5.0, -3.0, -1.0, 1.0, 3.0, 5.0)},
    ),
    Law("Exponential", lambda share: -np.log1p(-share)),
    Law("One run in ten at 0, the others normal around 1 with a spread of 0.15", _collapses),
)


def of_bootstrap(
    law: Law, seeds: int, environments: int, replicates: int = REPLICATES, resamples: int = RESAMPLES
) -> tuple[dict[str, float], float]:
    """How often the expanded percentile interval of each metric covers, and the plain one of the mean."""
    rng = generator("coverage", "bootstrap", law.title, str(seeds), str(environments))
    truth = np.array([[law.truth(name, environments)] for name in METRICS])
    mean = list(METRICS).index("mean")
    ours, plain = [], []
    for _ in range(replicates // CHUNK):
        samples = law.draw(rng, CHUNK, environments, seeds)
        every = resampled(
            samples, lambda drawn: np.stack([f(drawn) for f in METRICS.values()]), rng, resamples
        )
        tails = np.stack([TAILS.get(name, mean_tail)(samples, 0.95) for name in METRICS])
        ours.append(_within(percentiles(every, tails), truth))
        plain.append(_within(percentiles(every[mean], plain_tail(samples, 0.95)), truth[mean]))
    shares = np.concatenate(ours, axis=1).mean(axis=1)
    return dict(zip(METRICS, map(float, shares), strict=True)), float(np.mean(plain))


def _within(bounds: tuple[Array, Array], truth: Array) -> NDArray[np.bool_]:
    return np.asarray((bounds[0] <= truth) & (truth <= bounds[1]))


def of_students(law: Law, seeds: int, environments: int, replicates: int = TESTS) -> tuple[float, float]:
    """How often Student's intervals of a mean, and of a difference of means, hold the truth.

    The second variant of the difference scores half of what one of the first would.
    """
    rng = generator("coverage", "student", law.title, str(seeds), str(environments))
    x, y = (law.draw(rng, replicates, environments, seeds) for _ in range(2))
    truth, share = law.truth("mean", environments), 1 / environments
    weights = [share] * environments
    one = contrasts(x, weights)
    two = contrasts([*x, *(0.5 * sample for sample in y)], [*weights, *(-share for _ in weights)])
    return _students(*one, truth), _students(*two, truth / 2)


def _students(value: Array, error: Array, freedom: Array, truth: float) -> float:
    return float(np.mean(np.abs(value - truth) <= special.stdtrit(freedom, 0.975) * error))


def analytic(seeds: int, environments: int) -> float:
    """What the plain percentile interval of the mean of equally variable normal environments covers.

    P(|t| < 1.96 sqrt((n - 1) / n)) with M (n - 1) degrees of freedom: its standard error is too small, and it
    takes a normal quantile. Source: Hesterberg 2015.
    """
    reach = stats.norm.ppf(0.975) * math.sqrt((seeds - 1) / seeds)
    return float(1 - 2 * stats.t.sf(reach, environments * (seeds - 1)))


def called_different(law: Law, seeds: int, environments: int, replicates: int = TESTS) -> tuple[float, float]:
    """How often two groups of one law are called different in aggregate, and in any place after Holm."""
    rng = generator("coverage", "alike", law.title, str(seeds), str(environments))
    x, y = (law.draw(rng, replicates, environments, seeds) for _ in range(2))
    share = 1 / environments
    weights = [share] * environments + [-share] * environments
    family = [compare.tests(*contrasts([*x, *y], weights), None)[0]]
    if environments > 1:
        family += [compare.tests(*contrasts(pair, (1, -1)), None)[0] for pair in zip(x, y, strict=True)]
    p_values = np.stack(family, axis=-1)
    anywhere = compare.holm_families(p_values).min(axis=-1) <= compare.ALPHA
    return float(np.mean(p_values[:, 0] <= compare.ALPHA)), float(anywhere.mean())


def called_equivalent(
    law: Law, seeds: int, margin: float, gap: float, ratio: float = 1.0, replicates: int = TESTS
) -> float:
    """How often two groups are called equivalent whose means are `gap` apart.

    `margin` and `gap` are in standard deviations of the first; `ratio` is the second's deviation over it.
    """
    rng = generator("coverage", "equivalent", law.title, str(seeds), str((margin, gap, ratio)))
    centre, deviation = law.truth("mean", 1), law.deviation()
    x, y = ((law.draw(rng, replicates, 1, seeds)[0] - centre) / deviation for _ in range(2))
    tost = compare.tests(*contrasts([x + gap, ratio * y], (1, -1)), margin)[1]
    return float(np.mean(tost <= compare.ALPHA))


def seen(law: Law, seeds: int, gap: float, replicates: int = TESTS) -> float:
    """How often two groups are called different whose means are `gap` standard deviations apart."""
    rng = generator("coverage", "seen", law.title, str(seeds), str(gap))
    x, y = (law.draw(rng, replicates, 1, seeds)[0] / law.deviation() for _ in range(2))
    p_values, _ = compare.tests(*contrasts([x + gap, y], (1, -1)), None)
    return float(np.mean(p_values <= compare.ALPHA))


PAGES = 10_000  # simulated studies per line of the tables of whole pages
MARGIN, GATE = 0.10, 0.25  # of the suites
PPO_SPREADS = (0.355, 0.149, 0.146)
"""Spreads of PPO's runs on Hopper, Walker2d, HalfCheetah after 1M steps, in yardsticks. Source: XuanCe."""


@dataclass(frozen=True)
class PageRates:
    """How often a page about one pair gives each word: in its headline, and on any environment."""

    different: float
    equivalent: float
    mixed: float
    different_anywhere: float
    equivalent_anywhere: float


def page_rates(
    law: Law,
    seeds: int,
    gaps: tuple[float, ...],
    deviations: tuple[float, ...],
    ratio: float = 1.0,
    replicates: int = PAGES,
) -> PageRates:
    """Simulated studies of two variants whose true means are `gaps` apart, judged by the rules of the pages.

    `deviations` are those of the first variant's runs, one per environment, in normalised score; the second's
    are `ratio` times as large. Everything has been learnt, and there is room. *Both* counts as different and
    equivalent.
    """
    rng = generator("coverage", "page", law.title, str((seeds, gaps, deviations, ratio)))
    centre, spread = law.truth("mean", 1), law.deviation()

    def runs(scale: float) -> Array:
        return scale * (law.draw(rng, replicates, 1, seeds)[0] - centre) / spread

    x = [gap + runs(scale) for gap, scale in zip(gaps, deviations, strict=True)]
    y = [runs(ratio * scale) for scale in deviations]
    places = [contrasts(pair, (1, -1)) for pair in zip(x, y, strict=True)]
    value = np.stack([one[0] for one in places], axis=-1)
    apart, tost, gate = (
        np.stack([compare.tests(*one, margin)[k] for one in places], axis=-1)
        for k, margin in ((0, MARGIN), (1, MARGIN), (1, GATE))
    )
    several = len(gaps) > 1
    whole = compare.tests(*contrasts([*x, *y], difference_weights(len(gaps))), MARGIN)
    family = np.concatenate([whole[0][:, None], apart], axis=-1) if several else apart
    differs = compare.holm_families(family) <= compare.ALPHA
    each = verdicts.on_environment(
        differs[:, -len(gaps) :], compare.holm_families(tost) <= compare.ALPHA, np.array(False)
    )
    headline = each[:, 0]
    if several:
        headline = verdicts.in_aggregate(
            differs[:, 0],
            whole[1] <= compare.ALPHA,
            differs[:, 1:],
            np.sign(value),
            gate <= compare.ALPHA,
            np.array(False),
        )
    apart_words, same_words = ("different", "both"), ("equivalent", "both")
    return PageRates(
        different=float(np.isin(headline, apart_words).mean()),
        equivalent=float(np.isin(headline, same_words).mean()),
        mixed=float((headline == "mixed").mean()),
        different_anywhere=float(
            (np.isin(headline, apart_words) | np.isin(each, apart_words).any(axis=-1)).mean()
        ),
        equivalent_anywhere=float(np.isin(each, same_words).any(axis=-1).mean()),
    )


@dataclass(frozen=True)
class LookRates:
    """How often a study until decided gives each word in its headline, and its mean number of seeds."""

    different: float
    equivalent: float
    seeds: float


def until_decided(
    law: Law,
    looks: tuple[int, ...],
    gaps: tuple[float, ...],
    deviations: tuple[float, ...],
    replicates: int = PAGES,
    *,
    naive: bool = False,
) -> LookRates:
    """Simulated studies that look at these numbers of seeds and end when their headline is decided.

    `naive` looks are at 5 % each, as if the seeds of each had been fixed.
    """
    rng = generator("coverage", "looks", law.title, str((looks, gaps, deviations)))
    centre, spread = law.truth("mean", 1), law.deviation()
    x, y = (
        [
            scale * (law.draw(rng, replicates, 1, looks[-1])[0] - centre) / spread + at
            for scale, at in zip(deviations, where, strict=True)
        ]
        for where in (gaps, (0.0,) * len(gaps))
    )
    fixed = Levels(compare.ALPHA, compare.ALPHA)
    at_looks = [fixed] * len(looks) if naive else levels(looks)
    outcome = np.full(replicates, "not decided", dtype=object)
    taken = np.full(replicates, looks[-1])
    for seeds, level in zip(looks, at_looks, strict=True):
        said = _headline([cell[:, :seeds] for cell in x], [cell[:, :seeds] for cell in y], level)
        now = (outcome == "not decided") & np.isin(said, verdicts.WORDS)
        taken[now] = seeds
        outcome[now] = said[now]
    return LookRates(
        different=float(np.isin(outcome, ("different", "both")).mean()),
        equivalent=float(np.isin(outcome, ("equivalent", "both")).mean()),
        seeds=float(taken.mean()),
    )


def _headline(x: list[Array], y: list[Array], level: Levels) -> NDArray[np.str_]:
    """What a look says: the headline tested by itself, the environments among themselves."""
    early = np.array(False)
    places = [contrasts(pair, (1, -1)) for pair in zip(x, y, strict=True)]
    if len(places) == 1:
        apart, tost = compare.tests(*places[0], MARGIN)
        return np.asarray(verdicts.on_environment(apart <= level.different, tost <= level.equivalent, early))
    apart, tost = compare.tests(*contrasts([*x, *y], difference_weights(len(places))), MARGIN)
    each = np.stack([compare.tests(*one, GATE) for one in places], axis=-1)  # [p and gate, studies, places]
    return np.asarray(
        verdicts.in_aggregate(
            apart <= level.different,
            tost <= level.equivalent,
            compare.holm_families(each[0]) <= compare.ALPHA,
            np.sign(np.stack([one[0] for one in places], axis=-1)),
            each[1] <= compare.ALPHA,
            early,
        )
    )
